"""softmax_cross_entropy: class weights, ignored labels, smoothing, z-loss and softcap, against MPFR and by hand."""

import itertools

import gmpy2
import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import softfloor as sf
from cases import assert_same_bits, every_dtype
from exact_losses import ExactLoss, exact
from exact_rows import worst_excess

cross_entropy = sf.softmax_cross_entropy
OPTIONS = {
    "weight": {"weight": "weights"},
    "label_smoothing": {"label_smoothing": 0.1},
    "z_loss": {"z_loss": 1e-3},
    "softcap": {"softcap": 30.0},
    "a tight softcap": {"softcap": 0.5},
    "all": {"weight": "weights", "label_smoothing": 0.25, "z_loss": 0.5, "softcap": 20.0},
}
every_option = pytest.mark.parametrize("option", OPTIONS)


def options_of(name, n):
    weights = np.random.default_rng(n).uniform(0, 3, n)
    weights[n // 2] = 0
    return {key: weights if value == "weights" else value for key, value in OPTIONS[name].items()}


def rows(dtype, n):
    """Rows of very different kinds; a huge range, and one large offset, among them."""
    random = np.random.default_rng(n)
    kinds = [
        random.normal(0, 3, n),
        random.normal(0, 1000, n),
        random.normal(0, 2, n) + 10_000,
        np.repeat(1.0, n),
        np.linspace(-40, 40, n),
        random.normal(0, 1e-4, n),
    ]
    return np.array(kinds).astype(dtype)


@every_dtype
@every_option
@pytest.mark.parametrize("n", [1, 2, 17, 50, 100, 300])
def test_losses_and_gradients_keep_the_promise(dtype, option, n):
    options, random = options_of(option, n), np.random.default_rng(n)
    z, labels = rows(dtype, n), random.integers(0, n, 6)
    shares = random.dirichlet(np.ones(n), 6).astype(dtype)
    for targets in (labels, shares):
        losses, gradient = cross_entropy.value_and_grad(z, targets, reduction="none", **options)
        assert_same_bits(cross_entropy(z, targets, reduction="none", **options), losses)
        for k, row in enumerate(z):
            truth = ExactLoss(row, targets[k], **options)
            assert worst_excess(losses[k : k + 1], [truth.loss()]) <= 0
            assert worst_excess(gradient[k], *truth.gradient()) <= 0


@every_option
def test_the_exact_gradient_is_the_derivative_of_the_exact_loss(option):
    """Central differences at 60 digits hold the formula that the test above takes for the truth."""
    z, options, step = np.array([0.5, -1.0, 2.0, 0.25]), options_of(option, 4), gmpy2.mpfr("1e-20")
    for labels in (2, np.array([0.5, 0.25, 0.0, 0.25])):
        truth = ExactLoss(z, labels, **options)
        for i, slope in enumerate(truth.gradient()[0]):
            beside = []
            for sign in (1, -1):
                moved = ExactLoss(z, labels, **options)
                moved.logits[i] = moved.cap(moved.inputs[i] + sign * step)
                moved.lse = moved.log_sum(moved.logits)
                beside.append(moved.loss())
            assert abs((beside[0] - beside[1]) / (2 * step) - slope) < 1e-30


@every_dtype
@every_option
def test_the_call_the_pair_and_the_vjp_agree(dtype, option):
    options = options_of(option, 5)
    random = np.random.default_rng(0)
    z, labels = random.normal(0, 3, (3, 5, 4)).astype(dtype), random.integers(0, 5, (3, 4))
    for targets, reduction in itertools.product(
        (labels, np.moveaxis(np.eye(5)[labels], -1, 1)), ("mean", "sum", "none")
    ):
        settings_ = {"axis": 1, "reduction": reduction, **options}
        loss, gradient = cross_entropy.value_and_grad(z, targets, **settings_)
        assert_same_bits(cross_entropy(z, targets, **settings_), loss)
        assert_same_bits(cross_entropy.vjp(z, targets, 1, **settings_), gradient)
        own = z.copy()
        own_loss, same = cross_entropy.value_and_grad(own, targets, out=own, **settings_)
        assert same is own
        assert_same_bits(own, gradient)
        assert_same_bits(own_loss, loss)
        assert gradient.dtype == dtype


def test_weighted_means_as_in_torch():
    """The numbers of torch 2.13, torch.nn.functional.cross_entropy on float64, with their rounding."""
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(1)
    z, labels, weights = random.normal(0, 3, (6, 5)), np.array([0, 4, 2, 2, 3, 1]), random.uniform(0, 2, 5)
    shares = random.dirichlet(np.ones(5), 6)
    for smoothing, reduction, weight in itertools.product((0.0, 0.1), ("mean", "sum", "none"), (None, weights)):
        for targets, ignored in ((labels, None), (labels, 2), (shares, None)):
            logits = torch.tensor(z, requires_grad=True)
            theirs = torch.nn.functional.cross_entropy(
                logits,
                torch.tensor(targets),
                weight=None if weight is None else torch.tensor(weight),
                ignore_index=-100 if ignored is None else ignored,
                label_smoothing=smoothing,
                reduction=reduction,
            )
            theirs.sum().backward()
            loss, gradient = cross_entropy.value_and_grad(
                z, targets, weight=weight, ignore_index=ignored, label_smoothing=smoothing, reduction=reduction
            )
            np.testing.assert_allclose(loss, theirs.detach().numpy(), rtol=1e-13)
            np.testing.assert_allclose(gradient, logits.grad.numpy(), rtol=1e-12, atol=1e-15)


@every_dtype
@pytest.mark.parametrize("ignored", [-100, 1, 7, -(2**62)])
@every_option
def test_ignored_rows_cost_nothing_and_do_not_count(dtype, ignored, option):
    options = options_of(option, 4)
    random = np.random.default_rng(0)
    z = random.normal(0, 3, (6, 4)).astype(dtype)
    z[4] = np.nan
    labels = np.array([0, ignored, 2, 3, ignored, 0])
    kept = labels != ignored
    for extra in ({}, options):
        losses, gradient = cross_entropy.value_and_grad(z, labels, ignore_index=ignored, reduction="none", **extra)
        assert (losses[~kept] == 0).all()
        assert (gradient[~kept] == 0).all()
        expected = cross_entropy.value_and_grad(z[kept], labels[kept], reduction="none", **extra)
        assert_same_bits(losses[kept], expected[0])
        assert_same_bits(gradient[kept], expected[1])
        mean, gradient = cross_entropy.value_and_grad(z, labels, ignore_index=ignored, **extra)
        expected = cross_entropy.value_and_grad(z[kept], labels[kept], **extra)
        assert_same_bits(mean, expected[0])
        assert_same_bits(gradient[kept], expected[1])
        assert (gradient[~kept] == 0).all()


@every_dtype
@every_option
def test_nothing_left_to_divide_by(dtype, option):
    z = np.array([[1, 2, 3, 4], [np.nan, np.inf, 0, 0]], dtype)
    for extra in ({}, options_of(option, 4)):
        loss, gradient = cross_entropy.value_and_grad(z, [-1, -1], ignore_index=-1, **extra)
        assert loss == 0
        np.testing.assert_array_equal(gradient, 0)
    loss, gradient = cross_entropy.value_and_grad(z[:1], [2], weight=[1, 1, 0, 1], label_smoothing=0.5, z_loss=1)
    assert loss == 0
    np.testing.assert_array_equal(gradient, 0)


@every_dtype
def test_infinite_logits(dtype):
    none = {"reduction": "none"}
    z = np.array([[np.inf, 1, np.inf]] * 3, dtype)
    losses, gradient = cross_entropy.value_and_grad(z, [0, 1, 2], weight=[1, 1, 2], **none)
    np.testing.assert_array_equal(losses, np.array([np.log(2), np.inf, 2 * np.log(2)]).astype(dtype))
    np.testing.assert_array_equal(gradient, np.array([[-0.5, 0, 0.5], [0.5, -1, 0.5], [1, 0, -1]], dtype))
    # The normaliser is infinite, and its square pulls at the entries that share the mass.
    losses, gradient = cross_entropy.value_and_grad(z, [0, 1, 2], z_loss=0.5, **none)
    assert (losses == np.inf).all()
    np.testing.assert_array_equal(gradient, np.array([[np.inf, 0, np.inf], [np.inf, -1, np.inf], [np.inf, 0, np.inf]]))
    # A capped +inf is the cap; -inf takes no part.
    z = np.array([[np.inf, -np.inf, 30, -np.inf]], dtype)
    loss, gradient = cross_entropy.value_and_grad(z, [0], softcap=1, **none)
    assert_same_bits(loss, np.log([2.0]).astype(dtype))
    np.testing.assert_array_equal(gradient[0, [0, 1, 3]], 0)
    assert cross_entropy(z, [1], softcap=1) == np.inf
    # Smoothing charges every class, unless its weight is 0.
    assert cross_entropy(z, [0], softcap=1, label_smoothing=0.1) == np.inf
    assert np.isfinite(cross_entropy(z, [0], softcap=1, label_smoothing=0.1, weight=[1, 0, 1, 0]))


@every_dtype
@every_option
def test_a_fully_masked_row_and_a_nan(dtype, option):
    z = np.random.default_rng(0).normal(0, 1, (3, 4)).astype(dtype)
    z[0], z[1, 2] = -np.inf, np.nan
    options = options_of(option, 4)
    for targets in (np.array([0, 1, 3]), np.eye(4)[[0, 1, 3]]):
        losses, gradient = cross_entropy.value_and_grad(z, targets, reduction="none", **options)
        assert losses[0] == np.inf
        np.testing.assert_array_equal(gradient[0], 0)
        assert np.isnan(losses[1])
        assert np.isnan(gradient[1]).all()
        assert np.isfinite(losses[2])
        assert np.isfinite(gradient[2]).all()


@every_dtype
def test_no_warning_and_no_nan_of_numbers(dtype):
    largest = float(np.finfo(np.float64).max) if dtype == np.float64 else float(sf.softmax(np.ones(1, dtype))[0]) * 6e4
    z = np.array([[largest, -largest, 0, 1], [largest, largest, largest, 0], [-largest] * 4], dtype)
    with np.errstate(all="raise"):
        for option in OPTIONS:
            for cap in ({}, {"softcap": 1e-100}, {"softcap": 1e100}):
                options = options_of(option, 4) | cap
                losses, gradient = cross_entropy.value_and_grad(z, [1, 2, 3], reduction="none", **options)
                assert not np.isnan(losses).any()
                assert not np.isnan(gradient).any()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_shape_axis_and_option(data):
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=4, max_side=5))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
    z = data.draw(arrays.arrays(dtype, shape, elements=st.floats(-60, 60, width=16)))
    n = shape[axis]
    outer = tuple(m for k, m in enumerate(shape) if k != axis % len(shape))
    labels = data.draw(arrays.arrays(np.int64, outer, elements=st.integers(-1, n - 1)))
    options = {
        "weight": data.draw(st.none() | arrays.arrays(np.float64, n, elements=st.floats(0, 4, width=16))),
        "label_smoothing": data.draw(st.sampled_from([0.0, 0.1, 1.0])),
        "z_loss": data.draw(st.sampled_from([0.0, 1e-4, 1.0])),
        "softcap": data.draw(st.sampled_from([None, 1.0, 50.0])),
    }
    losses, gradient = cross_entropy.value_and_grad(z, labels, axis, ignore_index=-1, reduction="none", **options)
    moved, slopes = np.moveaxis(z, axis, -1), np.moveaxis(gradient, axis, -1)
    for place in np.ndindex(outer):
        loss, slope = np.asarray(losses)[place], slopes[place]
        if labels[place] == -1:
            assert loss == 0
            assert (slope == 0).all()
            continue
        truth = ExactLoss(moved[place], labels[place], **options)
        assert worst_excess(np.asarray(loss).reshape(1), [truth.loss()]) <= 0
        assert worst_excess(slope, *truth.gradient()) <= 0


