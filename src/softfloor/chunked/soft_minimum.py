"""softmin, by way of softmax."""

from __future__ import annotations

from typing import Any

from ..soft_maximum import softmax
from .operands import axes_of, filled, logits_of
from .soft_maximum import softmax_call, softmax_vjp


def softmin_call(function: Any, z: Any, axis: Any, where: Any, temperature: float, dtype: Any, empty: Any) -> Any:
    costs = logits_of(function, z, where, dtype)
    result = softmax_call(softmax, -costs, axis, None, temperature, None)
    return filled(function, result, costs, axes_of(costs, axis), empty)


def softmin_vjp(function: Any, p: Any, cotangent: Any, axis: Any, temperature: float) -> Any:
    return -softmax_vjp(softmax, p, cotangent, axis, temperature)
