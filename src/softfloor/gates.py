"""Gated units: what users call, the units that `gated` makes, and those of families of models.

Every unit of an activation runs the same kernels (``csrc/isa/gated.hpp``): settings are defaults of their parameters.
"""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from . import docstrings
from .activation import Function
from .catalogue import ACTIVATIONS, GATES, gate_parameters
from .catalogue import gates as catalogue
from .catalogue import record as records
from .packed import GATES_OF_PACKED, LAYOUTS, Packed

Clamp = Literal["before", "after"]
CLAMPS: tuple[Clamp, ...] = ("before", "after")
#: What a unit has beside its values, from gate, up and cotangent.
VJPS = ("vjp", "value_and_vjp")


class _Gated(Function):
    """What a unit and its vjps share."""

    wide = True
    unit: GatedUnit
    #: The attribute of the unit that this is; "" for the unit itself.
    part = ""

    def with_options(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
        if "clamp" not in keywords or self.unit.record.softcaps:
            return NotImplemented
        rest = {name: value for name, value in keywords.items() if name != "clamp"}
        unit = self.unit.with_settings(clamp=keywords["clamp"])
        return (getattr(unit, self.part) if self.part else unit)(*args, **rest)

    def __reduce__(self) -> tuple[Any, ...]:
        return (getattr, (self.unit, self.part)) if self.part else (remade, self.unit.key)


class GatedUnit(_Gated):
    """A gated unit, activation(gate) * (up + offset): call it for values; ``vjp`` gives both cotangents.

    Made by `softfloor.gated`; those with names, such as ``softfloor.swiglu``, are in the catalogue.

    Attributes
    ----------
    name : str
        Its name in the catalogue, or the name of its activation and its settings.
    activation : str
        The name of the activation that the gate passes through.
    parameters : dict
        The defaults of its keyword parameters.
    clamp : {"before", "after"}
        What ``limit`` clamps: the gate, or the activated gate.
    layout, gate : str or None
        How packed operands are taken where a call does not say.
    vjp : Function
        ``vjp(gate, up, cotangent)``: the cotangents of gate and up, from the inputs alone.
    value_and_vjp : Function
        ``value_and_vjp(gate, up, cotangent)``: the value and both cotangents, in one pass: for a backward pass that
        computes the value again instead of keeping it.
    packed : Packed
        ``packed(x, gate="first")``: the unit of one array that holds both operands, and ``packed.vjp``.
    """

    def __init__(
        self,
        record: records.Gate,
        settings: Mapping[str, float] = MappingProxyType({}),
        clamp: Clamp = "before",
        layout: str | None = None,
        gate: str | None = None,
    ) -> None:
        inner = ACTIVATIONS[record.activation]
        self._parameters = parameters = gate_parameters(record)
        self.record, self.activation, self.clamp = record, record.activation, clamp
        self.name = record.name
        self.layout, self.gate = layout, gate
        self.settings = MappingProxyType(dict(settings))
        variant = "gated" if clamp == "before" else "gated_after"
        operands = ("gate", "up")

        def kernel(part: str) -> tuple[str, str]:
            if record.softcaps:
                return record.name, part or "value"
            return inner.name, f"{variant}_{part}" if part else variant

        super().__init__(self.name, kernel(""), operands, parameters, docstrings.gate(record), settings)
        self.unit = self

        def with_cotangent(part: str) -> Function:
            doc = docstrings.gate_vjp(record, part)
            function = _Gated(f"{self.name}.{part}", kernel(part), (*operands, "cotangent"), parameters, doc, settings)
            function.unit, function.part = self, part
            return function

        self.vjp, self.value_and_vjp = map(with_cotangent, VJPS)
        self.packed = Packed(self)

    def shown_keywords(self) -> list[str]:
        others = {"clamp": None if self.clamp == "before" else self.clamp, "layout": self.layout, "gate": self.gate}
        return super().shown_keywords() + [f"{name}={value!r}" for name, value in others.items() if value is not None]

    def with_settings(self, **changes: Any) -> GatedUnit:
        """The same unit with other defaults: parameters, ``clamp``, and ``layout`` and ``gate`` of packed operands.

        Parameters
        ----------
        **changes
            Any keyword of `softfloor.gated` but ``activation``; what is not named stays.

        Returns
        -------
        GatedUnit

        Raises
        ------
        TypeError, ValueError
            As `softfloor.gated` does.

        Examples
        --------
        >>> import softfloor as sf
        >>> float(sf.swiglu.with_settings(limit=7.0)(10.0, 30.0)) == float(sf.swiglu(7.0, 7.0))
        True
        """
        options = {"clamp": self.clamp, "layout": self.layout, "gate": self.gate}
        settings, chosen = dict(self.settings), dict(options)
        for name, value in changes.items():
            if name in self.parameters:
                settings[name] = _number(self.name, name, value)
            elif name in options and not (name == "clamp" and self.record.softcaps):
                chosen[name] = value
            else:
                allowed = [*self.parameters, *(o for o in options if not (o == "clamp" and self.record.softcaps))]
                raise TypeError(f"{self.name} has no setting {name!r}; there are {', '.join(allowed)}")
        allowed_of = {"clamp": CLAMPS, "layout": (*LAYOUTS, None), "gate": (*GATES_OF_PACKED, None)}
        for name, value in chosen.items():
            if value not in allowed_of[name]:
                known = ", ".join(repr(v) for v in allowed_of[name] if v is not None)
                raise ValueError(f"{self.name}: {name}={value!r} is not one of {known}")
        defaults = {p.name: p.default for p in self._parameters}
        own = tuple(sorted((name, value) for name, value in settings.items() if value != defaults[name]))
        return remade(self.record.name, self.activation, own, chosen["clamp"], chosen["layout"], chosen["gate"])

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells this unit from others, and what pickles hold."""
        settings = tuple(sorted(self.settings.items()))
        return self.record.name, self.activation, settings, self.clamp, self.layout, self.gate

    def __repr__(self) -> str:
        return f"<softfloor gated unit {self.signature()}>"


def _number(unit: str, name: str, value: Any) -> float:
    if not isinstance(value, (numbers.Real, np.floating, np.integer)) or isinstance(value, bool):
        raise TypeError(f"{unit}: {name}={value!r} is not a number; arrays are given to the call, not to the unit")
    number = float(value)
    lowest = {"limit": number >= 0, "gate_softcap": number > 0, "up_softcap": number > 0}.get(name, number == number)
    if not lowest:
        bound = "at least 0" if name == "limit" else "above 0" if "softcap" in name else "a number"
        raise ValueError(f"{unit}: {name}={value!r} must be {bound}")
    return number


@functools.cache
def remade(
    name: str, activation: str, settings: tuple[tuple[str, float], ...], clamp: Clamp, layout: Any, gate: Any
) -> GatedUnit:
    """The unit of a key; there is one of each."""
    if name in NAMED and (settings, clamp, layout, gate) == ((), "before", None, None):
        return NAMED[name]
    record = GATES.get(name) or _unnamed(activation)
    return GatedUnit(record, dict(settings), clamp, layout, gate)


def _unnamed(activation: str) -> records.Gate:
    """The record of a unit that the catalogue has no name for."""
    inner = ACTIVATIONS[activation]
    title, summary = f"Linear unit gated by {activation}", f"{activation}(gate) * up, rounded once."
    return records.Gate(f"gated({activation!r})", title, summary, activation, inner.references)


#: The units of the catalogue.
NAMED: dict[str, GatedUnit] = {name: GatedUnit(record) for name, record in GATES.items()}
_NAMES = {record.activation: name for name, record in GATES.items() if not record.softcaps}


def gated(
    activation: str = "silu",
    *,
    clamp: Clamp = "before",
    layout: Literal["split", "interleaved"] | None = None,
    gate: Literal["first", "last"] | None = None,
    **settings: float,
) -> GatedUnit:
    """The gated unit of any activation of the catalogue: activation(gate) * (up + offset), in one pass, rounded once.

    With ``clamp="before"`` the gate is clamped to at most ``limit``, with ``"after"`` the activated gate; up is clamped
    to [-limit, limit] either way, and then ``offset`` is added.

    Parameters
    ----------
    activation : str
        The name of an activation, such as "sigmoid" (GLU), "silu" (SwiGLU), "gelu" (GEGLU), "relu" (ReGLU) or "tanh".
    clamp : {"before", "after"}
        What ``limit`` clamps.
    layout : {"split", "interleaved"}, optional
        How operands lie in a packed one: two halves, or in turns. Default of ``packed``; where neither says, "split".
    gate : {"first", "last"}, optional
        Which of the two is the gate in a packed operand. Default of ``packed``, which asks for it where neither says.
    **settings
        Defaults of the unit's parameters: those of the activation (``beta``), ``limit`` (infinity) and ``offset`` (0).

    Returns
    -------
    GatedUnit
        Call it as ``unit(gate, up)``, and see its ``vjp`` and ``packed``. One of each; it can be pickled.

    Raises
    ------
    ValueError
        If there is no such activation, clamp, layout or gate, or a limit is negative or NaN.
    TypeError
        If there is no such setting, or it is not a number.

    Examples
    --------
    >>> import softfloor as sf
    >>> sf.gated("silu") is sf.swiglu
    True
    >>> sf.gated("tanh", limit=7.0)
    <softfloor gated unit gated('tanh')(gate, up, *, limit=7.0, offset=0.0, out=None, ...)>
    """
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        import difflib

        near = difflib.get_close_matches(str(activation).lower(), ACTIVATIONS, n=3)
        units = f"; {activation} is a unit itself: softfloor.{activation}" if str(activation) in GATES else ""
        hint = units or (f"; did you mean {' or '.join(near)}?" if near else f"; known: {', '.join(ACTIVATIONS)}")
        raise ValueError(f"gated: no activation is called {activation!r}{hint}")
    name = _NAMES.get(activation)
    unit = NAMED[name] if name else remade(f"gated({activation!r})", activation, (), "before", None, None)
    return unit.with_settings(clamp=clamp, layout=layout, gate=gate, **settings)


class Presets(Mapping[str, Any]):
    """Units as families of models have them, made when they are asked for; ``door`` makes of a unit what it returns."""

    def __init__(self, door: Callable[[GatedUnit], Any] = lambda unit: unit) -> None:
        self._door = door

    def __getitem__(self, name: str) -> Any:
        return self._door(self._unit(name))

    def _unit(self, name: str) -> GatedUnit:
        preset = next((preset for preset in catalogue.PRESETS if preset.name == name), None)
        if preset is None:
            raise KeyError(f"no family of models is called {name!r}; there are {', '.join(self)}")
        options: dict[str, Any] = {"layout": preset.layout, "gate": preset.gate, **preset.settings}
        return NAMED[preset.unit].with_settings(
            **options, **({"clamp": preset.clamp} if preset.clamp == "after" else {})
        )

    def __iter__(self) -> Any:
        return (preset.name for preset in catalogue.PRESETS)

    def __len__(self) -> int:
        return len(catalogue.PRESETS)

    def __repr__(self) -> str:
        return "\n".join(f"{name:8} {self._unit(name).signature()}" for name in self)


#: By family: "plain", "gpt-oss", "glm-5", "ling-3", "kimi-k3", with published settings; a checkpoint may have others.
gated_presets: Mapping[str, GatedUnit] = Presets()
