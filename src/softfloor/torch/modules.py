"""What the modules of `softfloor.torch.nn` are made of: classes from the records, under torch's names."""

from __future__ import annotations

from typing import Any

import torch

from ..catalogue.record import struct_name
from .activations import Activation


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


def module_of(function: Activation) -> type[ElementwiseModule]:
    doc = f"{function.record.summary}\n\nWhat `softfloor.torch.{function.name}` computes, as a module."
    name = class_name(function.name)
    return type(name, (ElementwiseModule,), {"function": function, "__doc__": doc, "__module__": "softfloor.torch.nn"})
