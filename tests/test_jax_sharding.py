"""softfloor.jax on a mesh of eight devices: logits sharded along rows and classes give what they give on one device."""

import pytest

from processes import run_python

pytest.importorskip("jax", reason="softfloor.jax needs the extra jax")

SCRIPT = """
import jax, jax.numpy as jnp, numpy as np, softfloor.jax as sj
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

assert jax.device_count() == 8
mesh = Mesh(np.array(jax.devices()).reshape(2, 4), ("rows", "classes"))
rng = np.random.default_rng(0)
z = (5 * rng.normal(size=(8, 32))).astype(np.float32)
z[1], z[2, 5] = -np.inf, np.inf
labels, mask = rng.integers(0, 32, 8), rng.random((8, 32)) < 0.8
weight, hidden = rng.normal(size=(32, 4)).astype(np.float32), rng.normal(size=(8, 4)).astype(np.float32)

def all_of_it(z, labels, mask, weight, hidden):
    def loss(z):
        return sj.softmax_cross_entropy(jnp.where(jnp.isfinite(z), z, 0), labels, label_smoothing=0.1, z_loss=1e-3)

    def linear(weight, hidden):
        return sj.linear_cross_entropy(hidden, weight, labels, scratch_bytes=4 * 32 * 4)

    return (
        sj.softmax(z, where=mask), sj.log_softmax(z), sj.logsumexp(z), sj.gelu(z),
        jax.grad(lambda z: (sj.softmax(z, where=mask) ** 2).sum())(z),
        jax.value_and_grad(loss)(z), jax.value_and_grad(linear, argnums=(0, 1))(weight, hidden),
    )

plain = jax.jit(all_of_it)(z, labels, mask, weight, hidden)
axes = ("rows", "classes"), ("rows",), ("rows", "classes"), ("classes", None), ("rows", None)
operands = zip((z, labels, mask, weight, hidden), axes, strict=True)
sharded = jax.jit(all_of_it)(*(jax.device_put(array, NamedSharding(mesh, P(*given))) for array, given in operands))
assert sharded[0].sharding.spec == P("rows", "classes"), sharded[0].sharding
for one, eight in zip(jax.tree.leaves(plain), jax.tree.leaves(sharded), strict=True):
    np.testing.assert_allclose(eight, one, rtol=1e-5, atol=1e-7)
print("equal")
"""


def test_eight_devices():
    done = run_python(SCRIPT, XLA_FLAGS="--xla_force_host_platform_device_count=8", JAX_PLATFORMS="cpu")
    assert done.stdout.strip() == "equal", done.stderr


MESHES = """
import jax, jax.numpy as jnp, numpy as np, softfloor.jax as sj
from jax.sharding import PartitionSpec as P

z, devices = jnp.arange(24.0).reshape(4, 6) / 10, jax.devices()
functions = (sj.gelu, sj.silu, sj.relu, sj.sparsemax, sj.softmax)
alone = [np.asarray(f(z)) for f in functions]
for some in (devices[:4], devices[:2]):
    mesh = jax.make_mesh((len(some),), ("rows",), devices=some)
    with jax.set_mesh(mesh):
        inside = [np.asarray(f(z)) for f in functions]
    outside = [np.asarray(f(z)) for f in functions]
    for one, *others in zip(alone, inside, outside):
        assert all(np.array_equal(one, other) for other in others)

mesh = jax.make_mesh((4,), ("rows",), axis_types=(jax.sharding.AxisType.Auto,), devices=devices[:4])
hidden, weight = (jax.random.normal(jax.random.key(k), (n, 6)) for k, n in enumerate((8, 7)))
labels, bias = jnp.arange(8) % 7, jnp.linspace(0, 1, 7)

def loss(hidden, weight, bias, labels):
    return sj.linear_cross_entropy(hidden, weight, labels, bias, scratch_bytes=64)

parts = jax.shard_map(
    lambda *operands: jax.lax.pmean(loss(*operands), "rows"),
    mesh=mesh, in_specs=(P("rows"), P(), P(), P("rows")), out_specs=P(),
)
for one, other in zip(*(jax.grad(f, (0, 1, 2))(hidden, weight, bias, labels) for f in (loss, parts))):
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
print("passed")
"""


def test_meshes_come_and_go():
    """What is known of a call under one mesh is not taken for that under another; gradients inside jax.shard_map."""
    done = run_python(MESHES, JAX_PLATFORMS="cpu", XLA_FLAGS="--xla_force_host_platform_device_count=8")
    assert done.stdout.strip() == "passed", done.stderr


EXPLICIT = """
import jax, jax.numpy as jnp, numpy as np, softfloor.jax as sj
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

mesh = jax.make_mesh((2, 4), ("rows", "classes"), axis_types=(AxisType.Explicit,) * 2)

def put(array, *spec):
    return jax.device_put(array, NamedSharding(mesh, P(*spec)))

rng = np.random.default_rng(0)
z, hidden, weight = ((rng.normal(size=s)).astype(np.float32) for s in ((8, 16), (8, 4), (16, 4)))
labels = rng.integers(0, 16, 8)

def check(function, operands, specs):
    plain = function(*map(jnp.asarray, operands))
    given = [put(array, *spec) for array, spec in zip(operands, specs)]
    with jax.set_mesh(mesh):
        inside = function(*given)
    for sharded in (inside, jax.jit(function)(*given)):
        for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(sharded), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    return sharded

for name in ("sparsemax", "entmax15", "hardmax"):
    function = sj.get(name)
    for axis in (-1, None):
        p = check(lambda z: function(z, axis), (z,), [("rows", "classes")])
        assert jax.typeof(p).sharding.spec == P("rows", "classes"), jax.typeof(p)
    if name != "hardmax":
        check(jax.grad(lambda z: (function(z) ** 2).sum()), (z,), [("rows", "classes")])

def loss(hidden, weight, labels, reduction="mean"):
    return sj.linear_cross_entropy(hidden, weight, labels, scratch_bytes=4 * 16 * 4, reduction=reduction)

for of_hidden, of_weight in (("rows", None), ("classes", None)), (("rows", "classes"), (None, "classes")):
    specs = of_hidden, of_weight, (of_hidden[0],)
    _, gradients = check(jax.value_and_grad(loss, argnums=(0, 1)), (hidden, weight, labels), specs)
    assert [jax.typeof(g).sharding.spec for g in gradients] == [P(*of_hidden), P(*of_weight)], gradients
    each = check(lambda *operands: loss(*operands, reduction="none"), (hidden, weight, labels), specs)
    assert jax.typeof(each).sharding.spec == P(of_hidden[0]), jax.typeof(each)
print("passed")
"""


def test_meshes_whose_axes_are_part_of_types():
    jax = pytest.importorskip("jax")
    if not hasattr(jax.sharding, "auto_axes"):
        pytest.skip("this jax has no such meshes")
    done = run_python(EXPLICIT, JAX_PLATFORMS="cpu", XLA_FLAGS="--xla_force_host_platform_device_count=8")
    assert done.stdout.strip() == "passed", done.stderr
