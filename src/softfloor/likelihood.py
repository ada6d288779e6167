"""nll: the loss of class labels, from log-probabilities."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _core
from .containers import understood
from .layout import Layout, as_logits
from .loss_options import LossOptions
from .losses import Reduction, check_class_labels, check_reduction, exact_sum, total_of
from .rounding import rounded
from .rows import RowFunction

#: Nothing is multiplied by weights but log-probabilities, so any finite one will do.
LARGEST_WEIGHT = float(np.finfo(np.float64).max)


class NegativeLogLikelihood(RowFunction):
    """The negative log-likelihood of class labels under log-probabilities, such as log_softmax returns.

    Formula: ``-weight[label] * q[label]``. From logits, softmax_cross_entropy does both steps in one.

    Parameters
    ----------
    log_probabilities : array_like
        Log-probabilities q of any shape, the n classes along ``axis``.
    labels : array_like
        Integers in [0, n), of the shape of q without ``axis``.
    axis : int, default -1
        The axis of the classes.
    weight : array_like, optional
        A weight per class, of length n; finite and not negative. A class of weight 0 costs nothing, even at q = -inf.
    ignore_index : int, optional
        A label, inside or outside [0, n), whose rows have loss 0 and gradient 0 and are not counted.
    reduction : {"mean", "sum", "none"}, default "mean"
        What becomes of the losses of the rows. The mean divides by the sum of the weights of their labels; if nothing
        is left to divide by it is 0.

    Returns
    -------
    loss : scalar, or ndarray for ``reduction="none"``
        Of the dtype of q.

    Raises
    ------
    IndexError
        If a label lies outside [0, n) and is not ``ignore_index``; names its position and value.
    TypeError
        If labels are not integers or a dtype is not supported.
    ValueError
        If shapes do not match, a weight is negative, infinite or NaN, or the reduction is unknown.
    numpy.exceptions.AxisError
        If the axis is out of range.

    Notes
    -----
    Exact without weights; with them within 1 ulp. Sums over rows are exact before their one rounding.

    References
    ----------
    .. [1] C. M. Bishop, Pattern Recognition and Machine Learning, section 4.3.4, 2006.

    Examples
    --------
    >>> import numpy as np, softfloor as sf
    >>> float(sf.nll(np.log([[0.5, 0.5], [0.75, 0.25]]), [0, 1]).round(4))
    1.0397
    """

    per_row = frozenset({"labels"})
    per_class = frozenset({"weight"})

    def _direct(self) -> dict[str, Callable[..., Any]]:
        return {"__call__": _core.class_loss, "value_and_grad": _core.class_loss_and_grad}

    @understood
    def __call__(
        self,
        log_probabilities: Any,
        labels: Any,
        axis: int = -1,
        *,
        weight: Any = None,
        ignore_index: int | None = None,
        reduction: Reduction = "mean",
    ) -> Any:
        return self._prepare(log_probabilities, labels, axis, weight, ignore_index, reduction).loss()

    @understood
    def value_and_grad(
        self,
        log_probabilities: Any,
        labels: Any,
        axis: int = -1,
        *,
        weight: Any = None,
        ignore_index: int | None = None,
        reduction: Reduction = "mean",
        out: Any = None,
    ) -> tuple[Any, Any]:
        """The loss and its gradient in the log-probabilities: minus the weight at each label, 0 elsewhere.

        Parameters
        ----------
        log_probabilities, labels, axis, weight, ignore_index, reduction
            As in the call. With ``reduction="none"`` the gradient of each row is that of its own loss.
        out : ndarray, optional
            Where to put the gradient, of the shape and dtype of q; q itself is allowed.

        Returns
        -------
        loss : scalar or ndarray
            As from the call.
        gradient : ndarray
            Of the shape and dtype of q.

        Examples
        --------
        >>> import softfloor as sf
        >>> loss, gradient = sf.nll.value_and_grad([[-0.5, -1.0], [-2.0, -0.25]], [0, 1])
        >>> float(loss), gradient.tolist()
        (0.375, [[-0.5, 0.0], [0.0, -0.5]])
        """
        problem = self._prepare(log_probabilities, labels, axis, weight, ignore_index, reduction)
        q = problem.log_probabilities
        if out is None:
            out = np.empty(q.shape, q.dtype)
        elif not isinstance(out, np.ndarray) or out.shape != q.shape or out.dtype != q.dtype:
            given = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ValueError(f"{self.name}: out must be an array of {q.dtype} of shape {q.shape}; got {given}")
        loss = problem.loss()  # before its log-probabilities are written over
        out[...] = 0
        problem.put_slopes(out)
        return loss, out

    def _prepare(
        self, log_probabilities: Any, labels: Any, axis: int, weight: Any, ignore_index: Any, reduction: str
    ) -> _Problem:
        check_reduction(reduction)
        q, targets = np.asanyarray(as_logits(self.name, "log_probabilities", log_probabilities)), np.asarray(labels)
        try:
            (position,) = Layout(q.shape, operator.index(axis)).axes
        except TypeError:
            raise TypeError(f"{self.name}: axis must be one integer; got {axis!r}") from None
        rows = q.shape[:position] + q.shape[position + 1 :]
        if targets.shape != rows:
            raise ValueError(f"{self.name}: labels have shape {targets.shape}; these log-probabilities need {rows}")
        options = LossOptions(self.name, weight, ignore_index, largest_weight=LARGEST_WEIGHT)
        check_class_labels(self.name, targets, q.shape[position], options.ignore_index)
        return _Problem(q, targets, position, options, reduction)


class _Problem:
    """Operands that have been checked: which entries are picked, and what each weighs."""

    def __init__(self, q: Any, labels: Any, axis: int, options: LossOptions, reduction: str) -> None:
        self.log_probabilities, self.axis, self.reduction = q, axis, reduction
        kept = options.keeps(labels)
        # An ignored row picks its first entry, at weight 0.
        self.labels = labels if kept is None else np.where(kept, labels, 0)
        #: None: all rows weigh 1.
        self.weights: Any = None
        if options.weight is not None or kept is not None:
            per_class = options.weights_of(q.shape[axis])
            self.weights = per_class[self.labels] if per_class.size else np.zeros(labels.shape)
            if kept is not None:
                self.weights = np.where(kept, self.weights, 0.0)
        total = float(labels.size) if self.weights is None else exact_sum(self.weights)
        self.divisor = (total or 1.0) if reduction == "mean" else 1.0

    def loss(self) -> Any:
        dtype = self.log_probabilities.dtype
        if self.log_probabilities.size == 0:  # nothing, or rows without classes, all of them ignored
            return np.zeros(self.labels.shape, dtype) if self.reduction == "none" else dtype.type(0)
        losses = weighed(self._pick(), 1.0 if self.weights is None else self.weights)
        if self.reduction == "none":
            return rounded(losses, dtype)[()]
        return total_of(losses, dtype, self.divisor)

    def put_slopes(self, gradient: Any) -> None:
        """The gradient in the picked log-probabilities."""
        if not gradient.size:
            return
        slopes = slopes_of(1.0 if self.weights is None else self.weights, self.divisor, gradient.dtype)
        if gradient.flags.c_contiguous:
            gradient.reshape(-1)[self._places()] = slopes
        else:
            slopes = np.broadcast_to(slopes, self.labels.shape)
            np.put_along_axis(gradient, self._picked(), np.expand_dims(slopes, self.axis), self.axis)

    def _pick(self) -> Any:
        q = self.log_probabilities
        if q.flags.c_contiguous:
            return q.reshape(-1).take(self._places())
        return np.take_along_axis(q, self._picked(), self.axis).squeeze(self.axis)

    def _picked(self) -> Any:
        return np.expand_dims(self.labels.astype(np.intp), self.axis)

    def _places(self) -> Any:
        """Of the labels' entries in contiguous memory; several times faster than `take_along_axis`."""
        shape = self.log_probabilities.shape
        classes, outer, inner = shape[self.axis], math.prod(shape[: self.axis]), math.prod(shape[self.axis + 1 :])
        begins = np.arange(outer)[:, None] * (classes * inner) + np.arange(inner)
        return self.labels.astype(np.intp, copy=False) * inner + begins.reshape(self.labels.shape)


def weighed(values: Any, weights: Any) -> Any:
    """The losses of picked log-probabilities, in float64; what weighs nothing costs nothing."""
    with np.errstate(all="ignore"):
        losses = 0.0 - weights * values.astype(np.float64)  # no zero is negative
        return losses if np.isscalar(weights) else np.where(weights == 0, 0.0, losses)


def slopes_of(weights: Any, divisor: float, dtype: Any) -> Any:
    """The gradient in the picked log-probabilities."""
    with np.errstate(all="ignore"):
        return rounded(0.0 - weights / divisor, dtype)


nll = NegativeLogLikelihood("nll")
