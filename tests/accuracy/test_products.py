"""A vjp is one product in the wide format, rounded once: error below 1.5 ulp against MPFR."""

import gmpy2
import numpy as np
import pytest

import mpfr_samples
import softfloor as sf
from softfloor import catalogue, formula
from ulp import FORMATS, dtype_of, ulp_error

COUNT = 1500


def operands(name: str, dtype: str, count: int, exponents=(-4, 4)) -> list[np.ndarray]:
    """x from the crowded sample, the others of sizes that keep products within the format."""
    random = np.random.default_rng([count, *name.encode()])
    x = mpfr_samples.float64_inputs(name, COUNT, 7)
    x = x[np.abs(x) < 700]
    others = [np.ldexp(random.uniform(-2, 2, x.size), random.integers(*exponents, x.size)) for _ in range(count - 1)]
    with np.errstate(all="ignore"):
        return [array.astype(dtype_of(dtype)) for array in (x, *others)]


def worst_error(computed: np.ndarray, dtype: str, inputs: list[np.ndarray], exact) -> float:
    namespace = formula.mpfr(mpfr_samples.PRECISION)
    rows = zip(computed.astype(np.float64), *(array.astype(np.float64) for array in inputs), strict=True)
    largest = float(np.finfo(np.float64).max if dtype == "float64" else 3e38 if dtype != "float16" else 65504)
    errors = [0.0]
    for value, *row in rows:
        truth = gmpy2.mpfr(exact(namespace, *map(gmpy2.mpfr, map(float, row))))
        if abs(truth) < largest:
            errors.append(ulp_error(value, truth, dtype))
    return max(errors)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", catalogue.ACTIVATIONS)
def test_vjp(name, dtype):
    record = catalogue.ACTIVATIONS[name]
    parameters = [p.default for p in record.parameters]
    x, cotangent = operands(name, dtype, 2)
    error = worst_error(
        sf.get(name).vjp(x, cotangent), dtype, [x, cotangent], lambda xp, x, c: c * record.slope(xp, x, *parameters)
    )
    assert error < 1.5
