"""What is measured: a cell per function, variant, dtype, shape, output policy and part, derived from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from math import prod
from typing import NamedTuple

import softfloor as sf
from softfloor import catalogue

ONE, ALL, AVX2 = "one thread", "all threads", "AVX2, one thread"
PARTS = (ONE, ALL, AVX2)

SIZES = {
    "float32": (100, 1_000, 10_000, 100_000, 1_000_000, 30_000_000),
    "float64": (1_000, 100_000, 10_000_000),
    "bfloat16": (1_000, 100_000, 10_000_000),
    "float16": (1_000, 100_000, 10_000_000),
}
#: Shapes of the functions along an axis, with the axis.
ROWS = (((32, 10), -1), ((4096, 64), -1), ((1024, 1024), -1), ((512, 32_000), -1), ((1024, 1024), 0))

ACTIVATION_VARIANTS = ("value", "derivative", "vjp", "value_and_derivative")
GATE_VARIANTS = ("value", "vjp", "value_and_vjp")
ROW_VARIANTS = ("value", "value_and_grad")

#: The sizes of a part other than all, and those of ``--quick``.
AVX2_SIZES = (1_000, 100_000, 1_000_000)
QUICK_SIZES = {ONE: (1_000, 100_000), ALL: (1_000_000,), AVX2: ()}
QUICK_ROWS = (((1024, 1024), -1),)
#: Of the gated units one has every shape and variant; the others differ from it by their activation alone.
WHOLE_GATE = "swiglu"


class Cell(NamedTuple):
    """One line of the data. ``axis`` is None for elementwise functions; ``out`` says that outputs are given."""

    part: str
    function: str
    variant: str
    dtype: str
    shape: tuple[int, ...]
    axis: int | None
    out: bool

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def curve(self) -> str:
        return f"{self.function}.{self.variant}"

    @property
    def operands(self) -> tuple[str, ...]:
        """The names of the inputs, in the order of softfloor's call."""
        record = catalogue.RECORDS[self.function]
        if isinstance(record, catalogue.Gate):
            return ("gate", "up") if self.variant == "value" else ("gate", "up", "cotangent")
        if isinstance(record, catalogue.Rows):
            return tuple(record.operands)
        return ("x", "cotangent") if self.variant == "vjp" else ("x",)

    @property
    def results(self) -> int:
        """How many arrays of ``shape`` come out: those that ``out`` gives. Losses and normalisers are not counted."""
        record = catalogue.RECORDS[self.function]
        if isinstance(record, catalogue.Gate):
            return {"value": 1, "vjp": 2, "value_and_vjp": 3}[self.variant]
        if isinstance(record, catalogue.Rows):
            if "labels" in record.operands:
                return int(self.variant == "value_and_grad")
            return int(record.kernels[0].signature.endswith("(n)"))
        return 2 if self.variant == "value_and_derivative" else 1

    @property
    def bytes(self) -> int:
        """What must be read and written at least: each operand once, each result once."""
        item = {"float64": 8, "float32": 4}.get(self.dtype, 2)
        return (len(self.operands) - self.has_classes + self.results) * self.size * item

    @property
    def has_classes(self) -> bool:
        """Whether the labels are one class per row."""
        record = catalogue.RECORDS[self.function]
        return isinstance(record, catalogue.Rows) and record.operands.get("labels") == "()"

    @property
    def key(self) -> str:
        """What ``--only`` looks in, ``gelu.vjp float32 100000 out= one thread``."""
        shape = "x".join(map(str, self.shape)) + ("" if self.axis in (None, -1) else f" axis {self.axis}")
        return f"{self.curve} {self.dtype} {shape} {'out=' if self.out else 'allocated'} {self.part}"


def comparable(record: catalogue.Rows) -> bool:
    """Whether a cell describes what is computed: from entries and labels, without chance.

    `benchmarks.linear_cross_entropy` measures the loss of a linear layer, whose operands have shapes of their own.
    """
    return not record.random and set(record.operands.values()) <= {"(n)", "()"}


def along_axis(record: catalogue.Gate | catalogue.Rows | catalogue.Activation) -> bool:
    """Whether a call takes an axis; the others are elementwise."""
    return isinstance(record, catalogue.Rows) and "axis" in signature(sf.get(record.name)).parameters


def inner_of(gate: str) -> str:
    """The activation that a gated unit multiplies up by; none for units that limit both softly."""
    record = catalogue.GATES[gate]
    return "" if record.softcaps else record.activation


def all_cells(quick: bool = False) -> Iterator[Cell]:
    """Every cell, those of one curve and policy together with sizes rising."""
    for part in PARTS:
        yield from _elementwise(part, quick)
        yield from _along_rows(part, quick)


def _elementwise(part: str, quick: bool) -> Iterator[Cell]:
    for name in catalogue.ACTIVATIONS:
        for variant in ACTIVATION_VARIANTS[::2] if quick else ACTIVATION_VARIANTS:
            for dtype, sizes in SIZES.items():
                if dtype != "float32" and (quick or part == AVX2):
                    continue
                for out in (False, True):
                    for size in QUICK_SIZES[part] if quick else AVX2_SIZES if part == AVX2 else sizes:
                        yield Cell(part, name, variant, dtype, (size,), None, out)


def _along_rows(part: str, quick: bool) -> Iterator[Cell]:
    if quick and part == AVX2:
        return
    for name, record in (catalogue.ROWS | catalogue.GATES).items():
        gate = isinstance(record, catalogue.Gate)
        if isinstance(record, catalogue.Rows) and not comparable(record):
            continue
        for variant in GATE_VARIANTS if gate else ROW_VARIANTS:
            if variant != "value" and not hasattr(sf.get(name), variant):
                continue
            brief = gate and name != WHOLE_GATE
            if brief and variant == "value_and_vjp":
                continue
            for out in (True,) if brief else (False, True):
                for shape, axis in QUICK_ROWS if quick or brief else ROWS:
                    cell = Cell(part, name, variant, "float32", shape, axis, out)
                    # A loss alone leaves nothing to give out= for.
                    if (axis == -1 or along_axis(record)) and not (out and cell.results == 0):
                        yield cell
