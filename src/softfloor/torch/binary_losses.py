"""sigmoid_cross_entropy on tensors."""

from __future__ import annotations

from typing import Any

import torch

import softfloor

from ..catalogue.record import Rows
from .activations import by_name
from .arrays import array_of, empty_like, one_or_all, tensor_of
from .loss_formulas import reduced, times, wide
from .loss_operators import Loss, LossVjp, backward_alone, scaled
from .loss_options import Reduction, check_reduction, check_tensor, check_weight, logits_of
from .operators import Operator

_NAME = "sigmoid_cross_entropy"
_TENSORS = "Tensor z, Tensor labels, Tensor? pos_weight, Tensor? weight"


class SigmoidCrossEntropy:
    """The cross-entropy of sigmoid(z) against labels in [0, 1], entry by entry.

    Formula: ``weight * ((1 - y) * softplus(z) + pos_weight * y * softplus(-z))``, where ``softplus(t)`` is computed as
    ``max(t, 0) + log1p(exp(-|t|))``.

    Parameters
    ----------
    z : Tensor
        Logits of any shape: float16, bfloat16, float32 or float64.
    labels : Tensor
        Numbers in [0, 1] of any real dtype, or booleans, of the shape of z; they take the dtype of z. They get a
        gradient if they need one.
    pos_weight : Tensor, optional
        Multiplies the term of positive labels: above 1 favours recall. Broadcasts to z, so one per class is a tensor of
        the length of the last dimension. From 0 to 1e100.
    weight : Tensor, optional
        Multiplies the loss of each entry; broadcasts to z. From 0 to 1e100.
    reduction : {"mean", "sum", "none"}, default "mean"
        What becomes of the losses. The mean is over the number of entries, whatever their weights; over none it is 0.

    Returns
    -------
    loss : Tensor
        Of the dtype of z; under `torch.autocast` of float32 at least. On CPU the bits of
        ``softfloor.sigmoid_cross_entropy``, and those of its gradient where the cotangent of the loss is 1.

    Raises
    ------
    RuntimeError
        If pos_weight or weight requires a gradient.
    TypeError
        If an operand is no tensor, or of a dtype that is not supported.
    ValueError
        If shapes do not match, the reduction is unknown or, on CPU, a label lies outside [0, 1] (NaN does) or a weight
        outside [0, 1e100].

    Notes
    -----
    Infinite logits give the limit: 0 where the label agrees with certainty, inf otherwise; NaN gives NaN. Where a
    gradient is wanted on CPU, one pass computes loss and gradient.

    References
    ----------
    .. [1] I. Goodfellow, Y. Bengio, A. Courville, Deep Learning, section 6.2.2, 2016.

    Examples
    --------
    >>> import torch, softfloor.torch as st
    >>> st.sigmoid_cross_entropy(torch.tensor([0.0, -100.0]), torch.tensor([0, 1]), reduction="none")
    tensor([  0.6931, 100.0000])
    """

    def __init__(self, record: Rows, sigmoid: Any) -> None:
        self.name = self.__name__ = record.name
        self.record = record
        self._value = _Value(_Vjp(sigmoid))
        self._value_and_grad = _ValueAndGrad(self._value)

    def __call__(
        self,
        z: torch.Tensor,
        labels: torch.Tensor,
        *,
        pos_weight: torch.Tensor | None = None,
        weight: torch.Tensor | None = None,
        reduction: Reduction = "mean",
    ) -> torch.Tensor:
        name = self.name
        check_reduction(name, reduction)
        logits = logits_of(name, "z", z)
        check_tensor(name, "labels", labels)
        if labels.is_complex():
            raise TypeError(f"{name}(): labels must be real; got dtype {labels.dtype}")
        if labels.shape != logits.shape:
            raise ValueError(
                f"{name}(): labels have shape {tuple(labels.shape)}; the logits have {tuple(logits.shape)}"
            )
        for kind, numbers in (("pos_weight", pos_weight), ("weight", weight)):
            if numbers is not None:
                check_weight(name, kind, numbers)
                if not _broadcasts(numbers.shape, logits.shape):
                    raise ValueError(
                        f"{name}(): {kind} has shape {tuple(numbers.shape)}, which does not broadcast to "
                        f"{tuple(logits.shape)}"
                    )
        operands = (logits, labels.to(logits.dtype), pos_weight, weight, reduction)
        if backward_alone(logits) and not labels.requires_grad:
            return self._value_and_grad(*operands)[0]  # type: ignore[no-any-return]
        return self._value(*operands)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<softfloor.torch function {self.name}: {self.record.summary}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return by_name, (self.name,)


def _broadcasts(shape: Any, target: Any) -> bool:
    return len(shape) <= len(target) and all(
        length in (1, wanted) for length, wanted in zip(reversed(shape), reversed(target), strict=False)
    )


def _arrays(z: Any, labels: Any, pos_weight: Any, weight: Any) -> tuple[Any, dict[str, Any]]:
    """What the NumPy side takes."""
    weights = {"pos_weight": pos_weight, "weight": weight}
    keywords = {name: array_of(value) for name, value in weights.items() if value is not None}
    return (array_of(z), array_of(labels)), keywords


