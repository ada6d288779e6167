"""Threads: how many there are, who shares them, forks, and that the bits do not depend on them."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import softfloor as sf
from cases import CASES, DTYPES, assert_all_same_bits, assert_same_bits, every_case, numbers, operands_of
from processes import output_of
from softfloor import _core

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@pytest.mark.usefixtures("threads_for_small_calls")
@every_case
def test_sizes_around_a_part(case):
    """Parts are whole pages: one element less, none more, one more."""
    for pages in (1, 2, 3, 24):
        for count in (pages * 1024 - 1, pages * 1024, pages * 1024 + 1):
            operands = operands_of(case, np.float32, count)
            with sf.threads.set(1):
                expected = case(*operands)
            for threads in (2, 3):
                with sf.threads.set(threads):
                    assert_all_same_bits(case(*operands), expected)


def long_call(x):
    """Work of some 100 ms in one thread, so that helpers that exist take part."""
    sf.gelu.vjp(x, x)
    return sf.threads.used()


def test_helpers_take_part_and_no_more_than_asked_for():
    x = np.linspace(-9, 9, 8_000_000)
    with sf.threads.set(3):
        used = [long_call(x) for _ in range(5)]
        assert max(used) > 1
        assert max(used) <= 3
    with sf.threads.set(1):
        assert long_call(x) == 1


def test_small_calls_stay_alone():
    with sf.threads.set(4):
        x = np.zeros(1000, np.float32)
        for _ in range(100):  # some of them under way before the function's cost is known
            sf.relu(x)
        assert sf.threads.used() == 1


def short_call(x, out):
    """Work of some 20 to 100 us in one thread: less than it takes to wake a helper."""
    sf.gelu(x, out=out)
    return sf.threads.used()


def test_short_calls_share_where_they_come_one_after_another():
    x, out = np.full((2, 50_000), 0.5, np.float32)
    with sf.threads.set(2):
        assert any(short_call(x, out) == 2 for _ in range(100_000))


def test_callers_at_once_use_no_more_threads_than_asked_for():
    """More callers than threads: each does its own work, and nobody helps."""
    x = np.linspace(-9, 9, 2_000_000)
    start = threading.Barrier(4)
    used = []

    def caller():
        start.wait()
        for _ in range(6):
            used.append((time.monotonic(), long_call(x)))

    with sf.threads.set(2), ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(caller) for _ in range(4)]:
            future.result()
    first = sorted(used)[:8]  # later, callers have finished and the others may have help
    assert all(count <= 2 for _, count in used)
    assert min(count for _, count in first) == 1
    tasks = len(os.listdir("/proc/self/task")) if sys.platform == "linux" else None
    assert tasks is None or tasks < 64


def test_concurrent_python_threads():
    """Callers in several Python threads, large and small calls mixed, each with its own numbers."""
    functions = [case for case in CASES if case.inputs == 1]
    jobs = [(functions[k % len(functions)], DTYPES[k % 4], 100 + (k % 3) * 33_000, k) for k in range(48)]
    operands = [numbers(dtype, count, seed) for _, dtype, count, seed in jobs]
    expected = [case(x) for (case, *_), x in zip(jobs, operands, strict=True)]
    for share in (0, 2_500):
        before = _core.set_share(share)
        try:
            with sf.threads.set(3), ThreadPoolExecutor(6) as pool:
                results = list(pool.map(lambda job: job[0][0](job[1]), zip(jobs, operands, strict=True)))
        finally:
            _core.set_share(before)
        for result, wanted in zip(results, expected, strict=True):
            assert_all_same_bits(result, wanted)


def test_the_count_is_openmp_s_unless_asked():
    script = "import softfloor as sf; print(sf.threads.get())"
    assert output_of(script, OMP_NUM_THREADS="1") == "1"
    assert output_of(script, OMP_NUM_THREADS="3") == "3"


def test_set_restores():
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
    x = np.linspace(-9, 9, 4_000_000)
    with sf.threads.set(None):
        with threadpoolctl.threadpool_limits(1, user_api="openmp"):
            assert sf.threads.get() == 1
            assert long_call(x) == 1
        with threadpoolctl.threadpool_limits(3, user_api="openmp"):
            assert sf.threads.get() == 3


FORK = """
import os, sys, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on fork beside threads: that is what is tested
import numpy as np, softfloor as sf
x = np.linspace(-9, 9, 3_000_000, dtype=np.float32)
with sf.threads.set(2):
    expected = sf.gelu(x)

def right():
    return (sf.gelu(x) == expected).all() and np.isfinite(sf.softmax(x.reshape(-1, 4))).all()
"""


@needs_fork
@pytest.mark.parametrize("threads", ["None", "2"])
def test_a_forked_child_can_call(threads):
    """Threads do not survive a fork: a child that waited for them would hang."""
    output_of(
        FORK
        + f"""
assert right()
child = os.fork()
if child == 0:
    with sf.threads.set({threads}):
        assert sf.threads.get() == {threads} or 1
        os._exit(0 if right() else 3)
for _ in range(600):
    pid, status = os.waitpid(child, os.WNOHANG)
    if pid:
        break
    time.sleep(0.1)
else:
    os.kill(child, 9)
    sys.exit("the child hangs")
assert right()
sys.exit(os.waitstatus_to_exitcode(status))
"""
    )


@needs_fork
def test_a_fork_while_others_call():
    """The pool's locks are whole in the child, whatever the parent's threads were doing."""
    output_of(
        FORK
        + """
import threading
stop = threading.Event()
def caller():
    while not stop.is_set():
        with sf.threads.set(2):
            sf.gelu(x[:200_000])
callers = [threading.Thread(target=caller) for _ in range(3)]
for thread in callers: thread.start()
codes = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if right() else 3)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
stop.set()
for thread in callers: thread.join()
assert codes == [0] * 10, codes
"""
    )


@needs_fork
def test_workers_of_a_process_pool():
    """Forked workers, one per processor as a rule, use one thread each."""
    output_of(
        FORK
        + """
import multiprocessing
def work(part):
    value = sf.gelu(part)
    return value, sf.threads.get()
parts = np.array_split(x, 4)
with multiprocessing.get_context("fork").Pool(2) as pool:
    results = pool.map(work, parts)
assert (np.concatenate([value for value, _ in results]) == expected).all()
assert {count for _, count in results} == {1}
"""
    )


def test_dask_workers():
    """Chunks computed by Dask's threads, each call large enough for helpers."""
    da = pytest.importorskip("dask.array")
    x = numbers(np.float32, 1_200_000)
    with sf.threads.set(2):
        lazy = sf.gelu(da.from_array(x, chunks=300_000))
        assert_same_bits(lazy.compute(scheduler="threads", num_workers=4), sf.gelu(x))
