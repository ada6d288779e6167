"""softmax_cross_entropy: labels and reductions around its gufuncs."""

from __future__ import annotations

import math
import operator
from typing import Any, Literal

import numpy as np

from . import _core
from .containers import understood
from .layout import Layout, as_logits
from .rows import RowFunction

Reduction = Literal["mean", "sum", "none"]


def check_class_labels(function: str, labels: Any, classes: int, ignore_index: int | None = None) -> None:
    """Class labels are integers in [0, classes), or ``ignore_index``."""
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{function}: class labels must be integers; got dtype {labels.dtype}")
    wrong = (labels < 0) | (labels >= classes)
    if ignore_index is not None:
        wrong &= labels != ignore_index
    if wrong.any():
        position = tuple(int(k) for k in np.argwhere(wrong)[0])
        where = f" at position {position if len(position) > 1 else position[0]}" if position else ""
        others = "" if ignore_index is None else f" and is not ignore_index={ignore_index}"
        raise IndexError(f"{function}: label {labels[position]}{where} is outside [0, {classes}){others}")


def exact_sum(values: Any) -> float:
    """The sum, rounded once: the same bits whatever order NumPy's own would take. Too large a sum is inf."""
    if np.isfinite(values).all():
        try:
            return math.fsum(np.asarray(values).tolist())
        except OverflowError:
            pass
    with np.errstate(all="ignore"):
        return float(np.sum(values))


def total_of(totals: Any, dtype: Any, divisor: float = 1.0) -> Any:
    """The exact sum over the divisor as a scalar of that dtype; inf where it is too large for it, without a warning."""
    with np.errstate(all="ignore"):
        return dtype.type(exact_sum(totals) / divisor)


def reduced(losses: Any, reduction: str) -> Any:
    """The losses themselves, their sum, or their mean."""
    if reduction == "none":
        return losses
    values = np.asarray(losses, np.float64).ravel()
    return total_of(values, losses.dtype, max(1, values.size) if reduction == "mean" else 1)


class SoftmaxCrossEntropy(RowFunction):
    """The cross-entropy of softmax(z) against labels: -sum_i y_i log softmax(z)_i.

    Formula: ``logsumexp(z) - z[label]`` for a class label, ``sum(y * (logsumexp(z) - z))`` for probabilities y; never
    log(softmax).

    Parameters
    ----------
    z : array_like
        Logits of any shape, the n classes along ``axis``.
    labels : array_like
        Integers in [0, n), of the shape of z without ``axis``; or probabilities (one-hot is a case) of the shape of z.
    axis : int, default -1
        The axis of the classes.
    reduction : {"mean", "sum", "none"}, default "mean"
        What becomes of the losses of the rows. The mean over no rows is 0.

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
        If shapes do not match or the reduction is unknown.
    numpy.exceptions.AxisError
        If the axis is out of range.

    Notes
    -----
    Losses of rows within 2 ulp + n 2^-26 relative, also where they are tiny. Sums over rows are exact before their one
    rounding. A class of probability 0 costs nothing even at a logit of -inf; a row of -inf alone has loss inf and
    gradient 0 beside its label.

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
    """

    @understood
    def __call__(self, z: Any, labels: Any, axis: int = -1, *, reduction: Reduction = "mean") -> Any:
        rows, targets, kind, _ = self._prepare(z, labels, axis, reduction)
        return reduced(self.gufuncs[f"{kind}value"](rows, targets), reduction)

    @understood
    def value_and_grad(
        self, z: Any, labels: Any, axis: int = -1, *, reduction: Reduction = "mean", out: Any = None
    ) -> tuple[Any, Any]:
        """The loss and its gradient in z, softmax(z) - y over the number of rows, in one pass over the logits.

        Parameters
        ----------
        z, labels, axis, reduction
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
        rows, targets, kind, layout = self._prepare(z, labels, axis, reduction)
        count = max(1, math.prod(layout.outer_shape)) if reduction == "mean" else 1
        losses, gradient = self._gradient(rows, targets, kind, layout, 1.0 / count, out)
        return reduced(losses, reduction), gradient

    @understood
    def vjp(
        self, z: Any, labels: Any, cotangent: Any, axis: int = -1, *, reduction: Reduction = "mean", out: Any = None
    ) -> Any:
        """The vector-Jacobian product in z: the cotangent of the loss times its gradient.

        Parameters
        ----------
        z, labels, axis, reduction, out
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
        rows, targets, kind, layout = self._prepare(z, labels, axis, reduction)
        upstream = np.asarray(cotangent, np.float64)
        if reduction != "none" and upstream.ndim:
            raise ValueError(
                f"with reduction={reduction!r} the loss is a scalar; got a cotangent of shape {upstream.shape}"
            )
        count = max(1, math.prod(layout.outer_shape)) if reduction == "mean" else 1
        scale = np.broadcast_to(upstream / count, layout.outer_shape)
        return self._gradient(rows, targets, kind, layout, scale, out)[1]

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

        Examples
        --------
        >>> import softfloor as sf
        >>> sf.softmax_cross_entropy.jacobian([[0.0, 0.0]], [0]).tolist()
        [[-0.5, 0.5]]
        """
        return np.moveaxis(self.value_and_grad(z, labels, axis, reduction="none")[1], axis, -1)

    def _gradient(self, rows: Any, targets: Any, kind: str, layout: Layout, scale: Any, out: Any) -> tuple[Any, Any]:
        gufunc = self.gufuncs[f"{kind}value_and_grad"]
        if out is None:
            losses, gradient = _core.call_recycling(gufunc, rows, targets, scale)
            return losses, layout.restore(gradient)
        if not isinstance(out, np.ndarray) or out.shape != layout.shape:
            given = f"shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ValueError(f"{self.name}: out must be an array of shape {layout.shape}; got {given}")
        losses, _ = gufunc(rows, targets, scale, out=(None, layout.rows(out)))
        return losses, out

    def _prepare(self, z: Any, labels: Any, axis: int, reduction: str) -> tuple[Any, Any, str, Layout]:
        """Rows of logits, labels as the kernels want them, the prefix of the kernels, and the layout."""
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none'; got {reduction!r}")
        logits = as_logits(self.name, "z", z)
        try:
            layout = Layout(logits.shape, operator.index(axis))
        except TypeError:
            raise TypeError(f"{self.name}: axis must be one integer; got {axis!r}") from None
        rows, targets = layout.rows(logits), np.asanyarray(labels)
        if targets.shape == logits.shape:
            if targets.dtype.kind not in "biu":
                as_logits(self.name, "labels", targets)
            return rows, layout.rows(targets).astype(rows.dtype, copy=False), "probabilities_", layout
        if targets.shape != layout.outer_shape:
            raise ValueError(
                f"{self.name}: labels have shape {targets.shape}; class labels need {layout.outer_shape}, "
                f"probabilities the shape of the logits, {logits.shape}"
            )
        check_class_labels(self.name, targets, rows.shape[-1])
        return rows, targets.astype(np.int64, copy=False), "", layout


softmax_cross_entropy = SoftmaxCrossEntropy("softmax_cross_entropy")
