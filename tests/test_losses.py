"""softmax_cross_entropy: labels of every kind, reductions, gradients, edges."""

import itertools

import numpy as np
import pytest

import softfloor as sf
from cases import DTYPES, assert_same_bits, edges, every_dtype

cross_entropy = sf.softmax_cross_entropy
SHAPE = (3, 4, 5)
every_axis = pytest.mark.parametrize("axis", range(-3, 3))


def problem(dtype=np.float64, axis=-1, seed=0):
    random = np.random.default_rng(seed)
    z = random.normal(0, 3, SHAPE).astype(dtype)
    outer = [n for k, n in enumerate(SHAPE) if k != axis % 3]
    return z, random.integers(0, SHAPE[axis], outer)


def one_hot(labels, classes, axis, dtype):
    return np.moveaxis(np.eye(classes, dtype=dtype)[labels], -1, axis)


@every_axis
@every_dtype
def test_a_label_picks_from_log_softmax(axis, dtype):
    z, labels = problem(dtype, axis)
    losses = cross_entropy(z, labels, axis, reduction="none")
    picked = np.take_along_axis(sf.log_softmax(z, axis), np.expand_dims(labels, axis), axis).squeeze(axis)
    np.testing.assert_allclose(losses.astype(float), -picked.astype(float), rtol=2 * float(edges(dtype)[4]))
    assert losses.dtype == dtype
    assert losses.shape == labels.shape


@every_axis
@every_dtype
def test_the_call_the_pair_and_the_vjp_agree(axis, dtype):
    z, labels = problem(dtype, axis)
    hot = one_hot(labels, SHAPE[axis], axis, dtype)
    for targets, reduction in itertools.product((labels, hot), ("mean", "sum", "none")):
        loss = cross_entropy(z, targets, axis, reduction=reduction)
        both = cross_entropy.value_and_grad(z, targets, axis, reduction=reduction)
        assert_same_bits(both[0], loss)
        assert both[1].dtype == dtype
        assert_same_bits(cross_entropy.vjp(z, targets, 1, axis, reduction=reduction), both[1])
        assert_same_bits(cross_entropy.vjp(z, targets, -1.0, axis, reduction=reduction), -both[1])
    each = cross_entropy.value_and_grad(z, labels, axis, reduction="none")[1]
    assert_same_bits(np.moveaxis(each, axis, -1), cross_entropy.jacobian(z, labels, axis))
    assert_same_bits(cross_entropy.value_and_grad(z, labels, axis, reduction="sum")[1], each)
    c = np.random.default_rng(2).normal(0, 1, labels.shape)
    np.testing.assert_allclose(
        cross_entropy.vjp(z, labels, c, axis, reduction="none").astype(float),
        each.astype(float) * np.expand_dims(c, axis),
        rtol=3 * float(edges(dtype)[4]),
        atol=float(edges(dtype)[1]),
    )


@every_dtype
def test_reductions(dtype):
    z, labels = problem(dtype)
    losses = cross_entropy(z, labels, reduction="none")
    total = np.sum(losses.astype(np.float64))
    assert cross_entropy(z, labels, reduction="sum") == dtype(total)
    assert cross_entropy(z, labels) == cross_entropy(z, labels, reduction="mean") == dtype(total / labels.size)
    assert isinstance(cross_entropy(z, labels), dtype)
    # Order does not matter, to the bit.
    flipped = cross_entropy(z[::-1, ::-1], labels[::-1, ::-1])
    assert_same_bits(flipped, cross_entropy(z, labels))


@every_dtype
@pytest.mark.parametrize("label_dtype", [*np.typecodes["AllInteger"], "?", *DTYPES], ids=str)
def test_one_hot_of_every_dtype_is_the_label(dtype, label_dtype):
    z, labels = problem(dtype)
    hot = one_hot(labels, SHAPE[-1], -1, label_dtype)
    loss, gradient = cross_entropy.value_and_grad(z, labels, reduction="none")
    hot_loss, hot_gradient = cross_entropy.value_and_grad(z, hot, reduction="none")
    assert hot_loss.dtype == hot_gradient.dtype == dtype
    epsilon = float(edges(dtype)[4])
    np.testing.assert_allclose(hot_loss.astype(float), loss.astype(float), rtol=2 * epsilon)
    np.testing.assert_allclose(
        hot_gradient.astype(float), gradient.astype(float), rtol=4 * epsilon, atol=epsilon * 1e-3
    )


