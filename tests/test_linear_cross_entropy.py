"""linear_cross_entropy: against MPFR, against the plain way, in pieces, in bounded memory."""

import itertools
import tracemalloc

import gmpy2
import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from cases import DTYPES, assert_same_bits, every_dtype
from softfloor import catalogue, formula

linear = sf.linear_cross_entropy
OPERANDS = ("hidden", "weight", "bias")


def problem(dtype=np.float64, rows=(2, 3), features=5, classes=7, seed=0):
    random = np.random.default_rng(seed)
    hidden = random.normal(0, 1, (*rows, features)).astype(dtype)
    weight = random.normal(0, 1, (classes, features)).astype(dtype)
    bias = random.normal(0, 1, classes).astype(dtype)
    return hidden, weight, random.integers(0, classes, rows), bias


def plain(hidden, weight, labels, bias):
    """The losses, and the gradients of their sum, from logits that are held whole, in float64."""
    h, w, b = (a.astype(np.float64) for a in (hidden, weight, bias))
    losses, slopes = sf.softmax_cross_entropy.value_and_grad(h @ w.T + b, labels, reduction="none")
    flat = slopes.reshape(-1, len(w))
    return losses, (slopes @ w, flat.T @ h.reshape(-1, h.shape[-1]), flat.sum(axis=0))


def tolerance(dtype, features=5):
    """Products are of float32 or float64; half precision is rounded once more."""
    wide = np.finfo(np.float64 if dtype == np.float64 else np.float32).eps
    own = float(ml_dtypes.finfo(dtype).eps)
    return {"rtol": max(own, 8 * features * wide), "atol": 8 * features * wide}


@every_dtype
@pytest.mark.parametrize("scratch_bytes", [1, 700, 2**20])
def test_the_plain_way(dtype, scratch_bytes):
    operands = problem(dtype)
    expected, gradients = plain(*operands)
    losses, found = linear.value_and_grad(*operands, reduction="none", scratch_bytes=scratch_bytes)
    wide = np.float64 if dtype == np.float64 else np.float32
    assert losses.dtype == wide
    np.testing.assert_allclose(losses, expected, **tolerance(wide))
    for gradient, truth, operand in zip(found, gradients, (operands[0], operands[1], operands[3]), strict=True):
        assert gradient.dtype == dtype
        assert gradient.shape == operand.shape
        np.testing.assert_allclose(gradient.astype(float), truth, **tolerance(dtype))
    for reduction, value in (("sum", expected.sum()), ("mean", expected.mean())):
        loss, scaled = linear.value_and_grad(*operands, reduction=reduction, scratch_bytes=scratch_bytes)
        assert loss == linear(*operands, reduction=reduction, scratch_bytes=scratch_bytes)
        assert loss.dtype == wide
        np.testing.assert_allclose(loss, value, **tolerance(wide))
        share = 1 / losses.size if reduction == "mean" else 1
        for gradient, truth in zip(scaled, gradients, strict=True):
            np.testing.assert_allclose(gradient.astype(float), truth * share, **tolerance(dtype))


def test_exact_losses_and_differences():
    """The catalogue's formula in MPFR, and its differences at 60 digits."""
    hidden, weight, labels, bias = problem(rows=(3,))
    losses, gradients = linear.value_and_grad(hidden, weight, labels, bias, reduction="none")
    xp = formula.mpfr(200)
    record = catalogue.ROWS["linear_cross_entropy"]
    step = gmpy2.exp2(-60)

    def total(h, w, b):
        exact = [[[gmpy2.mpfr(v) for v in row] for row in a] for a in (h, w)]
        return [record.formula(xp, row, exact[1], int(y), list(b)) for row, y in zip(exact[0], labels, strict=True)]

    operands = [hidden.tolist(), weight.tolist(), [gmpy2.mpfr(v) for v in bias.tolist()]]
    for loss, truth in zip(losses.tolist(), total(*operands), strict=True):
        assert abs(loss - truth) < 1e-14
    for which, gradient in enumerate(gradients):
        for index in itertools.islice(np.ndindex(gradient.shape), 0, None, 4):
            sides = []
            for sign in (1, -1):
                moved = [np.array(a, dtype=object) for a in operands]
                moved[which][index] = gmpy2.mpfr(moved[which][index]) + sign * step
                sides.append(sum(total(*(a.tolist() for a in moved))))
            assert abs(gradient[index] - (sides[0] - sides[1]) / (2 * step)) < 1e-14


@every_dtype
def test_gradients_asked_for(dtype):
    operands = problem(dtype)
    loss, everything = linear.value_and_grad(*operands)
    assert len(linear.value_and_grad(*operands[:3])[1]) == 2
    for count in range(4):
        for names in itertools.permutations(OPERANDS, count):
            own_loss, found = linear.value_and_grad(*operands, gradients=names)
            assert own_loss == loss
            for name, gradient in zip(names, found, strict=True):
                assert_same_bits(gradient, everything[OPERANDS.index(name)])


