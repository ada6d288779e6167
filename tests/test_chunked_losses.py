"""The other losses on Dask arrays: sigmoid_cross_entropy, nll, linear_cross_entropy."""

import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits, every_dtype
from test_chunked import computed, logits, steps_apart

da = pytest.importorskip("dask.array")
linear_losses = pytest.importorskip("softfloor.chunked.linear_losses")

CHUNKS = ((9, -1), (2, -1), (4, 7), (9, 1))
every_chunking = pytest.mark.parametrize("chunks", CHUNKS, ids=str)
every_reduction = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
LABELS = np.array([0, 1, 2, 3, 7, 40, 9, 11, 47])
WEIGHT = np.random.default_rng(7).uniform(0, 3, 48)
WEIGHT[:2] = 0


# ---------------------------------------------- sigmoid_cross_entropy
@every_dtype
@every_chunking
@every_reduction
def test_sigmoid_cross_entropy(dtype, chunks, reduction):
    z = logits(dtype)
    z[6] = 0  # instead of NaN, of which every sum would be NaN
    z[[3, 5, 8]] = 1  # nor infinities
    labels = np.random.default_rng(1).random(z.shape).astype(dtype)
    settings = {"pos_weight": WEIGHT, "weight": np.linspace(0, 2, 9)[:, None], "reduction": reduction}
    expected = sf.sigmoid_cross_entropy.value_and_grad(z, labels, **settings)
    cotangent = np.linspace(-1, 2, z.size).reshape(z.shape) if reduction == "none" else 0.7
    vjp = sf.sigmoid_cross_entropy.vjp(z, labels, cotangent, **settings)
    lazy = da.from_array(z, chunks=chunks)
    for targets in (labels, da.from_array(labels, chunks=5)):
        value = sf.sigmoid_cross_entropy(lazy, targets, **settings)
        found = (value, *sf.sigmoid_cross_entropy.value_and_grad(lazy, targets, **settings))
        assert all(isinstance(one, da.Array) and one.dtype == dtype for one in found)
        assert_same_bits(computed(found[2]), expected[1])
        assert_same_bits(computed(sf.sigmoid_cross_entropy.vjp(lazy, targets, cotangent, **settings)), vjp)
        for one in found[:2]:
            if reduction == "none":
                assert_same_bits(computed(one), expected[0])
            else:  # sums of the chunks' sums
                assert steps_apart(computed(one), expected[0]) <= 1


def test_sigmoid_cross_entropy_of_infinities_and_of_nothing():
    z, labels = np.array([[np.inf, -np.inf], [1.0, np.nan]]), np.array([[0, 1], [1, 0]])
    lazy = da.from_array(z, chunks=1)
    assert computed(sf.sigmoid_cross_entropy(lazy[:1], labels[:1])) == np.inf
    assert np.isnan(computed(sf.sigmoid_cross_entropy(lazy, labels)))
    nothing = da.zeros((0, 3), chunks=(0, 2))
    assert computed(sf.sigmoid_cross_entropy(nothing, np.zeros((0, 3)))) == 0
    assert computed(sf.sigmoid_cross_entropy(da.asarray(0.5), 1)) == sf.sigmoid_cross_entropy(0.5, 1)


def test_sigmoid_cross_entropy_checks():
    z, labels = da.zeros((4, 6), chunks=(2, 3)), np.zeros((4, 6))
    labels[3, 4] = 2
    with pytest.raises(ValueError, match=r"label 2.0 at position \(3, 4\) is not in \[0, 1\]"):
        sf.sigmoid_cross_entropy(z, labels)
    lazy = sf.sigmoid_cross_entropy(z, da.from_array(labels, chunks=2))  # nothing is computed yet
    with pytest.raises(ValueError, match=r"label 2.0 at position \(3, 4\) is not in \[0, 1\]"):
        computed(lazy)
    with pytest.raises(ValueError, match=r"pos_weight -1\.0 is not between 0 and 1e100"):
        sf.sigmoid_cross_entropy(z, z, pos_weight=-1.0)
    with pytest.raises(ValueError, match=r"weight has shape \(5,\), which does not broadcast to \(4, 6\)"):
        sf.sigmoid_cross_entropy(z, z, weight=np.ones(5))
    with pytest.raises(ValueError, match=r"labels have shape \(4,\); the logits have \(4, 6\)"):
        sf.sigmoid_cross_entropy(z, labels[:, 0])
    with pytest.raises(TypeError, match="labels has dtype complex128"):
        sf.sigmoid_cross_entropy(z, labels * 1j)
    with pytest.raises(TypeError, match="sigmoid_cross_entropy: out cannot be given with Dask arrays"):
        sf.sigmoid_cross_entropy.value_and_grad(z, z, out=np.empty((4, 6)))


