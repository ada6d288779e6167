"""Numbers are rounded once, from float64 to the dtype of a result, whatever version of ml_dtypes there is."""

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from softfloor import rounding
from ulp import FORMATS, dtype_of

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def beside_middles():
    """What lies between two numbers of bfloat16, and beside that, from subnormal numbers up to infinity."""
    bits = np.random.default_rng(0).integers(0, 0x7F80, 2000, np.uint16)
    bits[:4] = 0, 1, 0x7F7E, 0x7F7F
    lower = bits.view(BFLOAT16).astype(np.float64)
    step = np.where(bits < 0x80, 2.0**-133, 2.0 ** ((bits >> 7).astype(int) - 134))
    middle = lower + step / 2
    shares = np.array([0, 2.0**-30, -(2.0**-30), 2.0**-10, -(2.0**-10), 0.4, -0.4])
    values = (middle[:, None] + step[:, None] * shares).ravel()
    return np.concatenate([values, -values])


def nearest(value):
    """By exact arithmetic: the nearest number, the even one of two; beyond the largest by half a step, infinity."""
    size = abs(Fraction(value))
    exponent = max(-126, math.frexp(float(size))[1] - 1)
    step = Fraction(2) ** (exponent - 7)
    rounded = round(size / step) * step
    return np.copysign(np.inf if rounded >= Fraction(2) ** 128 else float(rounded), value)


def test_bfloat16_is_the_nearest():
    values = beside_middles()
    expected = np.array([nearest(value) for value in values])
    np.testing.assert_array_equal(rounding.rounded(values, BFLOAT16).astype(np.float64), expected)
    by_two_steps = values.astype(np.float32).astype(BFLOAT16).astype(np.float64)
    assert (by_two_steps != expected).any()


def test_bfloat16_by_two_steps_is_the_nearest():
    """As ml_dtypes before 0.7 goes."""
    values = beside_middles()
    expected = np.array([nearest(value) for value in values])
    odd = rounding._to_odd(values)
    assert odd.dtype == np.float32
    np.testing.assert_array_equal(odd.astype(BFLOAT16).astype(np.float64), expected)


@pytest.mark.parametrize("dtype", FORMATS)
def test_others_are_numpy_s(dtype):
    values = np.array([0.0, -0.0, 1 / 3, np.inf, -np.inf, 1e300, -1e300, 5e-324, np.nan])
    with np.errstate(all="raise"):
        found = rounding.rounded(values, dtype_of(dtype))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found.astype(float), values.astype(dtype_of(dtype)).astype(float))
    np.testing.assert_array_equal(np.signbit(found), np.signbit(values))
    assert isinstance(rounding.rounded(0.5, dtype_of(dtype))[()], dtype_of(dtype).type)


def test_losses_of_bfloat16_are_rounded_once():
    """Where a weight, and so the loss, lies just beyond the middle of two numbers."""
    weight = 1 + 2.0**-8 + 2.0**-30
    q = np.array([[-1.0, -2.0]], BFLOAT16)
    for reduction in ("sum", "none"):
        loss, gradient = sf.nll.value_and_grad(q, [0], weight=[weight, 1], reduction=reduction)
        assert float(np.ravel(loss)[0]) == 1 + 2.0**-7
        assert float(gradient[0, 0]) == -(1 + 2.0**-7)
    z = np.array([[0.0, 0.0]], BFLOAT16)
    total = sf.sigmoid_cross_entropy(z[:, :1], np.zeros((1, 1)), weight=weight / np.log(2), reduction="sum")
    assert float(total) == 1 + 2.0**-7
