"""softfloor.jax inside jax.lax.scan, where jax.custom_jvp would be lost after the first derivative in reverse mode."""

import numpy as np
import pytest

from softfloor import catalogue

jax = pytest.importorskip("jax", reason="softfloor.jax needs the extra jax")
jnp, lax = jax.numpy, jax.lax
sj = pytest.importorskip("softfloor.jax", reason="softfloor.jax needs the extra jax")

Z = np.array([[0.5, -1.0, 2.0, 1.25], [0.25, 3.0, -0.5, 0.7]])
LABELS = np.array([1, 2])
DIRECTIONS = np.random.default_rng(0).normal(0, 1, (3, *Z.shape))
FUNCTIONS = {
    **{name: lambda row, _, name=name: (sj.get(name)(row) ** 2).sum() for name in catalogue.ACTIVATIONS},
    **{
        name: lambda row, _, name=name: (sj.get(name)(row, temperature=0.7) ** 2).sum()
        for name in ("softmax", "log_softmax", "logsumexp", "softmin", "sparsemax", "entmax15")
    },
    "softmax_cross_entropy": lambda row, label: sj.softmax_cross_entropy(row, label, z_loss=0.1, softcap=5.0),
    "sigmoid_cross_entropy": lambda row, _: sj.sigmoid_cross_entropy(row, jnp.array([0, 1, 0.5, 1])),
}


def along(function, order):
    """The derivative along as many directions, each in reverse mode."""
    if order == 0:
        return function
    before = along(function, order - 1)
    return lambda z: (jax.grad(before)(z) * DIRECTIONS[order - 1]).sum()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_every_order_inside_scan(name, float64):
    function = FUNCTIONS[name]

    def scanned(z):
        return lax.scan(lambda total, row: (total + function(*row), None), 0.0, (z, LABELS))[0]

    def plain(z):
        return sum(function(z[k], LABELS[k]) for k in range(len(Z)))

    for order in (1, 2, 3):
        expected = along(plain, order)(jnp.asarray(Z))
        np.testing.assert_allclose(jax.jit(along(scanned, order))(jnp.asarray(Z)), expected, rtol=1e-11, atol=1e-13)


def test_third_derivatives_of_linear_cross_entropy(float64):
    """Which is a scan itself; beside the same loss of logits that exist."""
    random = np.random.default_rng(1)
    weight, direction = jnp.asarray(random.normal(0, 1, (5, 4))), jnp.asarray(random.normal(0, 1, (5, 4)))

    def third(loss):
        def along_direction(before):
            return lambda weight: (jax.grad(before)(weight) * direction).sum()

        return jax.jit(jax.grad(along_direction(along_direction(loss))))(weight)

    found = third(lambda weight: sj.linear_cross_entropy(jnp.asarray(Z), weight, LABELS, scratch_bytes=40))
    expected = third(lambda weight: sj.softmax_cross_entropy(Z @ weight.T, LABELS))
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


def test_second_derivatives_of_linear_cross_entropy_inside_scan(float64):
    random = np.random.default_rng(2)
    hidden, weight = jnp.asarray(random.normal(0, 1, (3, 2, 4))), jnp.asarray(random.normal(0, 1, (5, 4)))
    bias, labels = jnp.asarray(random.normal(0, 1, 5)), np.array([[0, 4], [1, 1], [3, 2]])

    def second(loss):
        def scanned(*operands):
            rows, weight, bias = operands
            step = lambda total, row: (total + loss(row[0], weight, row[1], bias) ** 2, None)  # noqa: E731
            return lax.scan(step, 0.0, (rows, labels))[0]

        def along_itself(*operands):
            return sum((d * x).sum() for d, x in zip(jax.grad(scanned, (0, 1, 2))(*operands), operands, strict=True))

        return jax.jit(jax.grad(along_itself, (0, 1, 2)))(hidden, weight, bias)

    found = second(lambda h, w, y, b: sj.linear_cross_entropy(h, w, y, b, scratch_bytes=40))
    expected = second(lambda h, w, y, b: sj.softmax_cross_entropy(h @ w.T + b, y))
    for computed, truth in zip(found, expected, strict=True):
        np.testing.assert_allclose(computed, truth, rtol=1e-11, atol=1e-13)


def test_batches_of_every_operand(float64):
    """vmap over either operand or both, and over axes that are not the first; derivatives, too."""
    x, beta = jnp.asarray(Z), jnp.array([0.5, 2.0])

    def silu(x, beta):
        return sj.silu(x, beta=beta)

    expected = np.stack([sj.silu(x[k], beta=beta[k]) for k in range(2)])
    np.testing.assert_allclose(jax.vmap(silu)(x, beta), expected, rtol=1e-15)
    np.testing.assert_allclose(
        jax.vmap(silu, (1, None), 1)(x, beta), np.stack([silu(c, beta) for c in x.T], 1), rtol=1e-15
    )
    np.testing.assert_allclose(jax.vmap(silu, (None, 0))(x, beta)[1], silu(x, 2.0), rtol=1e-15)
    slopes = jax.vmap(jax.vmap(jax.grad(silu, 1), (0, None)), (0, 0))(x, beta)
    np.testing.assert_allclose(slopes[1], sj.silu.parameter_derivative(x[1], "beta", beta=2.0), rtol=1e-14)
    hessians = jax.vmap(jax.hessian(lambda row: sj.logsumexp(row)), 1)(x)
    np.testing.assert_allclose(hessians[2], jax.hessian(lambda row: sj.logsumexp(row))(x[:, 2]), rtol=1e-12, atol=1e-16)