@every_dtype
def test_vjp(dtype):
    operands = problem(dtype)
    hidden, weight, labels, bias = operands
    _, gradients = linear.value_and_grad(*operands)
    doubled = linear.vjp(hidden, weight, labels, 2, bias)
    for one, two in zip(gradients, doubled, strict=True):
        np.testing.assert_allclose(two.astype(float), 2 * one.astype(float), rtol=2 * float(ml_dtypes.finfo(dtype).eps))
    cotangent = np.random.default_rng(1).normal(0, 1, labels.shape)
    found = linear.vjp(hidden, weight, labels, cotangent, bias, reduction="none", scratch_bytes=200)
    each = [
        linear.value_and_grad(h, weight, y, bias)[1] for h, y in zip(hidden.reshape(-1, 5), labels.flat, strict=True)
    ]
    weighted = [
        sum(c * row[which].astype(float) for c, row in zip(cotangent.flat, each, strict=True)) for which in (1, 2)
    ]
    loose = {key: 8 * value for key, value in tolerance(dtype).items()}
    for gradient, truth in zip(found[1:], weighted, strict=True):
        np.testing.assert_allclose(gradient.astype(float), truth, rtol=loose["rtol"], atol=loose["rtol"])
    rows = np.reshape([row[0].astype(float) * c for row, c in zip(each, cotangent.flat, strict=True)], hidden.shape)
    np.testing.assert_allclose(found[0].astype(float), rows, **loose)


@pytest.mark.parametrize("ignore_index", [-100, 3, 2**40])
@pytest.mark.parametrize("scratch_bytes", [1, 2**20])
def test_ignored_rows(ignore_index, scratch_bytes):
    hidden, weight, labels, bias = problem(rows=(2, 20))
    ignored = labels == 3
    labels = np.where(ignored, ignore_index, labels)
    settings = {"ignore_index": ignore_index, "scratch_bytes": scratch_bytes}
    hidden[ignored] = np.nan  # which nobody looks at
    for reduction in ("mean", "sum"):
        loss, gradients = linear.value_and_grad(hidden, weight, labels, bias, reduction=reduction, **settings)
        rest = linear.value_and_grad(hidden[~ignored], weight, labels[~ignored], bias, reduction=reduction)
        np.testing.assert_allclose(loss, rest[0], rtol=1e-14)
        np.testing.assert_allclose(gradients[0][~ignored], rest[1][0], rtol=1e-12, atol=1e-15)
        assert not gradients[0][ignored].any()
        for one, two in zip(gradients[1:], rest[1][1:], strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-14)
    losses = linear(hidden, weight, labels, bias, reduction="none", **settings)
    assert losses.shape == labels.shape
    assert not losses[ignored].any()
    assert losses[~ignored].all()


def test_all_ignored_or_nothing_there():
    hidden, weight, labels, bias = problem()
    empty = np.empty((0, 5)), weight, np.empty(0, int), bias
    for operands in ((hidden, weight, np.full_like(labels, -1), bias), empty):
        for reduction in ("mean", "sum"):
            loss, gradients = linear.value_and_grad(*operands, reduction=reduction, ignore_index=-1)
            assert loss == 0
            assert not any(gradient.any() for gradient in gradients)
            assert [g.shape for g in gradients] == [operands[0].shape, weight.shape, bias.shape]


def test_single_rows_and_other_layouts():
    hidden, weight, labels, bias = problem()
    loss = linear(hidden[0, 0], weight, labels[0, 0], bias)
    assert np.ndim(loss) == 0
    assert loss == linear(hidden[:1, 0], weight, labels[:1, 0], bias, reduction="none")[0]
    expected = linear.value_and_grad(hidden, weight, labels, bias)
    for other in (np.asfortranarray(weight), np.repeat(weight, 2, axis=0)[::2], weight[::-1, ::-1][::-1, ::-1]):
        found = linear.value_and_grad(np.asfortranarray(hidden), other, labels.tolist(), bias)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-14)
        for one, two in zip(found[1], expected[1], strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-15)


def test_operands_are_left_alone():
    operands = problem(np.float32)
    before = [a.copy() for a in operands]
    linear.value_and_grad(*operands)
    for one, two in zip(operands, before, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("one", "other"), list(itertools.product(DTYPES, DTYPES)), ids=str)
def test_mixed_dtypes(one, other):
    hidden, weight, labels, bias = problem(rows=(4,))
    hidden, weight = hidden.astype(one), weight.astype(other)
    loss, gradients = linear.value_and_grad(hidden, weight, labels)
    assert loss.dtype == (np.float64 if np.float64 in (one, other) else np.float32)
    assert [g.dtype for g in gradients] == [one, other]
    np.testing.assert_allclose(loss, plain(hidden, weight, labels, 0 * bias)[0].mean(), rtol=1e-5)


