"""One task per block, and results of tasks merged in a tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np

#: How many states one task of a tree merges.
SPLIT_EVERY = 16


def map_blocks(
    body: Callable[..., Any], dtype: Any, *arrays: Any, like: int = 0, one: Any = (), **keywords: Any
) -> Any:
    """``body`` of corresponding blocks; ``one`` are the axes along which each gives a single entry."""
    chunks = tuple((1,) * len(c) if k in one else c for k, c in enumerate(arrays[like].chunks))
    meta = np.empty((0,) * arrays[like].ndim, dtype)
    return da.map_blocks(body, *arrays, dtype=dtype, chunks=chunks, meta=meta, **keywords)


def begins_of(block_info: Any, operand: int = 0) -> tuple[int, ...]:
    """Where the block of an operand lies in it."""
    return tuple(begin for begin, _ in block_info[operand]["array-location"])


def map_whole(body: Callable[..., Any], dtype: Any, values: Any, *others: Any, **keywords: Any) -> Any:
    """A scalar, ``body`` of all values at once; others are scalars."""
    together = values.ravel().rechunk(-1)
    scalars = [da.asarray(other).reshape(1) for other in others]
    meta = np.empty((), dtype)
    return da.map_blocks(body, together, *scalars, dtype=dtype, drop_axis=0, meta=meta, **keywords)


def merge(body: Callable[..., Any], states: Any, axes: tuple[int, ...], split_every: int = SPLIT_EVERY) -> Any:
    """States of chunks to one per row, in a tree; the axes stay, with length 1."""
    meta = np.empty((0,) * states.ndim, states.dtype)
    return da.reduction(
        states,
        chunk=body,
        combine=body,
        aggregate=body,
        axis=axes,
        keepdims=True,
        dtype=states.dtype,
        meta=meta,
        split_every=split_every,
    )
