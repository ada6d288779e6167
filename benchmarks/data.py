"""The file of measured data: written whole, one cell a line, and merged when a part is measured again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from softfloor.whole_file import replacing

from .cells import Cell


class OtherMachine(Exception):
    """Data of another machine or of other versions cannot be completed here."""


def key(record: dict[str, Any]) -> str:
    fields = {name: record[name] for name in Cell._fields} | {"shape": tuple(record["shape"])}
    return Cell(**fields).key


def merged(old: dict[str, Any], new: dict[str, Any], listed: Sequence[Cell]) -> dict[str, Any]:
    """``old`` with the cells of ``new`` in their place, in the order of ``listed``; others are dropped."""
    check_machine(old, new["machine"])
    records = {key(record): record for record in [*old["cells"], *new["cells"]]}
    return {
        "machine": new["machine"],
        "parts": old["parts"] | new["parts"],
        "failures": {part: text for part, text in old["failures"].items() if part not in new["parts"]}
        | new["failures"],
        "choices": list(dict.fromkeys([*old["choices"], *new["choices"]])),
        "cells": [records[cell.key] for cell in listed if cell.key in records],
    }


def check_machine(old: dict[str, Any], machine: dict[str, Any]) -> None:
    if old["machine"] != machine:
        differing = [name for name in machine if old["machine"].get(name) != machine[name]]
        raise OtherMachine(
            f"the data there differ in {', '.join(differing)}: measure everything, or into another folder"
        )


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def write(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(f"  {json.dumps(record)}" for record in data["cells"])
    rest = json.dumps({name: value for name, value in data.items() if name != "cells"}, indent=1)
    write_text(path, f'{rest[:-2]},\n "cells": [\n{lines}\n ]\n}}\n')


def write_text(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode())
