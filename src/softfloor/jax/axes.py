"""Operands of the functions along an axis: which axes a row has, what is masked, which temperature."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from .operands import FLOATS, as_array, as_floats, wide_dtype

Axis = int | tuple[int, ...] | None
Axes = tuple[int, ...]
Empty = Literal["zeros", "nan"]


def axes_of(function: str, axis: Any, dimensions: int) -> Axes:
    """The axes of a row, not negative."""
    if axis is None:
        return tuple(range(dimensions))
    try:
        return normalize_axis_tuple(axis, dimensions)
    except TypeError:
        raise TypeError(f"{function}: axis must be an integer, a tuple of integers or None; got {axis!r}") from None


def logits_of(function: str, name: str, value: Any, dtype: Any = None) -> Any:
    """An operand in a float dtype: its own, or the one asked for."""
    (array,) = as_floats(function, (name,), (value,))
    if dtype is None:
        return array
    if jnp.dtype(dtype).name not in FLOATS:
        raise TypeError(f"{function}: dtype must be one of {', '.join(FLOATS)}; got {jnp.dtype(dtype)}")
    return array.astype(dtype)


def masked(function: str, logits: Any, where: Any) -> Any:
    """The logits with -inf, which takes no part in a softmax, where the mask is false."""
    if where is None:
        return logits
    mask = jnp.asarray(as_array(function, "where", where))
    if mask.dtype.name != "bool":
        raise TypeError(f"{function}: where must be boolean, True where an entry takes part; got dtype {mask.dtype}")
    try:
        shape = jnp.broadcast_shapes(mask.shape, logits.shape)
    except ValueError:
        raise ValueError(
            f"{function}: where has shape {mask.shape}, which does not broadcast with {logits.shape}"
        ) from None
    return jnp.where(mask, jnp.broadcast_to(logits, shape), -jnp.inf)


def number_of(function: str, name: str, value: Any, low: float, high: float, allowed: str) -> Any:
    """A scalar option. Checked where its value is known: a traced one is taken as it is."""
    if isinstance(value, jax.core.Tracer):
        if value.shape:
            raise TypeError(f"{function}: {name} must be one number; got an array of shape {value.shape}")
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{function}: {name} must be one number; got {value!r}") from None
    if not low <= number <= high:
        raise ValueError(f"{function}: {name} must be {allowed}; got {value}")
    return value


def temperature_of(function: str, temperature: Any, logits: Any) -> Any:
    smallest, largest = np.nextafter(0.0, 1.0), np.finfo(np.float64).max
    number_of(function, "temperature", temperature, float(smallest), float(largest), "positive and finite")
    # XLA takes subnormal numbers as 0: neither the temperature nor its reciprocal may be one.
    dtype = wide_dtype(logits.dtype)
    tiny = float(np.finfo(dtype).tiny)
    allowed = (
        f"between {tiny:.3g} and {1 / tiny:.3g}, where its reciprocal is a normal {dtype.name} too; scale the logits"
    )
    return number_of(function, "temperature", temperature, tiny, 1 / tiny, allowed)


def check_empty(function: str, empty: Any) -> None:
    if empty not in ("zeros", "nan"):
        hint = "; values are not known while jax traces, so that nothing can be raised" if empty == "raise" else ""
        raise ValueError(f"{function}: empty must be 'zeros' or 'nan'{hint}; got {empty!r}")
