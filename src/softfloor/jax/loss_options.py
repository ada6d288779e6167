"""Options and reductions that the losses on jax arrays share, checked where their values are known."""

from __future__ import annotations

import operator
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from .axes import axes_of, logits_of, number_of
from .operands import as_array

Reduction = Literal["mean", "sum", "none"]

#: No weight, z_loss or softcap is larger in softfloor.
LARGEST = 1e100


def check_reduction(function: str, reduction: Any) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{function}: reduction must be 'mean', 'sum' or 'none'; got {reduction!r}")


def reduced(losses: Any, reduction: Reduction, divisor: Any) -> Any:
    """The losses themselves, their sum, or their sum over the divisor; 0 where that is 0."""
    if reduction == "none":
        return losses
    total = jnp.sum(losses)
    return total if reduction == "sum" else jnp.where(divisor == 0, 0, total / jnp.where(divisor == 0, 1, divisor))


def one_axis(function: str, axis: Any, dimensions: int) -> int:
    try:
        (position,) = axes_of(function, operator.index(axis), dimensions)
    except TypeError:
        raise TypeError(f"{function}: axis must be one integer; got {axis!r}") from None
    return position


def integer_or_none(function: str, name: str, value: Any) -> int | None:
    try:
        return None if value is None else operator.index(value)
    except TypeError:
        raise TypeError(f"{function}: {name} must be an integer; got {value!r}") from None


def between(function: str, name: str, value: Any, low: float, high: float) -> Any:
    return number_of(function, name, value, low, high, f"between {low:g} and {high:g}")


def class_weights(function: str, weight: Any, classes: int, dtype: Any) -> Any:
    """A weight per class, or None."""
    if weight is None:
        return None
    weights = logits_of(function, "weight", weight)
    if weights.shape != (classes,):
        raise ValueError(f"{function}: weight has shape {weights.shape}; {classes} classes need ({classes},)")
    return weights.astype(dtype)


def class_labels(function: str, labels: Any, shape: tuple[int, ...]) -> Any:
    """Labels, which must be integers of that shape."""
    targets = jnp.asarray(as_array(function, "labels", labels))
    if not jnp.issubdtype(targets.dtype, jnp.integer):
        raise TypeError(f"{function}: class labels must be integers; got dtype {targets.dtype}")
    if targets.shape != shape:
        raise ValueError(f"{function}: labels have shape {targets.shape}; class labels need {shape}")
    # Neither the number of classes nor ignore_index need fit into a narrow dtype.
    return targets.astype(jnp.int32) if targets.dtype.itemsize < 4 else targets


def chosen_classes(labels: Any, axis: int, classes: int, dtype: Any) -> Any:
    """1 at the class of each label, 0 elsewhere; NaN all along for a label that is none of the classes.

    A comparison instead of a look-up: it fuses with what follows, and the classes may be sharded.
    """
    shape = [1] * (labels.ndim + 1)
    shape[axis] = classes
    numbers = jnp.arange(classes, dtype=labels.dtype if classes <= np.iinfo(labels.dtype).max else jnp.int32)
    expanded = jnp.expand_dims(labels, axis)
    known = (expanded >= 0) & (expanded < classes)
    return jnp.where(known, (expanded == numbers.reshape(shape)).astype(dtype), jnp.nan)
