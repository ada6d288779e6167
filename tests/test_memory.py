"""Recycled memory of results: bounds, correctness, lifetimes, threads, forks."""

import copy
import gc
import itertools
import os
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import softfloor as sf
from cases import DTYPES, assert_all_same_bits, assert_same_bits, every_case, numbers, operands_of
from processes import output_of, run_python
from softfloor import _core

MIB = 2**20
LARGE = 1_200_000  # float32: 4.6 MiB


@pytest.fixture(autouse=True, scope="module")
def _only_garbage_of_these_tests():
    """Else each collection below goes through all that other tests have made, which takes seconds."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _ordinary_limits():
    """Nothing kept before, and the limits of a fresh process unless a test sets others."""
    gc.collect()
    sf.memory.release()
    with sf.memory.set(256 * MIB, seconds=1000):
        yield
    sf.memory.release()


def handler(array):
    return np._core.multiarray.get_handler_name(array)


def large(value=0.5):
    return np.full(LARGE, value, np.float32)


def test_a_freed_result_becomes_the_next():
    x = large()
    y = sf.gelu(x)
    assert handler(y) == "softfloor"
    place = y.ctypes.data
    del y
    assert sf.memory.report().kept >= 4 * LARGE
    y = sf.gelu(x)
    assert y.ctypes.data == place
    assert sf.memory.report().kept == 0


@pytest.mark.parametrize("limit", [0, 256 * MIB])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_results_are_the_same(dtype, limit):
    x = numbers(dtype, LARGE)
    expected = np.concatenate([sf.gelu(part) for part in np.array_split(x, 7)])
    with sf.memory.set(limit):
        for _ in range(3):
            y = sf.gelu(x)
            assert_same_bits(y, expected)
            y[...] = 7  # what the next result must not show
            del y


def test_live_results_never_share_memory():
    x = large()
    results = []
    for k in range(40):
        results.append(sf.relu(x + np.float32(k)))
        if k % 3 == 0:
            results.pop(k // 4)
    for one, other in itertools.pairwise(results):
        assert not np.shares_memory(one, other)
    assert len({float(y[0]) for y in results}) == len(results)
    assert all((y == y[0]).all() for y in results)


def test_views_keep_the_memory():
    view = sf.gelu(large())[::2]
    expected = view.copy()
    assert sf.memory.report().kept == 0
    others = [sf.relu(large(k)) for k in range(4)]
    del others
    assert_same_bits(view, expected)


def test_bytes_are_bounded():
    x = large()
    size = -(-4 * LARGE // (2 * MIB)) * 2 * MIB
    for limit in (0, size - 1, size, 3 * size):
        with sf.memory.set(limit):
            results = [sf.gelu(x) for _ in range(8)]
            del results
            assert sf.memory.report().kept <= limit
            assert sf.memory.report().kept >= (limit // size) * 4 * LARGE


def test_a_lower_limit_takes_effect_at_once():
    results = [sf.gelu(large()) for _ in range(3)]
    del results
    assert sf.memory.report().kept > 0
    with sf.memory.set(0):
        assert sf.memory.report().kept == 0


def test_the_number_of_blocks_is_bounded():
    x = np.zeros(600_000, np.float32)
    results = [sf.relu(x) for _ in range(40)]
    del results
    assert 0 < sf.memory.report().kept <= 16 * 4 * MIB


def test_memory_goes_back_by_itself():
    with sf.memory.set(seconds=0.2):
        y = sf.gelu(large())
        del y
        assert sf.memory.report().kept > 0
        deadline = time.monotonic() + 20
        while sf.memory.report().kept and time.monotonic() < deadline:
            time.sleep(0.05)
        assert sf.memory.report().kept == 0


def kept_for(duration):
    """What is kept, read as often as possible for so many seconds."""
    end = time.monotonic() + duration
    seen = []
    while time.monotonic() < end:
        seen.append(sf.memory.report().kept)
    return seen


@pytest.mark.parametrize("end", ["kept", "released", "limited"])
def test_memory_counts_while_it_is_offered_to_the_kernel(end):
    # Which happens once, some 50 ms after it is freed, and takes milliseconds for so large a block.
    x = np.zeros(48 * MIB, np.float32)
    for wait in [0] if end == "kept" else np.linspace(0.045, 0.06, 40):
        y = sf.relu(x)
        del y
        kept = sf.memory.report().kept
        assert kept >= x.nbytes
        if end == "kept":
            assert set(kept_for(0.3)) == {kept}
        elif end == "released":
            time.sleep(wait)
            assert sf.memory.release() == kept
            assert set(kept_for(0.02)) == {0}
        else:
            time.sleep(wait)
            with sf.memory.set(0):
                assert set(kept_for(0.02)) == {0}


def test_release():
    y = sf.gelu(large())
    del y
    kept = sf.memory.report().kept
    assert kept >= 4 * LARGE
    assert sf.memory.release() == kept
    assert sf.memory.release() == 0


def test_other_arrays_are_left_alone():
    x = large()
    y = sf.gelu(x)
    assert handler(x) == handler(x + y) == handler(np.empty(LARGE)) == "default_allocator"
    assert handler(sf.gelu(np.zeros(10))) == "default_allocator"
    with sf.memory.set(0):
        assert handler(sf.gelu(x)) == "default_allocator"


def test_the_hook_is_taken_back_after_an_error():
    x = large()
    with pytest.raises(ValueError, match="broadcast"):
        sf.gelu(x, out=np.empty(3, np.float32))
    with pytest.raises(TypeError):
        sf.gelu(x, nonsense=1)
    assert handler(np.empty(LARGE)) == "default_allocator"


def test_arrays_outlive_a_change_of_limits():
    expected = sf.gelu(large()).copy()
    with sf.memory.set(0):
        inside = sf.gelu(large())
    outside = sf.gelu(large())
    with sf.memory.set(0):
        del outside
        assert sf.memory.report().kept == 0
    assert_same_bits(inside, expected)


@pytest.mark.parametrize("count", [LARGE // 100, LARGE // 2 - 1, LARGE - 1, LARGE, LARGE + 5, 3 * LARGE, 0])
def test_resize_in_place(count):
    y = sf.relu(np.arange(LARGE, dtype=np.float32))
    y.resize(count, refcheck=False)
    kept = min(count, LARGE)
    assert (y[:kept] == np.arange(kept, dtype=np.float32)).all()
    assert not y[kept:].any()
    y[...] = 1
    del y
    assert (sf.relu(large(2.0)) == 2).all()


def test_copies_and_pickles():
    y = sf.gelu(large())
    for other in (copy.copy(y), copy.deepcopy(y), pickle.loads(pickle.dumps(y)), pickle.loads(pickle.dumps(y, 5))):
        assert_same_bits(other, y)
        assert not np.shares_memory(other, y)
    assert y.flags.owndata
    assert y.flags.writeable


def test_results_are_aligned():
    for count in (LARGE, 600_000, 5_000_000):
        assert sf.relu(np.zeros(count, np.float32)).ctypes.data % 4096 == 0


def test_empty_and_small_results_within_a_large_call():
    """The first operand decides; what is made meanwhile may be of any size."""
    x = np.zeros((0, 5), np.float32)
    assert sf.gelu(x).shape == (0, 5)
    wide = np.zeros((LARGE, 1), np.float32)
    assert sf.gelu(wide).shape == (LARGE, 1)
    assert sf.gelu(np.broadcast_to(np.float32(1), (1000, 2000))).shape == (1000, 2000)
    assert sf.relu(np.ones((LARGE, 1), np.int8)).dtype == np.float16


def results_of_rows(name, x):
    """Those as large as x, whose rows are as many as its classes."""
    function, labels = getattr(sf, name), np.arange(len(x))
    if name in ("softmax_cross_entropy", "nll"):
        return [function.value_and_grad(x, labels)[1]]
    if name == "sigmoid_cross_entropy":
        return [function.value_and_grad(x, np.ones_like(x))[1]]
    if name == "swiglu":
        return [function(x, x), *function.vjp(x, x, x)]
    return [function(x), function(x, axis=0), function.vjp(function(x), x)]


NAMES = "softmax log_softmax softmin hardmax sparsemax entmax15 softmax_cross_entropy nll sigmoid_cross_entropy swiglu"


@pytest.mark.parametrize("name", NAMES.split())
def test_functions_of_rows_take_recycled_memory(name):
    for result in results_of_rows(name, np.zeros((1024, 1024), np.float32)):
        assert handler(result) == "softfloor"


def test_every_way_to_a_result():
    """Casts, several outputs, Fortran order, subclasses: any of them may come from recycled memory."""
    x = np.asfortranarray(np.arange(LARGE, dtype=np.float32).reshape(1200, -1))
    for _ in range(2):
        value, slope = sf.gelu.value_and_derivative(x)
        assert handler(value) == handler(slope) == "softfloor"
        assert value.flags.f_contiguous
        assert not np.shares_memory(value, slope)
        assert (sf.relu(x.astype(np.int32)) == x).all()
        masked = np.ma.masked_array(x, mask=x > 3)
        assert (sf.relu(masked).mask == masked.mask).all()


def test_no_memory():
    """A result that cannot be had: MemoryError, and nothing is changed."""
    script = """
