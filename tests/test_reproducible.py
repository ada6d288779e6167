"""The same bits on every instruction set, for every thread count, stride and chunking; forks and concurrent callers."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import softfloor as sf
from cases import (
    CASES,
    DTYPES,
    assert_all_same_bits,
    edges,
    every_case,
    every_dtype,
    numbers,
    operands_of,
)

ROOT = Path(__file__).resolve().parents[1]


def parallel_elements() -> int:
    """The size from which a call may use threads, as the core states it."""
    text = (ROOT / "csrc" / "ufunc.hpp").read_text()
    return 1 << int(re.search(r"parallel_elements = size_t\(1\) << (\d+)", text)[1])


LARGE = parallel_elements() + 1237
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
    assert z.size > parallel_elements()
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


def run_python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_can_call():
    """OpenMP's threads do not survive a fork; a child that waits for them would hang."""
    script = f"""
import os, sys, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on fork beside threads: that is what is tested
import numpy as np, softfloor as sf
x = np.linspace(-9, 9, {4 * LARGE}, dtype=np.float32)
with sf.threads.set(2):
    expected = sf.gelu(x)
    child = os.fork()
    if child == 0:
        same = (sf.gelu(x) == expected).all() and np.isfinite(sf.softmax(x.reshape(-1, 4))).all()
        os._exit(0 if same else 3)
    for _ in range(600):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.1)
    else:
        os.kill(child, 9)
        sys.exit("the child hangs")
    assert (sf.gelu(x) == expected).all()
sys.exit(os.waitstatus_to_exitcode(status))
"""
    done = run_python(script, OMP_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr


def test_concurrent_python_threads():
    """Callers in several Python threads, large and small calls mixed, each with its own numbers."""
    functions = [case for case in CASES if case.inputs == 1]
    jobs = [(functions[k % len(functions)], DTYPES[k % 4], 100 + (k % 3) * LARGE // 2, k) for k in range(48)]
    operands = [numbers(dtype, count, seed) for _, dtype, count, seed in jobs]
    expected = [case(x) for (case, *_), x in zip(jobs, operands, strict=True)]
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda job: job[0][0](job[1]), zip(jobs, operands, strict=True)))
    for result, wanted in zip(results, expected, strict=True):
        assert_all_same_bits(result, wanted)


def test_thread_count_is_openmp_s_unless_asked():
    script = "import softfloor as sf; print(sf.threads.get())"
    assert run_python(script, OMP_NUM_THREADS="1").stdout.strip() == "1"
    assert run_python(script, OMP_NUM_THREADS="3").stdout.strip() == "3"


def test_threads_set_restores():
    before = sf.threads.get()
    with sf.threads.set(1):
        assert sf.threads.get() == 1
        with sf.threads.set(2):
            assert sf.threads.get() == 2
        assert sf.threads.get() == 1
        with sf.threads.set(None):
            assert sf.threads.get() >= 1
    assert sf.threads.get() == before


def test_threadpoolctl():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits(1, user_api="openmp"):
        assert sf.threads.get() == 1


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
