"""What the losses on tensors allow: operands, labels, weights, reductions. Values are checked where kernels run."""

from __future__ import annotations

from typing import Any, Literal

import torch

from .activations import check
from .rows import dimensions

Reduction = Literal["mean", "sum", "none"]


def logits_of(function: str, name: str, z: Any) -> Any:
    """The logits; under autocast float16 and bfloat16 become float32, as in torch's own losses."""
    check(function, **{name: z})
    if z.dtype in (torch.float16, torch.bfloat16):
        device = z.device.type
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            return z.float()
    return z


def check_reduction(function: str, reduction: Any) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{function}(): reduction must be 'mean', 'sum' or 'none'; got {reduction!r}")


def class_dimension(function: str, z: Any, dim: Any) -> int:
    if z.ndim == 0:
        raise RuntimeError(f"{function}(): a tensor of shape () has no dimension of classes")
    if isinstance(dim, (tuple, list)) or dim is None:
        raise TypeError(f"{function}(): dim must be one integer; got {dim!r}")
    return dimensions(function, z, dim)[0]


def class_labels(function: str, labels: Any, shape: Any) -> Any:
    """Class labels as int64; they must be integers of that shape."""
    check_tensor(function, "labels", labels)
    if labels.is_floating_point() or labels.is_complex() or labels.dtype is torch.bool:
        raise TypeError(f"{function}(): class labels must be integers; got dtype {labels.dtype}")
    if labels.shape != torch.Size(shape):
        raise ValueError(f"{function}(): labels have shape {tuple(labels.shape)}; class labels need {tuple(shape)}")
    return labels.long()


def check_tensor(function: str, name: str, value: Any) -> None:
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{function}(): argument '{name}' must be Tensor, not {type(value).__name__}")


def check_weight(function: str, name: str, weight: Any) -> None:
    """A Tensor of floats, which gets no gradient, as in torch."""
    check(function, **{name: weight})
    if weight.requires_grad and torch.is_grad_enabled():
        raise RuntimeError(f"{function}(): not differentiable in '{name}', which requires a gradient; detach it")


def class_weights(function: str, weight: Any, classes: int) -> Any:
    """A weight per class, or None."""
    if weight is None:
        return None
    check_weight(function, "weight", weight)
    if weight.shape != (classes,):
        raise ValueError(f"{function}(): weight has shape {tuple(weight.shape)}; {classes} classes need ({classes},)")
    return weight
