"""The functions of `softfloor.torch`, by name."""

from __future__ import annotations

from typing import Any

from ..catalogue import ACTIVATIONS, ROWS
from .activations import Activation
from .binary_losses import SigmoidCrossEntropy
from .gates import UNITS
from .likelihood import NegativeLogLikelihood
from .linear_losses import LinearCrossEntropy
from .losses import SoftmaxCrossEntropy
from .rows import GumbelSoftmax, Hardmax, Logsumexp, RowFunction, Softmin

_KINDS = {
    "softmax": RowFunction,
    "log_softmax": RowFunction,
    "logsumexp": Logsumexp,
    "softmin": Softmin,
    "sparsemax": RowFunction,
    "entmax15": RowFunction,
    "hardmax": Hardmax,
}
ROW_FUNCTIONS = {name: kind(ROWS[name]) for name, kind in _KINDS.items()}
ACTIVATION_FUNCTIONS = {name: Activation(record) for name, record in ACTIVATIONS.items()}
LOSSES: dict[str, Any] = {
    "softmax_cross_entropy": SoftmaxCrossEntropy(ROWS["softmax_cross_entropy"]),
    "sigmoid_cross_entropy": SigmoidCrossEntropy(ROWS["sigmoid_cross_entropy"], ACTIVATION_FUNCTIONS["sigmoid"]),
    "linear_cross_entropy": LinearCrossEntropy(ROWS["linear_cross_entropy"]),
    "nll": NegativeLogLikelihood(ROWS["nll"]),
}
FUNCTIONS: dict[str, Any] = {
    **ACTIVATION_FUNCTIONS,
    **UNITS,
    **ROW_FUNCTIONS,
    "gumbel_softmax": GumbelSoftmax(ROWS["gumbel_softmax"], ROW_FUNCTIONS["softmax"], ROW_FUNCTIONS["hardmax"]),
    **LOSSES,
}
