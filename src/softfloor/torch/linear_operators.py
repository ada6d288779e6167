"""The operators of linear_cross_entropy: its value, its vjp, and both in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

import softfloor

from . import loss_formulas
from .arrays import array_of, tensor_of
from .loss_formulas import divided, reduced
from .loss_operators import batched, scaled
from .operators import Operator, keep

_NAME = "linear_cross_entropy"
_TENSORS = "Tensor hidden, Tensor weight, Tensor labels, Tensor? bias"
_OPTIONS = "int? ignore_index, str reduction, int scratch_bytes"
_GRADIENTS = ("hidden", "weight", "bias")


class Options(NamedTuple):
    ignore_index: int | None
    reduction: str
    scratch_bytes: int

    def per_row(self) -> loss_formulas.Options:
        """Those of the softmax_cross_entropy of some rows."""
        return loss_formulas.Options(1, self.ignore_index, 0.0, 0.0, None, "none")


def _arrays(hidden: Any, weight: Any, labels: Any, bias: Any) -> tuple[Any, ...]:
    return array_of(hidden), array_of(weight), array_of(labels), None if bias is None else array_of(bias)


def _names(wanted: Any) -> tuple[str, ...]:
    return tuple([name for name, needed in zip(_GRADIENTS, wanted, strict=True) if needed])


def _by_name(found: dict[str, Any], like: Any) -> list[Any]:
    """All gradients in order; those that nobody wants are empty."""
    return [found.get(name, like.new_empty(0)) for name in _GRADIENTS]


def loss_dtype(*operands: Any) -> Any:
    """float64 if an operand is, else float32."""
    wider = any(operand is not None and operand.dtype is torch.float64 for operand in operands)
    return torch.float64 if wider else torch.float32


class _Rows:
    """Rows of hidden, as many at a time as there is scratch for, in torch operations."""

    def __init__(self, hidden: Any, weight: Any, labels: Any, bias: Any, options: Options) -> None:
        self.options, self.bias, self.dtype = options, bias, loss_dtype(hidden, weight, bias)
        narrow = torch.promote_types(hidden.dtype, weight.dtype)
        self.hidden, self.weight = hidden.reshape(-1, hidden.shape[-1]).to(narrow), weight.to(narrow)
        self.labels, self.outer_shape = labels.reshape(-1), labels.shape
        count = options.scratch_bytes // (max(1, weight.shape[0]) * self.dtype.itemsize)
        self.count = max(1, min(count, max(1, len(self.labels))))

    def pieces(self) -> Iterator[tuple[slice, Any]]:
        """Some of the rows, and their logits."""
        for begin in range(0, len(self.labels), self.count):
            piece = slice(begin, begin + self.count)
            logits = (self.hidden[piece] @ self.weight.T).to(self.dtype)
            yield piece, logits if self.bias is None else logits + self.bias.to(self.dtype)

    def divisor(self) -> Any:
        return loss_formulas.divisor_of(self.labels, None, self.options.per_row())

    def losses(self) -> Any:
        options = self.options.per_row()
        losses = [
            loss_formulas.softmax_cross_entropy(logits, self.labels[piece], None, *options)
            for piece, logits in self.pieces()
        ]
        return torch.cat([self.hidden.new_empty(0, dtype=self.dtype), *losses]).reshape(self.outer_shape)

    def gradients(self, cotangent: Any, wanted: Any) -> dict[str, Any]:
        options, upstream = self.options, cotangent.to(self.dtype)
        if options.reduction == "mean":
            upstream = divided(upstream, self.divisor())
        upstream = upstream.expand(self.outer_shape).reshape(-1)
        of_hidden = []
        of_weight = self.weight.new_zeros(self.weight.shape, dtype=self.dtype)
        of_bias = self.weight.new_zeros(len(self.weight), dtype=self.dtype)
        for piece, logits in self.pieces():
            labels = self.labels[piece]
            slopes = loss_formulas.softmax_cross_entropy_vjp(logits, labels, None, upstream[piece], *options.per_row())
            narrow = slopes.to(self.weight.dtype)
            if wanted[0]:
                of_hidden.append(narrow @ self.weight)
            if wanted[1]:
                of_weight = of_weight + narrow.T @ self.hidden[piece]
            if wanted[2]:
                of_bias = of_bias + slopes.sum(0)
        found = {"weight": of_weight, "bias": of_bias}
        found["hidden"] = torch.cat(of_hidden) if of_hidden else self.hidden
        return {name: found[name] for name in _names(wanted)}


class Vjp(Operator):
    """The gradients wanted of hidden, weight and bias, times the cotangent; those not wanted are empty."""

    def __init__(self) -> None:
        schema = f"({_TENSORS}, Tensor cotangent, {_OPTIONS}, bool[] wanted) -> (Tensor, Tensor, Tensor)"
        super().__init__(f"{_NAME}_vjp", schema)

    def kernel(self, *args: Any) -> Any:
        *operands, cotangent, ignore_index, reduction, scratch_bytes, wanted = args
        hidden, weight, labels, bias = _arrays(*operands)
        names = _names(wanted)
        gradients = softfloor.linear_cross_entropy.vjp(
            *(hidden, weight, labels, array_of(cotangent), bias),
            gradients=names,
            reduction=reduction,
            ignore_index=ignore_index,
            scratch_bytes=scratch_bytes,
        )
        found = dict(zip(names, map(tensor_of, gradients), strict=True))
        return tuple(_by_name(found, operands[0]))

    def formula(self, *args: Any) -> Any:
        *operands, cotangent, ignore_index, reduction, scratch_bytes, wanted = args
        hidden, weight, labels, bias = operands
        options = Options(ignore_index, reduction, scratch_bytes)
        found = _Rows(hidden, weight, labels, bias, options).gradients(cotangent, wanted)
        for name, operand in zip(_GRADIENTS, (hidden, weight, bias), strict=True):
            if name in found:
                found[name] = found[name].reshape(operand.shape).to(operand.dtype)
        return tuple(_by_name(found, hidden))

    def fake(self, hidden: Any, weight: Any, labels: Any, bias: Any, *args: Any) -> Any:
        contiguous = torch.contiguous_format
        operands = {"hidden": hidden, "weight": weight, "bias": bias}
        found = {name: torch.empty_like(operands[name], memory_format=contiguous) for name in _names(args[-1])}
        return tuple(_by_name(found, hidden))

    def vmap(self, info: Any, in_dims: Any, *args: Any) -> Any:
        return torch.func.vmap(self.formula, in_dims)(*args), (0, 0, 0)


class Value(Operator):
    def __init__(self, vjp: Vjp) -> None:
        self.vjp = vjp
        super().__init__(_NAME, f"({_TENSORS}, {_OPTIONS}) -> Tensor")

    def kernel(self, *args: Any) -> Any:
        *operands, ignore_index, reduction, scratch_bytes = args
        loss = softfloor.linear_cross_entropy(
            *_arrays(*operands), reduction=reduction, ignore_index=ignore_index, scratch_bytes=scratch_bytes
        )
        return tensor_of(loss)

    def formula(self, *args: Any) -> Any:
        hidden, weight, labels, bias, *options = args
        rows = _Rows(hidden, weight, labels, bias, Options(*options))
        return reduced(rows.losses(), rows.options.reduction, rows.divisor())

    to_fuse = Operator.with_backward

    def fake(self, hidden: Any, weight: Any, labels: Any, bias: Any, *options: Any) -> Any:
        shape = labels.shape if options[1] == "none" else ()
        return hidden.new_empty(shape, dtype=loss_dtype(hidden, weight, bias))

    def vmap(self, info: Any, in_dims: Any, *args: Any) -> Any:
        if in_dims[1] is not None or in_dims[3] is not None:
            return torch.func.vmap(self.formula, in_dims)(*args), 0
        hidden, weight, labels, bias, ignore_index, reduction, scratch_bytes = args
        hidden, labels = batched(info, (in_dims[0], in_dims[2]), hidden, labels)
        losses = self(hidden, weight, labels, bias, ignore_index, "none", scratch_bytes)
        per_row = Options(ignore_index, reduction, scratch_bytes).per_row()
        divisor = loss_formulas.divisor_of(labels, None, per_row, batched=True)
        return reduced(losses, reduction, divisor, batched=True), 0

    def backward(self, ctx: Any, cotangent: Any) -> Any:
        saved = iter(ctx.saved_tensors)
        operands = [next(saved) if value is ... else value for value in ctx.others[:4]]
        return *self.gradients(ctx.needs_input_grad[-7:], operands, cotangent, ctx.others[4:]), *[None] * 3

    def gradients(self, needed: Any, operands: Any, cotangent: Any, options: Any) -> Any:
        """Of the operands, by the vjp; None of those that need none."""
        wanted = [needed[0], needed[1], needed[3]]
        of_hidden, of_weight, of_bias = self.vjp(*operands, cotangent, *options, wanted)
        return only([of_hidden, of_weight, None, of_bias], needed)


def only(gradients: Any, needed: Any) -> list[Any]:
    return [gradient if need else None for gradient, need in zip(gradients, needed, strict=False)]


class ValueAndGrad(Operator):
    """The loss and the gradients wanted in one pass, for a loss that is reduced.

    Further derivatives are those of the vjp, from the operands.
    """

    def __init__(self, value: Value) -> None:
        self.value = value
        schema = f"({_TENSORS}, {_OPTIONS}, bool[] wanted) -> (Tensor, Tensor, Tensor, Tensor)"
        super().__init__(f"{_NAME}_value_and_grad", schema)

    def kernel(self, *args: Any) -> Any:
        *operands, ignore_index, reduction, scratch_bytes, wanted = args
        names = _names(wanted)
        loss, gradients = softfloor.linear_cross_entropy.value_and_grad(
            *_arrays(*operands),
            gradients=names,
            reduction=reduction,
            ignore_index=ignore_index,
            scratch_bytes=scratch_bytes,
        )
        found = dict(zip(names, map(tensor_of, gradients), strict=True))
        return tensor_of(loss), *_by_name(found, operands[0])

    def formula(self, *args: Any) -> Any:
        loss = self.value.formula(*args[:-1])
        return loss, *self.value.vjp.formula(*args[:4], torch.ones_like(loss), *args[4:])

    def fake(self, *args: Any) -> Any:
        return self.value.fake(*args[:-1]), *self.value.vjp.fake(*args[:4], None, *args[4:])

    def vmap(self, info: Any, in_dims: Any, *args: Any) -> Any:
        return torch.func.vmap(self.formula, in_dims)(*args), (0, 0, 0, 0)

    def save(self, ctx: Any, inputs: Any, output: Any) -> None:
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*output[1:])
        ctx.options = inputs[4:-1]
        keep(ctx, *inputs[:4], *output[1:])

    def backward(self, ctx: Any, of_loss: Any, *_: Any) -> Any:
        *operands, of_hidden, of_weight, of_bias = ctx.saved_tensors
        needed = ctx.needs_input_grad[-8:]
        if of_loss is None:
            return (None,) * 8
        if torch.is_grad_enabled():
            found = self.value.gradients(needed, operands, of_loss, ctx.options)
        else:
            found = only([of_hidden, of_weight, None, of_bias], needed)
            found = [None if gradient is None else scaled(gradient, of_loss) for gradient in found]
        return *found, *[None] * 4
