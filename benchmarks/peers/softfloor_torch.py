"""softfloor.torch on CPU tensors: its kernels. Values and derivatives, for tools/peers.py."""

from __future__ import annotations

import softfloor.torch as st

from ..cells import Cell
from ..statement import Arrays, Statement
from .torch import tensor


def statements(cell: Cell, arrays: Arrays, threads: int) -> list[Statement]:
    del threads
    function = getattr(st, cell.function)
    found = function if cell.variant == "value" else getattr(function, cell.variant)
    return [Statement("y = f(x)", {"x": tensor(arrays["x"]), "f": found})]
