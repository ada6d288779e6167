"""Dask arrays: lazy, whatever is cut where, with bits that do not depend on it."""

import itertools

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits, edges, every_dtype
from exact_rows import ExactRow, worst_excess

da = pytest.importorskip("dask.array")

SHAPE = (5, 48)
ROW_FUNCTIONS = (sf.softmax, sf.log_softmax, sf.logsumexp)
every_row_function = pytest.mark.parametrize("function", ROW_FUNCTIONS, ids=lambda function: function.name)


def computed(lazy):
    return lazy.compute(scheduler="synchronous")


def logits(dtype, seed=0):
    """Rows of different kinds: ordinary, tied, masked in part and whole, one far above, infinite, NaN, huge."""
    random = np.random.default_rng(seed)
    z = random.normal(0, 3, (9, SHAPE[1]))
    z[1] = np.round(z[1])
    z[2, ::3] = -np.inf
    z[3] = -np.inf
    z[4, 7] = 30
    z[5, [3, 40]] = np.inf
    z[6, 9] = np.nan
    z[7] *= 1e4
    z[8, 1:] = -np.inf
    return z.astype(dtype)


def cuts(n, count, seed=0):
    """Random ways to cut an axis in two or more, chunks of length 1 among them."""
    random = np.random.default_rng(seed)
    yield (1,) * n
    for _ in range(count - 1):
        places = np.sort(random.choice(np.arange(1, n), random.integers(1, n // 2), replace=False))
        yield tuple(np.diff([0, *places, n]).tolist())


def results(z, labels, chunks):
    """Everything there is, computed in chunks."""
    lazy = da.from_array(z, chunks=chunks)
    cotangent = np.random.default_rng(3).normal(0, 1, z.shape).astype(z.dtype)
    loss = sf.softmax_cross_entropy
    found = {function.name: function(lazy, temperature=0.7) for function in ROW_FUNCTIONS}
    found["keepdims"] = sf.logsumexp(lazy, keepdims=True)
    found["softmax.vjp"] = sf.softmax.vjp(da.from_array(sf.softmax(z), chunks=chunks), cotangent, temperature=0.7)
    found["log_softmax.vjp"] = sf.log_softmax.vjp(da.from_array(sf.log_softmax(z), chunks=chunks), cotangent)
    found["logsumexp.vjp"] = sf.logsumexp.vjp(lazy, cotangent[:, 0], temperature=0.7)
    found["losses"] = loss(lazy, labels, reduction="none")
    found["loss"], found["gradient"] = loss.value_and_grad(lazy, labels)
    found["loss.vjp"] = loss.vjp(lazy, labels, cotangent[:, 0], reduction="none")
    assert all(isinstance(value, da.Array) for value in found.values())
    assert all(value.dtype == z.dtype for value in found.values())
    return {name: computed(value) for name, value in found.items()}


def plain(z, labels):
    cotangent = np.random.default_rng(3).normal(0, 1, z.shape).astype(z.dtype)
    loss = sf.softmax_cross_entropy
    found = {function.name: function(z, temperature=0.7) for function in ROW_FUNCTIONS}
    found["keepdims"] = sf.logsumexp(z, keepdims=True)
    found["softmax.vjp"] = sf.softmax.vjp(sf.softmax(z), cotangent, temperature=0.7)
    found["log_softmax.vjp"] = sf.log_softmax.vjp(sf.log_softmax(z), cotangent)
    found["logsumexp.vjp"] = sf.logsumexp.vjp(z, cotangent[:, 0], temperature=0.7)
    found["losses"] = loss(z, labels, reduction="none")
    found["loss"], found["gradient"] = loss.value_and_grad(z, labels)
    found["loss.vjp"] = loss.vjp(z, labels, cotangent[:, 0], reduction="none")
    return found


@every_dtype
def test_bits_depend_on_no_chunking(dtype):
    z = logits(dtype)
    labels = np.random.default_rng(1).integers(0, SHAPE[1], len(z))
    expected = results(z, labels, (len(z), (SHAPE[1] // 2, SHAPE[1] // 2)))
    for rows, columns in zip(itertools.cycle([(9,), (2, 7), (4, 4, 1)]), cuts(SHAPE[1], 5), strict=False):
        for name, value in results(z, labels, (rows, columns)).items():
            assert_same_bits(value, expected[name])


@every_dtype
def test_whole_rows_have_the_bits_of_numpy(dtype):
    z = logits(dtype)
    labels = np.arange(len(z))
    expected = plain(z, labels)
    for rows in ((9,), (2, 7), (1,) * 9):
        for name, value in results(z, labels, (rows, -1)).items():
            assert_same_bits(np.asarray(value), np.asarray(expected[name]))


def steps_apart(a, b):
    """How many numbers of the format lie between, at most; NaN and infinities must agree."""
    a, b = np.atleast_1d(a), np.atleast_1d(b)
    special = ~np.isfinite(a.astype(float)) | ~np.isfinite(b.astype(float))
    np.testing.assert_array_equal(a[special].astype(float), b[special].astype(float))
    width = {2: np.int16, 4: np.int32, 8: np.int64}[a.dtype.itemsize]
    ordered = [np.where(i < 0, np.iinfo(width).min - i, i).astype(object) for i in (a.view(width), b.view(width))]
    return max(np.abs(ordered[0] - ordered[1])[~special], default=0)


@every_dtype
def test_cut_rows_are_near_those_of_numpy(dtype):
    """Both are within 2 ulp of exact; those that are cut within 1."""
    z = logits(dtype)
    labels = np.arange(len(z))
    expected = plain(z, labels)
    found = results(z, labels, (3, 10))
    for name in ("softmax", "log_softmax", "logsumexp", "keepdims", "losses", "loss", "gradient", "logsumexp.vjp"):
        assert steps_apart(found[name], expected[name]) <= 3, name
    for name in ("softmax.vjp", "log_softmax.vjp", "loss.vjp"):  # differences, which may cancel
        one, two = np.asarray(found[name]).astype(float), np.asarray(expected[name]).astype(float)
        np.testing.assert_allclose(one, two, rtol=2 * float(edges(dtype)[4]), atol=float(ml_dtypes.finfo(dtype).eps))


@every_dtype
@pytest.mark.parametrize("n", [2, 17, 300])
def test_cut_rows_against_mpfr(dtype, n):
    random = np.random.default_rng(n)
    kinds = [random.normal(0, 1, n), 20 * random.normal(0, 1, n), np.zeros(n), 1e4 + random.normal(0, 1, n)]
    far = np.zeros(n)
    far[n // 2] = 60
    for row in (*kinds, far, -far):
        z = row.astype(dtype)
        exact = ExactRow(z)
        lazy = da.from_array(z, chunks=-(-n // 3))
        assert worst_excess(computed(sf.softmax(lazy)), exact.softmax()) <= 0
        assert worst_excess(computed(sf.log_softmax(lazy)), exact.log_softmax()) <= 0
        assert worst_excess(np.array(computed(sf.logsumexp(lazy))), [exact.logsumexp()]) <= 0
        for label in {0, n // 2, int(np.argmax(z))}:
            loss, gradient = sf.softmax_cross_entropy.value_and_grad(lazy, label)
            assert worst_excess(np.array(computed(loss)), [-exact.log_softmax()[label]]) <= 0
            assert worst_excess(computed(gradient), exact.class_gradient(label)) <= 0


@every_row_function
@pytest.mark.parametrize("axis", [0, 1, 2, -2, (0, 2), (2, 1), None], ids=str)
def test_axes(function, axis):
    z = np.random.default_rng(0).normal(0, 3, (4, 5, 6)).astype(np.float32)
    expected = function(z, axis)
    first = None
    for chunks in ((4, 5, 6), (2, 2, 2), (1, 5, 3), ((1, 3), (4, 1), (5, 1))):
        lazy = function(da.from_array(z, chunks=chunks), axis)
        assert lazy.shape == np.shape(expected)
        assert steps_apart(computed(lazy), expected) <= 3
        cut = any(len(lazy.chunks[k]) > 1 for k in range(lazy.ndim))
        if cut and function is not sf.logsumexp and axis is None:
            first = computed(lazy) if first is None else first
            assert_same_bits(computed(lazy), first)


@every_row_function
def test_masks(function):
    z = logits(np.float32)[:3]
    mask = np.random.default_rng(1).random(z.shape) > 0.4
    mask[1] = False
    expected = function(z, where=mask)
    for where in (mask, da.from_array(mask, chunks=(1, 5))):
        for chunks in ((2, 7), (3, 48)):
            assert steps_apart(computed(function(da.from_array(z, chunks=chunks), where=where)), expected) <= 3
    lazy = function(z, where=da.from_array(mask, chunks=(1, 5)))  # the mask alone is a Dask array
    assert isinstance(lazy, da.Array)
    column = mask.any(axis=1, keepdims=True)
    assert (
        steps_apart(computed(function(da.from_array(z, chunks=(2, 7)), where=column)), function(z, where=column)) <= 3
    )


@every_row_function
def test_dtypes_and_integers(function):
    z = np.random.default_rng(0).integers(-5, 5, (4, 9))
    lazy = da.from_array(z, chunks=(2, 4))
    for dtype in (None, np.float32):
        result = function(lazy, dtype=dtype)
        assert result.dtype == (dtype or np.float64)
        assert steps_apart(computed(result), function(z, dtype=dtype)) <= 3


@pytest.mark.parametrize("chunks", [(2, 7), (3, -1)])
def test_labels_may_be_lazy(chunks):
    z, labels = logits(np.float32)[:3], np.array([4, 40, 7])
    lazy = da.from_array(z, chunks=chunks)
    loss = sf.softmax_cross_entropy
    assert_same_bits(
        computed(loss(lazy, da.from_array(labels, chunks=1), reduction="none")),
        computed(loss(lazy, labels, reduction="none")),
    )
    with pytest.raises(IndexError, match=r"label 48 at position 1 is outside \[0, 48\)"):
        loss(lazy, [4, 48, 7])
    with pytest.raises(IndexError, match=r"label -1 .*is outside \[0, 48\)"):
        computed(loss(lazy, da.from_array(np.array([4, -1, 7]), chunks=3)))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_probabilities(reduction):
    """Their rows are gathered."""
    z = logits(np.float32)[:3]
    weights = sf.softmax(np.random.default_rng(2).normal(0, 1, z.shape).astype(np.float32))
    weights[2, ::3] = 0
    loss = sf.softmax_cross_entropy
    expected = loss.value_and_grad(z, weights, reduction=reduction)
    found = loss.value_and_grad(da.from_array(z, chunks=(2, 7)), da.from_array(weights, chunks=5), reduction=reduction)
    for one, two in zip(found, expected, strict=True):
        assert_same_bits(np.asarray(computed(one)), np.asarray(two))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_losses_along_any_axis(axis):
    z = np.random.default_rng(0).normal(0, 3, (4, 5, 6))
    shape = tuple(n for k, n in enumerate(z.shape) if k != axis)
    labels = np.random.default_rng(1).integers(0, z.shape[axis], shape)
    for reduction in ("mean", "sum", "none"):
        expected = sf.softmax_cross_entropy.value_and_grad(z, labels, axis, reduction=reduction)
        for chunks in ((2, 2, 4), (4, 5, 6), (1, 5, 2)):
            found = sf.softmax_cross_entropy.value_and_grad(
                da.from_array(z, chunks=chunks), labels, axis, reduction=reduction
            )
            for one, two in zip(found, expected, strict=True):
                np.testing.assert_allclose(computed(one), two, rtol=1e-14, atol=1e-17)


def test_unbounded_cotangents():
    """As in memory: infinities and NaN spread to their rows, and to no other."""
    p = sf.softmax(np.random.default_rng(0).normal(0, 1, (4, 20)))
    c = np.random.default_rng(1).normal(0, 1, p.shape)
    c[1, 3], c[2, 5], c[3, [2, 9]] = np.inf, np.nan, [np.inf, -np.inf]
    for function, output in ((sf.softmax, p), (sf.log_softmax, np.log(p))):
        found = computed(function.vjp(da.from_array(output, chunks=(4, 6)), c))
        expected = function.vjp(output, c)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-14, atol=1e-17)
        np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))


@pytest.mark.parametrize("name", ["softmin", "sparsemax", "entmax15", "hardmax"])
@pytest.mark.parametrize("axis", [1, 0, (0, 1)], ids=str)
def test_other_row_functions(name, axis):
    """softmin by states; where more than sums is needed, rows are gathered."""
    function = sf.get(name)
    z = np.random.default_rng(0).normal(0, 2, (6, 20))
    mask = np.random.default_rng(1).random(z.shape) > 0.3
    for chunks in ((2, -1), (4, 7), (6, 20)):
        lazy = function(da.from_array(z, chunks=chunks), axis, where=da.from_array(mask, chunks=5))
        expected = function(z, axis, where=mask)
        assert lazy.dtype == expected.dtype
        assert steps_apart(computed(lazy), expected) <= (3 if name == "softmin" else 0)
        gradient = function.vjp(da.from_array(expected, chunks=chunks), z, axis)
        np.testing.assert_allclose(computed(gradient), function.vjp(expected, z, axis), rtol=1e-14, atol=1e-16)
        of_float32 = function.vjp(da.from_array(expected.astype(np.float32), chunks=chunks), z, axis)
        assert (
            of_float32.dtype == computed(of_float32).dtype == function.vjp(expected.astype(np.float32), z, axis).dtype
        )
        assert function(da.from_array(z, chunks=chunks), dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin", "sparsemax", "entmax15"])
@pytest.mark.parametrize("axis", [0, -1])
def test_jacobians(name, axis):
    """Rows are gathered: they have the bits of NumPy arrays."""
    jacobian = sf.get(name).jacobian
    z = np.random.default_rng(0).normal(0, 2, (5, 4, 6)).astype(np.float32)
    expected = jacobian(z, axis, temperature=0.7)
    for chunks in ((5, 4, 6), (2, 3, 4), (1, 1, 1)):
        lazy = jacobian(da.from_array(z, chunks=chunks), axis, temperature=0.7)
        assert isinstance(lazy, da.Array)
        assert (lazy.shape, lazy.dtype) == (expected.shape, expected.dtype)
        assert_same_bits(computed(lazy), expected)
    with pytest.raises(np.exceptions.AxisError):
        jacobian(da.from_array(z), 3)


def test_jacobians_of_scalars():
    """Gradients of each row, lazily."""
    z, labels = np.random.default_rng(0).normal(0, 2, (5, 4)), np.array([0, 3, 1, 2, 0])
    lazy = da.from_array(z, chunks=(2, -1))
    for found, expected in (
        (sf.logsumexp.jacobian(lazy, 0), sf.logsumexp.jacobian(z, 0)),
        (sf.softmax_cross_entropy.jacobian(lazy, labels), sf.softmax_cross_entropy.jacobian(z, labels)),
    ):
        assert isinstance(found, da.Array)
        np.testing.assert_allclose(computed(found), expected, rtol=1e-14, atol=1e-17)


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax(hard):
    z = np.log(np.broadcast_to([0.1, 0.2, 0.7], (30_000, 3)))
    lazy = da.from_array(z, chunks=(10_000, 2))
    draws = [sf.gumbel_softmax(lazy, rng=np.random.default_rng(seed), hard=hard) for seed in (0, 0, 1)]
    one, two, other = map(computed, draws)
    assert_same_bits(one, two)
    assert not np.array_equal(one, other)
    np.testing.assert_allclose(one.sum(axis=1), 1, rtol=1e-15)
    winners = np.bincount(one.argmax(axis=1), minlength=3) / len(one)
    np.testing.assert_allclose(winners, [0.1, 0.2, 0.7], atol=5 * np.sqrt(0.25 / len(one)))
    assert len(np.unique(one[:, 0])) > (1 if hard else 20_000)  # no two blocks draw the same
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="empty must be"):
        sf.gumbel_softmax(lazy, rng=generator, hard=hard, empty="bad")
    assert generator.random() == np.random.default_rng(0).random()
    gradient = sf.gumbel_softmax.vjp(draws[0], np.arange(3.0))
    np.testing.assert_allclose(computed(gradient), sf.softmax.vjp(one, np.arange(3.0)), rtol=1e-14, atol=1e-16)


def test_laziness():
    """Nothing is computed before it is asked for, also not to find out shapes and dtypes."""

    def never(block):
        raise AssertionError("computed")

    z = da.ones((4, 9), chunks=(2, 4)).map_blocks(never, dtype=np.float64, meta=np.empty((0, 0)))
    for function in ROW_FUNCTIONS:
        assert function(z).dtype == np.float64
        function.vjp(z, z[:, 0] if function is sf.logsumexp else z)
        function.jacobian(z)
    loss, gradient = sf.softmax_cross_entropy.value_and_grad(z, [0, 1, 2, 3])
    assert (loss.shape, gradient.shape) == ((), (4, 9))
    with pytest.raises(AssertionError, match="computed"):
        computed(loss)


def test_bad_input():
    lazy = da.from_array(logits(np.float32), chunks=(3, 10))
    with pytest.raises(TypeError, match="softmax: out cannot be given with Dask arrays"):
        sf.softmax(lazy, out=np.empty(lazy.shape, np.float32))
    with pytest.raises(ValueError, match="temperature must be positive"):
        sf.softmax(lazy, temperature=0)
    with pytest.raises(np.exceptions.AxisError):
        sf.logsumexp(lazy, axis=2)
    with pytest.raises(ValueError, match=r"labels have shape \(3,\); class labels need \(9,\)"):
        sf.softmax_cross_entropy(lazy, [0, 1, 2])
    with pytest.raises(ValueError, match=r"cotangent has shape \(3,\), which does not broadcast to \(9, 48\)"):
        sf.softmax.vjp(lazy, np.ones(3, np.float32))
    with pytest.raises(ValueError, match="reduction must be"):
        sf.softmax_cross_entropy(lazy, np.zeros(9, int), reduction="average")
    with pytest.raises(TypeError, match="complex"):
        sf.softmax(lazy.astype(complex))
