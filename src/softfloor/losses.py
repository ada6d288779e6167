"""softmax_cross_entropy: labels and reductions around its gufuncs."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from . import _core
from .containers import refuse_labels, understood
from .layout import Layout, as_logits, check_broadcast, first_place, new_rows
from .loss_options import LossOptions
from .rounding import rounded
from .rows import RowFunction

Reduction = Literal["mean", "sum", "none"]


def check_class_labels(
    function: str,
    labels: Any,
    classes: int,
    ignore_index: int | None = None,
    begins: tuple[int, ...] | None = None,
) -> None:
    """Class labels are integers in [0, classes), or ``ignore_index``; ``begins`` is where a part of them lies."""
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{function}: class labels must be integers; got dtype {labels.dtype}")
    wrong = (labels < 0) | (labels >= classes)
    if ignore_index is not None:
        wrong &= labels != ignore_index
    if wrong.any():
        index, where = first_place(wrong, begins)
        others = "" if ignore_index is None else f" and is not ignore_index={ignore_index}"
        raise IndexError(f"{function}: label {labels[index]}{where} is outside [0, {classes}){others}")


def check_reduction(reduction: Any) -> None:
    if not isinstance(reduction, str) or reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none'; got {reduction!r}")


def as_upstream(function: str, cotangent: Any) -> Any:
    """The cotangent of a loss in float64."""
    return np.asarray(as_logits(function, "cotangent", cotangent), np.float64)


def check_cotangent(function: str, cotangent: Any, reduction: str, outer_shape: tuple[int, ...]) -> None:
    """A scalar, or if losses are not reduced what broadcasts to one number per row."""
    if reduction != "none" and cotangent.ndim:
        raise ValueError(
            f"with reduction={reduction!r} the loss is a scalar; got a cotangent of shape {cotangent.shape}"
        )
    check_broadcast(function, "cotangent", cotangent.shape, outer_shape)


def exact_sum(values: Any) -> float:
    """The sum, rounded once: the same bits whatever order NumPy's own would take. Too large a sum is inf."""
    total = _core.exact_sum(values)
    if total is not None:
        return total
    with np.errstate(all="ignore"):
        return float(np.sum(values))


def total_of(totals: Any, dtype: Any, divisor: float = 1.0) -> Any:
    """The exact sum over the divisor as a scalar of that dtype; inf where it is too large for it, without a warning."""
    return rounded(exact_sum(totals) / divisor, dtype)[()]


def reduced(losses: Any, reduction: str, divisor: float | None = None) -> Any:
    """The losses themselves, their sum, or their mean: over ``divisor`` if given, 0 if that is 0, else their number."""
    if reduction == "none":
        return losses
    if reduction == "mean" and divisor == 0:
        return losses.dtype.type(0)
    values = np.asarray(losses, np.float64).ravel()
    return total_of(values, losses.dtype, (divisor or max(1, values.size)) if reduction == "mean" else 1)


