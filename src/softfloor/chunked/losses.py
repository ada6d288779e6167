"""softmax_cross_entropy: by states where class labels and rows that are cut allow, else with rows gathered."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import dask.array as da
import numpy as np

from ..layout import Layout
from ..loss_options import LossOptions
from ..losses import check_class_labels, check_cotangent, check_reduction, exact_sum, reduced
from ..rounding import rounded
from .maps import begins_of, map_blocks, map_whole, merge
from .operands import axes_of, check_sizes, gathered, is_cut, logits_of, per_row, upstream_of
from .states import finish, state_of

#: The label of a row that is ignored, whatever label the caller ignores.
IGNORED = -1


def softmax_cross_entropy_call(function: Any, z: Any, labels: Any, axis: Any, reduction: str, **options: Any) -> Any:
    return Problem(function, z, labels, axis, reduction, options).loss()


def softmax_cross_entropy_value_and_grad(
    function: Any, z: Any, labels: Any, axis: Any, reduction: str, **options: Any
) -> Any:
    problem = Problem(function, z, labels, axis, reduction, options)
    return problem.loss(), problem.gradient(1.0)


def softmax_cross_entropy_vjp(
    function: Any, z: Any, labels: Any, cotangent: Any, axis: Any, reduction: str, **options: Any
) -> Any:
    problem = Problem(function, z, labels, axis, reduction, options)
    upstream = upstream_of(function, cotangent)
    check_cotangent(function.name, upstream, reduction, Layout(problem.logits.shape, problem.axes).outer_shape)
    return problem.gradient(upstream)


class Problem:
    """A cross-entropy: its losses per row, and the gradient, which share their state if both are computed."""

    def __init__(self, function: Any, z: Any, labels: Any, axis: Any, reduction: str, options: dict[str, Any]) -> None:
        check_reduction(reduction)
        self.function, self.reduction = function, reduction
        given = LossOptions(function.name, **options)
        check_sizes(function, z=z, labels=labels)
        self.logits = logits_of(function, z)
        (self.axis,) = self.axes = axes_of(self.logits, operator.index(axis))
        classes = self.logits.shape[self.axis]
        self.weights = given.weights_of(classes) if given.weight is not None else None
        targets = labels if isinstance(labels, da.Array) else np.asanyarray(labels)
        probabilities = targets.shape == self.logits.shape
        # What needs sums of products over the row, which are no sums of terms in (0, 1], and capped logits.
        if probabilities or given.label_smoothing > 0 or given.z_loss > 0 or given.softcap < math.inf:
            self.logits = gathered(function, self.logits, self.axes)
        self.cut = is_cut(self.logits, self.axes)
        #: For the NumPy function, which has whole rows.
        self.whole: dict[str, Any] = {"function": function, "axis": self.axis, "probabilities": probabilities}
        self.whole["options"] = {**options, "ignore_index": None if given.ignore_index is None else IGNORED}
        self.divisor: Any = math.prod(Layout(self.logits.shape, self.axis).outer_shape)
        if probabilities:
            given.refuse_ignored_probabilities()
            self.labels = da.asarray(targets).rechunk(self.logits.chunks)
        else:
            targets = checked_labels(function, targets, self.logits.shape, self.axis, given.ignore_index)
            if self.weights is not None or given.ignore_index is not None:
                self.divisor = divisor_of(targets, self.weights)
            self.labels = per_row(targets, self.logits, self.axes)

    @functools.cached_property
    def state(self) -> tuple[Any, Any]:
        return state_of(self.logits, self.axes, 1.0)

    def loss(self) -> Any:
        dtype = self.logits.dtype
        if self.cut:
            found = picked(self.logits, self.labels, self.axis)
            if self.weights is not None:
                found = found.astype(np.float64)  # so that the loss is rounded once
            settings = {"function": self.function, "variant": "of_state", "axes": self.axes, "temperature": 1.0}
            losses = map_blocks(finish, found.dtype, found, *self.state, **settings)
            losses = map_blocks(_weighed, dtype, losses, self.labels, weights=self.weights, dtype_of_logits=dtype)
        else:
            losses = map_blocks(_losses_of_block, dtype, self.logits, self.labels, one=self.axes, **self.whole)
        return reduced_losses(da.squeeze(losses, self.axis), self.reduction, self.divisor)

    def gradient(self, cotangent: Any) -> Any:
        upstream = da.asarray(cotangent)
        if self.reduction == "mean":
            upstream = map_blocks(_shared, np.float64, upstream, da.asarray(self.divisor))
        scale = per_row(upstream, self.logits, self.axes)
        if not self.cut:
            return map_blocks(_gradient_of_block, self.logits.dtype, self.logits, self.labels, scale, **self.whole)
        settings = {"function": self.function, "axis": self.axis, "weights": self.weights}
        return map_blocks(
            _gradient_of_chunk, self.logits.dtype, self.logits, *self.state, self.labels, scale, **settings
        )


# ---------------------------------------------- labels
def checked_labels(function: Any, labels: Any, shape: tuple[int, ...], axis: int, ignore_index: int | None) -> Any:
    """Class labels, looked at now if they are there, else when they are computed; those to ignore are `IGNORED`."""
    outer_shape, settings = Layout(shape, axis).outer_shape, (function.name, shape[axis], ignore_index)
    if labels.shape != outer_shape:
        raise ValueError(
            f"{function.name}: labels have shape {labels.shape}; class labels need {outer_shape}, "
            f"probabilities the shape of the logits, {shape}"
        )
    if isinstance(labels, da.Array):
        return map_blocks(_checked, np.int64, labels, settings=settings)
    return da.asarray(_checked(labels, settings))


def _checked(labels: Any, settings: tuple[str, int, int | None], block_info: Any = None) -> Any:
    function_name, classes, ignore_index = settings
    begins = begins_of(block_info) if block_info else None
    check_class_labels(function_name, labels, classes, ignore_index, begins)
    labels = labels.astype(np.int64, copy=False)
    return labels if ignore_index is None else np.where(labels == ignore_index, IGNORED, labels)


def picked(array: Any, labels: Any, axis: int) -> Any:
    """The entry of each row's label, of length 1 along the axis; -inf where it is ignored."""
    found = map_blocks(_picked, array.dtype, array, labels, one=(axis,), axis=axis)
    return merge(_merge_picked, found, (axis,))


