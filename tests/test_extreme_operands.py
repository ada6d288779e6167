"""Operands at the ends of their formats: huge cotangents and factors, zero cotangents, tiny temperatures."""

import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits, every_activation, every_dtype
from softfloor import catalogue

POINTS = np.array([-700, -30, -20, -1.5, -0.5, -1e-3, 0, 1e-3, 0.25, 2, 20, 700])
LOGITS = np.array([[1e5, 2e5, 2e5], [-3e5, 5e4, 2.5e4], [0.0, -1e5, -np.inf]])


@every_activation
@every_dtype
def test_zero_cotangents(activation, dtype):
    """Zero times any finite slope is zero, with the sign of the product."""
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    x = x[np.isfinite(x)].astype(dtype)
    slope = activation.derivative(x)
    for zero in (dtype(0.0), dtype(-0.0)):
        result = activation.vjp(x, np.full_like(x, zero))
        assert (result == 0).all()
        signed = slope != 0
        assert (np.signbit(result) == (np.signbit(slope) ^ np.signbit(zero)))[signed].all()


@every_activation
def test_huge_cotangents(activation):
    """A slope may be small where its product with a cotangent near the largest number is moderate."""
    slope_of_large = activation.vjp(POINTS, np.full_like(POINTS, 2.0**800))
    expected = np.ldexp(slope_of_large, 223)
    result = activation.vjp(POINTS, np.full_like(POINTS, 2.0**1023))
    ordinary = np.abs(slope_of_large) > 2.0**-200
    assert ordinary.sum() > 4
    assert_same_bits(result[ordinary], expected[ordinary])
    assert np.isfinite(result[np.isfinite(expected)]).all()
    assert not np.isnan(result).any()


@pytest.mark.parametrize("name", catalogue.ACTIVATIONS)
@every_dtype
def test_no_nan_where_factors_of_a_gated_unit_overflow(name, dtype):
    largest = np.finfo(dtype).max if dtype in (np.float32, np.float64) else dtype(2) ** 14
    gate = POINTS.clip(-60, 60).astype(dtype)
    up = np.full_like(gate, largest)
    unit = sf.gated(name)
    for results in (unit.vjp(gate, up, -up), unit.value_and_vjp(gate, up, -up), (unit(gate, up),)):
        assert not any(np.isnan(result.astype(np.float64)).any() for result in results)
    if name == "relu":
        assert (unit.vjp(gate, up, up)[0][gate <= 0] == 0).all()


def test_a_parameter_s_derivative_overflows_to_infinity():
    assert sf.silu.parameter_derivative(1e200, "beta", beta=0.0) == np.inf


@pytest.mark.parametrize("temperature", [1e-304, 1e-320, 5e-324])
@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@pytest.mark.parametrize("axis", [0, 1])
def test_logits_over_a_tiny_temperature_overflow(dtype, temperature, axis):
    z = np.array(LOGITS if axis == 1 else LOGITS.T, dtype)
    maxima = z == z.max(axis, keepdims=True)
    p = maxima / maxima.sum(axis, keepdims=True)
    np.testing.assert_array_equal(sf.softmax(z, axis, temperature=temperature), p.astype(dtype))
    np.testing.assert_array_equal(sf.softmin(-z, axis, temperature=temperature), p.astype(dtype))
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(sf.log_softmax(z, axis, temperature=temperature), np.log(p), rtol=1e-6)
    expected = np.array([np.inf, np.inf, np.log(1)])
    np.testing.assert_array_equal(sf.logsumexp(z, axis, temperature=temperature), expected.astype(dtype))


def test_tiny_temperatures_of_rows_in_chunks():
    dask = pytest.importorskip("dask.array")
    z = dask.from_array(LOGITS, chunks=(2, 1))
    for function in (sf.softmax, sf.log_softmax, sf.logsumexp):
        expected = function(LOGITS, temperature=1e-304)
        assert_same_bits(function(z, temperature=1e-304).compute(), expected)


VJPS = (sf.softmax, sf.log_softmax, sf.softmin, sf.sparsemax, sf.entmax15)


def outputs_and_cotangents(function):
    random = np.random.default_rng(0)
    output = function(random.normal(0, 0.3, (70, 9)))
    return output, random.choice([-1.0, 1.0], output.shape) * random.uniform(0.5, 1, output.shape)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("function", VJPS, ids=lambda function: function.name)
def test_sums_of_cotangents_near_overflow(function, axis):
    """Powers of two leave results what they are, as long as these are in range."""
    output, cotangent = (a if axis == 1 else np.asfortranarray(a).T for a in outputs_and_cotangents(function))
    large = function.vjp(output, np.ldexp(cotangent, 900), axis)
    with np.errstate(over="ignore"):
        expected = np.ldexp(large, 124)
    result = function.vjp(output, np.ldexp(cotangent, 1024), axis)
    assert np.isfinite(expected).sum() > 400
    assert_same_bits(result, expected)


@pytest.mark.parametrize("power", [-1040, -960, -600, -520, -450, 500, 1000])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("of", ["logsumexp", "class labels", "probabilities"])
def test_gradients_have_the_size_of_the_cotangent(of, axis, power):
    """A power of two goes through, but for the last digits of subnormal results; also one of the probabilities."""
    random = np.random.default_rng(1)
    z, labels = random.normal(0, 3, (70, 9)), random.integers(0, 9, 70)
    shares = sf.softmax(random.normal(0, 1, z.shape))

    def gradient(size):
        if of == "logsumexp":
            result = sf.logsumexp.vjp(given, np.full(70, size), axis)
        elif of == "class labels":
            result = sf.softmax_cross_entropy.vjp(given, labels, np.full(70, size), axis, reduction="none")
        else:
            of_shares = np.moveaxis(shares * size, 1, axis)
            result = sf.softmax_cross_entropy.value_and_grad(given, of_shares, axis, reduction="none")[1]
        return np.moveaxis(result, axis, 1)

    given = np.moveaxis(z, 1, axis)
    expected, result = np.ldexp(gradient(1.0), power), gradient(2.0**power)
    # Smaller ones lose low parts of what they are made of, and differences of probabilities more.
    if power > (-800 if of == "probabilities" else -1000):
        is_normal = np.abs(expected) >= 2.0**-1022
        assert is_normal.any()
        assert_same_bits(result[is_normal], expected[is_normal])
    np.testing.assert_allclose(result, expected, rtol=1e-15, atol=2.0**-1073)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("function", VJPS, ids=lambda function: function.name)
def test_gradients_over_a_tiny_temperature_overflow_to_infinity(function, axis):
    output, cotangent = (a if axis == 1 else np.asfortranarray(a).T for a in outputs_and_cotangents(function))
    ordinary = function.vjp(output, cotangent, axis)
    result = function.vjp(output, np.ldexp(cotangent, 900), axis, temperature=2.0**-500)
    nonzero = ordinary != 0
    assert_same_bits(result[nonzero], np.copysign(np.inf, ordinary[nonzero]))
    assert (result[~nonzero] == 0).all()
