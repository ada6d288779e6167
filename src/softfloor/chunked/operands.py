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


def is_unknown(value: Any) -> bool:
    """Whether it is a Dask array that does not know how long it is, as after ``x[x > 0]``."""
    return isinstance(value, da.Array) and any(np.isnan(length) for length in value.shape)


def check_sizes(function: Any, **operands: Any) -> None:
    """Raise ValueError if the length of one of them is unknown."""
    for name, value in operands.items():
        if is_unknown(value):
            raise ValueError(
                f"{function.name}: {name} has shape {value.shape}, whose unknown lengths (nan) are needed; call "
                f"{name}.compute_chunk_sizes() first"
            )


def logits_of(function: Any, z: Any, where: Any = None, dtype: Any = None, name: str = "z") -> Any:
    """Floats, in ``dtype`` if asked for, with what is masked replaced."""
    logits = as_logits(function.name, name, as_chunks(z), dtype)
    if where is None:
        return logits
    if not (is_unknown(logits) or is_unknown(where)):
        logits = da.broadcast_to(logits, np.broadcast_shapes(logits.shape, np.shape(where)))
    mask = along(function, "where", where, logits)
    return map_blocks(masked, logits.dtype, logits, mask, absent=function.absent)


def along(function: Any, name: str, value: Any, like: Any) -> Any:
    """An operand broadcast to another and cut like it."""
    array = as_chunks(value)
    beside = broadcast(function, name, array, like.shape, like.chunks)
    if beside.shape == like.shape and not is_unknown(like):
        return beside
    unknown = tuple(np.flatnonzero(np.isnan(beside.shape)).tolist())
    return map_blocks(_spread, beside.dtype, like, beside, unknown=unknown)


def broadcast(function: Any, name: str, array: Any, shape: tuple[int, ...], chunks: Any) -> Any:
    """An array broadcast to a shape and cut as said.

    Where lengths are unknown, axes of length 1 stay so, and an axis must be cut into as many chunks already.
    """
    unknown = np.isnan(shape)
    if array.ndim <= len(shape) and (unknown.any() or is_unknown(array)):
        padded = array[(None,) * (len(shape) - array.ndim) + (...,)]
        alike = np.isnan(padded.shape) & unknown & (np.array(padded.numblocks) == [len(c) for c in chunks])
        if np.all((np.array(padded.shape) == shape) | (np.array(padded.shape) == 1) | alike):
            return padded.rechunk({k: c for k, c in enumerate(chunks) if padded.shape[k] == shape[k]})
        raise ValueError(
            f"{function.name}: {name} has shape {array.shape} beside one of {shape}, whose unknown lengths (nan) may "
            "differ; call compute_chunk_sizes() on these arrays first"
        )
    try:
        return da.broadcast_to(array, shape).rechunk(chunks)
    except ValueError:
        raise ValueError(
            f"{function.name}: {name} has shape {array.shape}, which does not broadcast to {shape}"
        ) from None


def _spread(block: Any, other: Any, unknown: tuple[int, ...]) -> Any:
    """A block of an operand in the shape of the one that it meets; lengths that were unknown must be equal."""
    if any(other.shape[k] != block.shape[k] for k in unknown):
        raise ValueError(f"chunks of unknown sizes do not match: one has shape {other.shape}, the other {block.shape}")
    return np.broadcast_to(other, block.shape)


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


def gathered(function: Any, array: Any, axes: tuple[int, ...], name: str = "z") -> Any:
    """The same array with each row in one chunk."""
    cut = [a for a in axes if array.numblocks[a] > 1]
    if any(np.isnan(array.shape[a]) for a in cut):
        check_sizes(function, **{name: array})
    return array.rechunk(dict.fromkeys(cut, -1))


def upstream_of(function: Any, cotangent: Any) -> Any:
    """The cotangent of a loss in float64."""
    check_sizes(function, cotangent=cotangent)
    return da.asarray(as_logits(function.name, "cotangent", cotangent)).astype(np.float64)


def cotangent_of(function: Any, value: Any, like: Any) -> Any:
    array = np.asarray(value, like.dtype) if type(value) in (bool, int, float) else value
    return along(function, "cotangent", as_logits(function.name, "cotangent", array), like)


def cotangent_per_row(function: Any, value: Any, like: Any, axes: tuple[int, ...]) -> Any:
    """The cotangent of one number per row, of length 1 along the axes of the rows."""
    array = np.asarray(value, like.dtype) if type(value) in (bool, int, float) else value
    array = as_chunks(as_logits(function.name, "cotangent", array))
    chunks = tuple(c for k, c in enumerate(like.chunks) if k not in axes)
    array = broadcast(function, "cotangent", array, Layout(like.shape, axes).outer_shape, chunks)
    return array[tuple(None if k in axes else slice(None) for k in range(like.ndim))]


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
