"""What the operators of losses share: their derivatives, a rule for vmap, a gradient that is made on the way."""

from __future__ import annotations

from typing import Any

import torch

from .loss_formulas import divided, reduced
from .operators import Operator, differentiable_backwards_only, is_distributed, keep, unobserved


class LossVjp(Operator):
    """The vector-Jacobian product of a loss in its first tensor: its operands, the cotangent after the tensors.

    Its own derivatives are those of its formula. ``loss`` is the operator of the loss.
    """

    loss: Loss

    def __init__(self, name: str, tensors: str, options: str) -> None:
        self.tensors = tensors.count("Tensor")
        super().__init__(f"{name}_vjp", f"({tensors}, Tensor cotangent, {options}) -> Tensor")

    def fake(self, z: Any, *args: Any) -> Any:
        return torch.empty_like(z)

    def vmap(self, info: Any, in_dims: Any, *args: Any) -> Any:
        if any(dim is not None for dim in in_dims[2 : self.tensors]):
            return torch.func.vmap(self.formula, in_dims)(*args), 0
        *tensors, cotangent = args[: self.tensors + 1]
        z, labels = batched(info, in_dims, *tensors[:2])
        (upstream,) = batched(info, in_dims[self.tensors :], cotangent)
        options = args[self.tensors + 1 :]
        if options[-1] != "none":
            losses = self.loss.fake(z, labels, *tensors[2:], *along_batch(options))
            if options[-1] == "mean":
                upstream = divided(upstream, self.loss.divisor(z, labels, *tensors[2:], *along_batch(options)))
            upstream = upstream.reshape(-1, *[1] * (losses.ndim - 1)).expand(losses.shape).to(z.dtype)
        return self(z, labels, *tensors[2:], upstream, *along_batch(options)), 0


class Loss(Operator):
    """A loss of logits and labels. Its options begin with a dimension, if it has one, and end with the reduction.

    Subclasses add ``divisor`` (of the mean, per sample of a batch) and ``slope_in_labels``, to ``kernel``, ``formula``
    and ``rows``, the shape of what is not reduced.
    """

    def __init__(self, name: str, tensors: str, options: str, vjp: LossVjp) -> None:
        self.tensors = tensors.count("Tensor")
        self.arity = self.tensors + options.count(",") + 1
        self.vjp = vjp
        vjp.loss = self
        super().__init__(name, f"({tensors}, {options}) -> Tensor")

    def rows(self, z: Any, *options: Any) -> Any:
        raise NotImplementedError

    def divisor(self, *args: Any) -> Any:
        raise NotImplementedError

    def slope_in_labels(self, *args: Any) -> Any:
        raise NotImplementedError

    def fake(self, z: Any, *args: Any) -> Any:
        return z.new_empty(self.rows(z, *args[self.tensors - 1 :]) if args[-1] == "none" else ())

    def save(self, ctx: Any, inputs: Any, output: Any) -> None:
        ctx.options = inputs[self.tensors :]
        keep(ctx, *inputs[: self.tensors])

    def backward(self, ctx: Any, cotangent: Any) -> Any:
        saved, options = ctx.saved_tensors, ctx.options
        return self.pulled(ctx, saved, options, cotangent)

    def pulled(self, ctx: Any, saved: Any, options: Any, cotangent: Any) -> Any:
        needed = ctx.needs_input_grad[-self.arity :]
        of_z = self.vjp(*saved, cotangent, *options) if needed[0] else None
        of_labels = self.slope_in_labels(cotangent, *saved, *options) if needed[1] else None
        return of_z, of_labels, *[None] * (self.arity - 2)

    def jvp(self, ctx: Any, *tangents: Any) -> Any:
        saved, options = ctx.saved_tensors, ctx.options
        one = saved[0].new_ones(self.rows(saved[0], *options) if options[-1] == "none" else ())
        products = []
        if tangents[0] is not None:
            products.append(self.vjp(*saved, one, *options) * tangents[0])
        if tangents[1] is not None:
            products.append(self.slope_in_labels(one, *saved, *options) * tangents[1])
        return self.summed(sum(products), *options)

    def summed(self, products: Any, *options: Any) -> Any:
        """Over what a loss is made of."""
        return products.sum()

    def vmap(self, info: Any, in_dims: Any, *args: Any) -> Any:
        if any(dim is not None for dim in in_dims[2 : self.tensors]):
            return torch.func.vmap(self.formula, in_dims)(*args), 0
        z, labels = batched(info, in_dims, *args[:2])
        weights, options = args[2 : self.tensors], args[self.tensors :]
        losses = self(z, labels, *weights, *along_batch(options))
        divisor = self.divisor(z, labels, *weights, *along_batch(options)) if options[-1] == "mean" else 1
        return reduced(losses, options[-1], divisor, batched=True), 0


def batched(info: Any, in_dims: Any, *tensors: Any) -> Any:
    """The tensors with the dimension of the batch in front."""
    return [
        tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
        for tensor, dim in zip(tensors, in_dims[: len(tensors)], strict=True)
    ]


def along_batch(options: Any) -> Any:
    """Options for each sample of a batch, whose dimension is in front: rows are reduced by nobody yet."""
    *others, _ = options
    if others:
        others[0] += 1
    return *others, "none"


def backward_alone(z: Any) -> bool:
    """Whether a gradient on CPU will be wanted, backwards and in a range that holds it before it is scaled.

    Then one pass makes value and gradient. What transforms of `torch.func` and forward mode want is made when asked.
    """
    return z.is_cpu and not is_distributed(z) and z.dtype is not torch.float16 and differentiable_backwards_only(z)


#: Whether the backward pass that runs will keep what was saved for another one; taken for granted if torch cannot tell.
_graph_is_kept = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True)


def scaled(gradient: Any, cotangent: Any) -> Any:
    """A gradient made in the forward pass times the cotangent of its loss.

    For a cotangent of 1, what ``loss.backward()`` begins with, it is handed over as it is. While the graph is kept
    that must not be: who gets it may write into it.
    """
    if unobserved(gradient, cotangent) and not _graph_is_kept() and bool((cotangent == 1).all()):
        return gradient.detach()
    return gradient * cotangent
