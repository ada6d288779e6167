"""softfloor.jax: losses beside their formulas in float64 and beside those of softfloor."""

import numpy as np
import pytest

import softfloor as sf

jax = pytest.importorskip("jax", reason="softfloor.jax needs the extra jax")
jnp = jax.numpy
sj = pytest.importorskip("softfloor.jax", reason="softfloor.jax needs the extra jax")
check_grads = pytest.importorskip("jax.test_util").check_grads

RNG = np.random.default_rng(0)
LOGITS = (3 * RNG.normal(size=(6, 5))).astype(np.float32)
LABELS = np.array([0, 4, 2, -100, 1, 3])
WEIGHT = np.array([1.0, 0.5, 2.0, 0.0, 1.5], np.float32)


def formula(z, labels, weight, ignored, smoothing, z_loss, softcap):
    """The losses of rows in float64, and what their mean divides by."""
    z = z.astype(np.float64)
    if softcap:
        z = softcap * np.tanh(z / softcap)
    lse = np.log(np.exp(z).sum(-1))
    kept = labels != ignored
    y = np.eye(z.shape[-1])[np.where(kept, labels, 0)]
    w = np.ones(z.shape[-1]) if weight is None else weight
    losses = (w * ((1 - smoothing) * y + smoothing / z.shape[-1]) * (lse[:, None] - z)).sum(-1) + z_loss * lse**2
    return np.where(kept, losses, 0), ((w * y).sum(-1) * kept).sum()


@pytest.mark.parametrize(
    ("weight", "smoothing", "z_loss", "softcap"),
    [(None, 0.0, 0.0, None), (WEIGHT, 0.0, 0.0, None), (None, 0.1, 0.0, 4.0), (WEIGHT, 0.2, 0.01, 2.5)],
)
def test_options(weight, smoothing, z_loss, softcap):
    options = {
        "weight": weight,
        "ignore_index": -100,
        "label_smoothing": smoothing,
        "z_loss": z_loss,
        "softcap": softcap,
    }
    losses, divisor = formula(LOGITS, LABELS, weight, -100, smoothing, z_loss, softcap)
    for reduction, expected in (("none", losses), ("sum", losses.sum()), ("mean", losses.sum() / divisor)):
        computed = sj.softmax_cross_entropy(LOGITS, LABELS, **options, reduction=reduction)
        np.testing.assert_allclose(computed, expected, rtol=1e-5)
    transposed = sj.softmax_cross_entropy(LOGITS.T, LABELS, 0, **options)
    np.testing.assert_allclose(transposed, losses.sum() / divisor, rtol=1e-5)
    gradient = jax.grad(lambda z: sj.softmax_cross_entropy(z, LABELS, **options))(LOGITS)
    step = 1e-6
    for row, column in ((0, 0), (1, 4), (4, 0)):
        moved = LOGITS.astype(np.float64)
        moved[row, column] += step
        above, divisor = formula(moved, LABELS, weight, -100, smoothing, z_loss, softcap)
        moved[row, column] -= 2 * step
        below, _ = formula(moved, LABELS, weight, -100, smoothing, z_loss, softcap)
        expected = (above.sum() - below.sum()) / (2 * step) / divisor
        np.testing.assert_allclose(gradient[row, column], expected, rtol=1e-4, atol=1e-7)
    assert not gradient[3].any()


def test_probabilities_and_certainty():
    p = np.asarray(sf.softmax(RNG.normal(size=(6, 5)))).astype(np.float32)
    value, gradient = jax.value_and_grad(sj.softmax_cross_entropy)(LOGITS, p)
    expected = sf.softmax_cross_entropy.value_and_grad(LOGITS, p)
    np.testing.assert_allclose(value, expected[0], rtol=1e-6)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-4, atol=1e-8)
    # A nearly certain row: softmax(z) - 1 would have no digit of this gradient.
    certain = np.array([[30.0, 0.0, -3.0]], np.float32)
    loss, gradient = jax.value_and_grad(sj.softmax_cross_entropy)(certain, np.array([0]))
    expected = sf.softmax_cross_entropy.value_and_grad(certain, [0])
    np.testing.assert_allclose(loss, expected[0], rtol=1e-6)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-6)


