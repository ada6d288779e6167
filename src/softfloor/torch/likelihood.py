"""nll on tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import softfloor

from ..catalogue.record import Rows
from ..loss_options import LossOptions
from . import loss_formulas
from .activations import by_name
from .arrays import array_of, empty_like, tensor_of
from .loss_formulas import NllOptions, divisor_of, rows_of
from .loss_operators import Loss, LossVjp
from .loss_options import Reduction, check_reduction, class_dimension, class_labels, class_weights, logits_of
from .operators import Operator

_NAME = "nll"
_TENSORS = "Tensor log_probabilities, Tensor labels, Tensor? weight"
_OPTIONS = "int dim, int? ignore_index, str reduction"


class NegativeLogLikelihood:
    """The negative log-likelihood of class labels under log-probabilities, such as log_softmax returns.

    Formula: ``-weight[label] * q[label]``. From logits, softmax_cross_entropy does both steps in one.

    Parameters
    ----------
    log_probabilities : Tensor
        Log-probabilities q of any shape, the n classes along ``dim``: float16, bfloat16, float32 or float64.
    labels : Tensor
        Integers in [0, n), of the shape of q without ``dim``.
    dim : int, default -1
        The dimension of the classes. (`softfloor.torch.nn.NLLLoss` takes dimension 1, as torch does.)
    weight : Tensor, optional
        A weight per class, of length n; not negative. A class of weight 0 costs nothing, even at q = -inf.
    ignore_index : int, optional
        A label, inside or outside [0, n), whose rows have loss 0 and gradient 0 and are not counted.
    reduction : {"mean", "sum", "none"}, default "mean"
        What becomes of the losses of the rows. The mean divides by the sum of the weights of their labels; if nothing
        is left to divide by it is 0.

    Returns
    -------
    loss : Tensor
        Of the dtype of q; under `torch.autocast` of float32 at least. On CPU the bits of ``softfloor.nll``.

    Raises
    ------
    IndexError
        If a label lies outside [0, n), on CPU; or the dimension is out of range.
    RuntimeError
        If weight requires a gradient.
    TypeError
        If labels are not integers or a dtype is not supported.
    ValueError
        If shapes do not match, the reduction is unknown or, on CPU, a weight is negative, infinite or NaN.

    References
    ----------
    .. [1] C. M. Bishop, Pattern Recognition and Machine Learning, section 4.3.4, 2006.

    Examples
    --------
    >>> import torch, softfloor.torch as st
    >>> q = torch.log(torch.tensor([[0.5, 0.5], [0.75, 0.25]]))
    >>> st.nll(q, torch.tensor([0, 1]))
    tensor(1.0397)
    """

    def __init__(self, record: Rows) -> None:
        self.name = self.__name__ = record.name
        self.record = record
        self._value = _Value(_Vjp(_NAME, _TENSORS, _OPTIONS))

    def __call__(
        self,
        log_probabilities: torch.Tensor,
        labels: torch.Tensor,
        dim: int = -1,
        *,
        weight: torch.Tensor | None = None,
        ignore_index: int | None = None,
        reduction: Reduction = "mean",
    ) -> torch.Tensor:
        name = self.name
        check_reduction(name, reduction)
        q = logits_of(name, "log_probabilities", log_probabilities)
        position = class_dimension(name, q, dim)
        targets = class_labels(name, labels, rows_of(q, position))
        weights = class_weights(name, weight, q.shape[position])
        ignored = LossOptions(name, None, ignore_index).ignore_index
        return self._value(q, targets, weights, position, ignored, reduction)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<softfloor.torch function {self.name}: {self.record.summary}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return by_name, (self.name,)


class _Vjp(LossVjp):
    """Selections and products, which torch has: on CPU too, in recycled memory there."""

    formula = staticmethod(loss_formulas.nll_vjp)

    def kernel(self, q: Any, labels: Any, weight: Any, cotangent: Any, *options: Any) -> Any:
        place, slopes = loss_formulas.nll_slopes(q, labels, weight, cotangent, *options)
        result = empty_like(q).zero_()
        np.put_along_axis(array_of(result), array_of(place), array_of(slopes), options[0])
        return result


class _Value(Loss):
    def __init__(self, vjp: _Vjp) -> None:
        super().__init__(_NAME, _TENSORS, _OPTIONS, vjp)

    def rows(self, z: Any, *options: Any) -> Any:
        return rows_of(z, options[0])

    def kernel(self, q: Any, labels: Any, weight: Any, *options: Any) -> Any:
        dim, ignore_index, reduction = options
        per_class = None if weight is None else array_of(weight)
        result = softfloor.nll(
            array_of(q), array_of(labels), dim, weight=per_class, ignore_index=ignore_index, reduction=reduction
        )
        return tensor_of(result)

    formula = staticmethod(loss_formulas.nll)
    to_fuse = Operator.with_backward

    def divisor(self, q: Any, labels: Any, weight: Any, *options: Any) -> Any:
        return divisor_of(labels, weight, NllOptions(*options), batched=True)

    def summed(self, products: Any, *options: Any) -> Any:
        dim, _, reduction = options
        return products.sum(dim) if reduction == "none" else products.sum()