class SoftmaxCrossEntropy(RowFunction):
    """The cross-entropy of softmax(z) against labels: -sum_i y_i log softmax(z)_i.

    Formula: ``logsumexp(z) - z[label]`` for a class label, ``sum(y * (logsumexp(z) - z))`` for probabilities y; never
    log(softmax). With options it is ``sum(w * ((1 - e) * y + e / n) * (logsumexp(z) - z)) + z_loss * logsumexp(z)^2``,
    where y is one-hot for a class label: as in PyTorch, weights apply to the smoothed labels too.

    Parameters
    ----------
    z : array_like
        Logits of any shape, the n classes along ``axis``.
    labels : array_like
        Integers in [0, n), of the shape of z without ``axis``; or probabilities (one-hot is a case) of the shape of z.
    axis : int, default -1
        The axis of the classes.
    weight : array_like, optional
        A weight w per class, of length n, from 0 to 1e100. Charges class i ``w_i`` times as much; does not multiply
        z_loss.
    ignore_index : int, optional
        A class label, inside or outside [0, n), whose rows have loss 0 and gradient 0, whatever their logits, and are
        not counted.
    label_smoothing : float, default 0.0
        Charges a share e in [0, 1] of each row to all classes alike: y becomes ``(1 - e) y + e / n``.
    z_loss : float, default 0.0
        Adds ``z_loss * logsumexp(z)^2`` to the loss of each row that counts. From 0 to 1e100.
    softcap : float, optional
        Replaces the logits by ``softcap * tanh(z / softcap)`` first. From 1e-100 to 1e100. A logit of -inf stays -inf:
        its class takes no part.
    reduction : {"mean", "sum", "none"}, default "mean"
        What becomes of the losses of the rows. With class labels and ``weight`` the mean divides by the sum of the
        weights of the labels, else by the number of rows; rows that are ignored do not count. If nothing is left to
        divide by, it is 0 and so is its gradient.

    Returns
    -------
    loss : scalar, or ndarray for ``reduction="none"``
        Of the dtype of z.

    Raises
    ------
    IndexError
        If a label lies outside [0, n); names its position and value.
    TypeError
        If labels are neither integers nor, in the shape of z, floats; or a dtype is not supported.
    ValueError
        If shapes do not match, an option is out of its range, the reduction is unknown, or ``ignore_index`` is given
        with probabilities.
    numpy.exceptions.AxisError
        If the axis is out of range.

    Notes
    -----
    Losses of rows within 2 ulp + n 2^-26 relative, also where they are tiny. They are rounded to the dtype of z, and
    their sum is exact before its own rounding. A class of probability 0 costs nothing even at a logit of -inf; a row of
    -inf alone has loss inf and gradient 0 beside its label.

    No option widens an array. With ``softcap``, and for rows that need it, float16, bfloat16 and float32 are computed
    in float64, which takes longer; float64 is computed in pairs of float64. A class that is charged something, by
    smoothing too, costs inf at a logit of -inf.

    References
    ----------
    .. [1] I. Goodfellow, Y. Bengio, A. Courville, Deep Learning, section 6.2.2, 2016.

    Examples
    --------
    >>> import softfloor as sf
    >>> float(sf.softmax_cross_entropy([[0.0, 0.0], [0.0, 0.0]], [0, 1]))
    0.6931471805599453
    >>> float(sf.softmax_cross_entropy([[0.0, 0.0]], [[0.5, 0.5]]))
    0.6931471805599453
    >>> float(sf.softmax_cross_entropy([[0.0, 0.0], [5.0, 0.0]], [0, -100], ignore_index=-100, z_loss=0.5).round(4))
    0.9334
    """

    per_row = frozenset({"labels", "cotangent"})
    per_class = frozenset({"weight"})

    def _direct(self) -> dict[str, Callable[..., Any]]:
        def gufuncs(variant: str) -> tuple[np.ufunc, np.ufunc]:
            return self.gufuncs[variant], self.gufuncs[f"probabilities_{variant}"]

        return {
            "__call__": _core.direct_loss(*gufuncs("value")),
            "value_and_grad": _core.direct_loss(*gufuncs("value_and_grad")),
            "_losses_and_grad": _core.direct_loss_and_losses(*gufuncs("value_and_grad")),
            "vjp": _core.direct_loss_vjp(*gufuncs("value_and_grad")),
        }

    @understood
    def __call__(
        self,
        z: Any,
        labels: Any,
        axis: int = -1,
        *,
        weight: Any = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        softcap: float | None = None,
        reduction: Reduction = "mean",
    ) -> Any:
        options = LossOptions(self.name, weight, ignore_index, label_smoothing, z_loss, softcap)
        problem = Problem(self, z, labels, axis, options, reduction)
        return problem.reduced(problem.losses())

    @understood
    def value_and_grad(
        self,
        z: Any,
        labels: Any,
        axis: int = -1,
        *,
        weight: Any = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        softcap: float | None = None,
        reduction: Reduction = "mean",
        out: Any = None,
    ) -> tuple[Any, Any]:
        """The loss and its gradient in z, softmax(z) - y over the number of rows, in one pass over the logits.

        Formula of the gradient with options, a = ``w * ((1 - e) * y + e / n)`` and p = ``softmax(z)``:
        ``(p * (sum(a) + 2 * z_loss * logsumexp(z)) - a) * (1 - tanh(z / softcap)^2)``, z capped in p and logsumexp.

        Parameters
        ----------
        z, labels, axis, weight, ignore_index, label_smoothing, z_loss, softcap, reduction
            As in the call. With ``reduction="none"`` the gradient of each row is that of its own loss.
        out : ndarray, optional
            Where to put the gradient, of the shape and dtype of z; with integer labels z itself is allowed.

        Returns
        -------
        loss : scalar or ndarray
            As from the call.
        gradient : ndarray
            Of the shape and dtype of z.

        Examples
        --------
        >>> import softfloor as sf
        >>> loss, gradient = sf.softmax_cross_entropy.value_and_grad([[0.0, 0.0]], [0])
        >>> gradient.tolist()
        [[-0.5, 0.5]]
        """
        options = LossOptions(self.name, weight, ignore_index, label_smoothing, z_loss, softcap)
        problem = Problem(self, z, labels, axis, options, reduction)
        losses, gradient = problem.losses_and_gradient(problem.share, out)
        return problem.reduced(losses), gradient

    @understood
    def _losses_and_grad(
        self, z: Any, labels: Any, axis: int = -1, *, ignore_index: Any = None, reduction: Any = "mean", out: Any = None
    ) -> tuple[Any, Any, Any]:
        """The pair of `value_and_grad`, of plain arrays, and between them the losses of the rows."""
        problem = Problem(self, z, labels, axis, LossOptions(self.name, None, ignore_index), reduction)
        losses, gradient = problem.losses_and_gradient(problem.share, out)
        return problem.reduced(losses), losses, gradient

    @understood
    def vjp(
        self,
        z: Any,
        labels: Any,
        cotangent: Any,
        axis: int = -1,
        *,
        weight: Any = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        softcap: float | None = None,
        reduction: Reduction = "mean",
        out: Any = None,
    ) -> Any:
        """The vector-Jacobian product in z: the cotangent of the loss times its gradient.

        Parameters
        ----------
        z, labels, axis, weight, ignore_index, label_smoothing, z_loss, softcap, reduction, out
            As in `value_and_grad`.
        cotangent : array_like
            A scalar; with ``reduction="none"`` one per row, or broadcasting to that.

        Returns
        -------
        dz : ndarray
            Of the shape and dtype of z.

        Examples
        --------
        >>> import softfloor as sf
        >>> sf.softmax_cross_entropy.vjp([[0.0, 0.0]], [0], 2.0).tolist()
        [[-1.0, 1.0]]
        """
        options = LossOptions(self.name, weight, ignore_index, label_smoothing, z_loss, softcap)
        problem = Problem(self, z, labels, axis, options, reduction)
        upstream = as_upstream(self.name, cotangent)
        check_cotangent(self.name, upstream, reduction, problem.layout.outer_shape)
        return problem.losses_and_gradient(np.broadcast_to(problem.scaled(upstream), problem.layout.outer_shape), out)[
            1
        ]

    def jacobian(self, z: Any, labels: Any, axis: int = -1) -> Any:
        """The gradient of each row's loss, softmax(z) - y, the axis moved to the end.

        Parameters
        ----------
        z, labels, axis
            As in the call.

        Returns
        -------
        jacobian : ndarray
            Of shape (..., n).

        Raises
        ------
        TypeError
            If z is a pandas or xarray object: the result has no axes for its labels.

        Examples
        --------
        >>> import softfloor as sf
        >>> sf.softmax_cross_entropy.jacobian([[0.0, 0.0]], [0]).tolist()
        [[-0.5, 0.5]]
        """
        refuse_labels(self, z)
        return np.moveaxis(self.value_and_grad(z, labels, axis, reduction="none")[1], axis, -1)


