"""Bars of one quantity by curve and library, as SVG; and the figure of the benchmark."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from softfloor import catalogue

from .cells import ONE
from .peers import OURS, PEERS
from .results import outcomes

COLOURS = {peer.label: peer.colour for peer in (OURS, *PEERS)}
#: The figure shows arrays of this size, which fit a cache, or else the largest below it.
SHOWN = 100_000


def bars(
    values: Mapping[str, Mapping[str, float]], curves: list[str], label: str, title: str, bound: float | None = None
) -> str:
    """Grouped bars, one group per curve, one bar per library, perhaps a dotted line, as SVG with reproducible ids."""
    with mpl.rc_context({"svg.hashsalt": "softfloor", "font.size": 10}):
        figure = Figure(figsize=(10, 3.8), layout="constrained")
        axes = figure.subplots()
        width = 0.8 / len(values)
        for i, (name, cells) in enumerate(values.items()):
            shown = [(j, cells[curve]) for j, curve in enumerate(curves) if curve in cells]
            axes.bar(
                [j + (i - len(values) / 2 + 0.5) * width for j, _ in shown],
                [v for _, v in shown],
                width,
                label=name,
                color=COLOURS[name],
            )
        axes.set_xticks(
            range(len(curves)), [curve.replace(".value", "").replace(".derivative", "'") for curve in curves]
        )
        axes.set_ylabel(label)
        axes.set_title(title, loc="left")
        axes.set_yscale("log")
        if bound is not None:
            axes.axhline(bound, color="black", linewidth=0.8, linestyle=":")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
        axes.legend(ncols=len(values), frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.12))
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": "softfloor"})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def speed(data: dict[str, Any]) -> str:
    """Time per element of values and slopes in cache: float32, one thread, output allocated by the call."""
    chosen = [
        outcome
        for outcome in outcomes(data)
        if outcome.group == (ONE, "float32") and not outcome.cell.out and outcome.cell.size <= SHOWN
    ]
    size = max((outcome.cell.size for outcome in chosen), default=0)
    values: dict[str, dict[str, float]] = {}
    for outcome in chosen:
        if outcome.cell.size == size:
            for label, seconds in outcome.seconds.items():
                values.setdefault(label, {})[outcome.cell.curve] = seconds / size * 1e9
    curves = [f"{name}.{variant}" for name in catalogue.ACTIVATIONS for variant in ("value", "derivative")]
    measured = [curve for curve in curves if any(curve in cells for cells in values.values())]
    ordered = {label: values[label] for label in COLOURS if label in values}
    title = f"float32, {size:,} elements, one thread, output allocated by the call"
    return bars(ordered or {OURS.label: {}}, measured, "ns per element", title)
