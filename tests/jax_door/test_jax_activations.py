"""softfloor.jax: activations beside the float64 kernels of softfloor, and under the transformations of jax."""

import pickle

import ml_dtypes
import mpmath
import numpy as np
import pytest

import softfloor as sf
from softfloor import catalogue, formula
from ulp import ulp_errors

jax = pytest.importorskip("jax", reason="softfloor.jax needs the extra jax")
jnp = jax.numpy
sj = pytest.importorskip("softfloor.jax", reason="softfloor.jax needs the extra jax")
check_grads = pytest.importorskip("jax.test_util").check_grads

RECORDS = catalogue.ACTIVATIONS.values()
every_activation = pytest.mark.parametrize("name", catalogue.ACTIVATIONS)
EDGES = np.array([-np.inf, -3e38, -1e20, -1e10, -200, -0.0, 0.0, 200, 1e10, 1e20, 3e38, np.inf, np.nan], np.float32)


def sample():
    """float32 of all exponents, and many where the curves bend."""
    x = np.arange(0, 2**32, 7919, dtype=np.uint64).astype(np.uint32).view(np.float32)
    x = np.concatenate([x[np.isfinite(x)], np.linspace(-110, 110, 220_001, dtype=np.float32)])
    return x[(abs(x) >= np.finfo(np.float32).tiny) | (x == 0)]  # XLA on CPUs takes others as 0


@every_activation
def test_float32_within_a_few_ulp(name):
    """Where the exact result is normal; around the zero of a slope, of its largest value."""
    x = sample()
    record = catalogue.ACTIVATIONS[name]
    exact = sf.get(name).value_and_derivative(x.astype(np.float64))
    for function, truth in zip((sj.get(name), sj.get(name).derivative), exact, strict=True):
        computed = np.asarray(function(x))
        errors = ulp_errors(computed, truth)
        subnormal = abs(truth) < np.finfo(np.float32).tiny
        assert (abs(computed[subnormal] - truth[subnormal]) <= np.finfo(np.float32).tiny).all()
        errors[subnormal] = 0
        if function is not sj.get(name):
            for zero in record.facts.derivative.zeros:
                near = abs(x - float(zero)) < 0.25
                assert (abs(computed[near] - truth[near]) < 2.0**-23).all()
                errors[near] = 0
        assert errors.max() < 3, (x[errors.argmax()], errors.max())


@every_activation
def test_float64(name, float64):
    x = np.concatenate([np.linspace(-750, 750, 30_001), np.linspace(-9, 9, 30_000)])
    for function, truth in zip(
        (sj.get(name), sj.get(name).derivative), sf.get(name).value_and_derivative(x), strict=True
    ):
        normal = abs(truth) >= np.finfo(np.float64).tiny
        error = abs(np.asarray(function(x)) - truth)[normal]
        relative = error / abs(truth[normal])
        near_zero = np.zeros(x.shape, bool)
        if function is not sj.get(name):
            for zero in catalogue.ACTIVATIONS[name].facts.derivative.zeros:
                near_zero |= abs(x - float(zero)) < 0.25
        assert relative[~near_zero[normal]].max() < 4 * np.finfo(np.float64).eps
        assert error[near_zero[normal]].max(initial=0) < 2 * np.finfo(np.float64).eps


@every_activation
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precisions_are_rounded_once(name, dtype):
    x = np.arange(65536, dtype=np.uint16).view(ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float16)
    with np.errstate(invalid="ignore"):
        wide = x.astype(np.float64)
    x = x[np.isfinite(wide) & ((abs(wide) >= np.finfo(np.float32).tiny) | (wide == 0))]
    exact = sf.get(name).value_and_derivative(x.astype(np.float64))
    for function, truth in zip((sj.get(name), sj.get(name).derivative), exact, strict=True):
        computed = function(jnp.asarray(x))
        assert computed.dtype == x.dtype
        flushed = abs(truth) < np.finfo(np.float32).tiny
        errors = ulp_errors(np.asarray(computed), truth)
        assert errors[~flushed].max() < 0.55


