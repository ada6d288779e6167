"""Functions along an axis, and losses, on Dask arrays, lazily; imported only when one is met.

Where a row lies in one chunk, each block goes through the NumPy function. Where its axis is cut, chunks are reduced to
states (csrc/ops/states.hpp), merged in a tree: first the two largest entries, then fixed-point sums of terms below
them. Both merges are exact, so the bits of a result depend neither on where the axis is cut nor on the order of the
merges. The chunks that share rows stay in memory, or are spilled, between the passes.

A method that needs more than its rows gathered into one chunk has a function of its own in a module here, called like
it: ``softmax_call``, ``softmax_vjp``. The modules are those of the NumPy side.
"""

from __future__ import annotations

from typing import Any

from . import binary_losses, gumbel, likelihood, linear_losses, losses, soft_maximum, soft_minimum
from .whole_rows import of_whole_rows

_MODULES = (soft_maximum, soft_minimum, gumbel, losses, binary_losses, likelihood, linear_losses)


def call(function: Any, method: str, arguments: dict[str, Any]) -> Any:
    """A method of a row function, by its arguments' names; at least one of them is a Dask array."""
    if arguments.pop("out", None) is not None:
        raise TypeError(f"{function.name}: out cannot be given with Dask arrays, whose results are lazy")
    name = f"{function.name}_{method.strip('_')}"
    own = next((getattr(module, name) for module in _MODULES if hasattr(module, name)), None)
    return own(function, **arguments) if own else of_whole_rows(function, method, **arguments)
