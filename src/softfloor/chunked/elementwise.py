"""Elementwise functions, where Dask's own way does not reach: several outputs, and packed operands of gated units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da


def several_outputs(function: Callable[..., Any], operands: list[Any], dtypes: list[Any]) -> Any:
    """A function of corresponding elements with several results; operands are broadcast and cut alike."""
    arrays = [da.asarray(operand) for operand in operands]
    _, cut = da.core.unify_chunks(*(part for array in arrays for part in (array, range(array.ndim)[::-1])))
    signature = f"{','.join(['()'] * len(cut))}->{','.join(['()'] * len(dtypes))}"
    return da.apply_gufunc(function, signature, *cut, output_dtypes=dtypes)


def packed(parts: tuple[Any, Any], axis: int, interleaved: bool) -> Any:
    """Two arrays as one, by halves or in turns along an axis."""
    if not interleaved:
        return da.concatenate(parts, axis=axis)
    stacked = da.stack(parts, axis=axis + 1).rechunk({axis + 1: 2})
    shape = parts[0].shape
    return stacked.reshape((*shape[:axis], 2 * shape[axis], *shape[axis + 1 :]))