def test_rows_of_infinities_and_ignored_rows():
    z = np.array([[-np.inf, 0.0, 1.0], [-np.inf] * 3, [np.inf, 0.0, np.inf], [0.0, 1.0, 2.0]], np.float32)
    for labels in ([0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2]):
        expected = sf.softmax_cross_entropy.value_and_grad(z, labels, reduction="none")
        computed = sj.softmax_cross_entropy(z, np.array(labels), reduction="none")
        np.testing.assert_allclose(computed, expected[0], rtol=1e-6)
        gradient = jax.grad(lambda z: sj.softmax_cross_entropy(z, np.array(labels), reduction="sum"))(z)  # noqa: B023
        np.testing.assert_allclose(gradient, expected[1], rtol=1e-6)
    nothing = np.full((2, 3), np.nan, np.float32)
    loss, gradient = jax.value_and_grad(lambda z: sj.softmax_cross_entropy(z, np.array([7, 7]), ignore_index=7))(
        nothing
    )
    assert loss == 0
    assert not gradient.any()
    assert np.isnan(sj.softmax_cross_entropy(z[3:], np.array([3])))
    assert sj.softmax_cross_entropy(np.zeros((0, 3), np.float32), np.zeros(0, int)) == 0


def test_second_derivatives(float64):
    z, y = jnp.array([[0.3, -1.0, 2.0], [1.0, 0.5, 0.1]]), jnp.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])
    check_grads(
        jax.jit(lambda z, y: sj.softmax_cross_entropy(z, y, softcap=3.0, z_loss=0.1)), (z, y), order=2, modes=("rev",)
    )
    check_grads(jax.jit(lambda z: sj.sigmoid_cross_entropy(z, y, pos_weight=2.0)), (z,), order=2, modes=("rev",))


def test_sigmoid_cross_entropy():
    z, y = LOGITS * 30, RNG.random(LOGITS.shape).astype(np.float32)
    value, gradient = jax.value_and_grad(lambda z: sj.sigmoid_cross_entropy(z, y, pos_weight=WEIGHT, weight=0.5))(z)
    expected = sf.sigmoid_cross_entropy.value_and_grad(z, y, pos_weight=WEIGHT, weight=0.5)
    np.testing.assert_allclose(value, expected[0], rtol=1e-6)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-5)
    certain = np.array([np.inf, -np.inf, np.inf, -80.0], np.float32)
    computed = sj.sigmoid_cross_entropy(certain, np.array([1, 0, 0, 0]), reduction="none")
    np.testing.assert_allclose(computed, [0, 0, np.inf, np.exp(-80)], rtol=1e-5)


def test_nll():
    q = np.asarray(sf.log_softmax(LOGITS))
    keywords = {"weight": WEIGHT, "ignore_index": -100}
    value, gradient = jax.value_and_grad(lambda q: sj.nll(q, LABELS, **keywords))(q)
    expected = sf.nll.value_and_grad(q, LABELS, **keywords)
    np.testing.assert_allclose(value, expected[0], rtol=1e-6)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-6)


@pytest.mark.parametrize("scratch", [1, 150, 10**6])
def test_linear_cross_entropy(scratch):
    """One row, some rows, all rows at a time."""
    hidden, weight = RNG.normal(size=(2, 3, 4)).astype(np.float32), RNG.normal(size=(7, 4)).astype(np.float32)
    bias, labels = RNG.normal(size=7).astype(np.float32), np.array([[0, 6, -1], [3, -1, 2]])

    def loss(hidden, weight, bias):
        return sj.linear_cross_entropy(hidden, weight, labels, bias, ignore_index=-1, scratch_bytes=scratch)

    value, gradients = jax.value_and_grad(loss, argnums=(0, 1, 2))(hidden, weight, bias)
    expected, expected_gradients = sf.linear_cross_entropy.value_and_grad(hidden, weight, labels, bias, ignore_index=-1)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for computed, truth in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(computed, truth, rtol=1e-4, atol=1e-6)
    each = sj.linear_cross_entropy(hidden, weight, labels, bias, ignore_index=-1, reduction="none")
    np.testing.assert_allclose(each.sum() / 4, expected, rtol=1e-5)
    assert not np.asarray(each)[labels == -1].any()


