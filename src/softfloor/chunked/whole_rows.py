"""Functions that need each row in one chunk."""

from __future__ import annotations

import functools
from typing import Any

import dask.array as da
import numpy as np

from ..layout import check_temperature
from .maps import map_blocks
from .operands import along, axes_of, filled, gathered, logits_of


def of_whole_rows(
    function: Any,
    method: str,
    axis: Any = -1,
    where: Any = None,
    dtype: Any = None,
    empty: Any = "zeros",
    **arguments: Any,
) -> Any:
    """A method whose result is like its first operand; operands that are arrays broadcast to it."""
    names = [name for name, value in arguments.items() if isinstance(value, (da.Array, np.ndarray, list))]
    first, *others = (arguments.pop(name) for name in names)
    logits = logits_of(function, first, where, dtype, names[0])
    axes = axes_of(logits, axis)
    logits = gathered(function, logits, axes, names[0])
    others = [along(function, name, value, logits) for name, value in zip(names[1:], others, strict=True)]
    body = functools.partial(_call_by_name, method=getattr(function, method), names=tuple(names), axis=axis)
    sample = body(*(np.zeros((1,) * logits.ndim, value.dtype) for value in (logits, *others)), settings=arguments)
    result = map_blocks(body, sample.dtype, logits, *others, settings=arguments)
    return filled(function, result, logits, axes, empty)


def jacobian(function: Any, z: Any, axis: int, temperature: float) -> Any:
    """A matrix of each row, the other axes in front."""
    logits = da.moveaxis(logits_of(function, z), axis, -1)
    logits = gathered(function, logits, (logits.ndim - 1,))
    return da.map_blocks(
        function.jacobian,
        logits,
        dtype=logits.dtype,
        chunks=(*logits.chunks, logits.chunks[-1]),
        new_axis=logits.ndim,
        meta=np.empty((0,) * (logits.ndim + 1), logits.dtype),
        temperature=check_temperature(temperature),
    )


def _call_by_name(*blocks: Any, method: Any, names: tuple[str, ...], axis: Any, settings: dict[str, Any]) -> Any:
    return method(**dict(zip(names, blocks, strict=True)), axis=axis, **settings)
