"""What the measured times say: the best peer, the ratio and the share of the copy's speed by cell; a summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import geometric_mean
from typing import Any, NamedTuple

from softfloor import catalogue

from .cells import Cell
from .peers import COPY, OURS


class Outcome(NamedTuple):
    """A measured cell. ``ratio`` is the best peer's time over ours, ``share`` the copy's time over ours."""

    cell: Cell
    seconds: dict[str, float]

    @property
    def ours(self) -> float:
        return self.seconds[OURS.label]

    @property
    def best(self) -> str | None:
        peers = {label: s for label, s in self.seconds.items() if label not in (OURS.label, COPY.label)}
        return min(peers, key=lambda label: peers[label]) if peers else None

    @property
    def ratio(self) -> float | None:
        return self.seconds[self.best] / self.ours if self.best else None

    @property
    def share(self) -> float | None:
        return self.seconds[COPY.label] / self.ours if COPY.label in self.seconds else None

    @property
    def group(self) -> tuple[str, str]:
        """The part, and the kind of function or the dtype: what a table is about."""
        elementwise = self.cell.function in catalogue.ACTIVATIONS
        return self.cell.part, self.cell.dtype if elementwise else "rows and gates"


def outcomes(data: dict[str, Any]) -> list[Outcome]:
    found = []
    for record in data["cells"]:
        fields = {name: record[name] for name in Cell._fields} | {"shape": tuple(record["shape"])}
        found.append(Outcome(Cell(**fields), record["seconds"]))
    return found


class Summary(NamedTuple):
    """Of the cells that have a peer."""

    cells: int
    ahead: int
    mean: float


def summary(found: Iterable[Outcome]) -> Summary:
    ratios = [outcome.ratio for outcome in found if outcome.ratio is not None]
    return Summary(len(ratios), sum(r >= 1 for r in ratios), geometric_mean(ratios) if ratios else float("nan"))


def grouped(found: Sequence[Outcome]) -> dict[tuple[str, str], list[Outcome]]:
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in found:
        groups.setdefault(outcome.group, []).append(outcome)
    return groups


def behind(found: Iterable[Outcome]) -> list[Outcome]:
    """The cells below 1.0, worst first."""
    below = [outcome for outcome in found if outcome.ratio is not None and outcome.ratio < 1]
    return sorted(below, key=lambda outcome: outcome.ratio or 0.0)
