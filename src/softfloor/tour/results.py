"""What the tour finds, as ordinary data: tests inspect it, the terminal and the HTML page show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

#: The activations that the notes compare, in the order in which tables show them.
COMPARED = ("relu", "gelu", "silu", "tanh", "sigmoid")


class Verdict(StrEnum):
    """What became of a claim of the notes."""

    HOLDS = "holds"
    CORRECTED = "holds with a correction"
    FAILS = "does not hold"


@dataclass(frozen=True)
class Finding:
    """What a check computed.

    Attributes
    ----------
    as_written : bool
        Whether what the notes say passed, as they say it.
    corrected : bool or None
        Whether the corrected statement passed; None where there is none.
    numbers : mapping of str to float
        The numbers behind it.
    notes_version, right_version : str
        What the notes have and what is right, where they differ.
    remark : str
        What else to know.
    """

    as_written: bool
    numbers: Mapping[str, float]
    corrected: bool | None = None
    notes_version: str = ""
    right_version: str = ""
    remark: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.as_written:
            return Verdict.HOLDS
        return Verdict.CORRECTED if self.corrected else Verdict.FAILS


@dataclass(frozen=True)
class Tried:
    """A claim of the notes and what came of trying it; ``digits`` are those to show of its numbers."""

    row: int
    statement: str
    finding: Finding
    digits: int = 6

    @property
    def verdict(self) -> Verdict:
        return self.finding.verdict

    @property
    def numbers(self) -> Mapping[str, float]:
        return self.finding.numbers


@dataclass(frozen=True)
class Card:
    """A function's facts; ``landmarks`` compares each with what softfloor computes there: (label, fact, computed)."""

    name: str
    title: str
    summary: str
    formula: str
    derivative: str
    formula_mathml: str
    derivative_mathml: str
    facts: tuple[tuple[str, str], ...]
    landmarks: tuple[tuple[str, str, str], ...]
    svg: str


@dataclass(frozen=True)
class Example:
    """A worked example: code to type, and tables of what it gives as (caption, header, rows)."""

    rows: tuple[int, ...]
    title: str
    text: str
    code: str
    tables: tuple[tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]], ...]
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class Training:
    """A digits classifier with one activation, trained from several starting points.

    Curves and ``probability_error`` (how far rows of its softmax are from adding up to 1) are of the first start;
    ``dead_units`` counts hidden units whose gradient is zero for all training images, and ``rms_weight`` is the root
    mean square of the weights before and after training, each for every start.
    """

    activation: str
    accuracy: tuple[float, ...]
    loss_curve: tuple[float, ...]
    accuracy_curve: tuple[float, ...]
    dead_units: tuple[int, ...]
    hidden_units: int
    rms_weight: tuple[tuple[float, float], ...]
    largest_weight: tuple[float, ...]
    probability_error: float
    seconds: float

    @property
    def mean_accuracy(self) -> float:
        return sum(self.accuracy) / len(self.accuracy)

    @property
    def growth(self) -> float:
        """By what factor training enlarged the weights, mean over the starts."""
        return sum(after / before for before, after in self.rms_weight) / len(self.rms_weight)


@dataclass(frozen=True)
class Depth:
    """Gradient norms in the weights of deep networks with one activation, relative to the last layer's.

    ``first_layer[depth]`` is that of the first layer; ``spread_biases[depth]`` likewise, with biases that push units
    away from 0; ``by_layer`` goes from the first to the last layer of the deepest network.
    """

    activation: str
    first_layer: Mapping[int, float]
    spread_biases: Mapping[int, float]
    by_layer: tuple[float, ...]


@dataclass(frozen=True)
class Timing:
    """Speed and worst error of one function, float32, softfloor's against the textbook code."""

    function: str
    textbook: str
    nanoseconds: float
    textbook_nanoseconds: float
    error: float
    textbook_error: float
    textbook_worst_input: float
    warned: bool

    @property
    def speedup(self) -> float:
        return self.textbook_nanoseconds / self.nanoseconds


@dataclass(frozen=True)
class Evidence:
    """What was measured before the claims are tried, for those that rest on it."""

    training: Mapping[str, Training]
    hot_training: Mapping[str, Training]
    depth: Mapping[str, Depth]
    examples: Mapping[str, Example]
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """All that the tour found."""

    seed: int
    quick: bool
    version: str
    cpu: str
    cards: tuple[Card, ...]
    evidence: Evidence
    claims: Mapping[int, Tried]
    timings: tuple[Timing, ...]
    oracle_error: float
    seconds: float
