"""Calls on small plain arrays go past NumPy's ufunc: what it would return, or say, is what they return and say."""

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits
from outcomes import OPERANDS, assert_same_in_many_threads, assert_same_outcome, numbers, outcome

DTYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
CALLS = {
    "gelu": (sf.gelu, sf.gelu.ufunc),
    "silu": (sf.silu, sf.silu.at_defaults),
    "vjp": (sf.tanh.vjp, sf.tanh.vjp.ufunc),
    "value_and_derivative": (sf.sigmoid.value_and_derivative, sf.sigmoid.value_and_derivative.ufunc),
}
every_call = pytest.mark.parametrize(("call", "ufunc"), CALLS.values(), ids=CALLS)


@every_call
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("make", OPERANDS.values(), ids=OPERANDS)
def test_results_are_the_ufuncs(call, ufunc, dtype, make):
    operands = [make(numbers(dtype, 5, 40)) for _ in range(ufunc.nin)]
    assert_same_outcome(outcome(call, *operands), outcome(ufunc, *operands))


@every_call
def test_other_byte_orders_and_metadata(call, ufunc):
    for dtype in (np.dtype(">f4"), np.dtype(np.float32, metadata={"unit": "m"})):
        operands = [numbers(np.float32, 40).astype(dtype)] * ufunc.nin
        assert_same_outcome(outcome(call, *operands), outcome(ufunc, *operands))


@pytest.mark.parametrize(
    ("x", "cotangent"),
    [
        (numbers(np.float32, 4, 10), numbers(np.float32, 10)),
        (numbers(np.float32, 4, 10), numbers(np.float64, 4, 10)),
        (numbers(np.float32, 4, 10), numbers(np.float32, 10, 4)),
        (numbers(np.float32, 4, 10), np.arange(40).reshape(4, 10)),
    ],
)
def test_operands_that_differ(x, cotangent):
    assert_same_outcome(outcome(sf.tanh.vjp, x, cotangent), outcome(sf.tanh.vjp.ufunc, x, cotangent))


def outputs(memory, shift):
    """Two arrays of 40 entries in memory of 100, the second ``shift`` entries after the first."""
    return memory[:40], memory[shift : shift + 40]


@every_call
@pytest.mark.parametrize("shift", [0, 1, 39, 40, 60])
def test_outputs_may_overlap(call, ufunc, shift):
    """Operands in one array, outputs in the same: an earlier result is never a later operand."""
    found, expected = numbers(np.float32, 100), numbers(np.float32, 100)
    for function, memory in ((call, found), (ufunc, expected)):
        first, second = outputs(memory, shift)
        out = (second, memory[60:]) if ufunc.nout == 2 else second
        result = function(*([first] * ufunc.nin), out=out)
        assert (result[0] if ufunc.nout == 2 else result) is second
    assert_same_bits(found, expected)


@every_call
def test_outputs_that_do_not_fit(call, ufunc):
    x = numbers(np.float32, 40)
    shared = np.empty_like(x)
    frozen = np.empty_like(x)
    frozen.flags.writeable = False
    warned = np.broadcast_arrays(np.empty_like(x), x)[0]
    wrong = [
        np.empty(39, np.float32),
        np.empty((2, 40), np.float32),
        np.empty(40, np.float16),
        frozen,
        warned,
        [1],
        None,
    ]
    wrong += [np.empty(80, np.float32)[::2], np.empty(40, np.float64), np.empty(40, ">f4"), [1], None]
    for out in wrong:
        for given in (out, (out,), (out, out), (shared, out)):
            operands = [x] * ufunc.nin
            assert_same_outcome(outcome(call, *operands, out=given), outcome(ufunc, *operands, out=given))


@every_call
def test_other_keywords_and_counts(call, ufunc):
    operands = [numbers(np.float32, 40)] * ufunc.nin
    for keywords in ({"dtype": np.float64}, {"order": "F"}, {"casting": "no"}, {"subok": False}, {"sort": 1}):
        assert_same_outcome(outcome(call, *operands, **keywords), outcome(ufunc, *operands, **keywords))
    where = operands[0] > 0
    for function in (call, ufunc):
        out = tuple(np.full(40, 7, np.float32) for _ in range(ufunc.nout))
        function(*operands, where=where, out=out)
        assert all((array[~where] == 7).all() and (array[where] != 7).all() for array in out)
    assert_same_outcome(outcome(call), outcome(ufunc))
    assert_same_outcome(outcome(call, *operands, *operands, *operands, *operands), TypeError)
    positional = [np.empty_like(operands[0]) for _ in range(ufunc.nout)]
    results = outcome(call, *operands, *positional)
    assert all(result is given for result, given in zip(results, positional, strict=True))


def test_many_threads():
    """Many threads at once, each on its own arrays."""
    x = numbers(np.float32, 3000)
    assert_same_in_many_threads(sf.gelu, x, expected=outcome(sf.gelu.ufunc, x))
