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
