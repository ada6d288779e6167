"""softfloor.jax: gated units beside softfloor's in float64, and under the transformations of jax."""

import pickle
from functools import partial

import numpy as np
import pytest

import softfloor as sf
from softfloor import catalogue

jax = pytest.importorskip("jax", reason="softfloor.jax needs the extra jax")
jnp = jax.numpy
sj = pytest.importorskip("softfloor.jax", reason="softfloor.jax needs the extra jax")
check_grads = pytest.importorskip("jax.test_util").check_grads

UNITS = {
    **{name: sj.get(name) for name in catalogue.GATES},
    "gated(tanh)": sj.gated("tanh", limit=0.8, clamp="after"),
    **{name: unit for name, unit in sj.gated_presets.items() if name != "plain"},
}
every_unit = pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)


def samples(*shape, dtype=np.float32, seed=3):
    values = np.random.default_rng(seed).normal(0, 3, shape)
    for kink in (0.0, 7.0, -7.0, np.arctanh(0.8), 0.8, -0.8):  # differences must not straddle one
        values = np.where(abs(values - kink) < 0.05, values + 0.2, values)
    return values.astype(dtype)


@every_unit
def test_values_and_gradients(unit):
    gate, up, cotangent = samples(3, 20_000)
    wide = [a.astype(np.float64) for a in (gate, up, cotangent)]
    flushed = np.finfo(np.float32).tiny  # by XLA on CPUs
    np.testing.assert_allclose(unit(gate, up), unit.unit(*wide[:2]), rtol=6e-7, atol=flushed)
    for one, other in zip(unit.vjp(gate, up, cotangent), unit.unit.vjp(*wide), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-6, atol=2e-6)


@every_unit
def test_float64(unit, float64):
    gate, up, cotangent = samples(3, 20_000, dtype=np.float64)
    np.testing.assert_allclose(unit(gate, up), unit.unit(gate, up), rtol=2e-15)
    for one, other in zip(unit.vjp(gate, up, cotangent), unit.unit.vjp(gate, up, cotangent), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-14)


@every_unit
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_rounded_once(unit, dtype):
    gate, up = jnp.asarray(samples(2, 5000)).astype(dtype)
    result = unit(gate, up)
    assert result.dtype == dtype
    expected = np.asarray(unit(gate.astype(jnp.float32), up.astype(jnp.float32)).astype(dtype))
    np.testing.assert_array_equal(np.asarray(result), expected)
    assert all(part.dtype == dtype for part in unit.vjp(gate, up, 1.0))