# ---------------------------------------------- nll
@every_dtype
@every_reduction
def test_nll(dtype, reduction):
    """One entry of a row matters, so the bits are those of NumPy arrays however rows are cut."""
    q = sf.log_softmax(logits(dtype))
    for options in ({}, {"weight": WEIGHT}, {"ignore_index": 9}, {"weight": WEIGHT, "ignore_index": -100}):
        labels = np.where(np.isin(LABELS, [9, 40, 7]), options.get("ignore_index", 9), LABELS)
        expected = sf.nll.value_and_grad(q, labels, **options, reduction=reduction)
        for chunks, targets in ((CHUNKS[1], labels), (CHUNKS[2], da.from_array(labels, chunks=2))):
            lazy = da.from_array(q, chunks=chunks)
            value = sf.nll(lazy, targets, **options, reduction=reduction)
            again, gradient = sf.nll.value_and_grad(lazy, targets, **options, reduction=reduction)
            for one, two in ((value, expected[0]), (again, expected[0]), (gradient, expected[1])):
                assert isinstance(one, da.Array)
                assert one.dtype == dtype
                assert_same_bits(np.asarray(computed(one)), np.asarray(two))


def test_nll_along_another_axis_and_of_nothing():
    q = np.random.default_rng(0).normal(-3, 1, (4, 5, 6))
    labels = np.random.default_rng(1).integers(0, 5, (4, 6))
    expected = sf.nll.value_and_grad(q, labels, 1)
    for one, two in zip(sf.nll.value_and_grad(da.from_array(q, chunks=2), labels, 1), expected, strict=True):
        assert_same_bits(np.asarray(computed(one)), np.asarray(two))
    value, gradient = sf.nll.value_and_grad(da.from_array(q, chunks=2), np.full((4, 6), 3), 1, ignore_index=3)
    assert computed(value) == 0
    assert_same_bits(computed(gradient), np.zeros(q.shape))


def test_nll_checks():
    q = da.zeros((4, 6), chunks=(2, 3))
    with pytest.raises(IndexError, match=r"nll: label 6 at position 3 is outside \[0, 6\)"):
        sf.nll(q, [0, 1, 2, 6])
    with pytest.raises(IndexError, match=r"nll: label 6 at position 3 is outside \[0, 6\)"):
        computed(sf.nll(q, da.from_array(np.array([0, 1, 2, 6]), chunks=2)))
    with pytest.raises(ValueError, match=r"nll: weight has shape \(2,\); 6 classes need \(6,\)"):
        sf.nll(q, [0, 1, 2, 3], weight=[1, 2])


# ---------------------------------------------- linear_cross_entropy
def layer(dtype=np.float32):
    random = np.random.default_rng(0)
    hidden, weight = random.normal(0, 1, (3, 5, 8)).astype(dtype), random.normal(0, 1, (30, 8)).astype(dtype)
    return hidden, weight, random.integers(0, 30, (3, 5)), random.normal(0, 1, 30).astype(dtype)


LAYER_CHUNKS = (((3, 5, 8), (30, 8)), ((1, 2, 8), (30, 8)), ((2, 3, 5), (7, 4)))


@every_dtype
@pytest.mark.parametrize("chunks", LAYER_CHUNKS, ids=str)
@pytest.mark.parametrize("lazy_labels", [False, True])
def test_linear_cross_entropy(dtype, chunks, lazy_labels):
    hidden, weight, labels, bias = layer(dtype)
    given = da.from_array(labels, chunks=2) if lazy_labels else labels
    operands = (da.from_array(hidden, chunks=chunks[0]), da.from_array(weight, chunks=chunks[1]), given, bias)
    for settings in ({"ignore_index": 7}, {"reduction": "sum"}, {"reduction": "none", "ignore_index": 1}):
        expected = sf.linear_cross_entropy.value_and_grad(hidden, weight, labels, bias, **settings)
        value = sf.linear_cross_entropy(*operands, **settings)
        again, gradients = sf.linear_cross_entropy.value_and_grad(*operands, **settings, scratch_bytes=500)
        assert value.dtype == expected[0].dtype
        for one in (value, again):
            np.testing.assert_allclose(computed(one), expected[0], rtol=3e-6)
        for one, two, operand in zip(gradients, expected[1], (hidden, weight, bias), strict=True):
            assert one.dtype == operand.dtype
            assert one.shape == operand.shape
            tolerance = {2: 2**-6, 4: 1e-5, 8: 1e-13}[operand.dtype.itemsize]
            found, exact = computed(one).astype(float), two.astype(float)
            np.testing.assert_allclose(found, exact, rtol=tolerance, atol=tolerance * np.abs(exact).max())


