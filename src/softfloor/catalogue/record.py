"""The kinds of record a catalogue module holds: what softfloor knows about a function, stated once.

Everything derivable is derived from these: ufuncs, docstrings, stubs, documentation tables, tests, benchmarks, and the
list of kernels that ``csrc/isa/kernels.cpp`` instantiates. The module imports nothing but the standard library, because
the build reads the catalogue before softfloor or NumPy can be imported; and no dataclasses, whose import would take a
tenth of NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

#: ``formula(xp, x, **parameters)``: plain Python over a namespace ``xp`` (see ``softfloor.formula``).
Formula = Callable[..., Any]


class Parameter(NamedTuple):
    """A keyword of a function, an operand of its ufunc."""

    name: str
    default: float
    description: str


class Point(NamedTuple):
    """A landmark of a curve. Coordinates are decimal strings, to 50 digits where they are irrational."""

    x: str
    y: str


class Interval(NamedTuple):
    """A stretch of the real line, ends as decimal strings; ``closed`` tells which ends belong to it."""

    low: str
    high: str
    closed: Literal["neither", "low", "high", "both"] = "neither"

    def __str__(self) -> str:
        left = "[" if self.closed in ("low", "both") else "("
        right = "]" if self.closed in ("high", "both") else ")"
        return f"{left}{shorten(self.low)}, {shorten(self.high)}{right}"


class Kink(NamedTuple):
    """A point where the derivative jumps, and the value that softfloor gives it there."""

    x: str
    left: str
    right: str
    stated: str


class Curve(NamedTuple):
    """Facts about a function or its derivative; a test checks each against the formula at 50 digits.

    ``limits`` are those at -inf and +inf with the sign from which a zero is approached; ``zeros`` are where the curve
    crosses or touches zero (an interval of zeros is not listed); ``minimum`` and ``maximum`` are attained, or ``None``.
    """

    range: Interval
    limits: tuple[str, str]
    zeros: tuple[str, ...] = ()
    minimum: Point | None = None
    maximum: Point | None = None


class Facts(NamedTuple):
    """What is known about an activation function at its default parameters.

    ``rising`` and ``falling`` are the largest intervals on which the value strictly increases or decreases;
    ``smoothness`` is the number of continuous derivatives, ``None`` for all; ``lipschitz`` is the largest absolute
    slope; ``symmetry`` is ``"odd"`` for f(-x) = -f(x), ``"complement"`` for f(-x) = 1 - f(x).
    """

    value: Curve
    derivative: Curve
    rising: tuple[Interval, ...]
    lipschitz: str
    falling: tuple[Interval, ...] = ()
    kinks: tuple[Kink, ...] = ()
    smoothness: int | None = None
    symmetry: Literal["odd", "complement"] | None = None


class Activation(NamedTuple):
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
    parameter_slopes: Mapping[str, Formula] = MappingProxyType({})
    exact: bool = False
    saved_for_backward: Literal["x", "y"] = "x"
    notes: str = ""


class Gate(NamedTuple):
    """A gated unit: activation(gate) * up, with the activation's parameters, a limit and an offset.

    ``softcaps`` are the parameters of a unit with soft limits instead, softcap(gate) sigmoid(gate) softcap(up).
    """

    name: str
    title: str
    summary: str
    activation: str
    references: tuple[str, ...]
    softcaps: tuple[Parameter, ...] = ()


class Preset(NamedTuple):
    """A gated unit as a family of models has it: settings of a unit, and how its operands are packed."""

    name: str
    unit: str
    settings: Mapping[str, float]
    reference: str
    clamp: Literal["before", "after"] = "before"
    layout: Literal["split", "interleaved"] = "split"
    gate: Literal["first", "last"] = "first"


class RowKernel(NamedTuple):
    """One kernel of a row function: its variant, its struct in ``csrc/ops``, a gufunc signature, a type per operand.

    Types are ``T`` for the function's dtype, ``d`` for float64 and ``l`` for int64.
    """

    variant: str
    struct: str
    signature: str
    types: str


class Rows(NamedTuple):
    """A function along an axis. ``formula(xp, row)`` takes a list of numbers.

    ``operands`` are the arrays that a call must be given, with the shape of each as gufunc signatures write it: ``(n)``
    has one number per entry, ``()`` one per row. ``random`` says that results depend on a generator, too.
    """

    name: str
    title: str
    summary: str
    formula: Formula
    kernels: tuple[RowKernel, ...]
    references: tuple[str, ...]
    operands: Mapping[str, str] = MappingProxyType({"z": "(n)"})
    random: bool = False


Record = Activation | Gate | Rows


def struct_name(name: str) -> str:
    """The C++ struct of a record: ``gelu_tanh`` is ``GeluTanh``."""
    return "".join(word.capitalize() for word in name.split("_"))


def shorten(number: str, digits: int = 15) -> str:
    """A 50-digit decimal string as people read it."""
    if number.lstrip("+-") in ("inf", "0", "1") or len(number) <= digits:
        return number
    return f"{float(number):.{digits}g}"
