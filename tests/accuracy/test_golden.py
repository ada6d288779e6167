"""The bits that every function returns are those in golden.json, on each instruction set that this machine has."""

import numpy as np
import pytest

import golden
import softfloor as sf


@pytest.mark.parametrize("instruction_set", sf.cpu.available())
def test_bits(instruction_set):
    with sf.cpu.use(instruction_set):
        assert golden.differences() == []


def test_digests_see_one_bit():
    bits = np.arange(10, dtype=np.uint32)
    assert golden.digest(bits) != golden.digest(bits ^ np.eye(10, dtype=np.uint32)[3])
