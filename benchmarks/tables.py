"""The tables of the terminal and of the page, as text; ``**bold**`` marks a ratio below 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .peers import PEERS
from .results import Outcome, behind, grouped, summary

SHORT = {peer.label: peer.short for peer in PEERS}
#: How many of the cells below 1.0 are listed with their times.
LISTED = 30


class Table(NamedTuple):
    title: str
    note: str
    header: list[str]
    rows: list[list[str]]


def tables(found: Sequence[Outcome]) -> list[Table]:
    """Summary, one table of ratios per group, the share of the copy's speed, and the worst cells."""
    ratios = [_ratios(group, members) for group, members in grouped(found).items()]
    rest = [_along_first_axis(found), _shares(found), _behind(found)]
    return [_summary(found), *ratios, *(table for table in rest if table.rows)]


def _summary(found: Sequence[Outcome]) -> Table:
    rows = []
    for (part, kind), members in [(("all cells", ""), list(found)), *grouped(found).items()]:
        total = summary(members)
        below = behind(members)
        worst = f"{below[0].ratio:.2f} ({below[0].cell.curve}, {below[0].best})" if below else "none"
        rows.append([part, kind, f"{total.ahead} of {total.cells}", f"{total.mean:.2f}", worst])
    note = "Ratio: the fastest peer's time over softfloor's, so above 1 softfloor is faster."
    return Table("Summary", note, ["part", "cells", "ratio at least 1", "geometric mean", "worst below 1"], rows)


def shape_text(outcome: Outcome) -> str:
    cell = outcome.cell
    text = " x ".join(f"{n:,}" for n in cell.shape)
    return text if cell.axis in (None, -1) else f"{text}, axis {cell.axis}"


def _ratios(group: tuple[str, str], members: Sequence[Outcome]) -> Table:
    columns = list(dict.fromkeys(shape_text(outcome) for outcome in members))
    cells: dict[str, dict[tuple[str, bool], str]] = {}
    for outcome in members:
        cells.setdefault(outcome.cell.curve, {})[shape_text(outcome), outcome.cell.out] = _ratio(outcome)
    rows = []
    for curve, found in cells.items():
        pairs = [[found.get((column, out)) for out in (False, True)] for column in columns]
        rows.append([f"`{curve}`", *(" / ".join(text for text in pair if text is not None) for pair in pairs)])
    note = "Ratios: output allocated by the call / given with `out=`. Below 1 in bold, with the peer that is faster."
    return Table(", ".join(group), note, ["curve", *columns], rows)


def _ratio(outcome: Outcome) -> str:
    if outcome.ratio is None or outcome.best is None:
        return "no peer"
    if outcome.ratio >= 1:
        return f"{outcome.ratio:.2f}" if outcome.ratio < 10 else f"{outcome.ratio:.0f}"
    return f"**{outcome.ratio:.2f} {SHORT[outcome.best]}**"


def _along_first_axis(found: Sequence[Outcome]) -> Table:
    """How much longer a function takes along axis 0 than along the last axis of as many rows."""
    last = {o.cell._replace(axis=-1): o for o in found if o.cell.axis == -1}
    columns = list(dict.fromkeys((o.cell.part, o.cell.out) for o in found if o.cell.axis == 0))
    cells: dict[str, dict[tuple[str, bool], str]] = {}
    shapes = set()
    for outcome in found:
        cell = outcome.cell
        if cell.axis == 0 and cell._replace(axis=-1) in last:
            ratio = outcome.ours / last[cell._replace(axis=-1)].ours
            cells.setdefault(cell.curve, {})[cell.part, cell.out] = f"{ratio:.2f}"
            shapes.add(f"{' x '.join(f'{n:,}' for n in cell.shape)} {cell.dtype}")
    rows = [[f"`{curve}`", *(ratios.get(column, "") for column in columns)] for curve, ratios in cells.items()]
    names = [f"{part}, {'out=' if out else 'allocated'}" for part, out in columns]
    note = f"softfloor's time along axis 0 over its time along the last axis, {', '.join(sorted(shapes))}."
    return Table("Along axis 0", note, ["curve", *names], rows)


def _shares(found: Sequence[Outcome]) -> Table:
    largest = max((outcome.cell.size for outcome in found if outcome.share and len(outcome.cell.shape) == 1), default=0)
    chosen = [outcome for outcome in found if outcome.share and outcome.cell.size == largest]
    columns = list(dict.fromkeys((o.cell.part, o.cell.out) for o in chosen))
    cells: dict[str, dict[Any, str]] = {}
    for outcome in chosen:
        key = outcome.cell.part, outcome.cell.out
        cells.setdefault(outcome.cell.curve, {})[key] = f"{100 * (outcome.share or 0):.0f} %"
    names = [f"{part}, {'out=' if out else 'allocated'}" for part, out in columns]
    rows = [[f"`{curve}`", *(found.get(column, "") for column in columns)] for curve, found in cells.items()]
    note = (
        f"{largest:,} elements. The time of `np.copyto`, between arrays at hand, over softfloor's: of as many bytes as "
        "the function must read and write at least, by as many threads."
    )
    return Table("Share of a copy's speed", note, ["curve", *names], rows)


def _behind(found: Sequence[Outcome]) -> Table:
    below = behind(found)
    rows = [
        [o.cell.key, f"{o.ratio:.2f}", o.best, microseconds(o.seconds[o.best]), microseconds(o.ours)]
        for o in below[:LISTED]
        if o.best
    ]
    note = (
        f"{len(below)} cells of {summary(found).cells} have a ratio below 1: bold in the tables above, all in "
        f"`benchmark.json`. The {len(rows)} with the smallest ratios:"
    )
    header = ["cell", "ratio", "fastest", "its us", "softfloor us"]
    return Table("Where others are faster", note, header, rows)


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.4g}" if seconds < 1e-2 else f"{seconds * 1e6:,.0f}"
