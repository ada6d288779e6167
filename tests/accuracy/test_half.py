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


@pytest.mark.parametrize("name", catalogue.ACTIVATIONS)
def test_vjps_of_bfloat16(name):
    """Products of a slope in float32: below 0.501 ulp, for every x beside twenty cotangents."""
    x = np.arange(1 << 16, dtype=np.uint16).view(ml_dtypes.bfloat16)
    x = x[np.isfinite(x.astype(np.float32))]
    random = np.random.default_rng(0)
    for _ in range(20):
        cotangent = np.ldexp(random.uniform(1, 2, x.size), random.integers(-3, 3, x.size)).astype(ml_dtypes.bfloat16)
        # float64 has 45 bits more.
        exact = sf.get(name).vjp(x.astype(np.float64), cotangent.astype(np.float64))
        error = np.abs(sf.get(name).vjp(x, cotangent).astype(np.float64) - exact)
        normal = np.abs(exact) >= 2.0**-126
        ulp = np.ldexp(1.0, np.frexp(exact[normal])[1] - 8)
        assert (error[normal] / ulp).max() < 0.501
