"""Measures one part in a process of its own: reads a request from standard input, prints one JSON line per cell.

A process per part, because threads and instruction sets of jax and NumPy are settled when they are imported. Within a
part all contenders run in the same process.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from typing import Any

from . import timing
from .cells import ALL, AVX2, Cell

#: A peer that was this many times slower than the fastest at the size before is left out where it would take long.
HOPELESS, TOO_LONG = 4.0, 50e-3


def main() -> None:
    request = json.load(sys.stdin)
    cells = [Cell(**{**cell, "shape": tuple(cell["shape"])}) for cell in request["cells"]]
    part = cells[0].part
    pinned = part != ALL and pin()
    # Peers print to standard output now and then; ours is the parent's.
    report = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    import numpy as np

    from . import machine

    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    threads = len(os.sched_getaffinity(0)) if part == ALL and hasattr(os, "sched_getaffinity") else 1
    facts = {"threads": threads, "pinned": pinned, "instruction sets": machine.instruction_sets()}
    print(json.dumps({"facts": facts}), file=report)
    effort = timing.Effort(*request["effort"])
    previous: dict[str, Any] | None = None
    wall = processor = 0.0
    for cell in cells:
        before = previous if previous and _same_curve(previous["cell"], cell) else None
        result = measured(cell, threads, effort, request["peers"], before)
        wall, processor = wall + result.pop("wall"), processor + result.pop("processor")
        print(json.dumps({"cell": cell._asdict(), **result}), file=report)
        previous = {"cell": cell, **result}
    if threads == 1:
        # One thread without waiting uses its processor all the time, unless others take it away.
        print(json.dumps({"facts": {"lost": round(max(0.0, 1 - processor / wall), 3)}}), file=report)


def pin() -> bool:
    """Keep this process, and the threads it will start, on one processor: the last, as interrupts favour the first."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return True


def _same_curve(a: Cell, b: Cell) -> bool:
    """Whether two cells differ in their size alone."""
    return a._replace(shape=b.shape) == b and b.axis is None


def measured(
    cell: Cell, threads: int, effort: timing.Effort, labels: list[str], before: dict[str, Any] | None
) -> dict[str, Any]:
    from . import operands
    from .peers import COPY, OURS, PEERS, Absent

    arrays = operands.inputs(cell)
    contenders: dict[str, Any] = {}
    absent: dict[str, str] = {}
    for peer in (OURS, COPY, *PEERS):
        if peer not in (OURS, COPY) and peer.label not in labels:
            continue
        if cell.part == AVX2 and peer.module == "onnxruntime":
            absent[peer.label] = "it has no switch for its instruction set"
            continue
        if peer not in (OURS, COPY) and before and hopeless(peer.label, cell, before):
            absent[peer.label] = before["absent"].get(peer.label, "far behind at the size before")
            continue
        try:
            statements = peer.statements(cell, arrays, threads)
            for statement in statements:
                statement.seconds(1)
            contenders[peer.label] = statements
        except Absent as error:
            if error.args:
                absent[peer.label] = str(error)
        except Exception as error:
            if peer == OURS:
                raise
            # A library that fails must not end the measurement of the others; the page says that it failed.
            absent[peer.label] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    begin = time.perf_counter(), time.process_time()
    times = timing.measure(contenders, effort, threads > 1)
    return {
        "wall": time.perf_counter() - begin[0],
        "processor": time.process_time() - begin[1],
        "seconds": {label: float(f"{m.seconds:.4g}") for label, m in times.items()},
        "samples": {label: m.samples for label, m in times.items()},
        "absent": absent,
    }


def hopeless(label: str, cell: Cell, before: dict[str, Any]) -> bool:
    seconds = before["seconds"]
    if label not in seconds:
        return label in before["absent"]
    expected = seconds[label] * cell.size / before["cell"].size
    others = (time for name, time in seconds.items() if name != "copy")
    return seconds[label] > HOPELESS * min(others) and expected > TOO_LONG


if __name__ == "__main__":
    main()
