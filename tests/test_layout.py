"""Any strides, alignment, byte order and overlap give what contiguous, separate arrays give, to the bit."""

import numpy as np
import pytest

from cases import (
    assert_all_same_bits,
    assert_same_bits,
    every_case,
    every_dtype,
    every_numpy_dtype,
    numbers,
    operands_of,
)

ROWS, COLUMNS = 37, 41


def copy_into(array: np.ndarray, view: np.ndarray) -> np.ndarray:
    view[...] = array
    return view


def unaligned(array: np.ndarray) -> np.ndarray:
    memory = bytearray(array.nbytes + 1)
    return copy_into(array, np.frombuffer(memory, array.dtype, array.size, offset=1).reshape(array.shape))


# Each takes a C-contiguous matrix and returns equal numbers laid out in another way.
LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "every third": lambda a: copy_into(a, np.empty((ROWS, 3 * COLUMNS), a.dtype)[:, ::3]),
    "every other row": lambda a: copy_into(a, np.empty((2 * ROWS, COLUMNS), a.dtype)[::2]),
    "backwards": lambda a: copy_into(a, np.empty_like(a)[:, ::-1]),
    "backwards in both": lambda a: copy_into(a, np.empty_like(a)[::-1, ::-1]),
    "backwards, every other": lambda a: copy_into(a, np.empty((ROWS, 2 * COLUMNS), a.dtype)[:, ::-2]),
    "a field of a record": lambda a: copy_into(a, np.empty(a.shape, [("before", "u1"), ("x", a.dtype)])["x"]),
    "unaligned": unaligned,
    "unaligned and strided": lambda a: copy_into(a, unaligned(np.empty((ROWS, 2 * COLUMNS), a.dtype))[:, ::2]),
}
every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())


def matrices(case, dtype):
    return tuple(a.reshape(ROWS, COLUMNS) for a in operands_of(case, dtype, ROWS * COLUMNS))


@every_case
@every_dtype
@every_layout
def test_layouts_of_operands_and_outputs(case, dtype, layout):
    operands = matrices(case, dtype)
    expected = case(*operands)
    laid_out = tuple(layout(a) for a in operands)
    assert_all_same_bits(case(*laid_out), expected)
    outputs = tuple(layout(np.zeros((ROWS, COLUMNS), dtype)) for _ in expected)
    case(*operands, out=outputs)
    assert_all_same_bits(outputs, expected)
    outputs = tuple(layout(np.zeros((ROWS, COLUMNS), dtype)) for _ in expected)
    case(*laid_out, out=outputs)
    assert_all_same_bits(outputs, expected)
    # In place, through the layout.
    case(*laid_out, out=(laid_out[0], *outputs[1:]))
    assert_same_bits(laid_out[0], expected[0])


@every_case
@every_dtype
def test_layouts_may_differ_between_operands(case, dtype):
    operands = matrices(case, dtype)
    layouts = list(LAYOUTS.values())
    mixed = tuple(layouts[3 * position % len(layouts)](a) for position, a in enumerate(operands))
    assert_all_same_bits(case(*mixed), case(*operands))


@every_case
@every_dtype
def test_zero_strides(case, dtype):
    operands = operands_of(case, dtype, 1000)
    for position in range(case.inputs):
        constant = list(operands)
        constant[position] = np.broadcast_to(dtype(0.75), 1000)
        full = list(operands)
        full[position] = np.full(1000, 0.75, dtype)
        assert_all_same_bits(case(*constant), case(*full))
    constants = tuple(np.broadcast_to(a[:1], 1000) for a in operands)
    assert_all_same_bits(case(*constants), case(*(np.ascontiguousarray(a) for a in constants)))


@every_case
@every_numpy_dtype
def test_byte_order(case, dtype):
    operands = matrices(case, dtype)
    expected = case(*operands)
    swapped = tuple(a.astype(a.dtype.newbyteorder()) for a in operands)
    assert_all_same_bits(case(*swapped), expected)
    outputs = tuple(np.empty(e.shape, e.dtype.newbyteorder()) for e in expected)
    case(*swapped, out=outputs)
    assert_all_same_bits(tuple(o.astype(dtype) for o in outputs), expected)


