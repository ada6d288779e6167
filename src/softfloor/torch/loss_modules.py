"""The losses as modules: torch's classes with softfloor's functions in them.

They inherit constructors, buffers and text from torch, so that models, checkpoints and `isinstance` see what they know.
"""

from __future__ import annotations

from typing import Any

import torch

from .functions import FUNCTIONS


class CrossEntropyLoss(torch.nn.CrossEntropyLoss):
    """`softfloor.torch.softmax_cross_entropy` as `torch.nn.CrossEntropyLoss`: its constructor, classes in dimension 1.

    Where nothing is left to divide by, the mean is 0, not NaN.

    Examples
    --------
    >>> import torch, softfloor.torch as st
    >>> st.nn.CrossEntropyLoss(label_smoothing=0.1)(torch.zeros(2, 3), torch.tensor([0, 2]))
    tensor(1.0986)
    """

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return FUNCTIONS["softmax_cross_entropy"](  # type: ignore[no-any-return]
            input,
            target,
            class_dimension(input),
            weight=self.weight,
            ignore_index=ignored_label(type(self), target, self.ignore_index),
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )


class NLLLoss(torch.nn.NLLLoss):
    """`softfloor.torch.nll` as `torch.nn.NLLLoss`: its constructor, classes in dimension 1.

    Where nothing is left to divide by, the mean is 0, not NaN.

    Examples
    --------
    >>> import torch, softfloor.torch as st
    >>> st.nn.NLLLoss()(torch.tensor([[-0.5, -1.0], [-2.0, -0.25]]), torch.tensor([0, 1]))
    tensor(0.3750)
    """

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return FUNCTIONS["nll"](  # type: ignore[no-any-return]
            input,
            target,
            class_dimension(input),
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class BCEWithLogitsLoss(torch.nn.BCEWithLogitsLoss):
    """`softfloor.torch.sigmoid_cross_entropy` as `torch.nn.BCEWithLogitsLoss`: its constructor.

    Labels lie in [0, 1]; over no entries the mean is 0, not NaN.

    Examples
    --------
    >>> import torch, softfloor.torch as st
    >>> st.nn.BCEWithLogitsLoss()(torch.zeros(3), torch.ones(3))
    tensor(0.6931)
    """

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return FUNCTIONS["sigmoid_cross_entropy"](  # type: ignore[no-any-return]
            input, target, pos_weight=self.pos_weight, weight=self.weight, reduction=self.reduction
        )


_MODULES: list[Any] = [CrossEntropyLoss, NLLLoss, BCEWithLogitsLoss]

if hasattr(torch.nn, "LinearCrossEntropyLoss"):  # torch 2.13

    class LinearCrossEntropyLoss(torch.nn.LinearCrossEntropyLoss):
        """`softfloor.torch.linear_cross_entropy` as `torch.nn.LinearCrossEntropyLoss`: its constructor and its weights.

        The logits are never held, whatever ``options`` say, but where there are class weights, smoothing, probabilities
        or more than one label per row (``out_features``): then `softfloor.torch.softmax_cross_entropy` takes them.

        Examples
        --------
        >>> import torch, softfloor.torch as st
        >>> loss = st.nn.LinearCrossEntropyLoss(8, 100)
        >>> loss(torch.randn(4, 8), torch.tensor([1, 5, 99, -100])).shape
        torch.Size([])
        """

        def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            plain = self.weight is None and not self.label_smoothing and not self.out_features
            ignored = -100 if self.ignore_index is None else self.ignore_index
            if plain and not target.is_floating_point():
                return FUNCTIONS["linear_cross_entropy"](  # type: ignore[no-any-return]
                    *(input, self.linear.weight, target, self.linear.bias),
                    reduction=self.reduction,
                    ignore_index=ignored,
                )
            logits = self.linear(input).reshape(*input.shape[:-1], self.num_classes, *self.out_features)
            return FUNCTIONS["softmax_cross_entropy"](  # type: ignore[no-any-return]
                logits,
                target,
                class_dimension(logits),
                weight=self.weight,
                ignore_index=self.ignore_index if target.is_floating_point() else ignored,
                label_smoothing=self.label_smoothing,
                reduction=self.reduction,
            )

    _MODULES.append(LinearCrossEntropyLoss)


def class_dimension(input: torch.Tensor) -> int:
    return 0 if input.ndim == 1 else 1


def ignored_label(kind: type, target: torch.Tensor, ignore_index: int) -> int | None:
    """Of probabilities none; the default of torch's constructors is no wish for one."""
    if not target.is_floating_point():
        return ignore_index
    if ignore_index >= 0:
        raise RuntimeError(f"{kind.__name__}: ignore_index={ignore_index} is for class labels; these are probabilities")
    return None


LOSS_MODULES = {kind.__name__: kind for kind in _MODULES}
for _kind in LOSS_MODULES.values():
    _kind.__module__ = "softfloor.torch.nn"
