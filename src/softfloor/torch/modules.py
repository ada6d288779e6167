"""What the modules of `softfloor.torch.nn` are made of: classes from the records, under torch's names."""

from __future__ import annotations

from typing import Any

import torch

from ..catalogue.record import struct_name
from .activations import Activation
from .rows import Dim, RowFunction


def class_name(function: str) -> str:
    """The module class of a function: as torch.nn spells it ("SiLU"), else its struct's name ("GeluTanh")."""
    plain = function.replace("_", "")
    return next((name for name in torch.nn.modules.__all__ if name.lower() == plain), struct_name(function))


class ElementwiseModule(torch.nn.Module):
    """A module that applies an activation function. Keyword arguments are the function's parameters.

    A parameter given as a `torch.nn.Parameter` is learned.
    """

    function: Activation

    def __init__(self, inplace: bool = False, **parameters: Any) -> None:
        super().__init__()
        self.inplace = inplace
        unknown = parameters.keys() - self.function.parameters.keys()
        if unknown:
            known = ", ".join(["inplace", *self.function.parameters])
            raise TypeError(
                f"{type(self).__name__}() got an unexpected keyword argument {min(unknown)!r}; allowed are {known}"
            )
        for name, default in self.function.parameters.items():
            setattr(self, name, parameters.get(name, default))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        function = self.function
        return function(input, inplace=self.inplace, **{name: getattr(self, name) for name in function.parameters})

    def extra_repr(self) -> str:
        defaults = {"inplace": False} | self.function.parameters
        given = {name: getattr(self, name) for name in defaults if name not in self._parameters}
        return ", ".join(f"{name}={value}" for name, value in given.items() if value != defaults[name])


class RowModule(torch.nn.Module):
    """A module that applies a function along ``dim``. A temperature divides the logits."""

    function: RowFunction

    def __init__(self, dim: Dim = -1, temperature: float = 1.0) -> None:
        super().__init__()
        self.dim, self.temperature = dim, temperature

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self._along(input, self.dim)

    def _along(self, input: torch.Tensor, dim: Dim) -> torch.Tensor:
        # Said only where it differs: hardmax has none.
        keywords = {} if self.temperature == 1 else {"temperature": self.temperature}
        return self.function(input, dim, **keywords)  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        return f"dim={self.dim}" + (f", temperature={self.temperature}" if self.temperature != 1 else "")


class RowModuleOfTorch(RowModule):
    """The same where torch has the class: without ``dim``, the dimension is the one that torch takes then."""

    def __init__(self, dim: int | None = None, temperature: float = 1.0) -> None:
        super().__init__(dim, temperature)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        dim = self.dim if self.dim is not None else 0 if input.ndim in (0, 1, 3) else 1
        return self._along(input, dim)


def module_of(function: Activation | RowFunction) -> type[torch.nn.Module]:
    name = class_name(function.name)
    base: Any = ElementwiseModule
    if isinstance(function, RowFunction):
        base = RowModuleOfTorch if hasattr(torch.nn, name) else RowModule
    doc = f"{function.record.summary}\n\nWhat `softfloor.torch.{function.name}` computes, as a module."
    return type(name, (base,), {"function": function, "__doc__": doc, "__module__": "softfloor.torch.nn"})
