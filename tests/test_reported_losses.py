"""What users of other libraries reported about losses; each test names the threads."""

import itertools
import tracemalloc

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits, every_dtype

cross_entropy = sf.softmax_cross_entropy


def peak_of(call):
    """The largest number of bytes in arrays that a call made, its results included."""
    call()
    tracemalloc.start()
    try:
        result = call()
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


def test_the_logits_of_a_linear_layer_never_exist():
    """pytorch #124480, jax #35906 and PR #35915, SkyRL PR #1841: logits of a large vocabulary take gigabytes."""
    random = np.random.default_rng(0)
    tokens, features, classes = 512, 16, 20_000
    hidden = random.standard_normal((tokens, features), np.float32)
    weight = random.standard_normal((classes, features), np.float32)
    labels = random.integers(0, classes, tokens)
    peak, (_, gradients) = peak_of(
        lambda: sf.linear_cross_entropy.value_and_grad(hidden, weight, labels, scratch_bytes=2**20)
    )
    results = sum(gradient.nbytes for gradient in gradients)
    assert peak - results < 2**20 * 1.5
    assert 10 * (peak - results) < tokens * classes * 4


def test_the_weight_gradient_of_chunks_adds_up_in_float32():
    """axolotl PR #1601, Liger #512, #827: gradients of chunks added in bfloat16 lose small ones; training diverges."""
    random = np.random.default_rng(0)
    hidden = random.standard_normal((2048, 8)).astype(ml_dtypes.bfloat16)
    weight = random.standard_normal((64, 8)).astype(ml_dtypes.bfloat16)
    labels = random.integers(0, 64, 2048)
    wide = [array.astype(np.float64) for array in (hidden, weight)]
    truth = sf.linear_cross_entropy.value_and_grad(*wide, labels, reduction="sum")[1]
    # The smallest scratch that is allowed: as many chunks as can be.
    found = sf.linear_cross_entropy.value_and_grad(hidden, weight, labels, reduction="sum", scratch_bytes=1)[1]
    for ours, exact in zip(found, truth, strict=True):
        largest = np.abs(exact).max()
        # bfloat16's own rounding of the result, and no more than a little of float32's on the way.
        np.testing.assert_allclose(ours.astype(float), exact, rtol=2**-8, atol=1e-5 * largest)


@every_dtype
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "nll"])
def test_the_mean_over_nothing_is_zero(dtype, loss):
    """pytorch #70348, #75181, #116349: the mean over targets that are all ignored is NaN, and users want 0."""
    function, z = sf.get(loss), np.array([[-1, -2, -3]] * 2, dtype)
    for settings in ({}, {"weight": [1, 2, 3]}):
        value, gradient = function.value_and_grad(z, [-100, -100], ignore_index=-100, **settings)
        assert value == 0
        assert_same_bits(np.abs(gradient), np.zeros((2, 3), dtype))
    value, gradient = function.value_and_grad(np.empty((0, 3), dtype), np.empty(0, int))
    assert value == 0
    assert gradient.shape == (0, 3)


def test_losses_of_half_precision_stay_finite():
    """pytorch #85791, #29429: cross-entropy and NLL of float16 overflow to inf, or NaN."""
    z = np.random.default_rng(0).normal(0, 50, (60_000, 4)).astype(np.float16)
    labels = np.zeros(60_000, int)
    losses = cross_entropy(z, labels, reduction="none").astype(np.float64)
    assert losses.sum() > 2 * float(np.finfo(np.float16).max)  # a sum in float16 would overflow on the way to the mean
    mean, gradient = cross_entropy.value_and_grad(z, labels)
    assert mean == np.float16(losses.mean())
    assert np.isfinite(gradient).all()
    q = sf.log_softmax(z)
    assert sf.nll(q, labels) == np.float16(-q[:, 0].astype(np.float64).mean())


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("options", [{}, {"weight": True}, {"label_smoothing": 0.1, "z_loss": 1e-4, "softcap": 30.0}])
def test_half_precision_logits_are_not_widened(dtype, options):
    """Modalities PR #464, Qwen3 #570, unsloth #3700: a float32 copy of the logits is what runs out of memory."""
    rows, classes = 64, 16_384
    z = np.random.default_rng(0).normal(0, 3, (rows, classes)).astype(dtype)
    labels = np.arange(rows)
    if "weight" in options:
        options = {"weight": np.linspace(0.5, 1.5, classes)}
    peak, exact = peak_of(lambda: cross_entropy(z, labels, **options))
    assert peak < z.nbytes / 4
    wide = cross_entropy(z.astype(np.float64), labels, **options)
    np.testing.assert_allclose(float(exact), float(wide), rtol=2.0**-8)
    peak, _ = peak_of(lambda: cross_entropy.value_and_grad(z, labels, out=z, **options))
    assert peak < z.nbytes / 4


def test_the_softcap_comes_first_and_is_differentiated():
    """ml-cross-entropy #48, unsloth-zoo PR #593, trl PR #5691: softcap forgotten, wrong, or in the wrong order."""
    cap, z, label = 3.0, np.array([[2.0, -5.0, 40.0, 0.0]]), 1
    capped = cap * np.tanh(z / cap)
    np.testing.assert_allclose(cross_entropy(z, [label], softcap=cap), cross_entropy(capped, [label]), rtol=1e-15)
    with_all = {"label_smoothing": 0.1, "z_loss": 0.01}
    np.testing.assert_allclose(
        cross_entropy(z, [label], softcap=cap, **with_all), cross_entropy(capped, [label], **with_all), rtol=1e-15
    )
    loss, gradient = cross_entropy.value_and_grad(z, [label], softcap=cap, **with_all)
    for i in range(4):
        step = np.zeros((1, 4))
        step[0, i] = 1e-6
        sides = [cross_entropy(z + sign * step, [label], softcap=cap, **with_all) for sign in (1, -1)]
        np.testing.assert_allclose(gradient[0, i], (sides[0] - sides[1]) / 2e-6, atol=1e-9)
    assert loss > 0


@pytest.mark.parametrize("ignored", [-100, -1, 0, 10**9])
def test_any_ignore_index_is_ignored(ignored):
    """entmax PR #8: labels are masked only if ignore_index >= 0, so the default of -100 never was."""
    random = np.random.default_rng(0)
    z, labels = random.normal(size=(6, 3)), np.array([0, 1, 2, 1, ignored, ignored])
    kept = labels != ignored
    for function, options in itertools.product((cross_entropy, sf.nll), ({}, {"weight": np.array([1.0, 2, 3])})):
        loss, gradient = function.value_and_grad(z, labels, ignore_index=ignored, **options)
        expected, slopes = function.value_and_grad(z[kept], labels[kept], **options)
        assert_same_bits(loss, expected)
        assert_same_bits(gradient[kept], slopes)
        np.testing.assert_array_equal(gradient[~kept], 0)
