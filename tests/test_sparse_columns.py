"""sparsemax, entmax15 and their vjps along axis 0, where rows lie side by side: the bits are those of single rows."""

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits, every_dtype

FUNCTIONS = [sf.sparsemax, sf.entmax15]
every_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
#: Entries and rows: the least that are taken together, no multiple of sixteen, more than blocks and parts that are
#: passed at once, more than one tile, tiles whose last rows leave less than sixteen to the next.
SHAPES = [(1, 16), (3, 17), (20, 40), (75, 333), (1000, 31), (70, 1024), (70, 1030), (40, 1041), (33, 2100)]


def temperatures(kind: str, rows: int) -> np.ndarray:
    """Of each row: 1, so large that all entries are in the support, or anything between these and a single one."""
    if kind == "one":
        return np.ones(rows)
    if kind == "dense":
        return np.full(rows, 1e3)
    return 10 ** np.random.default_rng(4).uniform(-3, 1.5, rows)


def logits(shape: tuple[int, int], dtype: type, *, special: bool) -> np.ndarray:
    x = np.random.default_rng(5).normal(size=shape) * 2
    x[:, 1::3] = np.round(x[:, 1::3])  # ties
    if special:
        x[0, 0], x[-1, -1], x[:, 9], x[0, 7::5] = np.nan, np.inf, -np.inf, -np.inf
        x[:, 3] = 0.0
    return x.astype(dtype)


def row_by_row(gufunc, *operands: np.ndarray) -> np.ndarray:
    return np.stack([gufunc(*row) for row in zip(*operands, strict=True)])


@every_function
@every_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["one", "some", "dense"])
@pytest.mark.parametrize("special", [False, True])
def test_bits_of_single_rows(function, dtype, shape, kind, special):
    value, vjp = (function.gufuncs[variant] for variant in ("value", "vjp"))
    x, t = logits(shape, dtype, special=special), temperatures(kind, shape[1])
    expected = row_by_row(value, np.ascontiguousarray(x.T), t)
    assert_same_bits(value(x.T, t), expected)
    over = x.copy()
    value(over.T, t, out=over.T)
    assert_same_bits(over.T, expected)

    cotangent = np.random.default_rng(6).normal(size=shape)
    if special:  # not read where p is 0; beyond what sums hold in others
        cotangent[expected.T.astype(float) == 0] = np.nan
        cotangent[:, 11 % shape[1]] *= float(ml_dtypes.finfo(dtype).max) / 8
        cotangent[-1, 14] = np.inf
    cotangent = cotangent.astype(dtype)
    slopes = row_by_row(vjp, expected, np.ascontiguousarray(cotangent.T), t)
    p = np.ascontiguousarray(expected.T)
    assert_same_bits(vjp(p.T, cotangent.T, t), slopes)
    for which in range(2):
        own = [p.copy(), cotangent.copy()]
        vjp(own[0].T, own[1].T, t, out=own[which].T)
        assert_same_bits(own[which].T, slopes)
        assert_same_bits(own[1 - which], [p, cotangent][1 - which])


@every_function
@every_dtype
def test_entries_far_apart_in_memory(function, dtype):
    """Every second entry, in the other order, and the middle axis of three."""
    x = logits((80, 50), dtype, special=True)
    expected = function(np.ascontiguousarray(x.T))
    spread = np.full((160, 50), np.nan, dtype)
    spread[::-2] = x
    assert_same_bits(function(spread[::-2], axis=0).T, expected)
    three = np.stack([x, x[::-1]])
    assert_same_bits(np.moveaxis(function(three, axis=1), 1, 2)[0], expected)


@every_function
@every_dtype
def test_results_between_the_operand_s_lines(function, dtype):
    """The operand and the result take turns in memory: their ranges overlap, their entries do not."""
    x = logits((90, 40), dtype, special=False)
    both = np.full((90, 80), np.nan, dtype)
    operand, out = both[:, :40], both[:, 40:]
    operand[...] = x
    assert_same_bits(function(operand, axis=0, out=out).T, function(np.ascontiguousarray(x.T)))
    assert_same_bits(operand, x)


@every_function
def test_more_in_reach_than_lists_have_room_for(function):
    """Of a wide tile; the narrower ones after it have room."""
    x = logits((3000, 1040), np.float32, special=False)
    t = np.ones(1040)
    t[100::200] = 1e3
    expected = row_by_row(function.gufuncs["value"], np.ascontiguousarray(x.T), t)
    function.gufuncs["value"](x.T, t, out=x.T)
    assert_same_bits(x.T, expected)
