"""float16 and bfloat16 are correctly rounded for every input; parameters at their defaults."""

import pytest

import mpfr_samples
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