def _picked(block: Any, labels: Any, axis: int, block_info: Any) -> Any:
    """The entry of the label where it lies in this chunk, -inf elsewhere."""
    local = labels - begins_of(block_info)[axis]
    here = (labels != IGNORED) & (local >= 0) & (local < block.shape[axis])
    if not block.shape[axis]:
        return np.full(labels.shape, -np.inf).astype(block.dtype)
    found = np.take_along_axis(block, np.where(here, local, 0), axis)
    return np.where(here, found, block.dtype.type(-np.inf))


def _merge_picked(found: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    with np.errstate(invalid="ignore"):  # NaN is kept, of which bfloat16 warns
        return np.max(found, axis=axis, keepdims=True)


def weights_of(labels: Any, weights: Any) -> Any:
    """What each row weighs: 0 where it is ignored."""
    each = 1.0 if weights is None or not weights.size else weights[np.maximum(labels, 0)]
    return np.where(labels == IGNORED, 0.0, each)


# ---------------------------------------------- reductions
def reduced_losses(losses: Any, reduction: str, divisor: Any) -> Any:
    """As of NumPy arrays: an exact sum of all losses at once. One number per row is little beside the logits."""
    if reduction == "none":
        return losses
    return map_whole(_reduced, losses.dtype, losses, divisor, reduction=reduction)


def _reduced(losses: Any, divisor: Any, reduction: str) -> Any:
    return np.asarray(reduced(losses, reduction, float(divisor[0])))


def divisor_of(labels: Any, weights: Any) -> Any:
    """The sum of what the rows weigh."""
    return map_whole(_divisor, np.float64, labels, weights=weights)


def _divisor(labels: Any, weights: Any) -> Any:
    return np.asarray(exact_sum(weights_of(labels, weights)))


def _shared(cotangent: Any, divisor: Any) -> Any:
    return cotangent / divisor if divisor else np.zeros_like(cotangent)


# ---------------------------------------------- blocks
def _weighed(losses: Any, labels: Any, weights: Any, dtype_of_logits: Any) -> Any:
    """Losses times the weights of their labels; what weighs nothing costs nothing."""
    each = weights_of(labels, weights)
    with np.errstate(all="ignore"):
        costs = losses if weights is None else losses * each
        costs = np.where((each == 0) & ~(np.isnan(losses) & (labels != IGNORED)), 0.0, costs)
    return rounded(costs, dtype_of_logits)


def _losses_of_block(
    block: Any, labels: Any, function: Any, axis: int, probabilities: bool, options: dict[str, Any]
) -> Any:
    targets = labels if probabilities else np.squeeze(labels, axis)
    return np.expand_dims(function(block, targets, axis, reduction="none", **options), axis)


def _gradient_of_block(
    block: Any, labels: Any, scale: Any, function: Any, axis: int, probabilities: bool, options: dict[str, Any]
) -> Any:
    targets = labels if probabilities else np.squeeze(labels, axis)
    return function.vjp(block, targets, np.squeeze(scale, axis), axis, reduction="none", **options)


def _gradient_of_chunk(
    block: Any,
    summit: Any,
    terms: Any,
    labels: Any,
    scale: Any,
    function: Any,
    axis: int,
    weights: Any,
    block_info: Any,
) -> Any:
    each = weights_of(labels, weights)
    local = np.where(labels == IGNORED, IGNORED, labels - begins_of(block_info)[axis])
    settings = {"function": function, "variant": "gradient_of_state", "axes": (axis,), "temperature": 1.0}
    slopes = finish(block, summit, terms, local, scale * each, **settings)
    return np.where(labels == IGNORED, slopes.dtype.type(0), slopes)