@pytest.mark.parametrize("label_dtype", np.typecodes["AllInteger"])
def test_class_labels_of_every_integer_dtype(label_dtype):
    z, labels = problem()
    assert_same_bits(cross_entropy(z, labels.astype(label_dtype)), cross_entropy(z, labels))
    assert_same_bits(cross_entropy(z, labels.tolist()), cross_entropy(z, labels))


@every_dtype
def test_single_rows_and_none(dtype):
    z = np.array([1, 2, 3], dtype)
    loss, gradient = cross_entropy.value_and_grad(z, 2)
    assert np.ndim(loss) == 0
    assert gradient.shape == (3,)
    assert_same_bits(loss, cross_entropy(z[None], [2]))
    assert_same_bits(np.asarray(cross_entropy(z, 2, reduction="none")), np.asarray(loss))
    nothing = np.empty((0, 3), dtype)
    loss, gradient = cross_entropy.value_and_grad(nothing, np.empty(0, int))
    assert loss == 0
    assert gradient.shape == (0, 3)
    assert cross_entropy(nothing, np.empty(0, int), reduction="none").shape == (0,)


@pytest.mark.parametrize("code", "?bhil")
def test_integer_logits(code):
    z = np.array([[0, 1, 1], [1, 0, 0]], code)
    expected = np.exp(z).dtype
    loss, gradient = cross_entropy.value_and_grad(z, [0, 2])
    assert loss.dtype == gradient.dtype == expected
    assert_same_bits(loss, cross_entropy(z.astype(expected), [0, 2]))


@every_axis
@every_dtype
def test_gradient_in_place(axis, dtype):
    z, labels = problem(dtype, axis)
    hot = one_hot(labels, SHAPE[axis], axis, dtype)
    for targets in (labels, hot):
        loss, gradient = cross_entropy.value_and_grad(z, targets, axis)
        for output in (z.copy(), np.empty(SHAPE, dtype, order="F"), np.empty((*SHAPE, 2), dtype)[..., 1]):
            given = output if np.array_equal(output, z) else z
            own_loss, own = cross_entropy.value_and_grad(given, targets, axis, out=output)
            assert own is output
            assert_same_bits(own, gradient)
            assert_same_bits(own_loss, loss)
        own = z.copy()
        assert cross_entropy.vjp(own, targets, 1, axis, out=own) is own
        assert_same_bits(own, gradient)


@every_dtype
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"z_loss": 1e-3}, {"softcap": 4.0}])
def test_gradient_over_an_operand(dtype, options):
    """In place of the logits, or of the probabilities; some rows need another text, which must find what was there."""
    random = np.random.default_rng(0)
    z = random.normal(0, 3, (5, 40)).astype(dtype)
    z[1, 3], z[2, 5], z[3, 7] = -np.inf, np.nan, np.inf
    labels, shares = random.integers(8, 40, 5), sf.softmax(random.normal(0, 1, (5, 40)).astype(dtype))
    for targets in (labels, shares):
        expected = cross_entropy.value_and_grad(z, targets, reduction="none", **options)
        for over in ("logits", "probabilities")[: 1 + (targets is shares)]:
            operands = [z.copy(), targets.copy()]
            out = operands[over == "probabilities"]
            found = cross_entropy.value_and_grad(*operands, reduction="none", **options, out=out)
            assert found[1] is out
            for one, two in zip(found, expected, strict=True):
                assert_same_bits(one, two)


@every_dtype
def test_layouts(dtype):
    z, labels = problem(dtype)
    expected = cross_entropy.value_and_grad(z, labels)
    for other in (np.asfortranarray(z), np.repeat(z, 2, axis=2)[..., ::2], z[::-1][::-1]):
        for one, two in zip(cross_entropy.value_and_grad(other, np.asfortranarray(labels)), expected, strict=True):
            assert_same_bits(one, two)
    moved = cross_entropy.value_and_grad(np.moveaxis(z, -1, 0), labels, 0)
    assert_same_bits(moved[0], expected[0])
    assert_same_bits(np.moveaxis(moved[1], 0, -1), expected[1])


