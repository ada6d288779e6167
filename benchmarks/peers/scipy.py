"""SciPy's special functions, with one NumPy operation around them where that is what people do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from .. import operands
from ..cells import Cell
from ..statement import Absent, Arrays, Statement
from .numpy import evaluated, picked

#: With an output; None allocates it.
_INTO: dict[str, Callable[..., Any]] = {
    "sigmoid.value": special.expit,
    "silu.value": lambda x, out: np.multiply(y := special.expit(x, out), x, out=y),
    "gelu.value": lambda x, out: np.multiply(y := special.ndtr(x, out), x, out=y),
}
_PLAIN: dict[str, Callable[..., Any]] = {
    "sigmoid.value": special.expit,
    "silu.value": lambda x: x * special.expit(x),
    "gelu.value": lambda x: x * special.ndtr(x),
    "tanh.value": np.tanh,
    "sigmoid.derivative": lambda x: special.expit(x) * special.expit(-x),
    "sigmoid.vjp": lambda x, cotangent: cotangent * special.expit(x) * special.expit(-x),
    "sigmoid.value_and_derivative": lambda x: ((y := special.expit(x)), y * special.expit(-x)),
    "swiglu.value": lambda gate, up: gate * special.expit(gate) * up,
}
_ROWS: dict[str, Callable[..., Any]] = {
    "softmax.value": special.softmax,
    "softmin.value": lambda z, axis: special.softmax(-z, axis),
    "log_softmax.value": special.log_softmax,
    "logsumexp.value": special.logsumexp,
    "softmax_cross_entropy.value": lambda z, labels, axis: (
        special.logsumexp(z, axis) - picked(z, labels, axis)
    ).mean(),
    "sigmoid_cross_entropy.value": lambda z, labels, axis: (
        -(labels * special.log_expit(z) + (1 - labels) * special.log_expit(-z)).mean()
    ),
}


def statements(cell: Cell, arrays: Arrays, threads: int) -> list[Statement]:
    del threads  # SciPy has one
    names: dict[str, Any] = {"np": np, **arrays, "axis": cell.axis}
    names["out"] = operands.outputs(cell) if cell.out else ()
    if cell.curve in _ROWS:
        text = f"y = f({', '.join(cell.operands)}, axis)"
        copied = "; np.copyto(out[0], y)" if cell.out and cell.results else ""
        return [Statement(text + copied, {**names, "f": _ROWS[cell.curve]})]
    if cell.curve not in _PLAIN:
        raise Absent
    found = [evaluated(cell, _PLAIN[cell.curve], names)]
    if cell.curve in _INTO and cell.dtype in ("float32", "float64"):
        out = "out[0]" if cell.out else "None"
        found.append(Statement(f"y = f(x, {out})", {**names, "f": _INTO[cell.curve]}))
    return found
