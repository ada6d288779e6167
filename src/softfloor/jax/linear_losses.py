"""linear_cross_entropy on jax arrays: the loss of a linear layer over a large vocabulary, without its logits."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from . import softmaxes
from .axes import logits_of
from .loss_options import Reduction, check_reduction, chosen_classes, class_labels, integer_or_none, reduced
from .meshes import left_to_compiler
from .operands import wide_dtype

SCRATCH_BYTES = 192 * 2**20


def linear_cross_entropy(
    hidden: Any,
    weight: Any,
    labels: Any,
    bias: Any = None,
    *,
    reduction: Reduction = "mean",
    ignore_index: int | None = None,
    scratch_bytes: int = SCRATCH_BYTES,
    precision: Any = None,
) -> Any:
    """The cross-entropy of softmax(hidden weight^T + bias) against class labels, without holding those logits.

    Formula: ``logsumexp(z) - z[label]`` with ``z = hidden @ weight.T + bias``.

    Parameters
    ----------
    hidden : jax.Array
        Of shape (..., features): one row per token.
    weight : jax.Array
        Of shape (classes, features). That of a Flax layer is its transpose, ``kernel.T``.
    labels : jax.Array of int
        In [0, classes), of the shape of hidden without its last axis. Others give NaN.
    bias : jax.Array, optional
        Of shape (classes,). -inf excludes a class.
    reduction : {"mean", "sum", "none"}, default "mean"
        What becomes of the losses of the rows. The mean is over the rows that are not ignored; over none it is 0.
    ignore_index : int, optional
        Rows with this label have loss 0 and gradient 0.
    scratch_bytes : int, default 192 MiB
        How much memory the logits of the rows that are worked on at a time may take; at least one row is.
    precision : optional
        Of the matrix products, as in `jax.numpy.matmul`; they are summed in float32 at least.

    Returns
    -------
    loss : jax.Array
        float64 if an operand is; else float32, for float16 and bfloat16 too.

    Raises
    ------
    TypeError
        If labels are not integers, or a dtype is not supported.
    ValueError
        If shapes do not match, or the reduction is unknown.

    Notes
    -----
    A `jax.lax.scan` over some rows at a time. The backward pass computes their logits again instead of keeping them.
    The weight's gradient is added up in float32 at least. Reverse mode only (`jax.grad`, `jax.vjp`).

    References
    ----------
    .. [1] E. Wijmans et al., Cut Your Losses in Large-Vocabulary Language Models, 2024.
    .. [2] P.-L. Hsu et al., Liger Kernel: Efficient Triton Kernels for LLM Training, 2024.

    Examples
    --------
    >>> import jax, jax.numpy as jnp, softfloor.jax as sj
    >>> hidden, weight, labels = jnp.ones((1, 2)), jnp.zeros((2, 2)), jnp.array([0])
    >>> loss, dweight = jax.value_and_grad(sj.linear_cross_entropy, argnums=1)(hidden, weight, labels)
    >>> round(float(loss), 4), dweight.tolist()
    (0.6931, [[-0.5, -0.5], [0.5, 0.5]])
    """
    function = "linear_cross_entropy"
    check_reduction(function, reduction)
    rows, matrix = logits_of(function, "hidden", hidden), logits_of(function, "weight", weight)
    offsets = None if bias is None else logits_of(function, "bias", bias)
    if rows.ndim < 1 or matrix.ndim != 2 or rows.shape[-1] != matrix.shape[1]:
        raise ValueError(
            f"{function}: hidden must have shape (..., features) and weight (classes, features); "
            f"got {rows.shape} and {matrix.shape}"
        )
    if offsets is not None and offsets.shape != matrix.shape[:1]:
        raise ValueError(f"{function}: bias must have shape {matrix.shape[:1]}; got {offsets.shape}")
    targets = class_labels(function, labels, rows.shape[:-1])
    if scratch_bytes <= 0:
        raise ValueError(f"{function}: scratch_bytes must be positive; got {scratch_bytes}")
    ignored = integer_or_none(function, "ignore_index", ignore_index)
    return _compiled(rows, matrix, offsets, targets, ignored, reduction, scratch_bytes, precision)


@partial(jax.jit, static_argnums=(4, 5, 6, 7))
def _compiled(
    hidden: Any,
    weight: Any,
    bias: Any,
    labels: Any,
    ignored: int | None,
    reduction: Reduction,
    scratch_bytes: int,
    precision: Any,
) -> Any:
    def losses(hidden: Any, weight: Any, bias: Any, labels: Any) -> Any:
        operands = [operand for operand in (hidden, weight, bias) if operand is not None]
        narrow = jnp.result_type(*operands)
        dtype = wide_dtype(narrow)
        if bias is None:
            bias = jnp.zeros(weight.shape[0], dtype)
        classes, count = weight.shape[0], math.prod(labels.shape)
        size = max(1, min(count, scratch_bytes // max(1, classes * dtype.itemsize)))
        kept = labels != ignored if ignored is not None else jnp.ones(labels.shape, bool)
        # What the rows that fill up the last chunk would cost is charged to nobody.
        padding = -count % size
        chunks = (max(1, count) + padding) // size if count else 0
        flat = jnp.where(kept.reshape(-1, 1), hidden.reshape(count, hidden.shape[-1]), 0).astype(narrow)
        rows = jnp.pad(flat, ((0, padding), (0, 0))).reshape(chunks, size, hidden.shape[-1])
        targets = jnp.pad(jnp.where(kept, labels, 0).ravel(), (0, padding)).reshape(chunks, size)
        layer = _Layer(dtype, precision)
        each = _losses(layer, *_varying_alike(rows, weight.astype(narrow), bias.astype(dtype), targets))
        each = jnp.where(kept, each.ravel()[:count].reshape(labels.shape), 0)
        return reduced(each, reduction, jnp.sum(kept, dtype=dtype))

    return left_to_compiler(losses, (hidden, weight, bias, labels), like=labels if reduction == "none" else None)


class _Layer(NamedTuple):
    """How products are computed."""

    dtype: Any
    precision: Any

    def product(self, a: Any, b: Any) -> Any:
        return jnp.matmul(a, b, precision=self.precision, preferred_element_type=self.dtype)

    def losses(self, rows: Any, weight: Any, bias: Any, labels: Any) -> Any:
        """Of the rows of one chunk."""
        logits = self.product(rows, weight.T) + bias
        charges = chosen_classes(labels, 1, weight.shape[0], self.dtype)
        return jnp.squeeze(softmaxes.cross_entropy((1,))(logits, charges), 1)


def _varies_over(x: Any) -> frozenset[str]:
    kind = jax.typeof(x)
    return frozenset(kind.vma if hasattr(kind, "vma") else kind.manual_axis_type.varying)


def _varying_alike(*operands: Any) -> tuple[Any, ...]:
    """Inside `jax.shard_map`: all over the axes of the mesh that one varies over, so that gradients add up there."""
    if not hasattr(lax, "pcast"):  # older than such types
        return operands
    own = [_varies_over(operand) for operand in operands]
    missing = [tuple(frozenset().union(*own) - axes) for axes in own]
    return tuple(lax.pcast(x, axes, to="varying") if axes else x for x, axes in zip(operands, missing, strict=True))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _losses(layer: _Layer, rows: Any, weight: Any, bias: Any, labels: Any) -> Any:
    """The losses of chunks of rows; the logits of one chunk exist at a time."""

    def step(nothing: None, chunk: tuple[Any, Any]) -> tuple[None, Any]:
        return nothing, layer.losses(chunk[0], weight, bias, chunk[1])

    return lax.scan(step, None, (rows, labels))[1]


def _forward(layer: _Layer, *operands: Any) -> tuple[Any, tuple[Any, ...]]:
    # Inside `jax.lax.scan`, second derivatives of jax 0.10 take constants of the loop for operands that are kept as
    # they came; one in another shape, which costs nothing, is kept as a result.
    return _losses(layer, *operands), tuple(jnp.expand_dims(operand, 0) for operand in operands)


def _backward(layer: _Layer, kept: tuple[Any, ...], cotangents: Any) -> tuple[Any, ...]:
    rows, weight, bias, labels = operands = [jnp.squeeze(operand, 0) for operand in kept]

    def step(totals: tuple[Any, Any], chunk: tuple[Any, Any, Any]) -> tuple[tuple[Any, Any], Any]:
        hidden, targets, cotangent = chunk
        logits = layer.product(hidden, weight.T) + bias
        charges = chosen_classes(targets, 1, weight.shape[0], layer.dtype)
        _, pull = jax.vjp(lambda z: jnp.squeeze(softmaxes.cross_entropy((1,))(z, charges), 1), logits)
        (slopes,) = pull(cotangent)
        narrow = slopes.astype(weight.dtype)
        sums = totals[0] + layer.product(narrow.T, hidden), totals[1] + jnp.sum(slopes, 0)
        return sums, layer.product(narrow, weight).astype(rows.dtype)

    nothing = jnp.zeros(weight.shape, layer.dtype), jnp.zeros(bias.shape, layer.dtype)
    *_, of_weight, of_bias = _varying_alike(*operands, cotangents, *nothing)
    (of_weight, of_bias), of_rows = lax.scan(step, (of_weight, of_bias), (rows, labels, cotangents))
    return of_rows, of_weight.astype(weight.dtype), of_bias, None


_losses.defvjp(_forward, _backward)
