"""softmax_cross_entropy on tensors."""

from __future__ import annotations

from typing import Any

import torch

from ..catalogue.record import Rows
from ..loss_options import LossOptions
from . import distributed
from .activations import by_name, check_numbers
from .cross_entropy_operators import Value, ValueAndGrad, Vjp
from .distributed import options_of
from .loss_formulas import rows_of
from .loss_operators import backward_alone
from .loss_options import (
    Reduction,
    check_reduction,
    check_tensor,
    class_dimension,
    class_labels,
    class_weights,
    logits_of,
)
from .operators import is_distributed


class SoftmaxCrossEntropy:
    """The cross-entropy of softmax(z) against labels: -sum_i y_i log softmax(z)_i.

    Formula: ``sum(w * ((1 - e) * y + e / n) * (logsumexp(z) - z)) + z_loss * logsumexp(z)^2``, where y is one-hot for a
    class label, w is 1 and e is 0 unless given; never log(softmax).

    Parameters
    ----------
    z : Tensor
        Logits of any shape, the n classes along ``dim``: float16, bfloat16, float32 or float64.
    labels : Tensor
        Integers in [0, n), of the shape of z without ``dim``; or probabilities (one-hot is a case) of the shape of z,
        which get a gradient if they need one.
    dim : int, default -1
        The dimension of the classes. (`softfloor.torch.nn.CrossEntropyLoss` takes dimension 1, as torch does.)
    weight : Tensor, optional
        A weight w per class, of length n, from 0 to 1e100. Charges class i ``w_i`` times as much; does not multiply
        z_loss.
    ignore_index : int, optional
        A class label, inside or outside [0, n), whose rows have loss 0 and gradient 0, whatever their logits, and are
        not counted.
    label_smoothing : float, default 0.0
        Charges a share e in [0, 1] of each row to all classes alike.
    z_loss : float, default 0.0
        Adds ``z_loss * logsumexp(z)^2`` to the loss of each row that counts. From 0 to 1e100.
    softcap : float, optional
        Replaces the logits by ``softcap * tanh(z / softcap)`` first; a logit of -inf stays -inf.
    reduction : {"mean", "sum", "none"}, default "mean"
        What becomes of the losses of the rows. With class labels and ``weight`` the mean divides by the sum of the
        weights of the labels, else by the number of rows that are not ignored. If that is 0, so are loss and gradient.

    Returns
    -------
    loss : Tensor
        Of the dtype of z; under `torch.autocast` of float32 at least. On CPU the bits of
        ``softfloor.softmax_cross_entropy``, and those of its gradient where the cotangent of the loss is 1.

    Raises
    ------
    IndexError
        If a label lies outside [0, n), on CPU; or the dimension is out of range.
    RuntimeError
        If weight requires a gradient.
    TypeError
        If labels are neither integers nor, in the shape of z, floats; or a dtype is not supported.
    ValueError
        If shapes do not match, an option is out of its range, the reduction is unknown, or ``ignore_index`` is given
        with probabilities.

    Notes
    -----
    Where a gradient is wanted on CPU, of class labels without options other than ``ignore_index``, one pass computes
    loss and gradient, and nothing else is kept: z may be freed. With options, with probabilities, in float16 (whose
    range a mean's gradient would leave before it is scaled) and on other devices z is kept and the backward pass
    computes the gradient from it.

    References
    ----------
    .. [1] I. Goodfellow, Y. Bengio, A. Courville, Deep Learning, section 6.2.2, 2016.

    Examples
    --------
    >>> import torch, softfloor.torch as st
    >>> z = torch.zeros(2, 2, requires_grad=True)
    >>> loss = st.softmax_cross_entropy(z, torch.tensor([0, 1]))
    >>> loss.backward()
    >>> round(loss.item(), 4), z.grad.tolist()
    (0.6931, [[-0.25, 0.25], [0.25, -0.25]])
    """

    def __init__(self, record: Rows) -> None:
        self.name = self.__name__ = record.name
        self.record = record
        self._value = Value(Vjp())
        self._value_and_grad = ValueAndGrad()

    def __call__(
        self,
        z: torch.Tensor,
        labels: torch.Tensor,
        dim: int = -1,
        *,
        weight: torch.Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        softcap: float | None = None,
        reduction: Reduction = "mean",
    ) -> torch.Tensor:
        name = self.name
        check_reduction(name, reduction)
        logits = logits_of(name, "z", z)
        position = class_dimension(name, logits, dim)
        check_numbers(name, label_smoothing=label_smoothing, z_loss=z_loss, softcap=softcap)
        given = LossOptions(name, None, ignore_index, label_smoothing, z_loss, softcap)
        check_tensor(name, "labels", labels)
        if labels.shape == logits.shape:
            given.refuse_ignored_probabilities()
            if labels.is_complex():
                raise TypeError(f"{name}(): labels must be integers or floats; got dtype {labels.dtype}")
            targets = labels.to(logits.dtype)
        elif labels.is_floating_point():
            raise ValueError(
                f"{name}(): labels have shape {tuple(labels.shape)} and dtype {labels.dtype}; probabilities need the "
                f"shape of the logits, {tuple(logits.shape)}"
            )
        else:
            targets = class_labels(name, labels, rows_of(logits, position))
        weights = class_weights(name, weight, logits.shape[position])
        if weights is None and not given.change_losses and not targets.is_floating_point() and backward_alone(logits):
            return self._value_and_grad(logits, targets, position, given.ignore_index, reduction)[0]  # type: ignore[no-any-return]
        options = options_of(position, given, reduction)
        if is_distributed(logits):
            return distributed.softmax_cross_entropy(self._value, logits, targets, weights, options)  # type: ignore[no-any-return]
        return self._value(logits, targets, weights, *options)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<softfloor.torch function {self.name}: {self.record.summary}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return by_name, (self.name,)
