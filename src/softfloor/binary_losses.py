"""sigmoid_cross_entropy: the loss of yes-or-no labels, from logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import _core
from .containers import understood
from .layout import as_logits, first_place, new_like
from .losses import Reduction, as_upstream, check_cotangent, check_reduction, total_of
from .rounding import rounded
from .rows import RowFunction

#: Entries per row of the kernels where the operands' own rows do not matter: a call on many of them runs in threads.
LENGTH = 4096
#: A row of the default weight.
ONES = np.ones((1, LENGTH))


def check_labels(function: str, labels: Any, begins: tuple[int, ...] | None = None) -> None:
    _check_range(function, "label", "in [0, 1]", labels, 1, begins)


def check_weights(function: str, weights: Any, name: str, begins: tuple[int, ...] | None = None) -> None:
    _check_range(function, name, "between 0 and 1e100", weights, 1e100, begins)


def _check_range(
    function: str, name: str, allowed: str, numbers: Any, largest: float, begins: tuple[int, ...] | None
) -> None:
    if numbers.ndim == 0 and 0 <= numbers <= largest:
        return
    outside = sigmoid_cross_entropy.gufuncs["outside"]
    if not any(counts.any() for (counts,) in _each_piece(outside, (numbers,), (largest,))):
        return
    index, where = first_place(~((numbers >= 0) & (numbers <= largest)), begins)
    raise ValueError(f"{function}: {name} {numbers[index]}{where} is not {allowed}")


class SigmoidCrossEntropy(RowFunction):
    """The cross-entropy of sigmoid(z) against labels in [0, 1], entry by entry.

    Formula: ``weight * ((1 - y) * softplus(z) + pos_weight * y * softplus(-z))``, where ``softplus(t)`` is computed as
    ``max(t, 0) + log1p(exp(-|t|))``.

    Parameters
    ----------
    z : array_like
        Logits of any shape.
    labels : array_like
        Numbers in [0, 1] of any real dtype, or booleans, of the shape of z; they take the dtype of z.
    pos_weight : array_like, default 1.0
        Multiplies the term of positive labels: above 1 favours recall. Broadcasts to z, so one per class is an array of
        the length of the last axis. From 0 to 1e100.
    weight : array_like, default 1.0
        Multiplies the loss of each entry; broadcasts to z. From 0 to 1e100.
    reduction : {"mean", "sum", "none"}, default "mean"
        What becomes of the losses. The mean is over the number of entries, whatever their weights; over none it is 0.

    Returns
    -------
    loss : scalar, or ndarray of the shape of z for ``reduction="none"``
        Of the dtype of z.

    Raises
    ------
    TypeError
        If a dtype is complex, object or string.
    ValueError
        If a label lies outside [0, 1] (NaN does), a weight outside [0, 1e100], shapes do not match or the
        reduction is unknown.

    Notes
    -----
    Losses of entries within 1 ulp (float64: 1.5 ulp), for any labels and weights: they are sums of two terms that are
    not negative. The gradient is a difference of two terms, within 1 ulp + 2^-30 of their sizes (float64: 1.5 ulp +
    2^-60). Infinite logits give the limit: 0 where the label agrees with certainty, inf otherwise; NaN gives NaN. Sums
    are over losses that are rounded to the dtype of z, and run in pairs of float64, in a fixed order.

    References
    ----------
    .. [1] I. Goodfellow, Y. Bengio, A. Courville, Deep Learning, section 6.2.2, 2016.

    Examples
    --------
    >>> import softfloor as sf
    >>> float(sf.sigmoid_cross_entropy([0.0, 0.0], [0, 1]))
    0.6931471805599453
    >>> sf.sigmoid_cross_entropy([100.0, -100.0], [1, 1], reduction="none").tolist()
    [3.720075976020836e-44, 100.0]
    """

    def _direct(self) -> dict[str, Callable[..., Any]]:
        def gufuncs(*variants: str) -> Iterator[np.ufunc]:
            return (self.gufuncs[variant] for variant in (*variants, "outside"))

        return {
            "__call__": _core.direct_loss(*gufuncs("value", "total")),
            "value_and_grad": _core.direct_loss(*gufuncs("value_and_grad", "total_and_grad")),
            "vjp": _core.direct_loss_vjp(*gufuncs("value_and_grad", "total_and_grad")),
        }

    @understood
    def __call__(
        self, z: Any, labels: Any, *, pos_weight: Any = 1.0, weight: Any = 1.0, reduction: Reduction = "mean"
    ) -> Any:
        operands = self._prepare(z, labels, pos_weight, weight, reduction)
        if reduction == "none":
            _, (losses,) = self._run("value", operands, (), (None,))
            return losses[()]
        return self._loss(self._totals(operands), operands, reduction)

    @understood
    def value_and_grad(
        self,
        z: Any,
        labels: Any,
        *,
        pos_weight: Any = 1.0,
        weight: Any = 1.0,
        reduction: Reduction = "mean",
        out: Any = None,
    ) -> tuple[Any, Any]:
        """The loss and its gradient in z, in one pass.

        Formula of the gradient: ``weight * ((1 - y) sigmoid(z) - pos_weight * y * sigmoid(-z))``, over the number of
        entries if the loss is their mean.

        Parameters
        ----------
        z, labels, pos_weight, weight, reduction
            As in the call. With ``reduction="none"`` the gradient of each entry is that of its own loss.
        out : ndarray, optional
            Where to put the gradient, of the shape and dtype of z; z itself is allowed.

        Returns
        -------
        loss : scalar or ndarray
            As from the call.
        gradient : ndarray
            Of the shape and dtype of z.

        Examples
        --------
        >>> import softfloor as sf
        >>> loss, gradient = sf.sigmoid_cross_entropy.value_and_grad([0.0, 0.0], [0, 1])
        >>> gradient.tolist()
        [0.25, -0.25]
        """
        operands = self._prepare(z, labels, pos_weight, weight, reduction)
        return self._loss_and_gradient(operands, 1.0, reduction, out)

    @understood
    def vjp(
        self,
        z: Any,
        labels: Any,
        cotangent: Any,
        *,
        pos_weight: Any = 1.0,
        weight: Any = 1.0,
        reduction: Reduction = "mean",
        out: Any = None,
    ) -> Any:
        """The vector-Jacobian product in z: the cotangent of the loss times its gradient, rounded once.

        Parameters
        ----------
        z, labels, pos_weight, weight, reduction, out
            As in `value_and_grad`.
        cotangent : array_like
            A scalar; with ``reduction="none"`` one per entry, or broadcasting to that.

        Returns
        -------
        dz : ndarray
            Of the shape and dtype of z.

        Examples
        --------
        >>> import softfloor as sf
        >>> sf.sigmoid_cross_entropy.vjp([0.0, 0.0], [0, 1], 2.0).tolist()
        [0.5, -0.5]
        """
        operands = self._prepare(z, labels, pos_weight, weight, reduction)
        upstream = as_upstream(self.name, cotangent)
        *others, weights = operands
        check_cotangent(self.name, upstream, reduction, weights.shape)
        if upstream.ndim == 0:
            return self._loss_and_gradient(operands, float(upstream), reduction, out)[1]
        with np.errstate(all="ignore"):
            return self._loss_and_gradient((*others, weights * upstream), 1.0, reduction, out)[1]

    def _loss_and_gradient(
        self, operands: tuple[Any, ...], cotangent: float, reduction: str, out: Any
    ) -> tuple[Any, Any]:
        logits = operands[0]
        if out is not None and (
            not isinstance(out, np.ndarray) or out.shape != logits.shape or out.dtype != logits.dtype
        ):
            given = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ValueError(
                f"{self.name}: out must be an array of {logits.dtype} of shape {logits.shape}; got {given}"
            )
        scale = cotangent / max(1, logits.size) if reduction == "mean" else cotangent
        if reduction == "none":
            _, (losses, gradient) = self._run("value_and_grad", operands, (scale,), (None, out))
            return losses[()], gradient
        totals, (gradient,) = self._run("total_and_grad", operands, (scale,), (out,))
        return self._loss(totals, operands, reduction), gradient

    def _prepare(self, z: Any, labels: Any, pos_weight: Any, weight: Any, reduction: str) -> tuple[Any, ...]:
        """Logits, labels and weights, all of one shape."""
        check_reduction(reduction)
        logits = np.asanyarray(as_logits(self.name, "z", z))
        targets = np.asanyarray(as_logits(self.name, "labels", labels))
        if targets.shape != logits.shape:
            raise ValueError(f"{self.name}: labels have shape {targets.shape}; the logits have {logits.shape}")
        check_labels(self.name, targets)
        weights = []
        for name, value in (("pos_weight", pos_weight), ("weight", weight)):
            numbers = np.asarray(as_logits(self.name, name, value), np.float64)
            check_weights(self.name, numbers, name)
            try:
                weights.append(np.broadcast_to(numbers, logits.shape))
            except ValueError:
                raise ValueError(
                    f"{self.name}: {name} has shape {numbers.shape}, which does not broadcast to {logits.shape}"
                ) from None
        return logits, rounded(targets, logits.dtype), *weights

    def _run(
        self, variant: str, operands: tuple[Any, ...], scale: tuple[float, ...], outputs: tuple[Any, ...]
    ) -> tuple[list[float], list[Any]]:
        """A kernel over all entries: its numbers per row, of which some have none, and its outputs, new where None."""
        shape, dtype = operands[0].shape, operands[0].dtype
        results = [new_like(operands[0], order="C") if output is None else output for output in outputs]
        # A piece is written before the next is read: what an output overlaps with a shift is copied.
        given = [output for output in outputs if output is not None]
        operands = tuple(np.array(o) if any(_shifted(o, r) for r in given) else o for o in operands)
        # Written through a flat view, or through a copy where memory has none.
        written = [r.reshape(-1) if r.flags.c_contiguous else np.empty(r.size, dtype) for r in results]
        numbers: list[float] = []
        for per_row in _each_piece(self.gufuncs[variant], operands, scale, written):
            numbers += [number for rows in per_row for number in rows.tolist()]
        for result, values in zip(results, written, strict=True):
            if not result.flags.c_contiguous:
                result[...] = values.reshape(shape)
        return numbers, results

    def _totals(self, operands: tuple[Any, ...]) -> list[float]:
        """Sums of many losses each; of single ones the exact sum alone would take longer than the losses."""
        return self._run("total", operands, (), ())[0]

    def _loss(self, totals: list[float], operands: tuple[Any, ...], reduction: str) -> Any:
        """A scalar of the losses' dtype."""
        logits = operands[0]
        return total_of(totals, logits.dtype, max(1, logits.size) if reduction == "mean" else 1)