@every_activation
def test_edges(name):
    function, reference = sj.get(name), sf.get(name)
    for computed, expected in (
        (function(EDGES), reference(EDGES)),
        (function.derivative(EDGES), reference.derivative(EDGES)),
    ):
        np.testing.assert_array_equal(computed, expected)
    np.testing.assert_array_equal(np.signbit(function(EDGES)[:-1]), np.signbit(reference(EDGES)[:-1]))
    derivative = function
    for order in (1, 2, 3):
        derivative = jax.grad(derivative)
        result = np.asarray(jax.jit(jax.vmap(derivative))(EDGES))
        assert np.isnan(result).tolist() == np.isnan(EDGES).tolist()
        if order > 1:
            assert not result[abs(EDGES) >= 200].any()


@every_activation
def test_second_and_third_derivatives(name, float64):
    """Beside differentiation of the slope at 50 digits."""
    record = catalogue.ACTIVATIONS[name]
    points = [-30.5, -3.1, -0.75, 0.3, 1.9, 12.0]
    second = jax.grad(jax.grad(sj.get(name)))
    namespace, defaults = formula.mpmath(50), [p.default for p in record.parameters]
    for order, derivative in ((1, second), (2, jax.grad(second))):
        computed = jax.jit(jax.vmap(derivative))(jnp.array(points))
        exact = [float(mpmath.diff(lambda x: record.slope(namespace, x, *defaults), x, order)) for x in points]
        np.testing.assert_allclose(computed, exact, rtol=1e-12)


@every_activation
def test_check_grads(name, float64):
    check_grads(jax.jit(sj.get(name)), (0.7,), order=3)


def test_mixed_derivatives(float64):
    """Of silu, in x and then twice in x or beta."""
    function = jax.jit(jax.hessian(lambda p: jax.grad(lambda q: sj.silu(q[0], beta=q[1]))(p)[0]))

    def value(x, beta):
        return x / (1 + mpmath.exp(-beta * x))

    with mpmath.workdps(40):
        expected = [[float(mpmath.diff(value, (0.7, 1.3), (3 - i - j, i + j))) for i in range(2)] for j in range(2)]
    np.testing.assert_allclose(function(jnp.array([0.7, 1.3])), expected, rtol=1e-12)


@pytest.mark.parametrize("x", [-80.0, 30.0])
def test_higher_derivatives_keep_their_tails(x):
    """Those of sigmoid and silu are e^-|x| times -sign(x), 1 and 2 - |x| there; those of jax.nn are 0 on the right."""
    tail = np.exp(-abs(x))
    second, third = jax.grad(jax.grad(sj.sigmoid)), jax.grad(jax.grad(jax.grad(sj.sigmoid)))
    for derivative, expected in ((second, -np.sign(x) * tail), (third, tail)):
        assert float(jax.jit(derivative)(x)) == pytest.approx(expected, rel=1e-5, abs=0)
    assert float(jax.jit(jax.grad(jax.grad(sj.silu)))(x)) == pytest.approx((2 - abs(x)) * tail, rel=1e-5, abs=0)


def test_transformations():
    x, beta = jnp.linspace(-3, 3, 6).reshape(2, 3), jnp.array([0.5, 1.0, 2.0])
    expected = sf.silu.derivative(np.asarray(x), beta=np.asarray(beta))

    def total(x, beta):
        return sj.silu(x, beta=beta).sum()

    for gradient in (
        jax.grad(total),
        jax.jit(jax.grad(total)),
        jax.jacfwd(total),
        jax.jacrev(total),
        jax.grad(jax.checkpoint(total)),
        jax.vmap(jax.vmap(jax.grad(lambda x, beta: sj.silu(x, beta=beta))), in_axes=(0, None)),
    ):
        np.testing.assert_allclose(gradient(x, beta), expected, rtol=1e-6)
    np.testing.assert_allclose(
        jax.grad(total, argnums=1)(x, beta),
        sf.silu.parameter_derivative(np.asarray(x), "beta", beta=np.asarray(beta)).sum(axis=0),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        sj.silu.parameter_derivative(x, "beta", beta=beta)[:, 1],
        sf.silu.parameter_derivative(np.asarray(x), "beta")[:, 1],
        rtol=1e-6,
    )
    hessian = jax.hessian(lambda p: sj.silu(p[0], beta=p[1]))(jnp.array([0.7, 1.3]))
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-5)
    np.testing.assert_array_equal(sj.silu.vjp(x, 2.0), 2 * sj.silu.derivative(x))
    np.testing.assert_array_equal(sj.silu.value_and_derivative(x)[1], sj.silu.derivative(x))


