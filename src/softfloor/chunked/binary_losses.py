"""sigmoid_cross_entropy, entry by entry; sums of the chunks' sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np

from ..binary_losses import check_labels, check_weights
from ..layout import as_logits
from ..losses import check_cotangent, check_reduction, exact_sum, total_of
from .maps import begins_of, map_blocks, map_whole
from .operands import along, as_chunks, check_sizes, logits_of, upstream_of

#: A sum of losses, unevaluated: the nearest float64, and what is missing.
TOTAL = np.dtype([("high", np.float64), ("low", np.float64)])


def sigmoid_cross_entropy_call(function: Any, z: Any, labels: Any, pos_weight: Any, weight: Any, reduction: str) -> Any:
    check_reduction(reduction)
    return _loss(function, _operands(function, z, labels, pos_weight, weight), reduction)


def sigmoid_cross_entropy_value_and_grad(
    function: Any, z: Any, labels: Any, pos_weight: Any, weight: Any, reduction: str
) -> Any:
    check_reduction(reduction)
    operands = _operands(function, z, labels, pos_weight, weight)
    return _loss(function, operands, reduction), _gradient(function, operands, 1.0, reduction)


def sigmoid_cross_entropy_vjp(
    function: Any, z: Any, labels: Any, cotangent: Any, pos_weight: Any, weight: Any, reduction: str
) -> Any:
    check_reduction(reduction)
    operands = _operands(function, z, labels, pos_weight, weight)
    upstream = upstream_of(function, cotangent)
    check_cotangent(function.name, upstream, reduction, operands[0].shape)
    return _gradient(function, operands, upstream, reduction)


def _operands(function: Any, z: Any, labels: Any, pos_weight: Any, weight: Any) -> tuple[Any, ...]:
    """Logits, labels and weights, cut alike; numbers are looked at now if they are there, else when computed."""
    check_sizes(function, z=z, labels=labels, pos_weight=pos_weight, weight=weight)
    name, logits = function.name, logits_of(function, z)
    targets = _checked(name, as_logits(name, "labels", labels), check_labels)
    if targets.shape != logits.shape:
        raise ValueError(f"{name}: labels have shape {targets.shape}; the logits have {logits.shape}")
    operands = [logits, along(function, "labels", targets, logits)]
    for operand, value in (("pos_weight", pos_weight), ("weight", weight)):
        numbers = _checked(name, as_logits(name, operand, value), check_weights, name=operand)
        operands.append(along(function, operand, numbers, logits))
    return tuple(operands)


def _checked(function: str, numbers: Any, check: Callable[..., None], **settings: Any) -> Any:
    if isinstance(numbers, da.Array):
        return map_blocks(_checked_block, numbers.dtype, numbers, function=function, check=check, settings=settings)
    check(function, np.asarray(numbers), **settings)
    return as_chunks(numbers)


def _checked_block(block: Any, function: str, check: Any, settings: dict[str, Any], block_info: Any) -> Any:
    check(function, block, begins=begins_of(block_info), **settings)
    return block


def _loss(function: Any, operands: tuple[Any, ...], reduction: str) -> Any:
    logits = operands[0]
    if reduction == "none":
        return map_blocks(_losses_of_block, logits.dtype, *operands, function=function)
    totals = map_blocks(_total_of_block, TOTAL, *operands, one=range(logits.ndim), function=function)
    count = max(1, logits.size) if reduction == "mean" else 1
    return map_whole(_sum_of_totals, logits.dtype, totals, count=count, dtype_of_logits=logits.dtype)


def _gradient(function: Any, operands: tuple[Any, ...], cotangent: Any, reduction: str) -> Any:
    logits = operands[0]
    count = max(1, logits.size) if reduction == "mean" else 1
    upstream, scalar = da.asarray(cotangent), np.ndim(cotangent) == 0
    upstream = upstream.reshape((1,) * logits.ndim) if scalar else along(function, "cotangent", upstream, logits)
    settings = {"function": function, "count": count, "scalar": scalar}
    return map_blocks(_gradient_of_block, logits.dtype, *operands, upstream, **settings)


def _losses_of_block(block: Any, labels: Any, pos_weight: Any, weight: Any, function: Any) -> Any:
    return function(block, labels, pos_weight=pos_weight, weight=weight, reduction="none")


def _gradient_of_block(
    block: Any, labels: Any, pos_weight: Any, weight: Any, cotangent: Any, function: Any, count: int, scalar: bool
) -> Any:
    *others, weights = function._prepare(block, labels, pos_weight, weight, "none")
    scale = cotangent.item() / count if scalar else 1.0
    if not scalar:
        with np.errstate(all="ignore"):
            weights = weights * cotangent
    _, (_, gradient) = function._run("value_and_grad", (*others, weights), (scale,), (None, None))
    return gradient


def _total_of_block(block: Any, labels: Any, pos_weight: Any, weight: Any, function: Any) -> Any:
    sums = function._totals(function._prepare(block, labels, pos_weight, weight, "sum"))
    high = exact_sum(sums)
    low = exact_sum([*sums, -high]) if np.isfinite(high) else 0.0
    return np.full((1,) * block.ndim, np.array((high, low), TOTAL))


def _sum_of_totals(totals: Any, count: int, dtype_of_logits: Any) -> Any:
    return np.asarray(total_of(np.concatenate([totals["high"], totals["low"]]), dtype_of_logits, count))
