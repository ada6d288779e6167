"""linear_cross_entropy: the loss of a linear layer over a large vocabulary, without its logits.

The logits of a few rows at a time, over the whole vocabulary, live in one scratch array. There softmax_cross_entropy
turns them into their gradient in place, from which both gradients follow at once. So each logit is computed once, and
a call with all gradients costs three matrix products of the full size, the least possible without keeping the logits.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from .containers import understood
from .layout import as_logits
from .loss_options import LossOptions
from .losses import (
    Reduction,
    as_upstream,
    check_class_labels,
    check_cotangent,
    check_reduction,
    reduced,
    softmax_cross_entropy,
)
from .rows import RowFunction

#: A tenth of the logits of 4096 tokens over 128,000 classes; half of it costs more time, twice as much saves little.
SCRATCH_BYTES = 192 * 2**20


class LinearCrossEntropy(RowFunction):
    """The cross-entropy of softmax(hidden weight^T + bias) against class labels, without holding those logits.

    Formula: ``logsumexp(z) - z[label]`` with ``z = hidden @ weight.T + bias``.

    Parameters
    ----------
    hidden : array_like
        Of shape (..., features): one row per token.
    weight : array_like
        Of shape (classes, features), the layout of a linear layer in PyTorch.
    labels : array_like of int
        In [0, classes), of the shape of hidden without its last axis.
    bias : array_like, optional
        Of shape (classes,). -inf excludes a class.
    reduction : {"mean", "sum", "none"}, default "mean"
        What becomes of the losses of the rows. The mean is over the rows that are not ignored; over none it is 0.
    ignore_index : int, optional
        Rows with this label cost nothing: loss 0, gradient 0, no time.
    scratch_bytes : int, default 192 MiB
        How much memory may be used beside operands and results; at least one row of logits is. More is faster.

    Returns
    -------
    loss : scalar, or ndarray for ``reduction="none"``
        float64 if an operand is; else float32, for float16 and bfloat16 too.

    Raises
    ------
    IndexError
        If a label lies outside [0, classes) and is not ``ignore_index``; names its position and value.
    TypeError
        If labels are not integers, or a dtype is not supported.
    ValueError
        If shapes do not match, or the reduction is unknown.

    Notes
    -----
    Matrix products are NumPy's: of float32, or float64 if an operand is; float16 and bfloat16 are widened piecewise.
    Their error, below ``features * eps * sum |hidden weight|``, is that of the BLAS library at hand, and their bits may
    depend on it, on the CPU, on threads and on ``scratch_bytes``. What follows them keeps the promise of
    `softmax_cross_entropy`.

    References
    ----------
    .. [1] E. Wijmans et al., Cut Your Losses in Large-Vocabulary Language Models, 2024.
    .. [2] P.-L. Hsu et al., Liger Kernel: Efficient Triton Kernels for LLM Training, 2024.

    Examples
    --------
    >>> import numpy as np, softfloor as sf
    >>> hidden, weight = np.zeros((2, 3)), np.ones((4, 3))
    >>> float(sf.linear_cross_entropy(hidden, weight, [0, 3])) == float(np.log(4))
    True
    """

    per_row = frozenset({"labels", "cotangent"})
    per_class = frozenset({"weight", "bias"})
    #: What there are gradients in.
    differentiable = ("hidden", "weight", "bias")

    @understood
    def __call__(
        self,
        hidden: Any,
        weight: Any,
        labels: Any,
        bias: Any = None,
        *,
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        scratch_bytes: int = SCRATCH_BYTES,
    ) -> Any:
        problem = _Problem(self.name, hidden, weight, labels, bias, reduction, ignore_index)
        return problem.reduce(_Pass(problem, scratch_bytes).run(1.0)[0])

    @understood
    def value_and_grad(
        self,
        hidden: Any,
        weight: Any,
        labels: Any,
        bias: Any = None,
        *,
        gradients: tuple[str, ...] | None = None,
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        scratch_bytes: int = SCRATCH_BYTES,
    ) -> tuple[Any, tuple[Any, ...]]:
        """The loss and its gradients, each logit computed once.

        Parameters
        ----------
        hidden, weight, labels, bias, reduction, ignore_index, scratch_bytes
            As in the call. With ``reduction="none"`` gradients are those of the sum.
        gradients : tuple of {"hidden", "weight", "bias"}, optional
            Which gradients to compute; by default those of all operands given.

        Returns
        -------
        loss : scalar or ndarray
            As from the call.
        gradients : tuple of ndarray
            In the order asked for, of the shapes and dtypes of their operands, accumulated in float32 at least.

        Examples
        --------
        >>> import numpy as np, softfloor as sf
        >>> hidden, weight = np.ones((1, 2)), np.zeros((2, 2))
        >>> loss, (dhidden, dweight) = sf.linear_cross_entropy.value_and_grad(hidden, weight, [0])
        >>> dweight.tolist()
        [[-0.5, -0.5], [0.5, 0.5]]
        """
        problem = _Problem(self.name, hidden, weight, labels, bias, reduction, ignore_index)
        losses, found = _Pass(problem, scratch_bytes, problem.wanted(gradients)).run(problem.share)
        return problem.reduce(losses), found

    @understood
    def vjp(
        self,
        hidden: Any,
        weight: Any,
        labels: Any,
        cotangent: Any,
        bias: Any = None,
        *,
        gradients: tuple[str, ...] | None = None,
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        scratch_bytes: int = SCRATCH_BYTES,
    ) -> tuple[Any, ...]:
        """The vector-Jacobian products: the cotangent of the loss times its gradients.

        Parameters
        ----------
        hidden, weight, labels, bias, gradients, reduction, ignore_index, scratch_bytes
            As in `value_and_grad`.
        cotangent : array_like
            A scalar; with ``reduction="none"`` one per row, or broadcasting to that.

        Returns
        -------
        gradients : tuple of ndarray
            As from `value_and_grad`.

        Examples
        --------
        >>> import numpy as np, softfloor as sf
        >>> hidden, weight = np.ones((1, 2)), np.zeros((2, 2))
        >>> sf.linear_cross_entropy.vjp(hidden, weight, [0], 2.0, gradients=("weight",))[0].tolist()
        [[-1.0, -1.0], [1.0, 1.0]]
        """
        problem = _Problem(self.name, hidden, weight, labels, bias, reduction, ignore_index)
        upstream = as_upstream(self.name, cotangent)
        check_cotangent(self.name, upstream, reduction, problem.outer_shape)
        per_row = np.broadcast_to(upstream, problem.outer_shape).ravel()
        scale = per_row[problem.kept, None] * problem.share
        return _Pass(problem, scratch_bytes, problem.wanted(gradients)).run(scale)[1]


def check_scratch_bytes(function: str, scratch_bytes: int) -> None:
    try:
        operator.index(scratch_bytes)
    except TypeError:
        raise TypeError(f"{function}: scratch_bytes must be an integer; got {scratch_bytes!r}") from None
    if scratch_bytes <= 0:
        raise ValueError(f"{function}: scratch_bytes must be positive; got {scratch_bytes}")


class LinearLayer:
    """The operands whose product are the logits, checked: NumPy arrays, or Dask's."""

    def __init__(self, name: str, hidden: Any, weight: Any, bias: Any) -> None:
        self.name = name
        self.operands = {"hidden": as_logits(name, "hidden", hidden), "weight": as_logits(name, "weight", weight)}
        if bias is not None:
            self.operands["bias"] = as_logits(name, "bias", bias)
        rows, self.weight, self.bias = self.operands["hidden"], self.operands["weight"], self.operands.get("bias")
        if self.weight.ndim != 2 or rows.ndim == 0 or rows.shape[-1] != self.weight.shape[1]:
            raise ValueError(
                f"{name}: hidden must be (..., features) and weight (classes, features); "
                f"got shapes {rows.shape} and {self.weight.shape}"
            )
        self.classes, self.features = self.weight.shape
        self.outer_shape = rows.shape[:-1]
        if self.bias is not None and self.bias.shape != (self.classes,):
            raise ValueError(f"{name}: bias must have shape ({self.classes},); got {self.bias.shape}")
        self.hidden = rows.reshape(-1 if self.features else math.prod(self.outer_shape), self.features)
        #: That of the products.
        self.dtype = np.dtype(max((np.float32, *(a.dtype for a in self.operands.values())), key=_itemsize))

    def check_labels(self, labels: Any) -> None:
        if labels.shape != self.outer_shape:
            raise ValueError(f"{self.name}: labels must have shape {self.outer_shape}; got {labels.shape}")

    def wanted(self, gradients: tuple[str, ...] | None) -> tuple[str, ...]:
        if gradients is None:
            return tuple(self.operands)
        if isinstance(gradients, str) or not set(gradients) <= set(self.operands):
            raise ValueError(
                f"{self.name}: gradients must be a tuple of names among {', '.join(self.operands)}; got {gradients!r}"
            )
        return tuple(gradients)


