"""Gated units on tensors: what users call, and modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

import softfloor

from .. import gates as numpy_side
from ..catalogue import GATES
from ..packed import GATES_OF_PACKED, LAYOUTS
from .activations import check
from .gate_operators import PACKED_VALUE, VALUE, VJP


class GatedUnit:
    """A gated unit on tensors, activation(gate) * (up + offset): ``swiglu(gate, up)``.

    CPU tensors run softfloor's kernels on their own memory. Only the operands are saved for the backward pass, whose
    derivative exists, too. Settings are numbers.

    Attributes
    ----------
    name : str
        Its name in the catalogue, or that of its activation.
    parameters : dict
        The defaults of its keyword parameters.

    Examples
    --------
    >>> import torch, softfloor.torch as st
    >>> st.reglu(torch.tensor([-1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor([0., 8.])
    >>> st.glu.packed(torch.tensor([1.0, 0.0]), gate="last")
    tensor([0.5000])
    """

    def __init__(self, unit: numpy_side.GatedUnit) -> None:
        self.unit, self._key = unit, unit.key
        self.name = self.__name__ = unit.name
        self.record, self.parameters = unit.record, unit.parameters
        self._defaults = _tail_of(unit)

    def __call__(self, gate: torch.Tensor, up: torch.Tensor, **settings: Any) -> torch.Tensor:
        return VALUE(*self._operands(gate=gate, up=up), *self._tail(settings))  # type: ignore[no-any-return]

    def vjp(self, gate: torch.Tensor, up: torch.Tensor, cotangent: torch.Tensor, **settings: Any) -> Any:
        """The cotangents of gate and up, from these alone.

        Parameters
        ----------
        gate, up : Tensor
            What the unit was called with.
        cotangent : Tensor
            The cotangent of its result.
        **settings
            As in the call.

        Returns
        -------
        dgate, dup : Tensor
            Of the operands' shapes broadcast together.
        """
        return VJP(*self._operands(gate=gate, up=up, cotangent=cotangent), *self._tail(settings))

    def packed(
        self, x: torch.Tensor, dim: int = -1, *, gate: str | None = None, layout: str | None = None, **settings: Any
    ) -> torch.Tensor:
        """The unit of one tensor that holds gate and up along a dimension.

        Parameters
        ----------
        x : Tensor
            Gate and up, an even number of entries along ``dim``.
        dim : int, default -1
            The dimension along which they are packed.
        gate : {"first", "last"}
            Which of the two is the gate; ``torch.nn.functional.glu`` has it last. To be said here or in the unit.
        layout : {"split", "interleaved"}
            Two halves (default), or entries in turns.
        **settings
            Numbers, and ``clamp``.

        Returns
        -------
        Tensor
            Contiguous, half as long along ``dim``. Its gradient is made in one pass, packed like x.

        Raises
        ------
        TypeError
            If ``gate`` is not given, or a setting is unknown.
        ValueError
            If ``gate`` or ``layout`` is none of those allowed, or the size is odd.
        IndexError
            If the dimension is out of range.
        """
        check(self.name, x=x)
        chosen = self.unit.packed.conventions(gate, layout)
        if not -x.ndim <= dim < x.ndim:
            raise IndexError(f"{self.name}.packed: dimension {dim} is out of range; the tensor has {x.ndim} dimensions")
        if x.shape[dim] % 2:
            raise ValueError(
                f"{self.name}.packed: size {x.shape[dim]} along dimension {dim}; gate and up are an even number"
            )
        tail = self._tail(settings)
        return PACKED_VALUE(x, dim % x.ndim, chosen[1] == LAYOUTS[1], chosen[0] == GATES_OF_PACKED[0], *tail)  # type: ignore[no-any-return]

    def with_settings(self, **changes: Any) -> GatedUnit:
        """The same unit with other defaults, as `softfloor.GatedUnit.with_settings`."""
        return GatedUnit(self.unit.with_settings(**changes))

    def __repr__(self) -> str:
        keywords = self.unit.shown_keywords()
        return f"<softfloor.torch gated unit {self.name}({', '.join(['gate', 'up', '*', *keywords])})>"

    def __reduce__(self) -> tuple[Any, ...]:
        return GatedUnit, (self.unit,)

    def _tail(self, settings: dict[str, Any]) -> tuple[Any, ...]:
        """The last arguments of the operators; settings that a unit refuses raise its errors."""
        return _tail_with(self._key, **settings) if settings else self._defaults

    def _operands(self, **operands: torch.Tensor) -> Any:
        check(self.name, **operands)
        tensors = list(operands.values())
        dtype = tensors[0].dtype
        for tensor in tensors[1:2]:
            dtype = torch.promote_types(dtype, tensor.dtype)
        tensors = [tensor.to(dtype) for tensor in tensors]
        if all(tensor.shape == tensors[0].shape for tensor in tensors):
            return tensors
        try:
            return torch.broadcast_tensors(*tensors)
        except RuntimeError:
            shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in operands.items())
            raise RuntimeError(f"{self.name}(): shapes do not broadcast: {shapes}") from None


def _tail_of(unit: numpy_side.GatedUnit) -> tuple[str, list[float], bool]:
    name = unit.name if unit.record.softcaps else unit.activation
    return name, [float(value) for value in unit.parameters.values()], unit.clamp == "after"


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _tail_with(key: tuple[Any, ...], **settings: Any) -> tuple[str, list[float], bool]:
    """Of plain values alone, so that compilers need not look into units."""
    return _tail_of(numpy_side.remade(*key).with_settings(**settings))


def gated(activation: str = "silu", **settings: Any) -> GatedUnit:
    """The gated unit of any activation on tensors; settings as in `softfloor.gated`.

    Examples
    --------
    >>> import softfloor.torch as st
    >>> st.gated("tanh", limit=7.0)
    <softfloor.torch gated unit gated('tanh')(gate, up, *, limit=7.0, offset=0.0)>
    """
    return GatedUnit(softfloor.gated(activation, **settings))


#: `softfloor.gated_presets` on tensors.
gated_presets: Mapping[str, GatedUnit] = numpy_side.Presets(GatedUnit)

UNITS: dict[str, GatedUnit] = {name: GatedUnit(unit) for name, unit in numpy_side.NAMED.items()}


class GatedModule(torch.nn.Module):
    """A module of one packed tensor. ``gate`` must be said: "first" or "last" of the two operands along ``dim``.

    Further keyword arguments are settings of the unit, numbers.
    """

    function: GatedUnit

    def __init__(self, dim: int = -1, *, gate: str | None = None, layout: str | None = None, **settings: Any) -> None:
        super().__init__()
        unit = self.function.with_settings(**settings)
        self.gate, self.layout = unit.unit.packed.conventions(gate, layout)
        self.dim, self.settings = dim, settings

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self.function.packed(input, self.dim, gate=self.gate, layout=self.layout, **self.settings)

    def extra_repr(self) -> str:
        given = {"gate": repr(self.gate), "layout": repr(self.layout), **self.settings}
        return ", ".join([f"dim={self.dim}", *(f"{name}={value}" for name, value in given.items())])


class GLU(torch.nn.Module):
    """The gated linear unit as torch.nn has it: the gate is the last half along ``dim``."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return UNITS["glu"].packed(input, self.dim, gate="last")

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


def _class_name(unit: str) -> str:
    """As papers write them: SwiGLU, GEGLU, ReGLU, SiTUGLU; GEGLUTanh."""
    stem, _, rest = unit.partition("_")
    written = {"swi": "Swi", "ge": "GE", "re": "Re", "situ": "SiTU"}[stem.removesuffix("glu")]
    return f"{written}GLU{rest.capitalize()}"


def _module_of(name: str, unit: GatedUnit) -> type[torch.nn.Module]:
    doc = f"{unit.record.summary}\n\n{GatedModule.__doc__}"
    return type(name, (GatedModule,), {"function": unit, "__doc__": doc})


GATED_MODULES: dict[str, Any] = {
    "GLU": GLU,
    **{_class_name(name): _module_of(_class_name(name), UNITS[name]) for name in GATES if name != "glu"},
}
for _kind in GATED_MODULES.values():
    _kind.__module__ = "softfloor.torch.nn"