class Problem:
    """Operands that have been checked: rows of logits, their labels as the kernels want them, and what rows count."""

    def __init__(
        self, function: SoftmaxCrossEntropy, z: Any, labels: Any, axis: int, options: LossOptions, reduction: str
    ) -> None:
        check_reduction(reduction)
        self.function, self.options, self.reduction = function, options, reduction
        name, logits = function.name, as_logits(function.name, "z", z)
        try:
            self.layout = Layout(logits.shape, operator.index(axis))
        except TypeError:
            raise TypeError(f"{name}: axis must be one integer; got {axis!r}") from None
        self.rows, targets = self.layout.rows(logits), np.asanyarray(labels)
        #: Which rows count, of those with class labels; None: all.
        self.kept: Any = None
        self.probabilities = targets.shape == logits.shape
        if self.probabilities:
            options.refuse_ignored_probabilities()
            if targets.dtype.kind not in "biu":
                as_logits(name, "labels", targets)
            self.targets = rounded(self.layout.rows(targets), self.rows.dtype)
        else:
            if targets.shape != self.layout.outer_shape:
                raise ValueError(
                    f"{name}: labels have shape {targets.shape}; class labels need {self.layout.outer_shape}, "
                    f"probabilities the shape of the logits, {logits.shape}"
                )
            check_class_labels(name, targets, self.rows.shape[-1], options.ignore_index)
            self.targets, self.kept = targets.astype(np.int64, copy=False), options.keeps(targets)
        self.weights = options.weights_of(self.rows.shape[-1]) if options.change_losses else None
        #: What the mean divides by.
        self.divisor = self._divisor() if reduction == "mean" else 1.0

    def _divisor(self) -> float:
        if self.weights is not None and self.options.weight is not None and not self.probabilities:
            return exact_sum(self.weights[self.targets if self.kept is None else self.targets[self.kept]].ravel())
        return math.prod(self.layout.outer_shape) if self.kept is None else int(np.count_nonzero(self.kept))

    @property
    def share(self) -> float:
        return 1.0 / self.divisor if self.divisor else 0.0

    def scaled(self, cotangent: Any) -> Any:
        """The cotangent of each row's loss."""
        with np.errstate(all="ignore"):
            return cotangent / self.divisor if self.divisor else np.zeros_like(cotangent)

    def reduced(self, losses: Any) -> Any:
        return reduced(losses, self.reduction, self.divisor)

    def losses(self) -> Any:
        if self.options.change_losses:
            return self.function.gufuncs["with_options"](*self._operands(1.0))
        if self.probabilities:
            return self.function.gufuncs["probabilities_value"](self.rows, self.targets)
        return self.function.gufuncs["value"](self.rows, self._labels())

    def losses_and_gradient(self, scale: Any, out: Any) -> tuple[Any, Any]:
        """The losses, and the gradient of their sum, each row times its scale."""
        if self.options.change_losses:
            variant, operands = "with_options_value_and_grad", self._operands(scale)
        elif self.probabilities:
            variant, operands = "probabilities_value_and_grad", (self.rows, self.targets, scale)
        else:
            variant, operands = "value_and_grad", (self.rows, self._labels(), scale)
        gufunc, layout = self.function.gufuncs[variant], self.layout
        if out is None:
            losses, rows = _core.call_recycling(gufunc, *operands, out=(None, new_rows(self.rows)))
            out = layout.restore(rows)
        else:
            if not isinstance(out, np.ndarray) or out.shape != layout.shape:
                given = f"shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
                raise ValueError(f"{self.function.name}: out must be an array of shape {layout.shape}; got {given}")
            rows = layout.rows(out)
            losses, _ = gufunc(*operands, out=(None, rows))
        return losses, out

    def _labels(self) -> Any:
        """For the kernels: -1 is a row to ignore, whatever it holds."""
        return self.targets if self.kept is None else np.where(self.kept, self.targets, -1)

    def _operands(self, scale: Any) -> tuple[Any, ...]:
        """For the kernels of csrc/ops/loss_options.hpp: label -2 stands for probabilities."""
        options = self.options
        if self.probabilities:
            labels, shares = np.array(-2), self.targets
        else:
            labels, shares = self._labels(), np.zeros(self.rows.shape[-1], self.rows.dtype)
        return (
            *(self.rows, self.weights, shares, labels, scale),
            *(options.label_smoothing, options.z_loss, options.softcap),
        )


softmax_cross_entropy = SoftmaxCrossEntropy("softmax_cross_entropy")
