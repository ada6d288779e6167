"""What goes straight to kernels is shared by threads, in parts and tiles that begin at any row: with the same bits."""

import numpy as np
import pytest

import softfloor as sf
from direct_ways import METHODS, PER_ENTRY, SHAPES, each_method
from outcomes import assert_same_in_many_threads, assert_same_outcome, numbers, outcome
from softfloor import _core


@pytest.mark.usefixtures("threads_for_small_calls")
@pytest.mark.parametrize("name", [name for name in METHODS if name != "nll"])
@pytest.mark.parametrize("axis", range(3))
def test_threads_share_rows_along_any_axis(way, name, axis):
    operands = way.operands(numbers(np.float32, 64, 50, 321), axis)
    options = {} if name in PER_ENTRY else {"axis": axis}

    def threads_used():
        way(*operands, **options)
        return sf.threads.used()

    with sf.threads.set(1):
        assert threads_used() == 1
    with sf.threads.set(2):
        assert any(threads_used() == 2 for _ in range(50))


@pytest.mark.usefixtures("threads_for_small_calls")
@each_method
@pytest.mark.parametrize("shape", [*SHAPES, (2, 2500)], ids=str)
def test_parts_begin_at_any_row(way, name, shape):
    for axis in range(len(shape)):
        operands = way.operands(numbers(np.float32, *shape), axis)
        options = {} if name in PER_ENTRY else {"axis": axis}
        with sf.threads.set(1):
            expected = outcome(way, *operands, **options)
        for count in (2, 7):
            with sf.threads.set(count):
                assert_same_outcome(outcome(way, *operands, **options), expected)


@each_method
@pytest.mark.parametrize("shape", [(9, 70, 5), (3, 300, 2)], ids=str)
@pytest.mark.parametrize("cache", [0, 2**40], ids=["one by one", "turned"])
def test_few_neighbours_of_several_calls(way, name, shape, cache):
    operands, options = way.operands(numbers(np.float32, *shape), 1), {} if name in PER_ENTRY else {"axis": 1}
    expected = outcome(way.through_python, *operands, **options)
    before = _core.set_second_level_cache(cache)
    try:
        assert_same_outcome(outcome(way, *operands, **options), expected)
    finally:
        _core.set_second_level_cache(before)


def test_many_threads():
    z, labels = numbers(np.float32, 300, 10), np.arange(300) % 10
    loss = sf.softmax_cross_entropy.value_and_grad
    assert_same_in_many_threads(loss, z, labels, expected=outcome(loss, z, labels))
