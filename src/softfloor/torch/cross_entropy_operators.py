"""The operators of softmax_cross_entropy: its value, its vjp, and both in one pass."""

from __future__ import annotations

from typing import Any

import torch

import softfloor

from . import loss_formulas
from .arrays import array_of, empty_like, one_or_all, tensor_of
from .loss_formulas import Options, divided, divisor_of, reduced, rows_of
from .loss_operators import Loss, LossVjp, batched, scaled
from .operators import Operator
from .row_formulas import log_softmax

_FUNCTION = softfloor.softmax_cross_entropy
_NAME = _FUNCTION.name
_TENSORS = "Tensor z, Tensor labels, Tensor? weight"
_OPTIONS = "int dim, int? ignore_index, float label_smoothing, float z_loss, float? softcap, str reduction"


def _keywords(weight: Any, options: Options) -> dict[str, Any]:
    """Options as the NumPy side takes them."""
    given = options._asdict()
    given["axis"], given["weight"] = given.pop("dim"), None if weight is None else array_of(weight)
    return given


class Vjp(LossVjp):
    def __init__(self) -> None:
        super().__init__(_NAME, _TENSORS, _OPTIONS)

    def kernel(self, z: Any, labels: Any, weight: Any, cotangent: Any, *options: Any) -> Any:
        result, keywords = empty_like(z), _keywords(weight, Options(*options))
        _FUNCTION.vjp(array_of(z), array_of(labels), one_or_all(cotangent), out=array_of(result), **keywords)
        return result

    formula = staticmethod(loss_formulas.softmax_cross_entropy_vjp)


class Value(Loss):
    def __init__(self, vjp: Vjp) -> None:
        super().__init__(_NAME, _TENSORS, _OPTIONS, vjp)

    def rows(self, z: Any, *options: Any) -> Any:
        return rows_of(z, Options(*options).dim)

    def kernel(self, z: Any, labels: Any, weight: Any, *options: Any) -> Any:
        return tensor_of(_FUNCTION(array_of(z), array_of(labels), **_keywords(weight, Options(*options))))

    formula = staticmethod(loss_formulas.softmax_cross_entropy)
    to_fuse = Operator.with_backward

    def divisor(self, z: Any, labels: Any, weight: Any, *options: Any) -> Any:
        return divisor_of(labels, weight, Options(*options), batched=True)

    def summed(self, products: Any, *options: Any) -> Any:
        given = Options(*options)
        return products.sum(given.dim) if given.reduction == "none" else products.sum()

    def slope_in_labels(self, cotangent: Any, z: Any, labels: Any, weight: Any, *options: Any) -> Any:
        given = Options(*options)
        costs = -log_softmax(loss_formulas.capped(z, given.softcap), [given.dim], 1.0)
        # The cost of a class without mass is infinite; 0 in its place keeps NaN out of what is not charged.
        costs = torch.where(costs == torch.inf, 0, costs) * (1 - given.label_smoothing)
        if weight is not None:
            costs = costs * weight.to(z.dtype).reshape(-1, *[1] * (z.ndim - 1 - given.dim))
        if given.reduction == "none":
            cotangent = cotangent.unsqueeze(given.dim)
        elif given.reduction == "mean":
            cotangent = divided(cotangent, divisor_of(labels, weight, given))
        return costs * cotangent


class ValueAndGrad(Operator):
    """The loss, the losses of the rows, and the gradient of the loss, of class labels without options.

    The backward pass needs no logits, and the next one none either: the probabilities that it takes are read off the
    gradient, that of the label off its loss.
    """

    def __init__(self) -> None:
        schema = "(Tensor z, Tensor labels, int dim, int? ignore_index, str reduction) -> (Tensor, Tensor, Tensor)"
        super().__init__(f"{_NAME}_value_and_grad", schema)

    def kernel(self, z: Any, labels: Any, dim: int, ignore_index: int | None, reduction: str) -> Any:
        gradient = empty_like(z)
        loss, losses, _ = _FUNCTION._losses_and_grad(
            array_of(z), array_of(labels), dim, ignore_index=ignore_index, reduction=reduction, out=array_of(gradient)
        )
        return tensor_of(loss.copy() if reduction == "none" else loss), tensor_of(losses), gradient

    def formula(self, z: Any, labels: Any, dim: int, ignore_index: int | None, reduction: str) -> Any:
        options = Options(dim, ignore_index, 0.0, 0.0, None, "none")
        losses = loss_formulas.softmax_cross_entropy(z, labels, None, *options)
        divisor = divisor_of(labels, None, options)
        loss = losses.clone() if reduction == "none" else reduced(losses, reduction, divisor)
        one = z.new_ones(loss.shape)
        options = options._replace(reduction=reduction)
        return loss, losses, loss_formulas.softmax_cross_entropy_vjp(z, labels, None, one, *options)

    def fake(self, z: Any, labels: Any, dim: int, ignore_index: int | None, reduction: str) -> Any:
        losses = z.new_empty(rows_of(z, dim))
        return torch.empty_like(losses) if reduction == "none" else z.new_empty(()), losses, torch.empty_like(z)

    def vmap(self, info: Any, in_dims: Any, *args: Any) -> Any:
        z, labels = batched(info, in_dims, *args[:2])
        dim, ignore_index, reduction = args[2:]
        loss, losses, gradient = self(z, labels, dim + 1, ignore_index, "none")
        if reduction != "none":
            options = Options(dim + 1, ignore_index, 0.0, 0.0, None, "none")
            divisor = divisor_of(labels, None, options, batched=True)
            loss = reduced(losses, reduction, divisor, batched=True)
            if reduction == "mean":
                gradient = divided(gradient, divisor.reshape(-1, *[1] * (z.ndim - 1)))
        return (loss, losses, gradient), (0, 0, 0)

    def save(self, ctx: Any, inputs: Any, output: Any) -> None:
        _, labels, ctx.dim, ctx.ignore_index, ctx.reduction = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(labels, *output[1:])

    def backward(self, ctx: Any, of_loss: Any, of_losses: Any, of_gradient: Any) -> Any:
        labels, losses, gradient = ctx.saved_tensors
        products = []
        if of_loss is not None:
            products.append(scaled(gradient, of_loss.unsqueeze(ctx.dim) if ctx.reduction == "none" else of_loss))
        if of_losses is not None or of_gradient is not None:
            products += self._of_second_order(ctx, labels, losses, gradient, of_losses, of_gradient)
        return sum(products[1:], products[0]) if products else None, *[None] * 4

    def _of_second_order(
        self, ctx: Any, labels: Any, losses: Any, gradient: Any, of_losses: Any, of_gradient: Any
    ) -> Any:
        """What reaches z through the losses and the gradient that were saved."""
        kept = torch.ones_like(labels, dtype=torch.bool) if ctx.ignore_index is None else labels != ctx.ignore_index
        divisor = kept.sum().clamp(min=1) if ctx.reduction == "mean" else 1
        place = torch.where(kept, labels, 0).unsqueeze(ctx.dim)
        slopes = gradient * divisor
        if of_losses is not None:
            yield slopes * of_losses.unsqueeze(ctx.dim)
        if of_gradient is not None:
            p = slopes.scatter(ctx.dim, place, torch.exp(-losses).unsqueeze(ctx.dim))
            yield p * (of_gradient - (p * of_gradient).sum(ctx.dim, keepdim=True)) / divisor
