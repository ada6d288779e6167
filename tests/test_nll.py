"""nll: against torch's nll_loss, gradients, ignored and weighted classes, edges, bad input."""

import itertools
import math

import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits, edges, every_dtype
from softfloor import _core

SHAPE = (3, 4, 5)


def problem(dtype=np.float64, axis=-1):
    random = np.random.default_rng(0)
    q = sf.log_softmax(random.normal(0, 3, SHAPE).astype(dtype), axis)
    return q, random.integers(0, SHAPE[axis], [n for k, n in enumerate(SHAPE) if k != axis % 3])


@pytest.mark.parametrize("axis", range(-3, 3))
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore_index", [None, 1, -100])
def test_it_is_torch_s(axis, weighted, ignore_index):
    torch = pytest.importorskip("torch")
    q, labels = problem(axis=axis)
    if ignore_index == -100:
        labels.flat[::3] = -100
    weight = np.random.default_rng(1).random(SHAPE[axis]) if weighted else None
    for reduction in ("mean", "sum", "none"):
        tensor = torch.tensor(np.moveaxis(q, axis, 1), requires_grad=True)
        expected = torch.nn.functional.nll_loss(
            tensor,
            torch.tensor(labels),
            weight=torch.tensor(weight) if weighted else None,
            ignore_index=-(10**6) if ignore_index is None else ignore_index,
            reduction=reduction,
        )
        expected.sum().backward()
        keywords = {"weight": weight, "ignore_index": ignore_index, "reduction": reduction}
        loss, gradient = sf.nll.value_and_grad(q, labels, axis, **keywords)
        assert_same_bits(sf.nll(q, labels, axis, **keywords), loss)
        np.testing.assert_allclose(loss, expected.detach().numpy(), rtol=1e-14)
        np.testing.assert_allclose(np.moveaxis(gradient, axis, 1), tensor.grad.numpy(), rtol=1e-14)


@every_dtype
def test_it_is_cross_entropy_of_log_softmax(dtype):
    """The vjp of log_softmax takes this gradient to that of softmax_cross_entropy."""
    z = np.random.default_rng(0).normal(0, 2, (6, 5)).astype(dtype)
    labels = np.arange(6) % 5
    q = sf.log_softmax(z)
    losses, slopes = sf.nll.value_and_grad(q, labels, reduction="none")
    assert losses.dtype == slopes.dtype == dtype
    epsilon = float(edges(dtype)[4])
    expected, gradient = sf.softmax_cross_entropy.value_and_grad(z, labels, reduction="none")
    np.testing.assert_allclose(losses.astype(float), expected.astype(float), rtol=2 * epsilon)
    through = sf.log_softmax.vjp(q, slopes)
    np.testing.assert_allclose(through.astype(float), gradient.astype(float), rtol=8 * epsilon, atol=epsilon)
    assert_same_bits(losses, -q[np.arange(6), labels])


@every_dtype
def test_pytorch_issues_70348_75181_and_116349_all_ignored_gives_zero(dtype):
    q, labels = problem(dtype)
    for keywords in ({"ignore_index": -1}, {"ignore_index": 2}, {"weight": np.zeros(5)}):
        targets = np.full_like(labels, keywords.get("ignore_index", 0))
        loss, gradient = sf.nll.value_and_grad(q, targets, **keywords)
        assert_same_bits(loss, dtype(0))
        assert (gradient == 0).all()
    loss, gradient = sf.nll.value_and_grad(np.empty((3, 0), dtype), np.empty(0, int), axis=0)
    assert float(loss) == 0
    assert gradient.shape == (3, 0)
    loss, gradient = sf.nll.value_and_grad(np.empty((0, 3), dtype), np.empty(0, int))
    assert_same_bits(loss, dtype(0))
    assert gradient.shape == (0, 3)


@every_dtype
def test_entmax_issue_8_ignored_rows_do_not_count(dtype):
    q, labels = problem(dtype)
    some = labels != 3
    q[labels == 3] = np.nan
    loss, gradient = sf.nll.value_and_grad(q, labels, ignore_index=3)
    assert_same_bits(loss, sf.nll(q[some], labels[some]))
    assert (gradient[~some] == 0).all()
    assert_same_bits(gradient[some], sf.nll.value_and_grad(q[some], labels[some])[1])