def test_half_precision_gradients_are_accumulated_wide():
    """4096 equal contributions: a sum in bfloat16 would stand still at 256 of them."""
    hidden = np.ones((4096, 1), ml_dtypes.bfloat16)
    weight = np.zeros((2, 1), ml_dtypes.bfloat16)
    labels = np.zeros(4096, int)
    (gradient,) = linear.value_and_grad(
        hidden, weight, labels, reduction="sum", gradients=("weight",), scratch_bytes=64
    )[1]
    assert gradient.astype(float).tolist() == [[-2048.0], [2048.0]]


@every_dtype
def test_infinities_and_nan_make_no_warning(dtype):
    hidden, weight, labels, bias = problem(dtype, rows=(6,))
    bias[2] = -np.inf  # excludes a class
    labels[labels == 2] = 0
    with np.errstate(all="raise"):
        losses, gradients = linear.value_and_grad(hidden, weight, labels, bias, reduction="none")
        assert np.isfinite(losses).all()
        assert not gradients[1][2].any()
        assert gradients[2][2] == 0
        hidden[1] = np.nan
        hidden[4] = np.inf
        losses = linear.value_and_grad(hidden, weight, labels, bias, reduction="none")[0]
    assert np.isnan(losses[1])
    assert np.isfinite(np.delete(losses, [1, 4])).all()


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_memory(dtype):
    """Beside the results, no more than the scratch: the logits would take 80 MB."""
    hidden, weight, labels, _ = problem(dtype, rows=(1000,), features=8, classes=20_000)
    scratch = 2**21
    for gradients in ((), ("hidden",), ("hidden", "weight")):
        # Results and their accumulators, one row-sized array each, and Python's own.
        results = sum(4 * {"hidden": hidden, "weight": weight}[name].size for name in gradients) * 2 + 2**18
        tracemalloc.start()
        linear.value_and_grad(hidden, weight, labels, gradients=gradients, scratch_bytes=scratch)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < scratch + results


def test_bad_input():
    hidden, weight, labels, bias = problem()
    wrong = labels.copy()
    wrong[1, 2] = 7
    cases = [
        (IndexError, r"label 7 at position \(1, 2\) is outside \[0, 7\)", (hidden, weight, wrong), {}),
        (IndexError, r"label 7 .*and is not ignore_index=-100", (hidden, weight, wrong), {"ignore_index": -100}),
        (TypeError, "class labels must be integers; got dtype float64", (hidden, weight, labels + 0.0), {}),
        (ValueError, r"labels must have shape \(2, 3\); got \(3, 2\)", (hidden, weight, labels.T), {}),
        (ValueError, r"got shapes \(2, 3, 5\) and \(5, 7\)", (hidden, weight.T, labels), {}),
        (ValueError, r"got shapes \(\) and \(7, 5\)", (1.0, weight, labels), {}),
        (ValueError, r"bias must have shape \(7,\); got \(5,\)", (hidden, weight, labels, bias[:5]), {}),
        (ValueError, "reduction must be", (hidden, weight, labels), {"reduction": "average"}),
        (ValueError, "scratch_bytes must be positive; got 0", (hidden, weight, labels), {"scratch_bytes": 0}),
        (TypeError, "complex", (hidden + 0j, weight, labels), {}),
    ]
    for error, message, operands, settings in cases:
        for call in (linear, linear.value_and_grad):
            with pytest.raises(error, match=message):
                call(*operands, **settings)
    for gradients in ("weight", ("bias",), ("labels",)):
        with pytest.raises(ValueError, match="gradients must be a tuple of names among hidden, weight; got"):
            linear.value_and_grad(hidden, weight, labels, gradients=gradients)
    with pytest.raises(ValueError, match="the loss is a scalar; got a cotangent of shape"):
        linear.vjp(hidden, weight, labels, [1.0, 2.0])
    with pytest.raises(ValueError, match=r"cotangent has shape \(4,\), which does not broadcast to \(2, 3\)"):
        linear.vjp(hidden, weight, labels, np.ones(4), reduction="none")


def test_no_features():
    """What is left of the logits is the bias."""
    hidden, weight, labels, bias = problem(features=0, classes=3)
    expected = sf.softmax_cross_entropy(np.broadcast_to(bias, (2, 3, 3)), labels)
    loss, (dhidden, dweight, _) = linear.value_and_grad(hidden, weight, labels, bias)
    assert loss == expected
    assert (dhidden.shape, dweight.shape) == (hidden.shape, weight.shape)
    assert linear(np.ones((0, 5, 0)), weight, np.zeros((0, 5), int)) == 0


def test_gradients_too_large_for_half_precision_are_infinite_without_a_warning():
    with np.errstate(all="raise"):
        hidden = np.full((400, 3), 1000, np.float16)
        _, (_, dweight) = linear.value_and_grad(
            hidden, np.zeros((2, 3), np.float16), np.zeros(400, int), reduction="sum"
        )
    assert np.isinf(dweight).all()
