"""The one error metric: |computed - exact| / ulp(exact), the final rounding included.

``ulp`` is the spacing of the result's format at the exact value, in subnormal units below the normal range; so a
correctly rounded result has an error of at most 0.5.
"""

import gmpy2
import ml_dtypes
import numpy as np

#: (bits of precision, exponent of the smallest normal number) per dtype name
FORMATS = {"float16": (11, -14), "bfloat16": (8, -126), "float32": (24, -126), "float64": (53, -1022)}


def dtype_of(name: str) -> np.dtype:
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def ulp_errors(computed: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Errors of float16, bfloat16 or float32 results against float64 values that are far more accurate.

    Equal values, infinities included, have error 0; everything else that is not finite gives nan.
    """
    precision, smallest = FORMATS[computed.dtype.name]
    scale = exact.view(np.int64) >> 52
    scale &= 0x7FF
    np.maximum(scale, smallest + 1023, out=scale)
    np.subtract(2 * 1023 + precision - 1, scale, out=scale)
    scale <<= 52  # now the bits of 1 / ulp(exact)
    errors = computed.astype(np.float64)
    equal = errors == exact
    with np.errstate(invalid="ignore"):
        errors -= exact
        np.abs(errors, out=errors)
        errors *= scale.view(np.float64)
    errors[equal] = 0.0
    return errors


def ulp_error(computed: float, exact: gmpy2.mpfr, dtype: str) -> float:
    """The error of one result against an MPFR number."""
    precision, smallest = FORMATS[dtype]
    value = gmpy2.mpfr(float(computed))
    if value == exact:
        return 0.0
    exponent = smallest if exact == 0 else max(gmpy2.get_exp(exact) - 1, smallest)
    return float(abs(value - exact) / gmpy2.exp2(exponent - precision + 1))
