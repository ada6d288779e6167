"""nll: each row has one entry that matters, wherever its axis is cut."""

from __future__ import annotations

import operator
from typing import Any

import dask.array as da
import numpy as np

from ..likelihood import LARGEST_WEIGHT, slopes_of, weighed
from ..loss_options import LossOptions
from ..losses import check_reduction, total_of
from ..rounding import rounded
from .losses import IGNORED, checked_labels, divisor_of, picked, weights_of
from .maps import begins_of, map_blocks, map_whole
from .operands import axes_of, check_sizes, logits_of, per_row


def nll_call(function: Any, **arguments: Any) -> Any:
    return _Problem(function, **arguments).loss()


def nll_value_and_grad(function: Any, **arguments: Any) -> Any:
    problem = _Problem(function, **arguments)
    return problem.loss(), problem.gradient()


class _Problem:
    def __init__(
        self,
        function: Any,
        log_probabilities: Any,
        labels: Any,
        axis: Any,
        weight: Any,
        ignore_index: Any,
        reduction: str,
    ) -> None:
        check_reduction(reduction)
        check_sizes(function, log_probabilities=log_probabilities, labels=labels)
        self.q, self.reduction = logits_of(function, log_probabilities, name="log_probabilities"), reduction
        options = LossOptions(function.name, weight, ignore_index, largest_weight=LARGEST_WEIGHT)
        (self.axis,) = axes_of(self.q, operator.index(axis))
        self.weights = options.weights_of(self.q.shape[self.axis])
        targets = labels if isinstance(labels, da.Array) else np.asanyarray(labels)
        targets = checked_labels(function, targets, self.q.shape, self.axis, options.ignore_index)
        self.divisor = divisor_of(targets, self.weights) if reduction == "mean" else 1.0
        self.labels = per_row(targets, self.q, (self.axis,))

    def loss(self) -> Any:
        found = picked(self.q, self.labels, self.axis)
        losses = map_blocks(_weighed, np.float64, found, self.labels, weights=self.weights)
        losses = da.squeeze(losses, self.axis)
        dtype = self.q.dtype
        if self.reduction == "none":
            return map_blocks(_rounded, dtype, losses, dtype_of_losses=dtype)
        return map_whole(_total, dtype, losses, self.divisor, dtype_of_losses=dtype)

    def gradient(self) -> Any:
        divisor = da.broadcast_to(da.asarray(self.divisor, dtype=np.float64), (1,) * self.q.ndim)
        settings = {"axis": self.axis, "weights": self.weights}
        return map_blocks(_gradient_of_chunk, self.q.dtype, self.q, self.labels, divisor, **settings)


def _weighed(values: Any, labels: Any, weights: Any) -> Any:
    return weighed(values, weights_of(labels, weights))


def _rounded(losses: Any, dtype_of_losses: Any) -> Any:
    return rounded(losses, dtype_of_losses)


def _total(losses: Any, divisor: Any, dtype_of_losses: Any) -> Any:
    return np.asarray(total_of(losses, dtype_of_losses, float(divisor[0]) or 1.0))


def _gradient_of_chunk(block: Any, labels: Any, divisor: Any, axis: int, weights: Any, block_info: Any) -> Any:
    local = labels - begins_of(block_info)[axis]
    here = (labels != IGNORED) & (local >= 0) & (local < block.shape[axis])
    gradient = np.zeros_like(block)
    if not block.size:
        return gradient
    slopes = slopes_of(weights_of(labels, weights), divisor.item() or 1.0, block.dtype)
    np.put_along_axis(gradient, np.where(here, local, 0), np.where(here, slopes, block.dtype.type(0)), axis)
    return gradient