SLICES = {
    "ahead": (slice(1, None), slice(None, -1)),
    "behind": (slice(None, -1), slice(1, None)),
    "far ahead": (slice(700, None), slice(None, -700)),
    "far behind": (slice(None, -700), slice(700, None)),
    "reversed": (slice(None, None, -1), slice(None)),
    "from every other": (slice(None, 1000), slice(None, None, 2)),
    "to every other": (slice(None, None, 2), slice(None, 1000)),
}


@every_case
@every_dtype
@pytest.mark.parametrize("slices", SLICES.values(), ids=SLICES.keys())
def test_overlap(case, dtype, slices):
    """An output that overlaps an operand without being it: as if the operand had been copied first."""
    to, start = slices
    for position in range(case.inputs):
        for output in range(case.outputs):
            memory = numbers(dtype, 2000, seed=position)
            view = memory[start]
            operands = list(operands_of(case, dtype, view.size, seed=10))
            operands[position] = view.copy()
            expected = case(*operands)[output]
            operands[position] = view
            outputs = [None] * case.outputs
            outputs[output] = memory[to]
            case(*operands, out=tuple(outputs))
            assert_same_bits(memory[to], expected)


@every_case
@every_dtype
def test_operands_may_be_the_same_array(case, dtype):
    x = numbers(dtype, 2000)
    expected = case(*(x.copy() for _ in range(case.inputs)))
    assert_all_same_bits(case(*(x for _ in range(case.inputs))), expected)
    outputs = (x, *(np.empty_like(x) for _ in range(case.outputs - 1)))
    case(*(x for _ in range(case.inputs)), out=outputs)
    assert_all_same_bits(outputs, expected)


@every_case
@every_dtype
@pytest.mark.parametrize("count", [1, 2, 3, 15, 16, 17, 31, 33, 511, 512, 513, 1025])
def test_lengths(case, dtype, count):
    """Every tail of a vector, at every offset within it: neighbours do not matter, nothing else is written."""
    operands = operands_of(case, dtype, 1100)
    expected = case(*operands)
    for offset in (0, 1, 7):
        part = slice(offset, offset + count)
        guarded = tuple(np.full(count + 20, 5, dtype) for _ in expected)
        case(*(a[part] for a in operands), out=tuple(g[10 : 10 + count] for g in guarded))
        assert_all_same_bits(tuple(g[10 : 10 + count] for g in guarded), tuple(e[part] for e in expected))
        assert all((g[:10] == 5).all() and (g[10 + count :] == 5).all() for g in guarded)


@every_case
@every_dtype
def test_methods_of_ufuncs_with_two_operands(case, dtype):
    """accumulate and reduce feed a result back as an operand, in the same memory: one element after another."""
    ufunc = case.function.ufunc
    if (ufunc.nin, ufunc.nout) != (2, 1):
        pytest.skip("not two operands and one result")
    x = np.random.default_rng(0).normal(0.5, 1, 700).astype(dtype)
    expected = [x[0]]
    for value in x[1:]:
        expected.append(ufunc(expected[-1], value))
    assert_same_bits(ufunc.accumulate(x), np.array(expected, dtype))
    assert_same_bits(ufunc.accumulate(np.repeat(x, 2)[::2]), np.array(expected, dtype))
    assert_same_bits(ufunc.reduce(x), expected[-1])
    assert_same_bits(ufunc.outer(x[:9], x[:7]), ufunc(x[:9, None], x[:7]))


@every_case
def test_operands_are_left_alone(case):
    operands = operands_of(case, np.float32, 1000)
    copies = tuple(a.copy() for a in operands)
    for a in operands:
        a.flags.writeable = False
    case(*operands)
    assert_all_same_bits(operands, copies)