@every_dtype
def test_edges(dtype):
    q = np.array([[-np.inf, 0], [np.nan, 0], [0, -np.inf]], dtype)
    losses = sf.nll(q, [0, 0, 0], reduction="none")
    assert_same_bits(losses, np.array([np.inf, np.nan, 0], dtype))
    assert_same_bits(sf.nll(q, [0, 1, 1], weight=[0, 1], reduction="none"), np.array([0, 0, np.inf], dtype))
    assert sf.nll(q[[0, 2]], [0, 0]) == np.inf
    with np.errstate(all="raise"):
        everything = edges(dtype)
        for reduction, weight in itertools.product(("mean", "sum", "none"), ([1, 1], [0, 1e300], [1e-300, 1])):
            q = np.stack([everything, everything], -1)
            sf.nll.value_and_grad(q, np.arange(len(q)) % 2, weight=weight, reduction=reduction)


def test_rows_without_classes_that_are_ignored():
    for reduction in ("mean", "sum", "none"):
        loss, gradient = sf.nll.value_and_grad(np.zeros((2, 0)), [-1, -1], ignore_index=-1, reduction=reduction)
        assert (np.asarray(loss) == 0).all()
        assert gradient.shape == (2, 0)


@pytest.mark.parametrize("function", (sf.nll, sf.softmax_cross_entropy, sf.sigmoid_cross_entropy))
def test_byte_order_of_operands_is_not_that_of_results(function):
    z = np.zeros((2, 3), ">f4")
    labels = z if function is sf.sigmoid_cross_entropy else [0, 1]
    out = np.empty((2, 3), np.float32)
    losses, gradient = function.value_and_grad(z, labels, out=out, reduction="none")
    assert gradient is out
    assert losses.dtype.isnative


def test_a_single_loss_is_a_scalar():
    q = np.log([0.25, 0.75])
    for label in (1, np.array(1), np.array(1, np.int8)):
        assert isinstance(sf.nll(q, label, reduction="none", ignore_index=5), np.float64)


def test_a_sum_too_large_is_infinite():
    q = np.full((3, 2), -np.finfo(float).max)
    assert sf.nll(q, [0, 1, 0], reduction="sum") == np.inf
    assert sf.softmax_cross_entropy(q * [0, 1], [1, 1, 1], reduction="sum") == np.inf
    assert sf.sigmoid_cross_entropy(q, np.ones((3, 2)), reduction="sum") == np.inf
    half = np.full((3, 2), -60000, np.float16)
    with np.errstate(all="raise"):
        assert sf.nll(half, [0, 1, 0], reduction="sum") == np.inf
        assert sf.softmax_cross_entropy(half * [0, 1], [1, 1, 1], reduction="sum") == 180_000
        assert sf.softmax_cross_entropy(half * np.float16([0, 1]), [1, 1, 1], reduction="sum") == np.inf
        assert sf.sigmoid_cross_entropy(half, np.ones((3, 2)), reduction="sum") == np.inf


def test_out():
    q, labels = problem()
    loss, expected = sf.nll.value_and_grad(q, labels)
    for out in (np.full_like(q, np.nan), np.full(SHAPE, np.nan, order="F"), q):
        result = sf.nll.value_and_grad(q, labels, out=out)
        assert result[1] is out
        assert_same_bits(result[0], loss)
        assert_same_bits(out, expected)


def test_bad_input():
    q = np.zeros((2, 3))
    for labels, keywords, error, message in (
        ([0, 3], {}, IndexError, r"label 3 at position 1 is outside \[0, 3\)"),
        ([0, -1], {"ignore_index": 1}, IndexError, "label -1 at position 1"),
        ([0.0, 1.0], {}, TypeError, "class labels must be integers; got dtype float64"),
        ([0], {}, ValueError, r"labels have shape \(1,\); these log-probabilities need \(2,\)"),
        ([0, 1], {"weight": [1.0, 2.0]}, ValueError, r"weight has shape \(2,\); 3 classes need \(3,\)"),
        (
            [0, 1],
            {"weight": [1.0, -2.0, 0.0]},
            ValueError,
            "weight -2.0 at position 1 is not between 0 and 1.79769e",
        ),
        ([0, 1], {"weight": "heavy"}, TypeError, "weight has dtype"),
        ([0, 1], {"ignore_index": 0.5}, TypeError, "ignore_index must be an integer; got 0.5"),
        ([0, 1], {"reduction": "average"}, ValueError, "reduction must be 'mean', 'sum' or 'none'; got 'average'"),
        ([0, 1], {"axis": 2}, np.exceptions.AxisError, "out of bounds for array of dimension 2"),
        ([0, 1], {"axis": None}, TypeError, "axis must be one integer; got None"),
    ):
        with pytest.raises(error, match=message):
            sf.nll(q, labels, **keywords)
    with pytest.raises(TypeError, match="log_probabilities has dtype"):
        sf.nll(q * 1j, [0, 1])
    for out in (np.ones(3), np.ones((2, 3), np.float32), [0.0]):
        with pytest.raises(ValueError, match="out must be an array of float64"):
            sf.nll.value_and_grad(q, [0, 1], out=out)
    assert (q == 0).all()


