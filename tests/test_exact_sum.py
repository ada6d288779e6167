"""Sums of losses are exact before their one rounding."""

import math
from fractions import Fraction

import numpy as np
import pytest

from softfloor import _core
from softfloor.losses import exact_sum


def values(seed: int, count: int) -> np.ndarray:
    """All exponents, both signs, and pairs that cancel."""
    random = np.random.default_rng(seed)
    some = np.ldexp(random.uniform(-1, 1, count), random.integers(-1080, 1014, count))
    return random.permutation(np.concatenate([some, -some[: count // 2] * (1 + 2.0**-40), [5e-324, -0.0]]))


def nearest(numbers: np.ndarray) -> float:
    return float(sum(map(Fraction, numbers.tolist()), Fraction()))


@pytest.mark.parametrize("count", (0, 1, 2, 3, 40, 3000))
@pytest.mark.parametrize("seed", range(5))
def test_every_exponent(seed, count):
    numbers = values(seed, count)
    assert exact_sum(numbers) == nearest(numbers)
    assert exact_sum(-numbers) == -nearest(numbers)


@pytest.mark.parametrize("count", (1, 7, 8, 9, 1024, 1025, 5000))
@pytest.mark.parametrize("spread", (0, 8, 26, 30, 60))
@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_numbers_of_similar_size(count, spread, dtype):
    """Doubles add up the first few of these exactly, with what they lose or without; beyond some spread they do not."""
    random = np.random.default_rng([count, spread])
    numbers = np.ldexp(random.uniform(-1, 1, count).astype(dtype), random.integers(-spread, spread + 1, count))
    numbers = numbers.astype(np.float64)
    assert exact_sum(numbers) == nearest(numbers)
    numbers[-1] = math.inf
    assert _core.exact_sum(numbers) is None


@pytest.mark.parametrize("large", (2.0**53, 2.0**53 + 2, 1.0, 1.5, 2.0**-1021, 2.0**1000))
@pytest.mark.parametrize("small", (0.0, 1.0, -1.0))
@pytest.mark.parametrize("sign", (1.0, -1.0))
def test_ties_are_broken_by_what_is_far_below(large, small, sign):
    """Half a unit in the last place beside ``large``, and something or nothing of either sign below."""
    half = np.spacing(large) / 2
    for part in (half, -half / 2, 3 * half):
        numbers = sign * np.array([large, part, small * 5e-324, small * half * 2.0**-40])
        assert exact_sum(numbers) == nearest(numbers)


def test_around_the_largest_double():
    largest = np.finfo(float).max
    half = 2.0**970  # half a unit in its last place
    assert exact_sum([largest, half * (1 - 2.0**-53)]) == largest
    assert exact_sum([largest, half]) == math.inf
    assert exact_sum([-largest, -half]) == -math.inf
    assert exact_sum([largest, half, -1.0]) == largest


def test_what_overflows_on_the_way_does_not_count():
    assert exact_sum(np.array([1.5e308, 1.5e308, -1.5e308])) == 1.5e308
    assert exact_sum(np.full(5000, -1e305)) == -math.inf
    assert exact_sum(np.full(5000, 1e305)) == math.inf


def test_infinities_and_nan():
    assert exact_sum([1.0, math.inf]) == math.inf
    assert math.isnan(exact_sum([math.inf, -math.inf]))
    assert math.isnan(exact_sum([math.nan, 1.0]))
    assert exact_sum([]) == 0.0
    assert exact_sum(np.float32([[0.1], [0.2]])) == float(np.float32(0.1)) + float(np.float32(0.2))


def test_wrong_operands():
    with pytest.raises((TypeError, ValueError)):
        _core.exact_sum(["a"])
    with pytest.raises(TypeError):
        _core.exact_sum([1j])