import resource, numpy as np, softfloor as sf
x = np.zeros(40_000_000, np.float32)
y = sf.relu(x[:2_000_000]); del y
used = int(open('/proc/self/statm').read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + 60_000_000, -1))
try:
    sf.relu(x)
except MemoryError:
    print("refused", np._core.multiarray.get_handler_name(np.empty(3)))
y = sf.relu(x[:8_000_000])   # fits only if what was kept is given back first
print(len(y))
"""
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("reads /proc")
    assert output_of(script, OMP_NUM_THREADS="1").splitlines() == ["refused default_allocator", "8000000"]


def test_many_threads():
    """Allocating, freeing in other threads, and changing limits at the same time."""
    queue: list[np.ndarray] = []
    lock = threading.Lock()

    def work(seed):
        random = np.random.default_rng(seed)
        for step in range(40):
            value = np.float32(1000 * seed + step)
            y = sf.relu(np.full(int(random.integers(530_000, 900_000)), value))
            with lock:
                queue.append(y)
                other = queue.pop(int(random.integers(len(queue))))
            assert (other == other[0]).all()
            del y, other
            if step % 10 == 0:
                sf.memory.release()
            elif step % 10 == 5:
                sf.memory.set(int(random.integers(0, 20)) * MIB)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    queue.clear()
    assert sf.memory.report().kept <= sf.memory.report().limit


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork():
    """The child starts without kept blocks, frees what it inherited, and both go on."""
    output_of(
        """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import numpy as np, softfloor as sf
