"""Elementwise functions, where Dask's own way does not reach: several outputs, dtypes, packed operands of units."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np


def of_blocks(function: Callable[..., Any], operands: list[Any], dtypes: list[Any]) -> Any:
    """A function of corresponding elements, with one result or several; operands are broadcast and cut alike."""
    arrays = [da.asarray(operand) for operand in operands]
    dimensions = max(array.ndim for array in arrays)
    dtype = dtypes[0] if len(dtypes) == 1 else np.dtype(object)
    together = da.blockwise(
        function,
        range(dimensions)[::-1],
        *(part for array in arrays for part in (array, range(array.ndim)[::-1])),
        dtype=dtype,
        meta=np.empty((0,) * dimensions, dtype),
    )
    if len(dtypes) == 1:
        return together
    return tuple(
        da.map_blocks(operator.itemgetter(k), together, dtype=dtype, meta=np.empty((0,) * dimensions, dtype))
        for k, dtype in enumerate(dtypes)
    )


def packed(parts: tuple[Any, Any], axis: int, interleaved: bool) -> Any:
    """Two arrays as one, by halves or in turns along an axis."""
    if not interleaved:
        return da.concatenate(parts, axis=axis, allow_unknown_chunksizes=True)  # they are cut alike
    chunks = tuple(tuple(2 * n for n in c) if k == axis else c for k, c in enumerate(parts[0].chunks))
    meta = np.empty((0,) * parts[0].ndim, parts[0].dtype)
    return da.map_blocks(_in_turns, *parts, axis=axis, dtype=meta.dtype, chunks=chunks, meta=meta)


def _in_turns(first: Any, second: Any, axis: int) -> Any:
    shape = (*first.shape[:axis], 2 * first.shape[axis], *first.shape[axis + 1 :])
    return np.stack((first, second), axis=axis + 1).reshape(shape)
