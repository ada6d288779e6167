"""Options of row functions and losses on Dask arrays: what NumPy arrays give, however rows are cut."""

import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits, every_dtype
from softfloor import chunked
from test_chunked import computed, logits, steps_apart

da = pytest.importorskip("dask.array")

CHUNKS = ((9, -1), (2, -1), (4, 7), (9, 1))
WEIGHT = np.random.default_rng(7).uniform(0, 3, 48)
WEIGHT[:4] = [0, 0.125, 1, 100]
LABELS = np.array([0, 1, 2, 3, 7, 40, 9, 11, 47])
loss = sf.softmax_cross_entropy

#: Those that rows go on as states for, and those that gather them.
BY_STATES = {
    "weight": {"weight": WEIGHT},
    "ignore_index": {"ignore_index": 9},
    "ignore_another": {"ignore_index": -100},
    "both": {"weight": WEIGHT, "ignore_index": 7},
}
GATHERED = {
    "label_smoothing": {"label_smoothing": 0.1},
    "z_loss": {"z_loss": 0.25, "ignore_index": 7},
    "softcap": {"softcap": 5.0},
    "all": {"weight": WEIGHT, "ignore_index": 0, "label_smoothing": 0.1, "z_loss": 0.25, "softcap": 5.0},
}


def everything(z, labels, options, reduction):
    cotangent = np.linspace(-1, 2, len(labels)) if reduction == "none" else 0.7
    value, gradient = loss.value_and_grad(z, labels, **options, reduction=reduction)
    return (
        loss(z, labels, **options, reduction=reduction),
        value,
        gradient,
        loss.vjp(z, labels, cotangent, **options, reduction=reduction),
    )


def close(found, expected):
    """As far apart as two results within the promise may be; gradients of labels are differences."""
    one, two = np.asarray(found), np.asarray(expected)
    assert one.dtype == two.dtype
    eps = {2: 2**-7, 4: 2**-23, 8: 2**-52}[one.dtype.itemsize]
    np.testing.assert_allclose(one.astype(float), two.astype(float), rtol=4 * eps, atol=2 * eps)


