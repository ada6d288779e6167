"""The same bits on every instruction set, for every thread count, stride and chunking."""

import numpy as np
import pytest

import softfloor as sf
from cases import (
    assert_all_same_bits,
    edges,
    every_case,
    every_dtype,
    operands_of,
)
from processes import run_python

LARGE = 20_000  # several pages of each dtype, and a rest

pytestmark = pytest.mark.usefixtures("threads_for_small_calls")
needs_instruction_sets = pytest.mark.skipif(len(sf.cpu.available()) < 2, reason="this CPU has one instruction set only")


def nasty_operands(case, dtype):
    """Random numbers, and every combination of edges in the first two operands."""
    x = edges(dtype)
    grid = [a.ravel() for a in np.meshgrid(x, x)]
    random = operands_of(case, dtype, 20_000)
    return tuple(np.concatenate([a, grid[position % 2]]) for position, a in enumerate(random))


@needs_instruction_sets
@every_case
@every_dtype
def test_instruction_sets(case, dtype):
    operands = nasty_operands(case, dtype)
    expected = case(*operands)
    for name in sf.cpu.available():
        with sf.cpu.use(name):
            assert sf.cpu.current() == name
            assert_all_same_bits(case(*operands), expected)


@every_case
@every_dtype
def test_threads_strides_and_chunks(case, dtype):
    operands = operands_of(case, dtype, LARGE)
    with sf.threads.set(1):
        expected = case(*operands)
    for count in (2, 3, 7):
        with sf.threads.set(count):
            assert_all_same_bits(case(*operands), expected)
            strided = tuple(np.repeat(a, 2)[::2] for a in operands)
            assert_all_same_bits(case(*strided), expected)
            outputs = (operands[0].copy(), *(np.empty_like(a) for a in operands[: case.outputs - 1]))
            case(outputs[0], *operands[1:], out=outputs)
            assert_all_same_bits(outputs, expected)
    for chunk in (1000, 4099):
        parts = [case(*(a[i : i + chunk] for a in operands)) for i in range(0, LARGE, chunk)]
        assert_all_same_bits(tuple(np.concatenate(p) for p in zip(*parts, strict=True)), expected)


def row_calls(z, labels):
    """Every function along an axis, value and gradients, as a tuple of arrays."""
    n = z.shape[-1]
    cotangent = np.roll(z, 1, axis=-1)
    cotangent = np.where(np.isfinite(cotangent), cotangent, cotangent.dtype.type(1))
    probabilities = np.eye(n, dtype=z.dtype)[labels]
    p, q = sf.softmax(z, temperature=0.7), sf.log_softmax(z)
    return (
        p,
        q,
        sf.logsumexp(z),
        sf.softmax.vjp(p, cotangent),
        sf.log_softmax.vjp(q, cotangent),
        sf.logsumexp.vjp(z, cotangent[..., 0]),
        *sf.softmax_cross_entropy.value_and_grad(z, labels, reduction="none"),
        *sf.softmax_cross_entropy.value_and_grad(z, labels, reduction="mean"),
        *sf.softmax_cross_entropy.value_and_grad(z, probabilities, reduction="none"),
    )


def nasty_rows(dtype, rows, n):
    random = np.random.default_rng(n)
    z = random.normal(0, 5, (rows, n)).astype(dtype)
    for row, edge in enumerate(edges(dtype)):
        z[row % rows, random.integers(n)] = edge
    z[0] = -np.inf
    return z, random.integers(0, n, rows)


@needs_instruction_sets
@every_dtype
@pytest.mark.parametrize("n", [1, 2, 7, 15, 16, 17, 31, 33, 100, 1000])
def test_instruction_sets_rows(dtype, n):
    z, labels = nasty_rows(dtype, 64, n)
    expected = row_calls(z, labels)
    for name in sf.cpu.available():
        with sf.cpu.use(name):
            assert_all_same_bits(row_calls(z, labels), expected)


@every_dtype
def test_threads_strides_and_chunks_rows(dtype):
    rows = 700
    z, labels = nasty_rows(dtype, rows, LARGE // rows + 1)
    with sf.threads.set(1):
        expected = row_calls(z, labels)
    with sf.threads.set(3):
        assert_all_same_bits(row_calls(z, labels), expected)
        assert_all_same_bits(row_calls(np.asfortranarray(z), labels), expected)
        assert_all_same_bits(row_calls(np.repeat(z, 2, axis=1)[:, ::2], labels), expected)
    for i in (0, 311, rows - 1):
        one = row_calls(z[i : i + 1], labels[i : i + 1])
        for position, (part, whole) in enumerate(zip(one, expected, strict=True)):
            if position not in (8, 9):  # a mean over one row is another number
                assert_all_same_bits((part,), (whole[i : i + 1],))


@needs_instruction_sets
def test_environment_chooses_the_instruction_set():
    for name in sf.cpu.available():
        done = run_python("import softfloor as sf; print(sf.cpu.current())", SOFTFLOOR_CPU=name)
        assert done.stdout.strip() == name, done.stderr


def test_use_restores_after_an_error():
    before = sf.cpu.current()
    with pytest.raises(ZeroDivisionError), sf.cpu.use(sf.cpu.available()[-1]):
        raise ZeroDivisionError
    assert sf.cpu.current() == before
