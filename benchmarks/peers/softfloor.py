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
    if not cell.variant.startswith("value") or cell.variant.startswith("value_and"):
        names["f"] = getattr(function, cell.variant)
    given = ", ".join(cell.operands)
    if along_axis(catalogue.RECORDS[cell.function]):
        given += ", axis"
    outputs = operands.outputs(cell) if cell.out else ()
    if cell.variant == "value + vjp":
        names["backward"] = function.vjp
        if not cell.out:
            return [Statement("h = f(gate, up); y = h, *backward(gate, up, cotangent)", names)]
        names |= {"h": outputs[0], "grads": outputs[1:], "y": outputs}
        return [Statement("f(gate, up, out=h); backward(gate, up, cotangent, out=grads)", names)]
    if not cell.out:
        return [Statement(f"y = f({given})", names)]
    names["out"] = outputs if len(outputs) > 1 else outputs[0]
    return [Statement(f"y = f({given}, out=out)", names)]
