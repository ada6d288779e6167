"""linear_cross_entropy: logits of a few rows at a time, as a Dask array, which softmax_cross_entropy takes.

Where the classes are cut, too, no task has whole rows of logits: their states merge as those of any other logits.
"""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np

from ..linear_losses import LinearLayer, check_scratch_bytes
from ..losses import check_cotangent, softmax_cross_entropy
from .losses import IGNORED, Problem, checked_labels
from .maps import merge
from .operands import as_chunks, check_sizes, upstream_of


def linear_cross_entropy_call(function: Any, **arguments: Any) -> Any:
    return _Layer(function, **arguments).loss()


def linear_cross_entropy_value_and_grad(function: Any, gradients: Any, **arguments: Any) -> Any:
    layer = _Layer(function, **arguments)
    return layer.loss(), layer.gradients(1.0, gradients)


def linear_cross_entropy_vjp(function: Any, cotangent: Any, gradients: Any, **arguments: Any) -> Any:
    return _Layer(function, **arguments).gradients(cotangent, gradients)


class _Layer(LinearLayer):
    """Logits as products of chunks, and the cross-entropy of these."""

    def __init__(
        self,
        function: Any,
        hidden: Any,
        weight: Any,
        labels: Any,
        bias: Any,
        reduction: str,
        ignore_index: int | None,
        scratch_bytes: int,
    ) -> None:
        check_sizes(function, hidden=hidden, weight=weight, labels=labels, bias=bias)
        super().__init__(function.name, as_chunks(hidden), as_chunks(weight), None if bias is None else as_chunks(bias))
        targets = labels if isinstance(labels, da.Array) else np.asanyarray(labels)
        self.check_labels(targets)
        targets = checked_labels(function, targets, (*self.outer_shape, self.classes), -1, ignore_index).ravel()
        check_scratch_bytes(self.name, scratch_bytes)
        self.matrix = self.weight.astype(self.dtype).rechunk({1: -1})
        self.rows = self.hidden.astype(self.dtype).rechunk({1: -1})
        most = max(1, scratch_bytes // (self.dtype.itemsize * max(1, self.classes)))
        if max(self.rows.chunks[0]) > most:
            self.rows = self.rows.rechunk({0: most})
        if ignore_index is not None:  # whatever such rows hold, it does not meet the weight's gradient
            self.rows = da.where(targets[:, None] == IGNORED, self.dtype.type(0), self.rows)
        logits = _product(self.rows, self.matrix.T)
        if self.bias is not None:
            bias = self.bias.rechunk((logits.chunks[1],))
            logits = da.blockwise(_shifted, "ij", logits, "ij", bias, "j", dtype=self.dtype)
        options = {"ignore_index": None if ignore_index is None else IGNORED, "weight": None}
        self.reduction = reduction
        self.problem = Problem(softmax_cross_entropy, logits, targets, -1, reduction, options)

    def loss(self) -> Any:
        losses = self.problem.loss()
        return losses.reshape(self.outer_shape) if self.reduction == "none" else losses

    def gradients(self, cotangent: Any, wanted: tuple[str, ...] | None) -> tuple[Any, ...]:
        upstream = upstream_of(self, cotangent)
        check_cotangent(self.name, upstream, self.reduction, self.outer_shape)
        if self.reduction == "none":
            upstream = da.broadcast_to(upstream, self.outer_shape).ravel()
        slopes = self.problem.gradient(upstream)
        found = {
            "hidden": lambda: _product(slopes, self.matrix),
            "weight": lambda: _product(slopes.T, self.rows),
            "bias": lambda: merge(_added, slopes, (0,)),
        }
        names = self.wanted(wanted)
        return tuple(found[n]().astype(self.operands[n].dtype).reshape(self.operands[n].shape) for n in names)


def _product(a: Any, b: Any) -> Any:
    """A matrix product; what is cut between the two adds up pairwise, so that few terms wait for each other."""
    terms = da.blockwise(_term, "ijk", a, "ij", b, "jk", adjust_chunks={"j": 1}, align_arrays=False, dtype=a.dtype)
    return da.squeeze(merge(_added, terms, (1,), split_every=2), 1)


def _term(a: Any, b: Any) -> Any:
    with np.errstate(all="ignore"):  # NaN and infinities in, NaN and infinities out
        return np.matmul(a, b)[:, None, :]


def _shifted(logits: Any, bias: Any) -> Any:
    with np.errstate(all="ignore"):
        return logits + bias.astype(logits.dtype)


def _added(terms: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    with np.errstate(all="ignore"):
        return np.sum(terms, axis=axis, keepdims=True)