x = np.full(2_000_000, 2, np.float32)
alive, gone = sf.relu(x), sf.relu(x)
del gone
kept = sf.memory.report().kept
assert kept
child = os.fork()
if child == 0:
    right = sf.memory.report().kept == 0 and (alive == 2).all()
    del alive
    right &= sf.memory.report().kept > 0 and (sf.relu(x) == 2).all()
    os._exit(0 if right else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert sf.memory.report().kept == kept
assert (alive == 2).all() and (sf.relu(x) == 2).all()
"""
    )


def test_environment():
    script = "import softfloor as sf; print(sf.memory.report().limit)"
    assert output_of(script, SOFTFLOOR_MEMORY_LIMIT="0") == "0"
    assert output_of(script, SOFTFLOOR_MEMORY_LIMIT="1000000") == "1000000"
    assert output_of(script, SOFTFLOOR_MEMORY_LIMIT="") == str(256 * MIB)
    for bad in ("much", "-5", "1e9"):
        done = run_python(script, SOFTFLOOR_MEMORY_LIMIT=bad)
        assert done.returncode != 0
        assert "SOFTFLOOR_MEMORY_LIMIT must be a number of bytes" in done.stderr


def test_bad_limits():
    before = sf.memory.report()
    for bad in (-1, 2**70):
        with pytest.raises(ValueError, match="number of bytes"):
            sf.memory.set(bad)
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="seconds must be between"):
            sf.memory.set(seconds=bad)
    with pytest.raises(TypeError, match="seconds must be a number; got '1'"):
        sf.memory.set(seconds="1")
    with pytest.raises(TypeError):
        sf.memory.set(1.5)
    assert sf.memory.report() == before


def test_a_loop_holds_no_more_than_it_needs():
    """Resident memory after a loop of large results, against the two results that are alive at a time."""
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("reads /proc")
    script = """
import numpy as np, softfloor as sf
def resident():
    return int(open('/proc/self/statm').read().split()[1]) * 4096
x = np.zeros(5_000_000, np.float32)
x[:] = 1
sf.relu(x[:1000])
before = resident()
for _ in range(30):
    y = sf.relu(x)
during = resident()
del y
sf.memory.release()
print((during - before) / x.nbytes, (resident() - before) / x.nbytes)
"""
    during, after = map(float, output_of(script).split())
    assert during < 2.3
    assert after < 0.2


@pytest.fixture
def everything_streams():
    before = _core.set_streaming(0)
    yield
    _core.set_streaming(before)


@pytest.mark.usefixtures("everything_streams")
@every_case
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_streaming_changes_no_bit(case, dtype):
    """Results written around the caches: all lengths of head and tail, any alignment, parameters, several outputs."""
    for count in (1, 31, 4096, 20_011):
        operands = operands_of(case, dtype, count)
        before = _core.set_streaming(2**60)
        expected = case(*operands)
        _core.set_streaming(before)
        assert_all_same_bits(case(*operands), expected)
        scalars = (operands[0], *(operand[:1] for operand in operands[1:]))
        before = _core.set_streaming(2**60)
        broadcast = case(*scalars)
        _core.set_streaming(before)
        assert_all_same_bits(case(*scalars), broadcast)
        for shift in (0, 1, 3):
            outputs = tuple(np.zeros(count + 8, dtype)[shift : shift + count] for _ in range(case.outputs))
            case(*operands, out=outputs)
            assert_all_same_bits(outputs, expected)
            assert all(not output.base[shift + count :].any() for output in outputs)
            assert all(not output.base[:shift].any() for output in outputs)