def test_linear_cross_entropy_vjp():
    hidden, weight, labels, bias = layer(np.float64)
    lazy = da.from_array(hidden, chunks=2)
    cotangent = np.linspace(-1, 2, 15).reshape(3, 5)
    for settings in ({"reduction": "none"}, {"reduction": "sum"}):
        upstream = cotangent if settings["reduction"] == "none" else 0.5
        expected = sf.linear_cross_entropy.vjp(hidden, weight, labels, upstream, bias, **settings)
        found = sf.linear_cross_entropy.vjp(lazy, weight, labels, upstream, bias, **settings)
        for one, two in zip(found, expected, strict=True):
            np.testing.assert_allclose(computed(one), two, rtol=1e-12, atol=1e-14)
    (one,) = sf.linear_cross_entropy.vjp(lazy, weight, labels, 1.0, gradients=("weight",))
    assert one.shape == weight.shape
    with pytest.raises(ValueError, match=r"cotangent has shape \(4,\), which does not broadcast to \(3, 5\)"):
        sf.linear_cross_entropy.vjp(lazy, weight, labels, np.ones(4), reduction="none")
    with pytest.raises(ValueError, match="gradients must be a tuple of names among hidden, weight"):
        sf.linear_cross_entropy.vjp(lazy, weight, labels, 1.0, gradients=("bias",))


def test_ignored_rows_reach_no_gradient():
    hidden, weight, labels, _ = layer(np.float64)
    hidden[1, 2], labels[1, 2] = [np.nan, *[np.inf] * 7], -100
    found = sf.linear_cross_entropy.value_and_grad(da.from_array(hidden, chunks=2), weight, labels, ignore_index=-100)
    expected = sf.linear_cross_entropy.value_and_grad(hidden, weight, labels, ignore_index=-100)
    np.testing.assert_allclose(computed(found[0]), expected[0], rtol=1e-13)
    for one, two in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(computed(one), two, rtol=1e-12, atol=1e-14)


def test_scratch_bounds_the_logits(monkeypatch):
    """No task makes more of them at a time, and rows are cut for that where they were not."""
    hidden, weight, labels, _ = layer()
    made = []
    monkeypatch.setattr(
        linear_losses, "_term", lambda a, b: made.append(len(a) * b.shape[1]) or np.matmul(a, b)[:, None]
    )
    for scratch in (4 * 30 * 4, 4 * 30 * 100):
        made.clear()
        computed(sf.linear_cross_entropy(da.asarray(hidden), weight, labels, scratch_bytes=scratch))
        assert max(made) == min(scratch // 4, 30 * 15)
    with pytest.raises(ValueError, match="linear_cross_entropy: scratch_bytes must be positive; got 0"):
        sf.linear_cross_entropy(da.asarray(hidden), weight, labels, scratch_bytes=0)


def test_linear_cross_entropy_checks():
    hidden, weight, labels, _ = layer()
    lazy = da.asarray(hidden)
    with pytest.raises(ValueError, match=r"labels must have shape \(3, 5\); got \(15,\)"):
        sf.linear_cross_entropy(lazy, weight, labels.ravel())
    with pytest.raises(IndexError, match=r"linear_cross_entropy: label -1 at position \(0, 0\) is outside \[0, 30\)"):
        sf.linear_cross_entropy(lazy, weight, np.full((3, 5), -1))
    with pytest.raises(ValueError, match=r"bias must have shape \(30,\); got \(3,\)"):
        sf.linear_cross_entropy(lazy, weight, labels, np.ones(3))
    with pytest.raises(ValueError, match="hidden must be"):
        sf.linear_cross_entropy(lazy, weight.T, labels)


@pytest.mark.parametrize("cut", [(-1, 2), (2, -1), (2, 3)])
def test_a_bias_that_is_cut_unlike_the_classes(cut):
    random = np.random.default_rng(0)
    hidden, weight, bias = random.normal(size=(6, 3)), random.normal(size=(5, 3)), random.normal(size=5)
    labels = random.integers(0, 5, 6)
    of_weight, of_bias = cut
    operands = da.from_array(hidden), da.from_array(weight, chunks=(of_weight, -1)), labels
    loss, gradients = sf.linear_cross_entropy.value_and_grad(*operands, da.from_array(bias, chunks=of_bias))
    expected = sf.linear_cross_entropy.value_and_grad(hidden, weight, labels, bias)
    np.testing.assert_allclose(computed(loss), expected[0], rtol=1e-14)
    for found, truth in zip(gradients, expected[1], strict=True):
        np.testing.assert_allclose(computed(found), truth, rtol=1e-12, atol=1e-14)


def test_chunks_without_a_class():
    z, labels = np.random.default_rng(0).normal(size=(4, 5)), [0, 1, 3, 4]
    lazy = da.from_array(z, chunks=((2, 0, 2), (2, 0, 3)))
    for function in (sf.softmax_cross_entropy, sf.nll):
        for reduction in ("mean", "none"):
            found = function.value_and_grad(lazy, labels, reduction=reduction)
            for one, truth in zip(found, function.value_and_grad(z, labels, reduction=reduction), strict=True):
                np.testing.assert_allclose(computed(one), truth, rtol=1e-14, atol=1e-16)
