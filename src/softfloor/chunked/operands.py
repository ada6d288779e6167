"""Operands as Dask arrays: of which dtype, what is masked, how rows are cut."""

from __future__ import annotations

import math
from typing import Any

import dask.array as da
import numpy as np

from ..layout import EmptyRows, Layout, as_logits, masked
from .maps import begins_of, map_blocks

#: csrc/ops/states.hpp: so many terms of a row fit.
MOST_TERMS = 2**36


def as_chunks(value: Any) -> Any:
    return value if isinstance(value, da.Array) else da.asarray(np.asanyarray(value))


def logits_of(function: Any, z: Any, where: Any = None, dtype: Any = None, name: str = "z") -> Any:
    """Floats, in ``dtype`` if asked for, with what is masked replaced."""
    logits = as_logits(function.name, name, as_chunks(z), dtype)
    if where is None:
        return logits
    shape = np.broadcast_shapes(logits.shape, np.shape(where))
    logits = da.broadcast_to(logits, shape)
    mask = along(where, shape, logits.chunks)
    return map_blocks(masked, logits.dtype, logits, mask, absent=function.absent)


def along(value: Any, shape: tuple[int, ...], chunks: Any) -> Any:
    """An operand broadcast to a shape and cut like another; axes of length 1 stay so."""
    return da.broadcast_to(as_chunks(value), shape).rechunk(chunks)


def per_row(values: Any, like: Any, axes: tuple[int, ...]) -> Any:
    """One number per row as an array that is cut as another is, of length 1 along the axes of the rows."""
    kept = da.expand_dims(da.broadcast_to(values, Layout(like.shape, axes).outer_shape), axes)
    return kept.rechunk(tuple((1,) if k in axes else c for k, c in enumerate(like.chunks)))


def axes_of(z: Any, axis: Any) -> tuple[int, ...]:
    return Layout(z.shape, axis).axes


def is_cut(z: Any, axes: tuple[int, ...]) -> bool:
    """Whether rows lie in several chunks."""
    if math.prod(z.shape[a] for a in axes) > MOST_TERMS:
        raise ValueError(f"a row may have at most {MOST_TERMS} entries; got {math.prod(z.shape[a] for a in axes)}")
    return any(z.numblocks[a] > 1 for a in axes)


def gathered(z: Any, axes: tuple[int, ...]) -> Any:
    """The same array with each row in one chunk."""
    return z.rechunk(dict.fromkeys(axes, -1))


def upstream_of(function: Any, cotangent: Any) -> Any:
    """The cotangent of a loss in float64."""
    return da.asarray(as_logits(function.name, "cotangent", cotangent)).astype(np.float64)


def cotangent_of(function: Any, value: Any, like: Any, shape: tuple[int, ...]) -> Any:
    array = np.asarray(value, like.dtype) if type(value) in (bool, int, float) else value
    array = as_logits(function.name, "cotangent", array)
    try:
        return da.broadcast_to(da.asarray(array), shape)
    except ValueError:
        raise ValueError(
            f"{function.name}: cotangent has shape {array.shape}, which does not broadcast to {shape}"
        ) from None


# ---------------------------------------------- rows of which nothing is left
def filled(function: Any, result: Any, logits: Any, axes: tuple[int, ...], empty: Any) -> Any:
    """The result with what ``empty`` asks for; axes of rows that the result has lost are there with length 1."""
    EmptyRows.check(function.name, empty)
    if empty == "zeros":
        return result
    found = da.all(logits == function.absent, axis=axes, keepdims=True)
    return map_blocks(_filled, result.dtype, result, found, function=function, axes=axes, empty=empty)


def _filled(block: Any, found: Any, function: Any, axes: tuple[int, ...], empty: str, block_info: Any) -> Any:
    if empty == "raise" and found.any():
        outer = tuple(begin for axis, begin in enumerate(begins_of(block_info, 1)) if axis not in axes)
        EmptyRows.refuse(function.name, np.squeeze(found, axes), function.absent, outer)
    return np.where(found, block.dtype.type(np.nan), block)
