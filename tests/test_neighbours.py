"""What lies beside an element changes no bit of its result, though runs of numbers near 0 take fewer steps."""

import numpy as np
import pytest

import softfloor as sf
from cases import assert_all_same_bits, every_case, operands_of

#: Close together around the ends of what is looked up in fewer steps, 4.84 and 5.81 (csrc/math/pieces.hpp).
SIZES = np.concatenate([np.linspace(low, high, 1500) for low, high in ((0, 4.8), (4.8, 4.9), (5.7, 5.9))])
every_instruction_set = pytest.mark.parametrize("instruction_set", sf.cpu.available())


def near_zero() -> np.ndarray:
    return (SIZES * np.random.default_rng(3).choice([-1, 1], SIZES.size)).astype(np.float32)


@every_instruction_set
@pytest.mark.parametrize("neighbour", [5.5, 11, 300, np.nan])
@every_case
def test_elementwise(case, neighbour, instruction_set):
    x = near_zero()
    others = operands_of(case, np.float32, x.size)[1 : len(case.function.operands)]
    beside = x.copy()
    beside[::16] = neighbour
    kept = np.arange(x.size) % 16 > 0
    with sf.cpu.use(instruction_set):
        alone, among = case(x, *others), case(beside, *others)
    assert_all_same_bits(tuple(each[kept] for each in among), tuple(each[kept] for each in alone))


@every_instruction_set
@pytest.mark.parametrize("neighbour", [7, 20, 300])
def test_sigmoid_cross_entropy(neighbour, instruction_set):
    z = near_zero()
    labels = (np.arange(z.size) % 3 == 0).astype(np.float32)
    beside = z.copy()
    beside[::16] = neighbour
    kept = np.arange(z.size) % 16 > 0
    loss = sf.sigmoid_cross_entropy
    with sf.cpu.use(instruction_set):
        alone = (loss(z, labels, reduction="none"), *loss.value_and_grad(z, labels, reduction="none"))
        among = (loss(beside, labels, reduction="none"), *loss.value_and_grad(beside, labels, reduction="none"))
    assert_all_same_bits(tuple(each[kept] for each in among), tuple(each[kept] for each in alone))
