"""Rows that lie on two worker processes."""

import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


def test_two_processes(client):
    random = np.random.default_rng(0)
    z, labels = random.normal(0, 3, (40, 1000)).astype(np.float32), random.integers(0, 1000, 40)
    lazy = da.from_array(z, chunks=(20, 90))
    where = client.run(lambda: __import__("os").getpid())
    assert len(set(where.values())) == 2
    loss, gradient = sf.softmax_cross_entropy.value_and_grad(lazy, labels)
    results = {
        "softmax": sf.softmax(lazy),
        "log_softmax": sf.log_softmax(lazy),
        "logsumexp": sf.logsumexp(lazy),
        "loss": loss,
        "gradient": gradient,
        "vjp": sf.softmax.vjp(lazy, z),
        "gelu": sf.gelu(lazy),
        "silu": sf.silu(lazy, beta=1.5),
        "swiglu": sf.swiglu(lazy, z),
        "dgate": sf.gated_presets["ling-3"].vjp(lazy, z, 1.0)[0],
        "packed": sf.gated("tanh", limit=2.0).packed(lazy, gate="last"),
    }
    there = dict(zip(results, client.compute(list(results.values()), sync=True), strict=True))
    for name, lazy_result in results.items():
        assert_same_bits(np.asarray(there[name]), np.asarray(lazy_result.compute(scheduler="synchronous")))
    assert_same_bits(there["gelu"], sf.gelu(z))
    np.testing.assert_allclose(there["softmax"], sf.softmax(z), rtol=4e-7)
    np.testing.assert_allclose(there["loss"], sf.softmax_cross_entropy(z, labels), rtol=4e-7)
