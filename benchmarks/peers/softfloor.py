"""softfloor itself, called as its documentation says."""

from __future__ import annotations

from typing import Any

import softfloor as sf
from softfloor import catalogue

from .. import operands
from ..cells import Cell, along_axis
from ..statement import Arrays, Statement


def statements(cell: Cell, arrays: Arrays, threads: int) -> list[Statement]:
    sf.threads.set(threads)
    function = sf.get(cell.function)
    names: dict[str, Any] = {**arrays, "axis": cell.axis, "f": function}
    if cell.variant != "value":
        names["f"] = getattr(function, cell.variant)
    given = ", ".join(cell.operands)
    if along_axis(catalogue.RECORDS[cell.function]):
        given += ", axis"
    outputs = operands.outputs(cell) if cell.out else ()
    if not cell.out:
        return [Statement(f"y = f({given})", names)]
    names["out"] = outputs if len(outputs) > 1 else outputs[0]
    return [Statement(f"y = f({given}, out=out)", names)]
