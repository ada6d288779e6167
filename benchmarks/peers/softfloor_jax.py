"""softfloor.jax, compiled by jax.jit. Values and derivatives, for tools/peers.py."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import softfloor.jax as sj

from ..cells import Cell
from ..statement import Arrays, Statement


def statements(cell: Cell, arrays: Arrays, threads: int) -> list[Statement]:
    del threads
    function = getattr(sj, cell.function)
    found = function if cell.variant == "value" else getattr(function, cell.variant)
    return [Statement("y = f(x)", {"x": jnp.asarray(arrays["x"]), "f": jax.jit(found)})]