@pytest.mark.parametrize("axis", range(-3, 3))
@every_dtype
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_short_way_of_frequent_operands_gives_the_same(axis, dtype, reduction):
    q, labels = problem(dtype, axis)
    q = np.ascontiguousarray(np.where(np.abs(q) < 0.5, dtype(0), q))  # 0 has the loss +0
    loss, gradient = _core.class_loss_and_grad(q, labels, axis, reduction=reduction)
    assert_same_bits(_core.class_loss(q, labels, axis, reduction=reduction), loss)
    assert gradient.flags.c_contiguous
    for operands in ((np.asfortranarray(q), labels), (q, labels.astype(np.int32))):
        expected, expected_gradient = sf.nll.value_and_grad(*operands, axis, reduction=reduction)
        assert type(loss) is type(expected)
        assert_same_bits(loss, expected)
        assert_same_bits(gradient, np.ascontiguousarray(expected_gradient))
    for out in (np.full_like(q, np.nan), q):
        pair = _core.class_loss_and_grad(q, labels, axis, reduction=reduction, out=out)
        assert pair[1] is out
        assert_same_bits(pair[0], loss)
        assert_same_bits(out, gradient)


@pytest.mark.parametrize("rows", [1, 1023, 1024, 1025, 5000])
def test_the_short_way_of_many_rows(rows):
    random = np.random.default_rng(rows)
    q, labels = -random.exponential(size=(rows, 70)).astype(np.float32), random.integers(0, 70, rows)
    picked = -q[np.arange(rows), labels].astype(np.float64)
    assert sf.nll(q, labels) == np.float32(math.fsum(picked) / rows)
    loss, gradient = sf.nll.value_and_grad(q, labels, reduction="sum")
    assert loss == np.float32(math.fsum(picked))
    expected = np.zeros_like(q)
    expected[np.arange(rows), labels] = -1
    assert_same_bits(gradient, expected)


def test_the_short_way_leaves_everything_else_to_the_other():
    q, labels = problem()
    readonly, overlapping = q.copy(), np.zeros(q.size + 1)
    readonly.flags.writeable = False
    for operands in (
        (q, labels.astype(np.int32), 2, "mean"),
        (q.astype(np.longdouble), labels, 2, "mean"),
        (np.asfortranarray(q), labels, 2, "mean"),
        (q.astype(q.dtype.newbyteorder()), labels, 2, "mean"),
        (q.view(np.recarray), labels, 2, "mean"),
        (q.tolist(), labels, 2, "mean"),
        (q, labels, 3, "mean"),
        (q, labels, -4, "mean"),
        (q, labels, 2**80, "mean"),
        (q, labels, 2.0, "mean"),
        (q, labels, None, "mean"),
        (q, labels, 2, "average"),
        (q, labels, 2, None),
        (q, labels[:2], 2, "mean"),
        (q, labels.reshape(4, 3), 2, "mean"),
        (q[:0], labels[:0], 2, "mean"),
        (q[:, :, :0], labels, 2, "mean"),
        (q, np.full_like(labels, SHAPE[2]), 2, "mean"),
        (q, np.full_like(labels, -1), 2, "mean"),
        (q, np.full_like(labels, np.iinfo(np.int64).min), 2, "mean"),
        (np.full_like(q, -np.inf), labels, 2, "mean"),
    ):
        *given, reduction = operands
        assert _core.class_loss(*given, reduction=reduction) is None
        assert _core.class_loss_and_grad(*given, reduction=reduction) is None
    for out in (
        q[0],
        q.astype(np.float32),
        np.asfortranarray(q),
        readonly,
        q.tolist(),
        overlapping[:-1].reshape(SHAPE),
    ):
        inside = overlapping[1 : 1 + labels.size].view(np.int64).reshape(labels.shape)
        assert _core.class_loss_and_grad(q, inside, 2, out=out) is None
    for keywords in ({"out": q}, {"weight": [1.0] * 5}, {"axis": 2, "reduce": None}, {"softcap": None}):
        assert _core.class_loss(q, labels, **keywords) is None
    assert _core.class_loss(q, labels, 2, axis=2) is None
    assert _core.class_loss(q) is None
