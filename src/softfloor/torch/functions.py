"""The functions of `softfloor.torch`, by name."""

from __future__ import annotations

from typing import Any

from ..catalogue import ACTIVATIONS, ROWS
from .activations import Activation
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
FUNCTIONS: dict[str, Any] = {
    **{name: Activation(record) for name, record in ACTIVATIONS.items()},
    **ROW_FUNCTIONS,
    "gumbel_softmax": GumbelSoftmax(ROWS["gumbel_softmax"], ROW_FUNCTIONS["softmax"], ROW_FUNCTIONS["hardmax"]),
}
