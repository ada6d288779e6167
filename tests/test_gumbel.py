"""gumbel_softmax: the stream it takes, the noise, samples, gradients, edges, bad input."""

import gmpy2
import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits, edges, every_dtype
from exact_rows import ExactRow, worst_excess
from softfloor import catalogue, formula
from test_rows import logits


def generator(seed=7):
    return np.random.default_rng(seed)


class Fixed(np.random.Generator):
    """A generator whose uniform numbers are given."""

    def __init__(self, numbers):
        super().__init__(np.random.PCG64(0))
        self.numbers = np.asarray(numbers, np.float64)

    def random(self, size):
        return np.broadcast_to(self.numbers, size)


def exact_noise(uniform):
    formula.mpfr(300)
    return [-gmpy2.log(-gmpy2.log(gmpy2.mpfr(float(u)) + gmpy2.exp2(-54))) for u in np.ravel(uniform)]


@every_dtype
@pytest.mark.parametrize("temperature", [1.0, 0.1, 5.0])
def test_values(dtype, temperature):
    """The softmax of z + g with g = -log(-log(U + 2^-54)), the sum rounded to float64 once."""
    z = logits(dtype, (3, 40))
    for shape, axis in (((3, 40), -1), ((40, 3), 0)):
        rows = z.reshape(shape)
        uniform = generator().random(shape)
        p = np.moveaxis(sf.gumbel_softmax(rows, axis, temperature=temperature, rng=generator()), axis, -1)
        noise = np.reshape(exact_noise(uniform), shape)
        exact_y = np.moveaxis(rows.astype(object) * gmpy2.mpfr(1) + noise, axis, -1)
        for row, y in zip(p, exact_y, strict=True):
            rounded = np.array([float(v) for v in y])  # MPFR rounds to nearest, as the promise says
            assert worst_excess(row, ExactRow(rounded, temperature).softmax()) <= 0
        hard = np.moveaxis(sf.gumbel_softmax(rows, axis, rng=generator(), hard=True), axis, -1)
        assert_same_bits(hard, sf.hardmax(exact_y.astype(float)).astype(dtype))


def test_the_noise_is_exact_for_every_kind_of_uniform_number():
    """Among them those at which log(u) or log(-log(u)) cancels, and the ends, where naive noise is infinite."""
    middle = np.exp(-1)
    step = 2.0**-53
    special = [0.0, step, 2 * step, 0.5, middle, 1 - step, 1 - 2 * step]
    special += [round(middle / step) * step + k * step for k in range(-3, 4)]
    uniform = np.concatenate([special, generator().random(200)])
    (other,) = exact_noise([0.25])
    for u, g in zip(uniform, exact_noise(uniform), strict=True):
        p = sf.gumbel_softmax([0.0, -np.inf, 0.0], rng=Fixed([u, 0.5, 0.25]))
        exact = [1 / (1 + gmpy2.exp(other - g)), 0, 1 / (1 + gmpy2.exp(g - other))]
        # Beside the rounding of p, that of g and of the other noise to float64.
        roundings = 0.51 * (np.spacing(abs(float(g))) + np.spacing(abs(float(other))))
        np.testing.assert_allclose(p, [float(v) for v in exact], rtol=2.0**-52 + roundings, atol=0)
    extremes = exact_noise([0.0, 1 - step])
    assert -3.63 < extremes[0] < -3.62
    assert 37.42 < extremes[1] < 37.43


@every_dtype
def test_one_call_takes_one_array_of_uniform_numbers(dtype):
    z = logits(dtype, (4, 6))
    for keywords in ({}, {"axis": 0}, {"axis": None}, {"hard": True}, {"where": z > 0}, {"dtype": np.float32}):
        used, expected = generator(), generator()
        first = sf.gumbel_softmax(z, rng=used, **keywords)
        expected.random(z.shape)
        assert used.bit_generator.state == expected.bit_generator.state
        assert_same_bits(sf.gumbel_softmax(z, rng=generator(), **keywords), first)
        assert (sf.gumbel_softmax(z, rng=used, **keywords) != first).any()
    p, q = sf.gumbel_softmax(z), sf.gumbel_softmax(z)
    assert (p != q).any()


@pytest.mark.parametrize("bits", [np.random.MT19937, np.random.PCG64, np.random.Philox, np.random.SFC64])
def test_a_call_that_fails_takes_nothing(bits):
    rng = np.random.Generator(bits(1))
    before = str(rng.bit_generator.state)
    z = np.zeros((2, 3))
    read_only = np.zeros((2, 3))
    read_only.flags.writeable = False
    for keywords, error in (
        ({"out": np.ones(7)}, ValueError),
        ({"out": np.ones((2, 3), int)}, TypeError),
        ({"out": read_only}, ValueError),
        ({"temperature": 0}, ValueError),
        ({"axis": 2}, np.exceptions.AxisError),
        ({"where": [1, 0, 1]}, TypeError),
    ):
        with pytest.raises(error):
            sf.gumbel_softmax(z, rng=rng, **keywords)
    assert str(rng.bit_generator.state) == before


