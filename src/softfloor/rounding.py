"""From float64 to the dtype of a result: rounded once."""

from typing import Any

import numpy as np


def rounded(values: Any, dtype: Any) -> Any:
    """``values`` as an array of that dtype, without a warning; what is too large for it is infinite."""
    array = np.asarray(values)
    with np.errstate(all="ignore"):
        if dtype.name == "bfloat16" and array.dtype == np.float64:
            array = _to_odd(array)
        return array.astype(dtype, copy=False)


def _to_odd(values: Any) -> Any:
    """In float32; what lies between two of its numbers becomes the one whose last bit is 1.

    Before 0.7 ml_dtypes rounds to float32 on the way to bfloat16, where a number just beside the middle of two others
    may come to lie in the middle. The odd one stays on the side that the number is on, so rounding it again gives what
    rounding once would (Boldo and Melquiond 2008, "Emulation of FMA and correctly rounded sums: proved algorithms using
    rounding to odd"), whatever the version.
    """
    single = values.astype(np.float32)
    farther = np.abs(single) > np.abs(values)
    inexact = (single != values) & ~np.isnan(values)
    return ((single.view(np.int32) - farther) | inexact).astype(np.int32).view(np.float32)
