"""Functions along an axis of plain arrays go straight to their kernels: with the results of the way through Python."""

import itertools
import math

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits
from direct_ways import (
    CLASSES,
    DTYPES,
    GRADIENTS,
    LOSS_FUNCTIONS,
    LOSSES,
    METHODS,
    PER_ENTRY,
    PUBLIC,
    ROWS,
    SHAPES,
    each_method,
    with_shares,
)
from outcomes import OPERANDS, assert_same_outcome, numbers, outcome


def test_every_function_along_an_axis_has_one():
    """But for the one whose products are NumPy's."""
    without = {sf.linear_cross_entropy}
    functions = {f for f in map(sf.get, sf.functions()) if isinstance(f, sf.rows.RowFunction)}
    assert {f for f in functions if f.direct} == functions - without == {f for f, *_ in METHODS.values()}
    assert all(set(f.direct) == {m for g, m, _ in METHODS.values() if g is f} for f in functions - without)


@each_method
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_results_are_those_through_python(way, name, dtype, shape):
    x = numbers(dtype, *shape)
    way.assert_same(*way.operands(x), is_direct=True)
    if name in PER_ENTRY:
        return
    for axis in range(-x.ndim, x.ndim):
        operands = way.operands(x, axis)
        way.assert_same(*operands, axis, is_direct=True)
        way.assert_same(*operands, axis=axis, is_direct=True)
    way.assert_same(*way.operands(x), 2 * x.ndim, is_direct=False)
    way.assert_same(*way.operands(x), True, is_direct=False)
    way.assert_same(*way.operands(x), (0,), is_direct=False)


@pytest.mark.parametrize("name", [name for name in ROWS if name != "logsumexp.vjp"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_all_entries_are_a_row(way, shape):
    x = numbers(np.float32, *shape)
    way.assert_same(*way.operands(x), axis=None, is_direct=True)
    if way.function is sf.logsumexp:
        for axis in (None, 0, -1):
            way.assert_same(x, axis, keepdims=True, is_direct=True)
            way.assert_same(x, axis, keepdims=False, is_direct=True)
            way.assert_same(x, axis, keepdims=1, is_direct=False)


GOOD_TEMPERATURES = (2.0, 0.5, 3, 1e-300, np.float64(2))
OTHER_TEMPERATURES = (np.float32(2), "2", None, 0, -1, math.nan, math.inf, 10**400, True)


@pytest.mark.parametrize("name", ROWS)
def test_temperatures(way):
    for dtype in DTYPES:
        operands = way.operands(numbers(dtype, 5, 40))
        for temperature in (*GOOD_TEMPERATURES, *OTHER_TEMPERATURES):
            known = any(temperature is good for good in GOOD_TEMPERATURES)
            has_one = way.function is not sf.hardmax
            way.assert_same(*operands, temperature=temperature, is_direct=known and has_one)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "average", None, 1])
def test_reductions(way, reduction):
    for dtype in DTYPES:
        for shape in ((5, 40), (40,), (100, 100), (4096,), (3, 4097)):
            known = reduction in ("mean", "sum", "none")
            way.assert_same(*way.operands(numbers(dtype, *shape)), reduction=reduction, is_direct=known)


@each_method
@pytest.mark.parametrize("make", OPERANDS.values(), ids=OPERANDS)
def test_operands_that_are_not_plain(way, name, make):
    x = numbers(np.float32, 5, 40)
    for place in range(len(way.operands(x))):
        operands = list(way.operands(x))
        operands[place] = make(np.resize(operands[place], x.shape))
        expected = outcome(way.through_python, *operands)
        assert_same_outcome(outcome(way, *operands), expected)
    if make in (OPERANDS["columns"], OPERANDS["list"], OPERANDS["subclass"], OPERANDS["unaligned"]):
        assert way.direct(*map(make, way.operands(x)[:1]), *way.operands(x)[1:]) is None


@each_method
def test_empty_arrays_other_orders_and_metadata(way, name):
    x = numbers(np.float32, 5, 40)
    for dtype in (np.dtype(">f4"), np.dtype(np.float32, metadata={"unit": "m"})):
        way.assert_same(x.astype(dtype), *way.operands(x)[1:], is_direct=False)
    for empty in (x[:0], x[:, :0]):
        operands = (empty, *(np.resize(o, empty.shape) if np.shape(o) == x.shape else o for o in way.operands(x)[1:]))
        way.assert_same(*operands, is_direct=False)


