"""softfloor for PyTorch: the same functions on tensors.

>>> import torch, softfloor.torch as st
>>> st.gelu(torch.tensor([-1.0, 0.0, 1.0]))
tensor([-0.1587,  0.0000,  0.8413])
"""

from __future__ import annotations

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "torch":  # torch is there, and fails for a reason of its own
        raise
    raise ImportError(
        "softfloor.torch needs PyTorch, which is not installed: pip install 'softfloor[torch]'"
    ) from error

from typing import TYPE_CHECKING, Any

from . import nn
from .activations import Activation
from .distributed import vocab_parallel_cross_entropy
from .functions import FUNCTIONS
from .gates import GatedUnit, gated, gated_presets
from .replace import replace_activations

globals().update(FUNCTIONS)

__all__ = [
    "Activation",
    "GatedUnit",
    "gated",
    "gated_presets",
    "nn",
    "replace_activations",
    "vocab_parallel_cross_entropy",
    *FUNCTIONS,
]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
