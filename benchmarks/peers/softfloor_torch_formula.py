"""softfloor.torch as on other devices: the record's formula and slope in torch operations. For tools/peers.py."""

from __future__ import annotations

import torch

import softfloor.torch as st

from ..cells import Cell
from ..statement import Arrays, Statement
from .torch import tensor


def statements(cell: Cell, arrays: Arrays, threads: int) -> list[Statement]:
    del threads
    function = getattr(st, cell.function)
    x, parameters = tensor(arrays["x"]), tuple(function.parameters.values())
    names = {"x": x, "parameters": parameters, "one": torch.ones_like(x), "f": function._value, "vjp": function._vjp}
    if cell.variant == "value":
        return [Statement("y = f.formula(x, *parameters)", names)]
    return [Statement("y = vjp.formula(x, one, *parameters)", names)]
