"""linear_cross_entropy on tensors: the loss of a linear layer over a large vocabulary, without its logits."""

from __future__ import annotations

from typing import Any

import torch

from ..catalogue.record import Rows
from ..linear_losses import SCRATCH_BYTES
from ..loss_options import LossOptions
from .activations import by_name, check
from .linear_operators import Value, ValueAndGrad, Vjp
from .loss_options import Reduction, check_reduction, class_labels
from .operators import differentiable_backwards_only


class LinearCrossEntropy:
    """The cross-entropy of softmax(hidden weight^T + bias) against class labels, without holding those logits.

    Formula: ``logsumexp(z) - z[label]`` with ``z = hidden @ weight.T + bias``.

    Parameters
    ----------
    hidden : Tensor
        Of shape (..., features): one row per token. float16, bfloat16, float32 or float64, as weight and bias.
    weight : Tensor
        Of shape (classes, features), the layout of `torch.nn.Linear`.
    labels : Tensor
        Integers in [0, classes), of the shape of hidden without its last dimension.
    bias : Tensor, optional
        Of shape (classes,). -inf excludes a class.
    reduction : {"mean", "sum", "none"}, default "mean"
        What becomes of the losses of the rows. The mean is over the rows that are not ignored; over none it is 0.
    ignore_index : int, optional
        Rows with this label cost nothing: loss 0, gradient 0.
    scratch_bytes : int, default 192 MiB
        How much memory the logits of the rows that are worked on at a time may take; at least one row is.

    Returns
    -------
    loss : Tensor
        float64 if an operand is; else float32, for float16 and bfloat16 too.

    Raises
    ------
    IndexError
        If a label lies outside [0, classes) and is not ``ignore_index``, on CPU.
    TypeError
        If labels are not integers, or a dtype is not supported.
    ValueError
        If shapes do not match, the reduction is unknown, or scratch_bytes is not positive.

    Notes
    -----
    Where a gradient is wanted on CPU, one pass over the rows computes the loss and the gradients that are needed, which
    are kept. With ``reduction="none"`` and on other devices the backward pass computes the logits again, some rows at a
    time. Higher derivatives and forward mode hold all logits. Matrix products are NumPy's on CPU, as in
    ``softfloor.linear_cross_entropy``, else torch's in the operands' dtype.

    References
    ----------
    .. [1] E. Wijmans et al., Cut Your Losses in Large-Vocabulary Language Models, 2024.
    .. [2] P.-L. Hsu et al., Liger Kernel: Efficient Triton Kernels for LLM Training, 2024.

    Examples
    --------
    >>> import torch, softfloor.torch as st
    >>> hidden, weight = torch.ones(1, 2), torch.zeros(2, 2, requires_grad=True)
    >>> st.linear_cross_entropy(hidden, weight, torch.tensor([0])).backward()
    >>> weight.grad
    tensor([[-0.5000, -0.5000],
            [ 0.5000,  0.5000]])
    """

    def __init__(self, record: Rows) -> None:
        self.name = self.__name__ = record.name
        self.record = record
        self._value = Value(Vjp())
        self._value_and_grad = ValueAndGrad(self._value)

    def __call__(
        self,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        labels: torch.Tensor,
        bias: torch.Tensor | None = None,
        *,
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        scratch_bytes: int = SCRATCH_BYTES,
    ) -> torch.Tensor:
        name = self.name
        check_reduction(name, reduction)
        check(name, hidden=hidden, weight=weight, **({} if bias is None else {"bias": bias}))
        if hidden.ndim == 0 or weight.ndim != 2 or hidden.shape[-1] != weight.shape[1]:
            raise ValueError(
                f"{name}(): hidden must have shape (..., features) and weight (classes, features); "
                f"got {tuple(hidden.shape)} and {tuple(weight.shape)}"
            )
        if bias is not None and bias.shape != weight.shape[:1]:
            raise ValueError(f"{name}(): bias must have shape {tuple(weight.shape[:1])}; got {tuple(bias.shape)}")
        targets = class_labels(name, labels, hidden.shape[:-1])
        ignored = LossOptions(name, None, ignore_index).ignore_index
        if scratch_bytes <= 0:
            raise ValueError(f"{name}(): scratch_bytes must be positive; got {scratch_bytes}")
        operands = (hidden, weight, targets, bias, ignored, reduction, scratch_bytes)
        wanted = [tensor is not None and differentiable_backwards_only(tensor) for tensor in (hidden, weight, bias)]
        if any(wanted) and reduction != "none" and hidden.is_cpu:
            return self._value_and_grad(*operands, wanted)[0]  # type: ignore[no-any-return]
        return self._value(*operands)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<softfloor.torch function {self.name}: {self.record.summary}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return by_name, (self.name,)