@pytest.mark.parametrize("name", [*ROWS, *GRADIENTS])
def test_outputs(way, name):
    x = numbers(np.float32, 1, 5, 40)
    operands = way.operands(x)
    shape = x.shape[: 2 if name == "logsumexp" else 3]
    out = np.full(shape, np.nan, np.float32)
    result = way(*operands, out=out)
    assert (result[-1] if isinstance(result, tuple) else result) is out
    assert way.direct(*operands, out=out) is not None
    expected = outcome(way.through_python, *operands, out=np.empty_like(out))
    assert_same_outcome(outcome(way, *operands, out=out), expected)
    assert_same_outcome(outcome(way, *operands, out=None), outcome(way, *operands))
    frozen, warned = np.empty_like(out), np.broadcast_arrays(np.empty_like(out[0]), out)[0]
    frozen.flags.writeable = False
    wrong = [frozen, warned, out[:, :1], np.zeros((*shape, 2), np.float32)[..., 0], [1]]
    for given in (*wrong, *map(out.astype, (np.float16, ">f4")), (out,), (out, out)):
        assert way.direct(*operands, out=given) is None
        assert_same_outcome(outcome(way, *operands, out=given), outcome(way.through_python, *operands, out=given))


@pytest.mark.parametrize("name", [*ROWS, *GRADIENTS])
@pytest.mark.parametrize("shift", [0, 1, 39, 200])
def test_outputs_may_overlap(way, name, shift):
    """An operand and the output in one array: results are those of operands that were read before."""
    if name == "logsumexp":
        return
    operands = list(way.operands(numbers(np.float32, 5, 40)))
    for place, operand in enumerate(operands):
        if np.shape(operand) != (5, 40):
            continue
        expected = way.through_python(*operands, out=np.empty((5, 40), np.float32))
        memory = np.empty(400, np.float32)
        given, out = memory[:200].reshape(5, 40), memory[shift : shift + 200].reshape(5, 40)
        given[...] = operand
        shared = [given if k == place else other for k, other in enumerate(operands)]
        found = outcome(way, *shared, out=out)
        if not isinstance(found, type):  # a gradient beside labels in its own memory
            assert_same_bits(found[-1], expected[-1] if isinstance(expected, tuple) else expected)


@pytest.mark.parametrize("name", CLASSES)
def test_class_labels(way):
    z, _, *cotangent = way.operands(numbers(np.float32, 3, 4))
    inside = np.array([0, 3, 2])
    for labels in (inside, np.array(inside, np.dtype(np.int64, metadata={"of": "classes"}))):
        way.assert_same(z, labels, *cotangent, is_direct=True)
    for labels in (
        *(inside.astype(t) for t in (np.int32, np.uint64, np.uint8, bool, ">i8", np.float64, "m8[s]")),
        *(np.array([0, wrong, 2]) for wrong in (-1, 4, -100, 2**62, -(2**63), 2**63 - 1)),
        *(inside[:2], inside[:, None], inside.tolist(), np.repeat(inside, 2)[::2], 0, "cat", None),
    ):
        way.assert_same(z, labels, *cotangent, is_direct=False)
    for label in (0, 3, np.int64(3), np.uint8(3), np.array(3)):
        way.assert_same(z[0], label, *cotangent, is_direct=True)
    for label in (-1, 4, 2**70, True, 1.0, "0", np.timedelta64(1), np.array(4), np.bool_(True)):
        way.assert_same(z[0], label, *cotangent, is_direct=False)


@pytest.mark.parametrize("name", CLASSES)
def test_rows_to_ignore(way):
    z = numbers(np.float32, 3, 4)
    for axis in (0, 1):
        _, labels, *cotangent = way.operands(z, axis)
        one_more = labels.copy()
        one_more[1] = -7
        for reduction in ("mean", "sum", "none"):
            options = {"axis": axis, "reduction": reduction}
            for ignored in (-100, -1, 4, -(2**63), None):
                way.assert_same(z, labels, *cotangent, ignore_index=ignored, **options, is_direct=True)
            for ignored in (int(labels[0]), int(labels[-1])):
                way.assert_same(z, labels, *cotangent, ignore_index=ignored, **options, is_direct=True)
            way.assert_same(z, one_more, *cotangent, ignore_index=-7, **options, is_direct=True)
            way.assert_same(z, np.full_like(labels, 2), *cotangent, ignore_index=2, **options, is_direct=True)
            way.assert_same(z, np.full_like(labels, -1), *cotangent, ignore_index=-1, **options, is_direct=True)
            for ignored in (-8, 2**63, True, 1.0, np.int64(-7), "-7"):
                way.assert_same(z, one_more, *cotangent, ignore_index=ignored, **options, is_direct=False)
    way.assert_same(z[0], 2, *cotangent, ignore_index=2, is_direct=True)
    infinite = np.full_like(z, np.inf)  # not read where a row is ignored
    way.assert_same(infinite, np.full(3, 2), *cotangent, ignore_index=2, reduction="sum", is_direct=True)