def test_no_logits_of_the_whole_vocabulary():
    """Neither forwards nor backwards is there an array of tokens times classes."""
    tokens, classes, features = 4096, 1000, 8
    operands = (jnp.zeros((tokens, features)), jnp.zeros((classes, features)))
    function = jax.grad(
        lambda h, w: sj.linear_cross_entropy(h, w, jnp.zeros(tokens, int), scratch_bytes=16 * classes * 4),
        argnums=(0, 1),
    )
    memory = jax.jit(function).lower(*operands).compile().memory_analysis()
    assert memory.temp_size_in_bytes < tokens * classes * 4 / 10


def test_half_precisions_add_up_in_float32():
    hidden, weight = jnp.ones((3000, 2), jnp.bfloat16), jnp.zeros((4, 2), jnp.bfloat16)
    labels = jnp.zeros(3000, int)
    loss, gradient = jax.value_and_grad(
        lambda w: sj.linear_cross_entropy(hidden, w, labels, reduction="sum", scratch_bytes=1600)
    )(weight)
    assert loss.dtype == jnp.float32
    assert gradient.dtype == jnp.bfloat16
    assert gradient[1, 0] == jnp.bfloat16(750)


def test_refusals():
    z = jnp.ones((2, 3))
    with pytest.raises(
        ValueError, match=r"labels have shape \(3,\); class labels need \(2,\), probabilities .*\(2, 3\)"
    ):
        sj.softmax_cross_entropy(z, jnp.zeros(3, int))
    with pytest.raises(TypeError, match="class labels must be integers; got dtype float32"):
        sj.softmax_cross_entropy(z, jnp.zeros(2))
    with pytest.raises(ValueError, match="reduction must be 'mean', 'sum' or 'none'; got 'max'"):
        sj.nll(z, jnp.zeros(2, int), reduction="max")
    with pytest.raises(ValueError, match="label_smoothing must be between 0 and 1; got 2"):
        sj.softmax_cross_entropy(z, jnp.zeros(2, int), label_smoothing=2)
    with pytest.raises(ValueError, match=r"weight has shape \(2,\); 3 classes need \(3,\)"):
        sj.softmax_cross_entropy(z, jnp.zeros(2, int), weight=jnp.ones(2))
    with pytest.raises(ValueError, match="ignore_index is for class labels"):
        sj.softmax_cross_entropy(z, z, ignore_index=1)
    with pytest.raises(ValueError, match=r"hidden must have shape .* got \(2, 3\) and \(5, 4\)"):
        sj.linear_cross_entropy(z, jnp.ones((5, 4)), jnp.zeros(2, int))
    with pytest.raises(ValueError, match="scratch_bytes must be positive; got 0"):
        sj.linear_cross_entropy(z, jnp.ones((5, 3)), jnp.zeros(2, int), scratch_bytes=0)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16])
def test_labels_of_narrow_dtypes(dtype):
    """Neither the number of classes nor ignore_index need fit into them."""
    z, weight = jnp.arange(512.0).reshape(2, 256) % 7, jnp.ones((300, 3)) * jnp.arange(300.0)[:, None] / 300
    labels = np.array([3, 100], dtype)
    wide = labels.astype(np.int32)
    for ignored in (None, -100, 3, 256 - 100):
        for loss in (sj.softmax_cross_entropy, lambda *a, **k: sj.nll(sj.log_softmax(a[0]), a[1], **k)):
            assert loss(z, labels, ignore_index=ignored) == loss(z, wide, ignore_index=ignored)
        of_layer = [sj.linear_cross_entropy(jnp.ones((2, 3)), weight, y, ignore_index=ignored) for y in (labels, wide)]
        assert of_layer[0] == of_layer[1]
        assert np.isfinite(of_layer[0])