def _each_piece(gufunc: Any, operands: Any, scale: tuple[float, ...], written: Any = ()) -> Iterator[tuple[Any, ...]]:
    """Applies a gufunc to rows of `LENGTH` entries and to the row of what remains, its last outputs written to flat
    arrays; returns the others."""
    inputs, outputs = [_pieces(_flat(operand)) for operand in operands], [_pieces(array) for array in written]
    returned = gufunc.nout - len(outputs)
    for piece in range(2):
        if not inputs[0][piece].size:
            continue
        into = (None,) * returned + tuple(output[piece] for output in outputs)
        results = gufunc(*(operand[piece] for operand in inputs), *scale, out=into)
        yield (results if gufunc.nout > 1 else (results,))[:returned]


def _shifted(operand: Any, result: Any) -> bool:
    """Whether they may have memory in common in which their entries have different places."""
    places = [(a.__array_interface__["data"], a.strides, a.dtype) for a in (operand, result)]
    return places[0] != places[1] and np.may_share_memory(operand, result)


def _pieces(flat: Any) -> tuple[Any, Any]:
    """Rows of `LENGTH` entries, and a row of what remains; either may be empty."""
    whole = flat.size // LENGTH * LENGTH
    if flat.strides == (0,) and flat.size:  # one number: rows in memory spare the kernels a copy each
        row = ONES if flat.dtype == ONES.dtype and flat[0] == 1 else np.full((1, LENGTH), flat[0])
        return np.broadcast_to(row, (whole // LENGTH, LENGTH)), row[:, : flat.size - whole]
    return flat[:whole].reshape(-1, LENGTH), flat[whole:].reshape(1, -1)


def _flat(array: Any) -> Any:
    """One axis instead of all; a number that is broadcast stays one number in memory."""
    if array.size and not any(array.strides):
        return np.broadcast_to(array[(0,) * array.ndim], array.size)
    return np.reshape(array, -1)


sigmoid_cross_entropy = SigmoidCrossEntropy("sigmoid_cross_entropy")