def test_options_out_of_range():
    z, labels = np.zeros((2, 3)), [0, 2]
    for name, wrong, message in (
        ("label_smoothing", 1.5, "label_smoothing must be between 0 and 1; got 1.5"),
        ("label_smoothing", np.nan, "label_smoothing must be between 0 and 1"),
        ("z_loss", -1, "z_loss must be between 0 and 1e.100; got -1"),
        ("softcap", 0, "softcap must be between 1e-100 and 1e.100; got 0"),
        ("weight", [1, -2, 1], "weight -2.0 at position 1 is not between 0 and 1e.100"),
        ("weight", [1, 2, np.nan], "weight nan at position 2"),
        ("weight", [1, 2], r"weight has shape \(2,\); 3 classes need \(3,\)"),
    ):
        for call in (cross_entropy, cross_entropy.value_and_grad):
            with pytest.raises(ValueError, match=message):
                call(z, labels, **{name: wrong})
    for name, wrong in (("label_smoothing", "a"), ("z_loss", None), ("softcap", [1, 2]), ("ignore_index", 1.5)):
        with pytest.raises(TypeError, match=f"{name} must be"):
            cross_entropy(z, labels, **{name: wrong})
    with pytest.raises(ValueError, match="ignore_index is for class labels"):
        cross_entropy(z, np.ones((2, 3)), ignore_index=0)
    before = z.copy()
    with pytest.raises(IndexError, match=r"label 3 at position 1 is outside \[0, 3\) and is not ignore_index=-1"):
        cross_entropy.value_and_grad(z, [-1, 3], ignore_index=-1, z_loss=1, out=z)
    assert_same_bits(z, before)


def test_exact_numbers_by_hand():
    assert exact(0.5) == gmpy2.mpfr("0.5")
    z = np.log([[1.0, 3.0]])
    # 0.9 (-log 1/4) + 0.05 (-log 1/4 - log 3/4), and the normaliser is log 4.
    by_hand = 0.9 * np.log(4) + 0.05 * (np.log(4) + np.log(4 / 3)) + 2 * np.log(4) ** 2
    np.testing.assert_allclose(cross_entropy(z, [0], label_smoothing=0.1, z_loss=2), by_hand, rtol=1e-14)
