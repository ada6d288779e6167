"""softfloor.jax: the softmax family and its losses beside those of softfloor in float64."""

import numpy as np
import pytest

import softfloor as sf
from ulp import ulp_errors

jax = pytest.importorskip("jax", reason="softfloor.jax needs the extra jax")
jnp = jax.numpy
sj = pytest.importorskip("softfloor.jax", reason="softfloor.jax needs the extra jax")
check_grads = pytest.importorskip("jax.test_util").check_grads

INF = np.inf
SOFTMAXES = ("softmax", "log_softmax", "softmin", "logsumexp")
SPARSE = ("sparsemax", "entmax15", "hardmax")
ROWS = [
    [1.0, 2.0, 3.0],
    [INF, INF, 0.0],
    [-INF, -INF, -INF],
    [-INF, 0.0, 1.0],
    [np.nan, 1.0, -INF],
    [0.0, -40.0, -1e30],
    [1e30, 1e30, 0.0],
]


@pytest.mark.parametrize("name", SOFTMAXES)
def test_float32_within_a_few_ulp(name):
    rng = np.random.default_rng(0)
    for scale, shape in ((1, (50, 1000)), (30, (50, 1000)), (5, (1, 200_000))):
        z = (scale * rng.normal(size=shape)).astype(np.float32)
        exact = np.asarray(getattr(sf, name)(z.astype(np.float64)))
        errors = ulp_errors(np.asarray(getattr(sj, name)(z)), exact)
        assert errors[abs(exact) >= np.finfo(np.float32).tiny].max() < 5


