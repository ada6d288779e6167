"""The kinds of record a catalogue module holds: what softfloor knows about a function, stated once.

Everything derivable is derived from these: ufuncs, docstrings, stubs, documentation tables, tests, benchmarks, and the
list of kernels that ``csrc/isa/kernels.cpp`` instantiates. The module imports nothing but the standard library, because
the build reads the catalogue before softfloor or NumPy can be imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: ``formula(xp, x, **parameters)``: plain Python over a namespace ``xp`` (see ``softfloor.formula``).
Formula = Callable[..., Any]


@dataclass(frozen=True)
class Parameter:
    """A keyword of a function, an operand of its ufunc."""

    name: str
    default: float
    description: str


@dataclass(frozen=True)
class Point:
    """A landmark of a curve. Coordinates are decimal strings, to 50 digits where they are irrational."""

    x: str
    y: str


@dataclass(frozen=True)
class Interval:
    """A stretch of the real line, ends as decimal strings; ``closed`` tells which ends belong to it."""

    low: str
    high: str
    closed: Literal["neither", "low", "high", "both"] = "neither"

    def __str__(self) -> str:
        left = "[" if self.closed in ("low", "both") else "("
        right = "]" if self.closed in ("high", "both") else ")"
        return f"{left}{shorten(self.low)}, {shorten(self.high)}{right}"


@dataclass(frozen=True)
class Kink:
    """A point where the derivative jumps, and the value that softfloor gives it there."""

    x: str
    left: str
    right: str
    stated: str


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Facts about a function or its derivative; a test checks each against the formula at 50 digits.

    ``limits`` are those at -inf and +inf with the sign from which a zero is approached; ``zeros`` are where the curve
    crosses or touches zero (an interval of zeros is not listed); ``minimum`` and ``maximum`` are attained, or ``None``.
    """

    range: Interval
    limits: tuple[str, str]
    zeros: tuple[str, ...] = ()
    minimum: Point | None = None
    maximum: Point | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known about an activation function at its default parameters.

    ``rising`` and ``falling`` are the largest intervals on which the value strictly increases or decreases;
    ``smoothness`` is the number of continuous derivatives, ``None`` for all; ``lipschitz`` is the largest absolute
    slope; ``symmetry`` is ``"odd"`` for f(-x) = -f(x), ``"complement"`` for f(-x) = 1 - f(x).
    """

    value: Curve
    derivative: Curve
    rising: tuple[Interval, ...]
    falling: tuple[Interval, ...] = ()
    kinks: tuple[Kink, ...] = ()
    smoothness: int | None = None
    lipschitz: str
    symmetry: Literal["odd", "complement"] | None = None


@dataclass(frozen=True, kw_only=True)
class Activation:
    """An elementwise function of x and perhaps parameters.

    ``slope`` is the derivative in x, ``parameter_slopes`` those in the parameters. ``exact`` says that value and slope
    are representable whenever x is, so that nothing is rounded. ``saved_for_backward`` is what a backward pass needs.
    """

    name: str
    title: str
    summary: str
    formula: Formula
    slope: Formula
    facts: Facts
    references: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    parameter_slopes: Mapping[str, Formula] = field(default_factory=dict)
    exact: bool = False
    saved_for_backward: Literal["x", "y"] = "x"
    notes: str = ""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A gated unit: activation(gate) * up, with the activation's parameters."""

    name: str
    title: str
    summary: str
    activation: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class RowKernel:
    """One kernel of a row function: its variant, the struct in ``csrc/ops``, a gufunc signature, and one type per operand.

    Types are ``T`` for the function's dtype, ``d`` for float64 and ``l`` for int64.
    """

    variant: str
    struct: str
    signature: str
    types: str


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A function along an axis. ``formula(xp, row)`` takes a list of numbers."""

    name: str
    title: str
    summary: str
    formula: Formula
    kernels: tuple[RowKernel, ...]
    references: tuple[str, ...]


Record = Activation | Gate | Rows


def struct_name(name: str) -> str:
    """The C++ struct of a record: ``gelu_tanh`` is ``GeluTanh``."""
    return "".join(word.capitalize() for word in name.split("_"))


def shorten(number: str, digits: int = 15) -> str:
    """A 50-digit decimal string as people read it."""
    if number.lstrip("+-") in ("inf", "0", "1") or len(number) <= digits:
        return number
    return f"{float(number):.{digits}g}"
