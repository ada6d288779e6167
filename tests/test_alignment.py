"""Where results begin in memory changes their time, not them: each line of it is filled, and nothing beside."""

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits

LINE = 64
DTYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
CALLS = {
    "relu": (sf.relu, 1, 1),
    "gelu": (sf.gelu, 1, 1),
    "tanh.derivative": (sf.tanh.derivative, 1, 1),
    "silu.vjp": (sf.silu.vjp, 2, 1),
    "sigmoid.value_and_derivative": (sf.sigmoid.value_and_derivative, 1, 2),
    "swiglu.vjp": (sf.swiglu.vjp, 3, 2),
}


def at(offset, size, dtype):
    """An array that begins ``offset`` bytes behind a line, and the memory around it."""
    item = np.dtype(dtype).itemsize
    memory = np.full(size + 4 * LINE // item, 7, dtype)
    begin = (-memory.ctypes.data % LINE + LINE + offset) // item
    return memory[begin : begin + size], memory


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("bytes_", [1000, 16384, 20000])
def test_results_anywhere(name, dtype, bytes_):
    call, inputs, outputs = CALLS[name]
    item = np.dtype(dtype).itemsize
    size = bytes_ // item
    random = np.random.default_rng(size)
    operands = [random.normal(0, 3, size).astype(dtype) for _ in range(inputs)]
    expected = call(*[o.astype(dtype) for o in operands])
    expected = expected if outputs > 1 else (expected,)
    for offset in sorted({0, item, 16, 16 + item, LINE - item}):
        given = []
        for operand in operands:
            place, _ = at(16, size, dtype)
            place[...] = operand
            given.append(place)
        results, memories = zip(*(at(offset + 8 * k, size, dtype) for k in range(outputs)), strict=True)
        call(*given, out=results if outputs > 1 else results[0])
        for result, memory, want in zip(results, memories, expected, strict=True):
            assert_same_bits(result, want)
            assert np.count_nonzero(memory != 7) <= np.count_nonzero(want != 7)
        for place, operand in zip(given, operands, strict=True):
            assert_same_bits(place, operand)
        for k in range(min(inputs, outputs)):  # in the place of an operand
            given = [at(offset, size, dtype)[0] for _ in operands]
            for place, operand in zip(given, operands, strict=True):
                place[...] = operand
            results = [at(offset, size, dtype)[0] for _ in range(outputs)]
            results[k] = given[k]
            call(*given, out=tuple(results) if outputs > 1 else results[0])
            for result, want in zip(results, expected, strict=True):
                assert_same_bits(result, want)


def test_in_threads():
    x, _ = at(16, 3_000_000, np.float32)
    x[...] = np.random.default_rng(0).normal(size=x.size)
    out, memory = at(20, x.size, np.float32)
    expected = sf.gelu(x)
    for threads in (1, 2):
        with sf.threads.set(threads):
            out[...] = 0
            sf.gelu(x, out=out)
        assert_same_bits(out, expected)
        assert np.count_nonzero(memory == 7) >= memory.size - out.size