@pytest.mark.parametrize("name", PUBLIC)
def test_options_that_are_none(way, name):
    """Are those that the method has: others are its TypeError."""
    known = {"where", "dtype"} if way.method == "__call__" and name in ROWS else set()
    known |= {"where"} if name == "logsumexp.vjp" else set()
    known |= {"weight", "ignore_index"} if name in LOSSES and name not in PER_ENTRY else set()
    known |= {"softcap"} if way.function is sf.softmax_cross_entropy else set()
    for option in ("where", "dtype", "weight", "ignore_index", "softcap", "sort"):
        way.assert_same(*way.operands(numbers(np.float32, 5, 40)), **{option: None}, is_direct=option in known)


@pytest.mark.parametrize("name", PER_ENTRY)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_labels_between_0_and_1(way, dtype):
    z, _, *cotangent = way.operands(numbers(dtype, 3, 5000))
    labels = np.random.default_rng(2).random(z.shape)
    labels[0, :3] = 1e-320, 1e-40, 0.5 + 2.0**-9 + 2.0**-30
    are_wide = np.dtype(dtype).itemsize > 2
    for given in (*map(labels.astype, DTYPES), labels > 0.5, *((labels > 0.5).astype(t) for t in "bBil")):
        with np.errstate(all="raise"):
            way.assert_same(z, given, *cotangent, is_direct=are_wide or given.dtype.kind not in "iu")
    for wrong in (-1e-30, 1 + 1e-15, np.nan, np.inf, -np.inf, 2.0):
        given = labels.copy()
        given[2, 4999] = wrong
        way.assert_same(z, given, *cotangent, is_direct=False)
    for wrong in (2, -1, 70_000):
        way.assert_same(z, np.where(labels > 0.99, wrong, 0), *cotangent, is_direct=False)
    others = (labels.astype(">f8"), labels * 1j, labels.astype(object))
    for given in (*others, labels[0], labels.tolist()):
        way.assert_same(z, given, *cotangent, is_direct=False)


@pytest.mark.parametrize("name", LOSSES)
def test_infinite_sums(way):
    largest = {dtype: ml_dtypes.finfo(dtype).max for dtype in DTYPES}
    for dtype, value in itertools.product(DTYPES, (np.inf, -np.inf, np.nan, None)):
        z, *others = way.operands(numbers(dtype, 5, 40))
        given = np.full(z.shape, largest[dtype] if value is None else value, dtype)
        for options in ({}, {"reduction": "none"}):
            expected = outcome(way.through_python, given, *others, **options)
            assert_same_outcome(outcome(way, given, *others, **options), expected)


@pytest.mark.parametrize("name", [name for name in LOSSES if name.endswith("vjp")])
def test_cotangents_of_losses(way):
    for reduction in ("mean", "sum", "none"):
        z, labels, _ = way.operands(numbers(np.float32, 5, 40))
        for cotangent in (0.0, -0.0, 3, 1e-320, 1e300, math.inf, math.nan, np.float64(0.1)):
            way.assert_same(z, labels, cotangent, reduction=reduction, is_direct=True)
        for cotangent in (True, np.float32(0.1), np.array(0.1), np.ones(5), [1.0], "1", None, 1j, 10**400):
            way.assert_same(z, labels, cotangent, reduction=reduction, is_direct=False)


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_rare_is_for_python(way, name):
    operands = way.operands(numbers(np.float32, 5, 40))
    for keywords in (
        *({"where": True}, {"dtype": np.float64}, {"empty": "nan"}, {"keepdims": True}, {"temperature": 1.0}),
        *({"weight": None}, {"ignore_index": 1}, {"label_smoothing": 0.1}, {"reduction": "sum"}, {"axis": 0}),
        *({"sort": 1}, {"out": np.empty((5, 40), np.float32)}, {"keepdims": True, "out": np.empty(5, np.float32)}),
    ):
        assert_same_outcome(outcome(way, *operands, **keywords), outcome(way.through_python, *operands, **keywords))
    for given in ((), operands[:1] if len(operands) > 1 else (), (*operands, -1, -1), (*operands, -1, None, 1)):
        assert_same_outcome(outcome(way, *given), TypeError)
    assert_same_outcome(outcome(way, *operands, -1, axis=-1), TypeError)


def test_results_of_large_operands_come_from_memory_that_was_used_before():
    z = numbers(np.float32, 1200, 1000)
    for call in (sf.softmax, sf.sparsemax, *(lambda z, f=f: f.value_and_grad(*with_shares(z)) for f in LOSS_FUNCTIONS)):
        sf.memory.release()
        call(z)
        assert sf.memory.report().kept >= z.nbytes