def test_dtypes():
    assert sj.gelu(jnp.ones(3, jnp.int8)).dtype == jnp.float32
    assert sj.gelu(True).dtype == jnp.float32
    assert sj.silu(jnp.ones(3, jnp.bfloat16), beta=2.0).dtype == jnp.bfloat16
    assert sj.silu(jnp.ones(3, jnp.bfloat16), beta=jnp.ones(3)).dtype == jnp.float32
    assert jax.grad(lambda x: sj.silu(x).sum())(jnp.ones(3, jnp.float16)).dtype == jnp.float16
    assert sj.gelu(jnp.ones((0, 3))).shape == (0, 3)


def test_weak_types():
    """What Python numbers alone give takes the dtype of what it meets, as in jax.nn; so do derivatives and loops."""
    x, weak = jnp.ones(3, jnp.bfloat16), jnp.asarray(1.0)
    strong = jnp.float32(1)
    for ours, theirs in ((sj.silu, jax.nn.silu), (sj.sigmoid, jax.nn.sigmoid), (sj.tanh, jnp.tanh)):

        def in_loop(x, function=ours):
            return jax.lax.scan(lambda carry, _: (function(carry), None), x, None, length=2)[0]

        for transform in (
            lambda f: f,
            jax.jit,
            jax.grad,
            lambda f: jax.grad(jax.grad(f)),
            lambda f: lambda x: jax.jvp(f, (x,), (x,))[1],
        ):
            for given in (1.0, weak, strong):
                result, expected = transform(ours)(given), transform(theirs)(given)
                assert (result.dtype, result.weak_type) == (expected.dtype, expected.weak_type)
        assert (x * ours(1.0)).dtype == jnp.bfloat16
        assert in_loop(1.0).weak_type
        assert jax.grad(in_loop)(weak).weak_type
        assert not in_loop(strong).weak_type
    assert sj.gelu.derivative(1.0).weak_type
    assert sj.gelu.vjp(1.0, 2.0).weak_type
    assert not sj.gelu.vjp(1.0, strong).weak_type
    assert sj.silu(1.0, beta=2).weak_type
    assert not sj.silu(1.0, beta=strong).weak_type
    assert not sj.gelu(jnp.arange(3)).weak_type
    assert (x * sj.swiglu(1.0, 2.0, limit=7.0)).dtype == jnp.bfloat16


def test_refusals():
    with pytest.raises(TypeError, match="gelu: x has dtype complex64; allowed are float16"):
        sj.gelu(jnp.ones(2, jnp.complex64))
    with pytest.raises(TypeError, match="gelu: x must be an array or a number; got list"):
        sj.gelu([1.0])
    with pytest.raises(TypeError, match="silu has no keyword 'bta'; did you mean beta"):
        sj.silu(1.0, bta=2.0)
    with pytest.raises(TypeError, match=r"gelu has no keyword 'out'"):
        sj.gelu(1.0, out=np.zeros(1))
    with pytest.raises(ValueError, match="silu has no parameter 'gamma'; its parameters: beta"):
        sj.silu.parameter_derivative(1.0, "gamma")
    with pytest.raises(ValueError, match=r"silu: shapes do not broadcast: x \(2,\), beta \(3,\)"):
        sj.silu(jnp.ones(2), beta=jnp.ones(3))
    with pytest.raises(ValueError, match="has no function 'gellu'; it has"):
        sj.get("gellu")


def test_every_activation_of_the_catalogue():
    assert set(catalogue.ACTIVATIONS) <= set(sj.functions())
    for name, record in catalogue.ACTIVATIONS.items():
        function = sj.get(name)
        assert function.info is record.facts
        for part in (function, function.derivative):
            assert pickle.loads(pickle.dumps(part)) is part
            assert part.__name__ in repr(part)