class _Problem(LinearLayer):
    """The rows of hidden that count, their labels, and how losses are reduced."""

    def __init__(
        self, name: str, hidden: Any, weight: Any, labels: Any, bias: Any, reduction: str, ignore_index: int | None
    ) -> None:
        check_reduction(reduction)
        super().__init__(name, hidden, weight, bias)
        self.reduction, targets = reduction, np.asarray(labels)
        self.check_labels(targets)
        options = LossOptions(name, None, ignore_index)
        check_class_labels(name, targets, self.classes, options.ignore_index)
        targets = targets.ravel()
        kept = options.keeps(targets)
        #: Which rows count: all, or the numbers of those that are not ignored.
        self.kept: Any = slice(None) if kept is None else np.flatnonzero(kept)
        self.labels = targets[self.kept].astype(np.int64, copy=False)
        self.share = 1 / max(1, self.labels.size) if reduction == "mean" else 1.0

    def rows(self, begin: int, end: int) -> Any:
        """Some of the rows that count, in the dtype of the products."""
        kept = slice(begin, end) if isinstance(self.kept, slice) else self.kept[begin:end]
        return self.hidden[kept].astype(self.dtype, copy=False)

    def reduce(self, losses: Any) -> Any:
        if self.reduction != "none":
            return reduced(losses, self.reduction)
        everywhere = np.zeros(math.prod(self.outer_shape), self.dtype)
        everywhere[self.kept] = losses
        return everywhere.reshape(self.outer_shape)[()]