def test_rng_must_be_a_generator():
    for wrong in (0, np.random.RandomState(0), np.random.PCG64(0), "rng"):
        with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator.*got \w+"):
            sf.gumbel_softmax([0.0, 1.0], rng=wrong)
    with pytest.raises(TypeError, match="z has dtype"):
        sf.gumbel_softmax(["a"])
    with pytest.raises(TypeError, match="p has dtype"):
        sf.gumbel_softmax.vjp(np.array([1j]), 1)


def test_hard_samples_follow_softmax():
    """Gumbel's maximum: the first maximum of z + g has the distribution softmax(z); five standard deviations."""
    z, count = np.array([0.0, 1.0, 2.0, -np.inf, -1.0]), 200_000
    samples = sf.gumbel_softmax(np.tile(z, (count, 1)), rng=generator(), hard=True)
    p = sf.softmax(z)
    assert (samples.sum(axis=-1) == 1).all()
    assert (np.abs(samples.mean(axis=0) - p) <= 5 * np.sqrt(p * (1 - p) / count)).all()


@every_dtype
def test_hard_is_the_maximum_of_soft(dtype):
    z = logits(dtype, (200, 9))
    soft = sf.gumbel_softmax(z, rng=generator(), temperature=0.5)
    hard = sf.gumbel_softmax(z, rng=generator(), temperature=0.5, hard=True)
    picked = (soft * hard).astype(float).sum(axis=-1)
    np.testing.assert_array_equal(picked, soft.astype(float).max(axis=-1))


@every_dtype
def test_vjp_is_softmax_s(dtype):
    z, c = logits(dtype), logits(dtype, seed=1)
    for axis, temperature in ((-1, 1.0), (0, 0.3), (None, 2.0)):
        p = sf.gumbel_softmax(z, axis, temperature=temperature, rng=generator())
        expected = sf.softmax.vjp(p, c, axis, temperature=temperature)
        assert_same_bits(sf.gumbel_softmax.vjp(p, c, axis, temperature=temperature), expected)


def test_vjp_is_the_derivative():
    """Against differences of the formula in MPFR, the noise held fixed."""
    xp = formula.mpfr(300)
    record, step = catalogue.ROWS["gumbel_softmax"], gmpy2.exp2(-80)
    z, c = logits(np.float64, 6), logits(np.float64, 6, seed=1)
    noise = exact_noise(generator().random(6))
    expected = []
    for j in range(6):
        pair = []
        for sign in (1, -1):
            moved = [gmpy2.mpfr(v) + (sign * step if k == j else 0) for k, v in enumerate(z)]
            pair.append(record.formula(xp, moved, noise))
        expected.append(float(sum(w * (a - b) / (2 * step) for w, a, b in zip(c, *pair, strict=True))))
    p = sf.gumbel_softmax(z, rng=generator())
    np.testing.assert_allclose(sf.gumbel_softmax.vjp(p, c), expected, rtol=1e-13, atol=1e-15)


@every_dtype
@pytest.mark.parametrize("hard", [False, True])
def test_edges(dtype, hard):
    z = np.array([[1, np.inf, np.inf], [np.nan, 1, 2], [-np.inf] * 3, [-np.inf, 5, -np.inf]], dtype)
    expected = np.array([[0, 1, 0] if hard else [0, 0.5, 0.5], [np.nan] * 3, [0, 0, 0], [0, 1, 0]], dtype)
    assert_same_bits(sf.gumbel_softmax(z, rng=generator(), hard=hard), expected)
    mask = np.array([[True, False, False], [False, True, False], [False] * 3, [True] * 3])
    one = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 0]], dtype)
    assert_same_bits(sf.gumbel_softmax(z, rng=generator(), hard=hard, where=mask), one)
    own = z.copy()
    assert sf.gumbel_softmax(own, rng=generator(), hard=hard, out=own) is own
    assert_same_bits(own, expected)
    empty = sf.gumbel_softmax(np.empty((0, 3), dtype), rng=generator(), hard=hard)
    assert empty.shape == (0, 3)
    assert empty.dtype == dtype
    with np.errstate(all="raise"):
        values = edges(dtype)
        for n in (1, 2, 17):
            sf.gumbel_softmax(np.stack([np.resize(np.roll(values, k), n) for k in range(len(values))]), hard=hard)