@pytest.mark.parametrize("name", (*SOFTMAXES, *SPARSE))
def test_policies_and_gradients_are_those_of_numpy(name):
    """Infinities, NaN, empty rows: values and gradients."""
    z, weights = np.array(ROWS, np.float32), np.array([1.0, 2.0, 3.0], np.float32)
    function, reference = getattr(sj, name), getattr(sf, name)
    result = reference(z)
    np.testing.assert_allclose(function(z), result, rtol=1e-6, atol=1e-7)
    if name == "hardmax":
        assert not np.asarray(jax.grad(lambda z: (function(z) * weights).sum())(jnp.asarray(z))[:4]).any()
        return
    expected = reference.vjp(z, np.float32(1)) if name == "logsumexp" else reference.vjp(result, weights)
    scaled = (lambda z: function(z).sum()) if name == "logsumexp" else (lambda z: (function(z) * weights).sum())
    np.testing.assert_allclose(jax.grad(scaled)(jnp.asarray(z)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", (*SOFTMAXES, *SPARSE))
@pytest.mark.parametrize("axis", [0, (2, 0), None])
def test_axes_masks_and_temperature(name, axis):
    rng = np.random.default_rng(1)
    z, mask = rng.normal(size=(3, 4, 5)).astype(np.float32), rng.random((3, 1, 5)) < 0.5
    keywords = {} if name == "hardmax" else {"temperature": 0.5}
    expected = getattr(sf, name)(z, axis, where=mask, **keywords)
    np.testing.assert_allclose(getattr(sj, name)(z, axis, where=mask, **keywords), expected, rtol=2e-5, atol=1e-6)


def test_a_fully_masked_row_passes_no_gradient():
    z, mask = jnp.array([[1.0, 2.0], [jnp.inf, jnp.nan]]), jnp.array([[True, True], [False, False]])

    def attention(z):
        return (sj.softmax(z, where=mask) * jnp.array([1.0, 3.0])).sum()

    assert np.isfinite(jax.grad(attention)(z)).all()
    assert not jax.grad(attention)(z)[1].any()
    assert np.isfinite(jax.grad(lambda z: jax.grad(attention)(z).sum())(z)).all()
    assert np.isnan(sj.softmax(z, where=mask, empty="nan")[1]).all()
    assert sj.logsumexp(z, where=mask, keepdims=True).tolist()[1] == [-INF]


def test_derivatives_of_every_order(float64):
    z = jnp.array([0.3, -1.0, 2.0, 0.1])
    check_grads(jax.jit(lambda z, t: sj.softmax(z, temperature=t)), (z, 0.7), order=2, modes=("fwd", "rev"))
    check_grads(jax.jit(sj.entmax15), (z,), order=2, modes=("rev",))
    check_grads(jax.jit(sj.log_softmax), (z,), order=3, modes=("fwd",))


def test_half_precisions_are_computed_in_float32():
    z = jnp.ones((1, 5000), jnp.bfloat16)
    assert sj.softmax(z).dtype == jnp.bfloat16
    assert sj.logsumexp(z).item() == jnp.bfloat16(1 + np.log(5000))
    assert sj.softmax_cross_entropy(z, jnp.array([3])).dtype == jnp.bfloat16


def test_gumbel_softmax():
    key, z = jax.random.key(3), jnp.zeros((4000, 3)) + jnp.log(jnp.array([0.5, 0.3, 0.2]))
    hard, soft = sj.gumbel_softmax(z, rng=key, hard=True), sj.gumbel_softmax(z, rng=key)
    assert set(np.unique(hard)) == {0.0, 1.0}
    np.testing.assert_array_equal(hard.argmax(-1), soft.argmax(-1))
    np.testing.assert_allclose(hard.mean(0), [0.5, 0.3, 0.2], atol=0.03)
    gradients = [
        jax.grad(lambda z, hard=hard: sj.gumbel_softmax(z, rng=key, hard=hard)[:, 0].sum())(z) for hard in (0, 1)
    ]
    np.testing.assert_array_equal(*gradients)
    with pytest.raises(TypeError, match=r"rng must be a key, such as jax.random.key\(0\); got Generator"):
        sj.gumbel_softmax(z, rng=np.random.default_rng(0))


def test_refusals():
    z = jnp.ones((2, 3))
    with pytest.raises(ValueError, match="axis 2 is out of bounds"):
        sj.softmax(z, 2)
    with pytest.raises(TypeError, match="softmax: axis must be an integer, a tuple of integers or None; got 'rows'"):
        sj.softmax(z, "rows")
    with pytest.raises(TypeError, match=r"where must be boolean.* got dtype float32"):
        sj.softmax(z, where=z)
    with pytest.raises(ValueError, match=r"where has shape \(4,\), which does not broadcast with \(2, 3\)"):
        sj.softmax(z, where=jnp.ones(4, bool))
    with pytest.raises(ValueError, match="logsumexp: temperature must be positive and finite; got 0"):
        sj.logsumexp(z, temperature=0)
    with pytest.raises(ValueError, match="empty must be 'zeros' or 'nan'; values are not known"):
        sj.softmax(z, empty="raise")


@pytest.mark.parametrize("name", (*SOFTMAXES, "sparsemax", "entmax15"))
def test_temperatures_at_the_ends_of_float32(name):
    """Normal numbers with normal reciprocals divide as in softfloor; others, which XLA would take as 0, are refused."""
    z, weights = np.array([[1.0, 2.0, 2.0, -INF], [0.0, 0.0, 1.0, 5.0]], np.float32), np.float32([1, 2, 3, 4])
    function, reference = getattr(sj, name), getattr(sf, name)
    for temperature in (1e-50, 1e-39, 1e38, 1e50):
        with pytest.raises(ValueError, match=r"temperature must be between 1.18e-38 and 8.51e\+37"):
            function(z, temperature=temperature)
    for temperature in (1e-30, 8.5e37):
        with np.errstate(over="ignore"):
            result = reference(z, temperature=temperature)
        np.testing.assert_allclose(function(z, temperature=temperature), result, rtol=1e-6)
        gradient = jax.grad(
            lambda z, t=temperature: (function(z, temperature=t) * weights[: function(z).shape[-1]]).sum()
        )
        assert not np.isnan(gradient(jnp.asarray(z))).any()


def test_temperatures_beyond_float32_divide_float64(float64):
    np.testing.assert_allclose(
        sj.softmax(jnp.array([1e50, 2e50]), temperature=1e50), sf.softmax([1.0, 2.0]), rtol=1e-14
    )
