"""Elementwise functions, where Dask's own way does not reach: several outputs, and packed operands of gated units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np


def several_outputs(function: Callable[..., Any], operands: list[Any], dtypes: list[Any]) -> Any:
    """A function of corresponding elements with several results; operands are broadcast and cut alike."""
    arrays = {k: da.asarray(operand) for k, operand in enumerate(operands) if np.ndim(operand)}
    _, cut = da.core.unify_chunks(*(part for a in arrays.values() for part in (a, range(a.ndim)[::-1])))
    values = [dict(zip(arrays, cut, strict=True)).get(k, operand) for k, operand in enumerate(operands)]
    signature = f"{','.join(['()'] * len(values))}->{','.join(['()'] * len(dtypes))}"
    return da.apply_gufunc(function, signature, *values, output_dtypes=dtypes)


def packed(parts: tuple[Any, Any], axis: int, interleaved: bool) -> Any:
    """Two arrays as one, by halves or in turns along an axis."""
    if not interleaved:
        return da.concatenate(parts, axis=axis)
    stacked = da.stack(parts, axis=axis + 1).rechunk({axis + 1: 2})
    shape = parts[0].shape
    return stacked.reshape((*shape[:axis], 2 * shape[axis], *shape[axis + 1 :]))
