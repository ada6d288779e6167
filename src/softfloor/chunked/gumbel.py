"""gumbel_softmax: rows are gathered; what is drawn depends on how the other axes are cut."""

from __future__ import annotations

from typing import Any

import dask.array as da

from ..gumbel import generator
from ..layout import EmptyRows, Layout, check_temperature
from ..soft_maximum import softmax
from .maps import map_blocks
from .operands import axes_of, check_sizes, filled, gathered, logits_of
from .soft_maximum import softmax_vjp


def gumbel_softmax_call(
    function: Any, z: Any, axis: Any, rng: Any, hard: bool, where: Any, temperature: float, dtype: Any, empty: Any
) -> Any:
    logits = logits_of(function, z, where, dtype)
    check_sizes(function, z=logits)
    axes = axes_of(logits, axis)
    logits = gathered(function, logits, axes)
    temperature = check_temperature(temperature)
    EmptyRows.check(function.name, empty)  # before anything is drawn
    seed = generator(function.name, rng).integers(2**63)
    uniform = da.random.default_rng(int(seed)).random(logits.shape, chunks=logits.chunks)
    operands = () if hard else (temperature,)
    settings = {"function": function, "axes": axes, "variant": "hard" if hard else "value", "operands": operands}
    return filled(function, map_blocks(_drawn, logits.dtype, logits, uniform, **settings), logits, axes, empty)


def _drawn(block: Any, uniform: Any, function: Any, axes: Any, variant: str, operands: tuple[float, ...]) -> Any:
    layout = Layout(block.shape, axes)
    return layout.restore(function.gufuncs[variant](layout.rows(block), layout.rows(uniform), *operands))


def gumbel_softmax_vjp(function: Any, p: Any, cotangent: Any, axis: Any, temperature: float) -> Any:
    return softmax_vjp(softmax, p, cotangent, axis, temperature)
