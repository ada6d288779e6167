"""Modules, with the constructor names and defaults of `torch.nn` where torch has the class.

>>> import softfloor.torch as st
>>> st.nn.GELU(approximate="tanh")
GELU(approximate='tanh')
"""

from __future__ import annotations

from typing import Any

import torch

from .activations import Activation
from .functions import FUNCTIONS
from .gates import GATED_MODULES
from .loss_modules import LOSS_MODULES
from .modules import class_name, module_of
from .rows import RowFunction


class GELU(torch.nn.Module):
    """x Phi(x); with ``approximate="tanh"`` its tanh approximation.

    What `softfloor.torch.gelu` and `softfloor.torch.gelu_tanh` compute, as a module.
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ValueError(f"approximate must be 'none' or 'tanh'; got {approximate!r}")
        self.approximate = approximate

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return FUNCTIONS["gelu" if self.approximate == "none" else "gelu_tanh"](input)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


_MODULES: dict[str, Any] = {
    class_name(function.name): module_of(function)
    for function in FUNCTIONS.values()
    if isinstance(function, Activation) or (isinstance(function, RowFunction) and function.has_module)
}
_MODULES |= {"GELU": GELU, **GATED_MODULES, **LOSS_MODULES}
globals().update(_MODULES)

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"softfloor.torch.nn has no {name!r}; it has {', '.join(__all__)}")
