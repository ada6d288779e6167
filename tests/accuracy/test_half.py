"""float16 and bfloat16 are correctly rounded for every input; parameters at their defaults."""

import ml_dtypes
import numpy as np
import pytest

import mpfr_samples
import softfloor as sf
from softfloor import catalogue

CURVES = [
    (name, curve)
    for name, record in catalogue.ACTIVATIONS.items()
    for curve in mpfr_samples.curves(record)
    if not curve.endswith("_derivative")
]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("name", "curve"), CURVES)
def test_every_half_is_correctly_rounded(name, curve, dtype):
    assert mpfr_samples.wrongly_rounded(name, curve, dtype)[:5] == []


@pytest.mark.parametrize(("dtype", "bound"), [("float16", 0.502), ("bfloat16", 0.501)])
@pytest.mark.parametrize("name", catalogue.ACTIVATIONS)
def test_vjps_of_halves(name, dtype, bound):
    """Products of a slope in float32, whose unit is 2^-13 and 2^-16 ulp, for every x beside twenty cotangents."""
    info = ml_dtypes.finfo(dtype)
    x = np.arange(1 << 16, dtype=np.uint16).view(info.dtype)
    x = x[np.isfinite(x.astype(np.float32))]
    random = np.random.default_rng(0)
    for _ in range(20):
        cotangent = np.ldexp(random.uniform(1, 2, x.size), random.integers(-3, 3, x.size)).astype(info.dtype)
        # float64 has 42 bits more.
        exact = sf.get(name).vjp(x.astype(np.float64), cotangent.astype(np.float64))
        error = np.abs(sf.get(name).vjp(x, cotangent).astype(np.float64) - exact)
        normal = np.abs(exact) >= float(info.smallest_normal)
        ulp = np.ldexp(1.0, np.frexp(exact[normal])[1] - info.nmant - 1)
        assert (error[normal] / ulp).max() < bound
