"""Half precisions computed and looked up, beside each other: writes looked_up.json, a section of the page.

    python -m benchmarks.looked_up [--output FOLDER]

softfloor finds out by itself which way is faster, once a function has computed enough elements. Here each is told its
way, on one thread; the two take turns.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import softfloor as sf
from softfloor import _core, catalogue

from . import cells, data, machine, operands, timing, worker
from .peers import OURS
from .statement import Statement

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "looked_up.json"
SIZE = 100_000
DTYPES = ("bfloat16", "float16")
#: way -> how many elements a function computes before it looks results up
WAYS = {"computed": 2**62, "looked up": 0}


def chosen() -> list[cells.Cell]:
    """What the main benchmark has of this size and these dtypes, with ``out=``."""
    return [
        cell
        for cell in cells.all_cells()
        if (cell.part, cell.shape, cell.axis, cell.out) == (cells.ONE, (SIZE,), None, True)
        and cell.dtype in DTYPES
        and cell.function in catalogue.ACTIVATIONS
    ]


@contextmanager
def way(name: str) -> Iterator[None]:
    before = _core.set_looked_up(WAYS[name])
    try:
        yield
    finally:
        _core.set_looked_up(before)


def statements(cell: cells.Cell) -> dict[str, list[Statement]]:
    """By way, what the main benchmark runs."""
    arrays = operands.inputs(cell)
    return {
        name: [
            Statement(given.text, given.names, lambda name=name: way(name))  # type: ignore[misc]
            for given in OURS.statements(cell, arrays, 1)
        ]
        for name in WAYS
    }


def measure() -> dict[str, Any]:
    worker.pin()
    sf.threads.set(1)
    found: dict[str, Any] = {"processor": machine.processor(), "instruction set": sf.cpu.current(), "cells": []}
    for cell in chosen():
        times = timing.measure(statements(cell), timing.FULL)
        each = {name: float(f"{measured.seconds / SIZE * 1e9:.3g}") for name, measured in times.items()}
        found["cells"].append({"curve": cell.curve, "dtype": cell.dtype, "nanoseconds per element": each})
        print(f"{cell.curve:32}{cell.dtype:10}", each, flush=True)
    return found


def markdown(found: dict[str, Any]) -> str:
    """The section of docs/performance.md."""
    by_curve: dict[str, dict[str, dict[str, float]]] = {}
    for record in found["cells"]:
        by_curve.setdefault(record["curve"], {})[record["dtype"]] = record["nanoseconds per element"]
    header = ["", *(f"{dtype}, {name}" for dtype in DTYPES for name in WAYS)]
    rows = [
        [f"`{curve}`", *(f"{times[dtype][name]:.2f}" for dtype in DTYPES for name in WAYS)]
        for curve, times in by_curve.items()
    ]
    table = "\n".join("| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *rows))
    gains = [each["computed"] / each["looked up"] for times in by_curve.values() for each in times.values()]
    return (
        "## Half precisions, computed and looked up\n\nWritten by `python -m benchmarks.looked_up`, on "
        f"{found['processor']}, {found['instruction set']}. Nanoseconds per element of {SIZE:,}, one thread, `out=`. "
        "A function that has computed half a million elements takes the faster of these two ways. Looking up is that "
        f"in {sum(gain > 1 for gain in gains)} of {len(gains)} cells; the geometric mean of all gains is "
        f"{geometric_mean(gains):.2f}.\n\n{table}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT.parent, help="the folder to write into")
    path = parser.parse_args().output / OUTPUT.name
    found = measure()
    path.parent.mkdir(parents=True, exist_ok=True)
    data.write_text(path, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