@every_dtype
def test_tiny_losses(dtype):
    """Where one class has nearly all the mass, the loss is the rest, not zero."""
    z = np.array([[0, 12], [0, 14]], dtype)
    losses, gradient = cross_entropy.value_and_grad(z, [1, 1], reduction="none")
    exact = np.log1p(np.exp(-z[:, 1].astype(float)))
    rounding = {"rtol": float(edges(dtype)[4]), "atol": float(edges(dtype)[1])}
    np.testing.assert_allclose(losses.astype(float), exact, **rounding)
    assert (losses > 0).all()
    assert (gradient[:, 1] < 0).all()
    assert_same_bits(gradient[:, 1], -gradient[:, 0])


@every_dtype
def test_infinite_logits(dtype):
    none = {"reduction": "none"}
    z = np.array([[np.inf, 1, np.inf]] * 3, dtype)
    losses, gradient = cross_entropy.value_and_grad(z, [0, 1, 2], **none)
    assert_same_bits(losses, np.array([np.log(2), np.inf, np.log(2)]).astype(dtype))
    assert_same_bits(gradient, np.array([[-0.5, 0, 0.5], [0.5, -1, 0.5], [0.5, 0, -0.5]], dtype))
    hot_losses, hot_gradient = cross_entropy.value_and_grad(z, np.eye(3, dtype=dtype), **none)
    assert_same_bits(hot_losses, losses)
    np.testing.assert_array_equal(hot_gradient, gradient)
    # A class of probability 0 costs nothing, even at a logit of -inf.
    z = np.array([-np.inf, 0, 0], dtype)
    assert_same_bits(cross_entropy(z, np.array([0, 0.5, 0.5], dtype)), np.log(2).astype(dtype))
    assert cross_entropy(z, 0) == np.inf
    assert cross_entropy(z, np.array([1, 0, 0], dtype)) == np.inf


@every_dtype
def test_a_fully_masked_row_has_no_gradient(dtype):
    z = np.full((2, 3), -np.inf, dtype)
    z[1] = [0, 1, 2]
    for targets in (np.array([0, 1]), np.eye(3, dtype=dtype)[[0, 1]]):
        losses, gradient = cross_entropy.value_and_grad(z, targets, reduction="none")
        assert losses[0] == np.inf
        np.testing.assert_array_equal(gradient[0], 0)
        assert np.isfinite(losses[1])


@every_dtype
@pytest.mark.parametrize("others", [[0.0, 1.0], [np.inf, 1.0], [-np.inf, -np.inf]], ids=str)
def test_nan_spreads_to_its_row_only(dtype, others):
    z, labels = np.random.default_rng(0).normal(0, 1, (3, 5)).astype(dtype), np.array([1, 2, 3])
    z[1] = [np.nan, *others, *others]
    for targets in (labels, np.eye(5, dtype=dtype)[labels]):
        losses, gradient = cross_entropy.value_and_grad(z, targets, reduction="none")
        assert np.isnan(losses[1])
        assert np.isnan(gradient[1]).all()
        assert not np.isnan(losses[[0, 2]]).any()
        assert not np.isnan(gradient[[0, 2]]).any()
    assert np.isnan(cross_entropy(z, labels))


@every_dtype
def test_no_warning(dtype):
    values = edges(dtype)
    random = np.random.default_rng(0)
    with np.errstate(all="raise"):
        for n in (1, 2, 17):
            z = np.stack([np.resize(np.roll(values, k), n) for k in range(len(values))])
            labels = random.integers(0, n, len(values))
            for reduction in ("mean", "sum", "none"):
                cross_entropy.value_and_grad(z, labels, reduction=reduction)
                cross_entropy.value_and_grad(z, np.eye(n, dtype=dtype)[labels], reduction=reduction)
                cross_entropy.vjp(z, labels, 1e300, reduction=reduction)


def test_a_step_along_the_gradient_lowers_the_loss():
    z, labels = problem()
    loss, gradient = cross_entropy.value_and_grad(z, labels, reduction="sum")
    assert cross_entropy(z - 0.1 * gradient, labels, reduction="sum") < loss
    np.testing.assert_allclose(gradient.sum(axis=-1), 0, atol=1e-15)