@pytest.mark.parametrize("name", ["geglu", "gpt-oss", "gated(tanh)", "kimi-k3"])
def test_derivatives_of_every_order_and_mode(name, float64):
    """Of units of each kind: what they are made of differs by its activation alone, which has tests of its own."""
    gate, up = samples(2, 6, dtype=np.float64)
    check_grads(UNITS[name], (gate, up), order=2, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("layout", ["split", "interleaved"])
def test_derivatives_of_packed_operands(layout, float64):
    packed = partial(sj.gated_presets["gpt-oss"].packed, gate="last", layout=layout)
    check_grads(packed, (samples(8, dtype=np.float64),), order=2, atol=2e-5, rtol=2e-5)


@every_unit
def test_jit_and_vmap(unit):
    gate, up = samples(2, 3, 4)
    expected = unit(gate, up)
    np.testing.assert_allclose(jax.jit(unit)(gate, up), expected, rtol=3e-7)  # XLA contracts products and sums
    np.testing.assert_allclose(jax.vmap(unit, (0, None))(gate, up[0]), unit(gate, up[0]), rtol=3e-7)
    both = np.concatenate([up, gate], -1)
    packed = jax.jit(lambda x: unit.packed(x, gate="last", layout="split"))
    np.testing.assert_allclose(packed(both), expected, rtol=3e-7)
    gradient = jax.vmap(jax.grad(lambda g, u: unit(g, u).sum()))(gate, up)
    np.testing.assert_allclose(gradient, unit.vjp(gate, up, 1.0)[0], rtol=1e-6)


def test_packed_conventions():
    x = samples(4, 6)
    np.testing.assert_allclose(sj.glu.packed(x, gate="last"), jax.nn.glu(x), rtol=1e-6)
    for layout in ("split", "interleaved"):
        for gate in ("first", "last"):
            for axis in (0, 1):
                options = {"layout": layout, "gate": gate, "axis": axis}
                np.testing.assert_allclose(sj.swiglu.packed(x, **options), sf.swiglu.packed(x, **options), rtol=1e-6)
    np.testing.assert_allclose(sj.gated_presets["gpt-oss"].packed(x), sf.gated_presets["gpt-oss"].packed(x), rtol=1e-6)


@pytest.mark.parametrize("clamp", ["before", "after"])
def test_a_gradient_passes_at_the_limit(clamp):
    gate, up = jnp.array([7.0, 8.0]), jnp.array([-7.0, 7.5])
    for one, other in zip(
        sj.reglu.vjp(gate, up, 1.0, limit=7.0, clamp=clamp),
        sf.reglu.vjp(*map(np.asarray, (gate, up)), np.float32(1), limit=7.0, clamp=clamp),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    assert sj.reglu.vjp(7.0, 1.0, 1.0, limit=7.0)[0] == 1
    assert sj.reglu.vjp(7.5, 1.0, 1.0, limit=7.0)[0] == 0


def test_settings_are_differentiable_arrays():
    gate, up = samples(2, 5)
    limits = jnp.linspace(1, 5, 5)
    np.testing.assert_allclose(
        sj.swiglu(gate, up, limit=limits), sf.swiglu(gate, up, limit=np.asarray(limits)), rtol=1e-6
    )
    slope = jax.grad(lambda beta: sj.swiglu(gate, up, beta=beta).sum())(1.5)
    np.testing.assert_allclose(slope, (sf.silu.parameter_derivative(gate, "beta", beta=1.5) * up).sum(), rtol=1e-5)
    np.testing.assert_allclose(
        jax.grad(lambda o: sj.geglu(gate, up, offset=o).sum())(0.5), sf.gelu(gate).sum(), rtol=1e-5
    )


def test_edges():
    gate = jnp.array([-jnp.inf, -1e30, jnp.inf, jnp.nan])
    assert np.asarray(sj.swiglu(gate, 1.0)).tolist()[:3] == [-0.0, -0.0, np.inf]
    assert np.isnan(sj.swiglu(gate, 1.0)[3])
    assert float(sj.situglu(jnp.inf, jnp.inf)) == 100
    np.testing.assert_allclose(
        sj.situglu(2.0, 3.0, gate_softcap=jnp.inf, up_softcap=jnp.inf), sj.swiglu(2.0, 3.0), rtol=3e-7
    )
    assert np.isfinite(jax.grad(sj.situglu)(2.0, 3.0, gate_softcap=jnp.inf))
    assert all(np.isnan(sj.swiglu(1.0, 2.0, limit=limit)) for limit in (-1.0, np.nan))
    assert np.isnan(sj.situglu(1.0, 2.0, gate_softcap=0.0))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: sj.swiglu(1.0, "a"), TypeError, "up must be an array or a number"),
        (lambda: sj.swiglu(1.0, 1.0, alpha=1.7), TypeError, "no keyword 'alpha'"),
        (lambda: sj.swiglu(jnp.ones(3), jnp.ones(2)), ValueError, "shapes do not broadcast"),
        (lambda: sj.swiglu(1.0, 1.0, clamp="never"), ValueError, "clamp='never'"),
        (lambda: sj.swiglu(1.0, 1.0, limit="7"), TypeError, "limit must be an array or a number"),
        (lambda: sj.swiglu.packed(jnp.ones(4)), TypeError, "must be told which operand is the gate"),
        (lambda: sj.swiglu.packed(jnp.ones(3), gate="first"), ValueError, "3 entries along axis -1"),
        (lambda: sj.swiglu.packed(jnp.ones(4), gate="first", axis=1), ValueError, "axis 1 is out of bounds"),
        (lambda: sj.gated("swiglu"), ValueError, "softfloor.swiglu"),
    ],
)
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_objects():
    unit = sj.gated("tanh", limit=2.0)
    assert pickle.loads(pickle.dumps(unit)).unit is unit.unit
    assert set(sj.gated_presets) == set(sf.gated_presets)
    assert sj.swiglu.with_settings(beta=2.0).parameters["beta"] == 2.0
    assert "limit=2.0" in repr(unit)
