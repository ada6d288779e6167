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


@pytest.mark.parametrize("count", (0, 1, 2, 3, 40, 3000))
@pytest.mark.parametrize("seed", range(5))
def test_terms_have_the_same_sum_and_one_sign(seed, count):
    numbers = values(seed, count)
    terms = _core.exact_terms(numbers)
    assert sum(map(Fraction, terms), Fraction()) == sum(map(Fraction, numbers.tolist()), Fraction())
    assert len({math.copysign(1, term) for term in terms}) <= 1
    assert exact_sum(numbers) == math.fsum(numbers.tolist())


@pytest.mark.parametrize("count", (1, 15, 16, 17, 1024, 1025, 5000))
@pytest.mark.parametrize("spread", (0, 8, 26, 30, 60))
def test_numbers_of_float32_digits(count, spread):
    """Doubles add up the first few of these exactly; beyond some spread they do not, and something else must."""
    random = np.random.default_rng([count, spread])
    numbers = np.ldexp(random.uniform(-1, 1, count).astype(np.float32), random.integers(-spread, spread + 1, count))
    numbers = numbers.astype(np.float64)
    assert sum(map(Fraction, _core.exact_terms(numbers)), Fraction()) == sum(map(Fraction, numbers.tolist()))
    numbers[-1] = math.inf
    assert _core.exact_terms(numbers) is None


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
        _core.exact_terms(["a"])
    with pytest.raises(TypeError):
        _core.exact_terms([1j])