@every_dtype
@pytest.mark.parametrize("options", BY_STATES.values(), ids=BY_STATES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_options_by_states(dtype, options, reduction):
    z = logits(dtype)
    labels = np.where(LABELS == 9, options.get("ignore_index", 9), LABELS)
    expected = everything(z, labels, options, reduction)
    first = None
    for chunks in CHUNKS:
        lazy = da.from_array(z, chunks=chunks)
        for given in (labels, da.from_array(labels, chunks=2)):
            found = [computed(value) for value in everything(lazy, given, options, reduction)]
            for one, two in zip(found, expected, strict=True):
                if lazy.numblocks[1] == 1:
                    assert_same_bits(np.asarray(one), np.asarray(two))
                else:
                    close(one, two)
            if lazy.numblocks[1] > 1:
                first = first or found
                for one, two in zip(found, first, strict=True):
                    assert_same_bits(np.asarray(one), np.asarray(two))


@every_dtype
@pytest.mark.parametrize("options", GATHERED.values(), ids=GATHERED)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_options_that_gather_rows(dtype, options, reduction):
    z = logits(dtype)
    expected = everything(z, LABELS, options, reduction)
    for chunks in CHUNKS:
        found = everything(da.from_array(z, chunks=chunks), LABELS, options, reduction)
        for one, two in zip(found, expected, strict=True):
            assert_same_bits(np.asarray(computed(one)), np.asarray(two))


def test_options_of_probabilities():
    z = logits(np.float32)
    labels = sf.softmax(np.random.default_rng(1).normal(0, 1, z.shape).astype(np.float32))
    options = {"weight": WEIGHT, "label_smoothing": 0.2, "softcap": 20.0}
    for chunks in CHUNKS:
        found = loss.value_and_grad(da.from_array(z, chunks=chunks), labels, **options)
        for one, two in zip(found, loss.value_and_grad(z, labels, **options), strict=True):
            assert_same_bits(np.asarray(computed(one)), np.asarray(two))
    with pytest.raises(ValueError, match="ignore_index is for class labels"):
        loss(da.from_array(z, chunks=chunks), labels, ignore_index=1)


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_nothing_left_to_divide_by(chunks):
    z = da.from_array(logits(np.float32), chunks=chunks)
    for labels in (np.full(9, 5), da.full(9, 5, chunks=4)):
        for options in ({"ignore_index": 5}, {"weight": np.where(np.arange(48) == 5, 0.0, 1.0)}):
            value, gradient = loss.value_and_grad(z, labels, **options)
            assert float(computed(value)) == 0
            rows = slice(None) if "ignore_index" in options else [0, 1, 2, 3, 4, 5, 7, 8]  # a row of NaN counts
            assert not computed(gradient)[rows].any()


def test_one_class():
    """Labels have the shape of the logits' rows then, not of probabilities."""
    value, gradient = loss.value_and_grad(da.ones((3, 1), chunks=1), np.zeros(3, int), ignore_index=-100)
    assert float(computed(value)) == 0
    assert not computed(gradient).any()


def test_checks_of_options():
    z = da.from_array(logits(np.float32), chunks=(4, 7))
    with pytest.raises(ValueError, match=r"weight has shape \(3,\); 48 classes need \(48,\)"):
        loss(z, LABELS, weight=[1, 2, 3])
    with pytest.raises(ValueError, match="label_smoothing must be between 0 and 1; got 2"):
        loss(z, LABELS, label_smoothing=2)
    with pytest.raises(IndexError, match=r"label 48 at position 0 .*and is not ignore_index=-1"):
        loss(z, [48] * 9, ignore_index=-1)
    with pytest.raises(IndexError, match=r"label -2 .*and is not ignore_index=-1"):
        computed(loss(z, da.full(9, -2, chunks=3), ignore_index=-1))


EMPTY_FUNCTIONS = [sf.get(name) for name in ("softmax", "log_softmax", "softmin", "sparsemax", "entmax15", "hardmax")]


@pytest.mark.parametrize("function", [*EMPTY_FUNCTIONS, sf.logsumexp], ids=lambda function: function.name)
@pytest.mark.parametrize("axis", [-1, 0, (0, 1)], ids=str)
def test_empty_rows(function, axis):
    z = np.random.default_rng(0).normal(0, 1, (3, 4, 6)).astype(np.float32)
    mask = np.random.default_rng(1).random(z.shape) > 0.3
    empty_at = {-1: np.s_[2, 1, :], 0: np.s_[:, 1, 5], (0, 1): np.s_[:, :, 4]}[axis]
    mask[empty_at] = False
    position = {-1: r"\(2, 1\)", 0: r"\(1, 5\)", (0, 1): "4"}[axis]
    for chunks in ((3, 4, 6), (1, 2, 6), (2, 3, 4), (1, 1, 1)):
        lazy = da.from_array(z, chunks=chunks)
        for empty in ("zeros", "nan"):
            expected = function(z, axis, where=mask, empty=empty)
            assert np.isnan(expected).any() == (empty == "nan")
            found = computed(function(lazy, axis, where=mask, empty=empty))
            assert steps_apart(found, expected) <= 3
        refused = function(lazy, axis, where=da.from_array(mask, chunks=2), empty="raise")  # nothing is computed yet
        with pytest.raises(ValueError, match=rf"{function.name}: nothing is left of the row at position {position};"):
            computed(refused)
        mask[empty_at] = True
        assert (
            steps_apart(computed(function(lazy, axis, where=mask, empty="raise")), function(z, axis, where=mask)) <= 3
        )
        mask[empty_at] = False
    with pytest.raises(ValueError, match="empty must be 'zeros', 'nan' or 'raise'; got 'ones'"):
        function(lazy, axis, empty="ones")


@pytest.mark.parametrize("chunks", [(9, -1), (2, 7)], ids=str)
def test_logsumexp_vjp_masks(chunks):
    z, cotangent = logits(np.float32), np.linspace(1, 2, 9, dtype=np.float32)
    mask = np.random.default_rng(1).random(z.shape) > 0.4
    mask[1] = False
    lazy, where = da.from_array(z, chunks=chunks), da.from_array(mask, chunks=(9, 20))
    for empty in ("zeros", "nan"):
        found = computed(sf.logsumexp.vjp(lazy, cotangent, where=where, temperature=0.5, empty=empty))
        assert steps_apart(found, sf.logsumexp.vjp(z, cotangent, where=mask, temperature=0.5, empty=empty)) <= 3
    with pytest.raises(ValueError, match="logsumexp: nothing is left of the row at position 1"):
        computed(sf.logsumexp.vjp(lazy[:3], cotangent[:3], where=where[:3], empty="raise"))


def test_gumbel_softmax_of_an_empty_row():
    z = da.from_array(np.array([[0.0, 1.0], [-np.inf, -np.inf]]), chunks=1)
    for hard in (False, True):
        assert np.isnan(computed(sf.gumbel_softmax(z, empty="nan", hard=hard))).any(axis=1).tolist() == [False, True]
    with pytest.raises(ValueError, match="gumbel_softmax: nothing is left of the row at position 1"):
        computed(sf.gumbel_softmax(z, empty="raise"))


def test_each_function_of_the_package_is_that_of_a_method():
    """Those with a name of this form are found by it, so a misspelt one would never be called."""
    methods = {f"{name}_{method}" for name in sf.functions() for method in ("call", "vjp", "value_and_grad")}
    found = {
        name
        for module in chunked._MODULES
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__ and name.endswith(("_call", "_vjp", "_grad"))
    }
    assert found
    assert {name for name in found if not name.startswith("_")} <= methods