def _weights(z: Any, *given: Any) -> Any:
    return [1.0 if weight is None else wide(weight).to(wide(z).dtype) for weight in given]


def _softplus(t: Any) -> Any:
    return -torch.nn.functional.logsigmoid(-t)


class _Vjp(LossVjp):
    def __init__(self, sigmoid: Any) -> None:
        self.sigmoid = sigmoid
        super().__init__(_NAME, _TENSORS, "str reduction")

    def kernel(self, z: Any, labels: Any, pos_weight: Any, weight: Any, cotangent: Any, reduction: Any) -> Any:
        (logits, targets), keywords = _arrays(z, labels, pos_weight, weight)
        result = empty_like(z)
        softfloor.sigmoid_cross_entropy.vjp(
            logits, targets, one_or_all(cotangent), **keywords, reduction=reduction, out=array_of(result)
        )
        return result

    def formula(self, z: Any, labels: Any, pos_weight: Any, weight: Any, cotangent: Any, reduction: str) -> Any:
        logits, y, (of_positives, of_all) = wide(z), wide(labels), _weights(z, pos_weight, weight)
        slope = (1 - y) * self.sigmoid(logits) - of_positives * y * self.sigmoid(-logits)
        scale = wide(cotangent) / max(1, z.numel()) if reduction == "mean" else wide(cotangent)
        return (of_all * slope * scale).to(z.dtype)


class _Value(Loss):
    def __init__(self, vjp: _Vjp) -> None:
        super().__init__(_NAME, _TENSORS, "str reduction", vjp)

    def rows(self, z: Any, *options: Any) -> Any:
        return z.shape

    def kernel(self, z: Any, labels: Any, pos_weight: Any, weight: Any, reduction: Any) -> Any:
        operands, keywords = _arrays(z, labels, pos_weight, weight)
        return tensor_of(softfloor.sigmoid_cross_entropy(*operands, **keywords, reduction=reduction))

    def formula(self, z: Any, labels: Any, pos_weight: Any, weight: Any, reduction: str) -> Any:
        logits, y, (of_positives, of_all) = wide(z), wide(labels), _weights(z, pos_weight, weight)
        negatives, positives = of_all * (1 - y), of_all * of_positives * y
        losses = times(negatives, _softplus(logits)) + times(positives, _softplus(-logits))
        return reduced(losses, reduction, max(1, z.numel())).to(z.dtype)

    to_fuse = Operator.with_backward

    def divisor(self, z: Any, *args: Any) -> Any:
        return max(1, z[0].numel())

    def summed(self, products: Any, *options: Any) -> Any:
        return products if options[-1] == "none" else products.sum()

    def slope_in_labels(self, cotangent: Any, z: Any, labels: Any, pos_weight: Any, weight: Any, reduction: str) -> Any:
        logits, (of_positives, of_all) = wide(z), _weights(z, pos_weight, weight)
        slope = of_all * (of_positives * _softplus(-logits) - _softplus(logits)) * wide(cotangent)
        return (slope / max(1, z.numel()) if reduction == "mean" else slope).to(z.dtype)


class _ValueAndGrad(Operator):
    """The loss and its gradient in one pass. Further derivatives are those of the vjp, from what is saved."""

    def __init__(self, value: _Value) -> None:
        self.value = value
        super().__init__(f"{_NAME}_value_and_grad", f"({_TENSORS}, str reduction) -> (Tensor, Tensor)")

    def kernel(self, z: Any, labels: Any, pos_weight: Any, weight: Any, reduction: Any) -> Any:
        operands, keywords = _arrays(z, labels, pos_weight, weight)
        gradient = empty_like(z)
        loss, _ = softfloor.sigmoid_cross_entropy.value_and_grad(
            *operands, **keywords, reduction=reduction, out=array_of(gradient)
        )
        return tensor_of(loss), gradient

    def formula(self, *args: Any) -> Any:
        loss = self.value.formula(*args)
        return loss, self.value.vjp.formula(*args[:-1], torch.ones_like(loss), args[-1])

    def fake(self, z: Any, *args: Any) -> Any:
        return self.value.fake(z, *args), torch.empty_like(z)

    def vmap(self, info: Any, in_dims: Any, *args: Any) -> Any:
        return torch.func.vmap(self.formula, in_dims)(*args), (0, 0)

    def save(self, ctx: Any, inputs: Any, output: Any) -> None:
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(output[1])
        ctx.reduction = inputs[-1]
        ctx.save_for_backward(*inputs[:-1], output[1])

    def backward(self, ctx: Any, of_loss: Any, _: Any) -> Any:
        *saved, gradient = ctx.saved_tensors
        if of_loss is None:
            of_z = None
        elif torch.is_grad_enabled():
            of_z = self.value.vjp(*saved, of_loss, ctx.reduction)
        else:
            of_z = scaled(gradient, of_loss)
        return of_z, *[None] * 4
