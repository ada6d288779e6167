"""The arrays of a cell, as NumPy arrays; peers turn them into their own kind outside the timed region."""

from __future__ import annotations

from functools import lru_cache

import ml_dtypes  # noqa: F401  (NumPy learns bfloat16 from it)
import numpy as np

from .cells import Cell

#: Standard deviation of the inputs: most of a curve's bends lie within.
SPREAD = 3.0
#: What given outputs hold before the call.
FILLED = 0.5


@lru_cache(maxsize=4)
def _normal(seed: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(shape, np.float32)
    return (values * np.float32(SPREAD)).astype(dtype)


def inputs(cell: Cell) -> dict[str, np.ndarray]:
    """The operands by name."""
    result = {}
    for seed, name in enumerate(cell.operands):
        if name == "labels" and cell.has_classes:
            rows = cell.shape[:-1] if cell.axis == -1 else cell.shape[1:]
            result[name] = np.random.default_rng(seed).integers(0, cell.shape[cell.axis], rows)
        elif name == "labels":
            result[name] = np.random.default_rng(seed).integers(0, 2, cell.shape).astype(cell.dtype)
        else:
            result[name] = _normal(seed, cell.shape, cell.dtype)
    return result


def outputs(cell: Cell) -> tuple[np.ndarray, ...]:
    """Arrays for the results, their pages touched, so that a call that is given them pays for no page fault."""
    return tuple(np.full(cell.shape, FILLED, cell.dtype) for _ in range(cell.results))
