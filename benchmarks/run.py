"""Runs the parts, each in a process of its own, and collects what they print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from . import machine, timing
from .cells import Cell
from .peers import PEERS

Record = dict[str, Any]
ROOT = Path(__file__).resolve().parents[1]


def run(
    cells: Sequence[Cell], effort: timing.Effort, peers: Sequence[str], done: Callable[[Cell], None]
) -> tuple[dict[str, Any], list[Record], dict[str, str]]:
    """Measure; returns facts by part, the records of the cells, and what failed, by part."""
    facts: dict[str, Any] = {}
    records: list[Record] = []
    failures: dict[str, str] = {}
    for part, group in groupby(cells, key=lambda cell: cell.part):
        request = {"cells": [cell._asdict() for cell in group], "effort": effort, "peers": list(peers)}
        added = machine.environment(part)
        environment = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")} | added
        with (
            tempfile.TemporaryFile("w+") as asked,
            tempfile.TemporaryFile("w+", errors="replace") as complaints,
        ):
            json.dump(request, asked)
            asked.seek(0)
            with subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker"],
                stdin=asked,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                env=environment,
                cwd=ROOT,
            ) as worker:
                assert worker.stdout
                try:
                    for line in worker.stdout:
                        message = json.loads(line)
                        if "facts" in message:
                            facts.setdefault(part, {"environment": added}).update(message["facts"])
                            continue
                        records.append(message.pop("cell") | message)
                        done(Cell(**{name: records[-1][name] for name in Cell._fields}))
                except KeyboardInterrupt:
                    worker.terminate()
                    failures[part] = "interrupted"
                    break
            if worker.returncode:
                complaints.seek(0)
                last = complaints.read().strip().splitlines()[-3:]
                failures[part] = f"the process ended with code {worker.returncode}: {' '.join(last)}"
    return facts, records, failures


def labels(compile: bool) -> list[str]:
    """The peers that take part."""
    return [peer.label for peer in PEERS if compile or peer.module != "torch_compile"]
