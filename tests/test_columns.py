"""Rows that lie side by side, as along axis 0, have kernels of their own: the bits are those of contiguous rows."""

import itertools

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from softfloor import _core

DTYPES = [np.float32, np.float16, ml_dtypes.bfloat16, np.float64]
#: Entries (few of them: test_short_rows.py) and rows: fewer than sixteen rows, not a multiple of sixteen, more than a
#: segment of a sum, several tiles.
SHAPES = [(1, 16), (17, 40), (64, 33), (65, 128), (1000, 15), (1025, 16), (2100, 160), (70, 333), (5000, 83)]
KINDS = ["ordinary", "one-hot", "masked", "far apart", "ties"]


@pytest.fixture(autouse=True, params=["put aside", "read again"])
def _way(request):
    """Entries that follow each other closely, either way: which depends on the processor's cache."""
    before = _core.set_second_level_cache(2**40 if request.param == "put aside" else 0)
    yield
    _core.set_second_level_cache(before)


def logits(kind: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    random = np.random.default_rng(5)
    x = random.normal(size=shape) * {"one-hot": 30, "far apart": 300}.get(kind, 1)
    if kind == "ties":
        x = np.round(x)
    if kind == "masked":
        x[random.random(shape) < 0.3] = -np.inf
        if shape[1] > 40:  # rows that the kernel leaves to the other one, beside rows that it takes
            x[:, 5], x[0, 7], x[-1, 9] = -np.inf, np.inf, np.nan
    return x.astype(dtype)


def cotangents(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Of sizes far apart and either sign: the sum of every second row is what the order of additions leaves over."""
    random = np.random.default_rng(6)
    spread = 3 if dtype is np.float16 else 12
    c = random.normal(size=shape) * 10 ** random.uniform(-spread, spread, shape)
    half = shape[0] // 2
    c[half : 2 * half, ::2] = -c[:half, ::2]
    c[:, -1] = 0
    return c.astype(dtype)


def assert_same_bits(along_first: np.ndarray, along_last: np.ndarray) -> None:
    assert along_first.dtype == along_last.dtype
    assert np.ascontiguousarray(along_first).tobytes() == along_last.tobytes()


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_bits_of_the_last_axis(kind, shape, dtype):
    x = logits(kind, shape, dtype)
    rows, labels = np.ascontiguousarray(x.T), np.arange(shape[1]) % shape[0]
    for temperature in (1.0, 0.7, 8.0):
        for function in (sf.softmax, sf.softmin, sf.log_softmax, sf.logsumexp):
            assert_same_bits(function(x, axis=0, temperature=temperature).T, function(rows, temperature=temperature))
        cotangent = np.linspace(-2, 2, shape[1]).astype(dtype)
        along_first = sf.logsumexp.vjp(x, cotangent, axis=0, temperature=temperature)
        assert_same_bits(along_first.T, sf.logsumexp.vjp(rows, cotangent, temperature=temperature))
    loss = sf.softmax_cross_entropy
    assert_same_bits(loss(x, labels, axis=0, reduction="none"), loss(rows, labels, reduction="none"))
    losses, gradient = loss.value_and_grad(x, labels, axis=0, reduction="none")
    expected_losses, expected_gradient = loss.value_and_grad(rows, labels, reduction="none")
    assert_same_bits(losses, expected_losses)
    assert_same_bits(gradient.T, expected_gradient)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("function", [sf.softmax, sf.log_softmax, sf.softmin], ids=lambda function: function.name)
def test_bits_of_vjps(function, kind, shape, dtype):
    output = function(np.ascontiguousarray(logits(kind, shape, dtype).T)).T
    cotangent = cotangents(shape, dtype)
    one, other = np.ascontiguousarray(output), np.ascontiguousarray(cotangent)
    for temperature in (1.0, 0.7):
        expected = function.vjp(output.T, cotangent.T, temperature=temperature)
        assert_same_bits(function.vjp(one, other, axis=0, temperature=temperature).T, expected)
    for over in (one.copy(), other.copy()):
        operands = [over if np.array_equal(over, given, equal_nan=True) else given for given in (one, other)]
        assert_same_bits(
            function.vjp(*operands, axis=0, out=over).T, np.ascontiguousarray(function.vjp(output.T, cotangent.T))
        )


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_hardmax(kind, shape, dtype):
    x = logits(kind, shape, dtype)
    expected = sf.hardmax(np.ascontiguousarray(x.T))
    assert_same_bits(sf.hardmax(x, axis=0).T, expected)
    assert_same_bits(sf.hardmax(x, axis=0, out=x).T, expected)


@pytest.mark.parametrize("exceptional", [False, True])
def test_several_wide_tiles(exceptional):
    """Of rows so long that they are read again wherever their entries lie."""
    x = logits("ordinary", (33_000, 1_050), np.float16)
    if exceptional:
        x[7, [100, 1_030]] = np.inf
    rows = np.ascontiguousarray(x.T)
    for function in (sf.softmax, sf.log_softmax):
        expected = function(rows)
        assert_same_bits(function(x, axis=0).T, expected)
        assert_same_bits(function.vjp(expected.T.copy(), x, axis=0).T, function.vjp(expected, rows))
    assert_same_bits(sf.hardmax(x, axis=0).T, sf.hardmax(rows))


def starting_at(offset: int, array: np.ndarray) -> np.ndarray:
    """A copy, ``offset`` items behind the start of a line of 64 bytes."""
    memory = np.empty(array.size + 128, array.dtype)
    first = -memory.ctypes.data % 64 // array.itemsize + offset
    copy = memory[first : first + array.size].reshape(array.shape)
    copy[...] = array
    return copy


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("rows", [257, 272, 320, 333])  # 320: whole lines of each dtype
@pytest.mark.parametrize("offset", [0, 1, 4, 12])
def test_results_in_the_place_of_operands(offset, rows, dtype):
    """Tiles have rows of the one before where that starts in the middle of a line, and at the end."""
    x = logits("ordinary", (40, rows), dtype)
    along_last = np.ascontiguousarray(x.T)
    labels = np.arange(rows) % 40
    for function in (sf.softmax, sf.softmin, sf.log_softmax):
        expected = function(along_last)
        over = starting_at(offset, x)
        assert_same_bits(function(over, axis=0, out=over).T, expected)
        cotangent = cotangents((40, rows), dtype)
        slope = function.vjp(expected, np.ascontiguousarray(cotangent.T))
        for which in range(2):
            operands = [starting_at(offset, np.ascontiguousarray(expected.T)), starting_at(offset, cotangent)]
            assert_same_bits(function.vjp(*operands, axis=0, out=operands[which]).T, slope)
    over = starting_at(offset, x)
    losses, gradient = sf.softmax_cross_entropy.value_and_grad(over, labels, axis=0, reduction="none", out=over)
    expected_losses, expected_gradient = sf.softmax_cross_entropy.value_and_grad(along_last, labels, reduction="none")
    assert gradient is over
    assert_same_bits(losses, expected_losses)
    assert_same_bits(over.T, expected_gradient)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("rows", [320, 333])  # 320: whole lines, so that the second tile starts within the first
@pytest.mark.parametrize("place", [0, 15, 16, 20, 63, 64, 127, 300, 319])
def test_a_row_that_its_row_kernel_computes(place, rows, dtype):
    """Beside it, in its tile and the tiles around it, in place too, results are as without it."""
    x = starting_at(4, logits("ordinary", (40, rows), dtype))
    x[3, place] = np.inf
    expected = sf.softmax(np.ascontiguousarray(x.T))
    assert_same_bits(sf.softmax(x, axis=0).T, expected)
    cotangent = cotangents((40, rows), dtype)
    slope = sf.softmax.vjp(expected, np.ascontiguousarray(cotangent.T))
    cotangent[:, place] = np.finfo(np.float32).max / 8 if dtype is np.float32 else cotangent[:, place]
    slope[place] = sf.softmax.vjp(expected[place], np.ascontiguousarray(cotangent[:, place]))
    over = starting_at(4, np.ascontiguousarray(expected.T))
    assert_same_bits(sf.softmax.vjp(over, cotangent, axis=0, out=over).T, slope)
    assert_same_bits(sf.softmax(x, axis=0, out=x).T, expected)


def test_results_keep_the_order_of_memory():
    """As NumPy's ufuncs do, and not the order in which rows were taken."""
    x = np.zeros((3, 4, 5), np.float32)
    for axis in range(3):
        labels = np.zeros(np.delete(x.shape, axis), int)
        assert sf.softmax(x, axis=axis).flags.c_contiguous
        assert sf.softmax.vjp(x, x, axis=axis).flags.c_contiguous
        assert sf.softmax_cross_entropy.value_and_grad(x, labels, axis=axis)[1].flags.c_contiguous
        labels = np.zeros(np.delete(x.T.shape, axis), int)
        assert sf.softmax(x.T, axis=axis).flags.f_contiguous
        assert sf.softmax.vjp(x.T, x.T, axis=axis).flags.f_contiguous
        assert sf.softmax_cross_entropy.value_and_grad(x.T, labels, axis=axis)[1].flags.f_contiguous
    assert sf.softmax(x[::2, :, ::2], axis=1).flags.c_contiguous
    assert sf.softmax(x.T).flags.f_contiguous


@pytest.mark.parametrize("function", (sf.softmax, sf.log_softmax, sf.softmin, sf.sparsemax), ids=lambda f: f.name)
def test_results_have_the_dtype_of_all_operands(function):
    x = logits("ordinary", (20, 30), np.float32)
    for output, cotangent in itertools.product((x, x.astype(np.float64)), repeat=2):
        along_rows = function.vjp(output.T.copy(), cotangent.T.copy())
        assert along_rows.dtype == np.result_type(output, cotangent)
        assert_same_bits(function.vjp(output, cotangent, axis=0), along_rows.T)
        of_rows = sf.logsumexp.vjp(output.T.copy(), cotangent[0])
        assert_same_bits(sf.logsumexp.vjp(output, cotangent[0], axis=0), of_rows.T)
    assert sf.gumbel_softmax(x, 0, rng=np.random.default_rng(0)).dtype == np.float32


class Subclass(np.ndarray):
    pass


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("kind", [Subclass, np.ma.MaskedArray])
def test_results_of_subclasses_are_theirs(kind, axis):
    x = logits("ordinary", (20, 30), np.float32)
    for operand in (x.view(kind), np.asfortranarray(x).view(kind)):
        result = sf.softmax(operand, axis=axis)
        assert type(result) is kind
        assert np.array_equal(result, sf.softmax(x, axis=axis))
        assert type(sf.softmax.vjp(operand, x, axis=axis)) is kind


class Duck:
    """An array that is none, and takes part in ufuncs."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    dtype = property(lambda self: self.array.dtype)
    shape = property(lambda self: self.array.shape)
    ndim = property(lambda self: self.array.ndim)

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        return Duck(getattr(ufunc, method)(*(getattr(i, "array", i) for i in inputs), **keywords))

    def __array_function__(self, function, types, arguments, keywords):
        return Duck(function(*(getattr(a, "array", a) for a in arguments), **keywords))


@pytest.mark.parametrize("axis", [0, 1])
def test_other_kinds_of_arrays_take_part(axis):
    x = logits("ordinary", (20, 30), np.float32)
    result = sf.softmax(Duck(x), axis=axis)
    assert type(result) is Duck
    assert np.array_equal(result.array, sf.softmax(x, axis=axis))


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
def test_in_place(dtype):
    x = logits("ordinary", (300, 64), dtype)
    expected = sf.softmax(np.ascontiguousarray(x.T))
    sf.softmax(x, axis=0, out=x)
    assert_same_bits(x.T, expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
def test_factors_that_leave_terms_where_they_wait(dtype):
    """Terms may wait in the result; rows whose factor asks for the row kernel are then written from the logits.

    Fewer rows than a page has float32: only those are read again.
    """
    x = logits("ordinary", (150, 700), dtype)
    operand = x.copy()
    limits = ml_dtypes.finfo(dtype)  # from subnormal to near overflow
    exponents = np.linspace(limits.minexp - limits.nmant, limits.maxexp - 1, 700).astype(int)
    cotangent = np.ldexp(1.3, exponents).astype(dtype)
    along_last = sf.logsumexp.vjp(np.ascontiguousarray(x.T), cotangent)
    assert_same_bits(sf.logsumexp.vjp(operand, cotangent, axis=0).T, along_last)
    assert operand.tobytes() == x.tobytes()
    assert_same_bits(sf.logsumexp.vjp(operand, cotangent, axis=0, out=operand).T, along_last)


@pytest.mark.parametrize("step", [1, -1])
def test_results_between_the_operand_s_lines(step):
    """The operand and the result take turns in memory: their ranges overlap, their entries do not."""
    x = logits("ordinary", (90, 500), np.float32)
    expected = sf.softmax(np.ascontiguousarray(x.T))
    for first, second in itertools.permutations([slice(0, 500), slice(500, 1000)]):
        both = np.full((90, 1000), np.nan, np.float32)
        operand, out = both[::step, first], both[::step, second]
        operand[...] = x
        assert_same_bits(sf.softmax(operand, axis=0, out=out).T, expected)
        assert operand.tobytes() == x.tobytes()


def test_rows_in_the_middle_of_an_array():
    x = logits("ordinary", (6, 50, 35), np.float32)
    assert_same_bits(np.moveaxis(sf.softmax(x, axis=1), 1, 2), sf.softmax(np.moveaxis(x, 1, 2).copy()))