def _itemsize(dtype: Any) -> int:
    return int(np.dtype(dtype).itemsize)


def _at_least_one(count: int, most: int) -> int:
    return max(1, min(count, most))


class _Pass:
    """One pass over the rows, as many at a time as there is scratch for, and in tiles of the classes where needed."""

    def __init__(self, problem: _Problem, scratch_bytes: int, wanted: tuple[str, ...] = ()) -> None:
        self.problem, self.wanted = problem, wanted
        itemsize = problem.dtype.itemsize
        check_scratch_bytes(problem.name, scratch_bytes)
        self.widens = problem.weight.dtype != problem.dtype
        # A sixteenth each for a widened tile of the weight and for a tile's product where needed, the rest for logits.
        self.tile = _at_least_one(scratch_bytes // 16 // (itemsize * max(1, problem.features)), problem.classes)
        sixteenths = 16 - self.widens - ("weight" in wanted)
        rows = scratch_bytes * sixteenths // 16 // (itemsize * max(1, problem.classes))
        # A multiple of what BLAS kernels work on at a time: other numbers of rows take up to a third longer.
        self.row_count = _at_least_one(rows if rows < 64 else rows // 64 * 64, problem.labels.size)

    def tiles(self) -> Iterator[tuple[slice, Any]]:
        """Pieces of the weight in the dtype of the products; all of it if it has that dtype."""
        step = self.tile if self.widens else max(1, self.problem.classes)
        for begin in range(0, self.problem.classes, step):
            piece = slice(begin, min(begin + step, self.problem.classes))
            yield piece, self.problem.weight[piece].astype(self.problem.dtype, copy=False)

    def run(self, scale: Any) -> tuple[Any, tuple[Any, ...]]:
        """The losses of the rows that count, and the gradients of their sum, each row times its scale."""
        problem, dtype, wanted = self.problem, self.problem.dtype, self.wanted
        shapes = {"hidden": problem.hidden.shape, "weight": problem.weight.shape, "bias": (problem.classes,)}
        gradients = {name: np.zeros(shapes[name], dtype) for name in wanted}
        losses = np.empty(problem.labels.size, dtype)
        scratch = np.empty((self.row_count, problem.classes), dtype)
        product = np.empty((self.tile, problem.features) if "weight" in wanted else 0, dtype)
        with np.errstate(all="ignore"):  # NaN and infinities in, NaN and infinities out
            for begin in range(0, losses.size, self.row_count):
                piece = slice(begin, min(begin + self.row_count, losses.size))
                rows = problem.rows(piece.start, piece.stop)
                logits = scratch[: len(rows)]
                for tile, weight in self.tiles():
                    np.matmul(rows, weight.T, out=logits[:, tile])
                if problem.bias is not None:
                    logits += problem.bias
                if not wanted:
                    losses[piece] = softmax_cross_entropy(logits, problem.labels[piece], reduction="none")
                    continue
                losses[piece], slopes = softmax_cross_entropy.value_and_grad(
                    logits, problem.labels[piece], reduction="none", out=logits
                )
                factors = scale if np.ndim(scale) == 0 else scale[piece].astype(dtype)
                self._add(gradients, piece, rows * factors, slopes, factors, product)
            return losses, tuple(
                gradients[name].astype(operand.dtype, copy=False).reshape(operand.shape)
                for name, operand in ((name, problem.operands[name]) for name in wanted)
            )

    def _add(self, gradients: dict[str, Any], piece: slice, rows: Any, slopes: Any, factors: Any, product: Any) -> None:
        """What some rows add to the gradients; ``slopes`` is the gradient of their losses in their logits."""
        if "bias" in gradients:
            # One per row in memory: of a number that is only repeated, NumPy would not make the BLAS's product, and the
            # last bit of the sum would depend on how the scale was given.
            weights = np.full(len(slopes), np.reshape(factors, -1), slopes.dtype)
            gradients["bias"] += weights @ slopes
        if "weight" in gradients and piece.start == 0:
            np.matmul(slopes.T, rows, out=gradients["weight"])
        elif "weight" in gradients:
            for begin in range(0, self.problem.classes, self.tile):
                target = gradients["weight"][begin : begin + self.tile]
                part = product[: len(target)]
                np.matmul(slopes[:, begin : begin + self.tile].T, rows, out=part)
                target += part
        if "hidden" in gradients:
            sums = np.zeros_like(rows)
            for tile, weight in self.tiles():
                sums += slopes[:, tile] @ weight
            kept = self.problem.kept
            target = piece if isinstance(kept, slice) else kept[piece]
            gradients["hidden"][target] = sums * factors


linear_cross_entropy = LinearCrossEntropy("linear_cross_entropy")
