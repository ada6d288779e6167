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


def worst_error(computed, exact, info) -> float:
    """In ulp, of normal results; exact is float64, which has 42 bits more."""
    normal = (np.abs(exact) >= float(info.smallest_normal)) & (np.abs(exact) <= float(info.max))
    error = np.abs(computed.astype(np.float64) - exact)[normal]
    return (error / np.ldexp(1.0, np.frexp(exact[normal])[1] - info.nmant - 1)).max()


def numbers_of(dtype) -> tuple[ml_dtypes.finfo, np.ndarray]:
    info = ml_dtypes.finfo(dtype)
    x = np.arange(1 << 16, dtype=np.uint16).view(info.dtype)
    return info, x[np.isfinite(x.astype(np.float32))]


def factors(random, x) -> np.ndarray:
    return np.ldexp(random.uniform(1, 2, x.size), random.integers(-3, 3, x.size)).astype(x.dtype)


@pytest.mark.parametrize(("dtype", "bound"), [("float16", 0.502), ("bfloat16", 0.501)])
@pytest.mark.parametrize("name", catalogue.ACTIVATIONS)
def test_vjps_of_halves(name, dtype, bound):
    """Products of a slope in float32, whose unit is 2^-13 and 2^-16 ulp, for every x beside twenty cotangents."""
    info, x = numbers_of(dtype)
    random = np.random.default_rng(0)
    for _ in range(20):
        cotangent = factors(random, x)
        exact = sf.get(name).vjp(x.astype(np.float64), cotangent.astype(np.float64))
        assert worst_error(sf.get(name).vjp(x, cotangent), exact, info) < bound


@pytest.mark.parametrize(("dtype", "bound"), [("float16", 0.504), ("bfloat16", 0.501)])
@pytest.mark.parametrize("name", catalogue.ACTIVATIONS)
def test_gated_units_of_halves(name, dtype, bound):
    """For every gate: values are the exact product rounded once, cotangents are products in float32 as well."""
    info, gate = numbers_of(dtype)
    random = np.random.default_rng(1)
    unit = sf.gated(name)
    for sign in (1, -1) * 5:
        up, cotangent = sign * factors(random, gate), factors(random, gate)
        operands = [operand.astype(np.float64) for operand in (gate, up, cotangent)]
        assert worst_error(unit(gate, up), unit(*operands[:2]), info) < 0.50001
        for computed, exact in zip(unit.vjp(gate, up, cotangent), unit.vjp(*operands), strict=True):
            assert worst_error(computed, exact, info) < bound
