"""Meshes whose axes are part of types (`jax.sharding.AxisType.Explicit`): jax refuses what no rule shards there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec


def left_to_compiler(function: Callable[..., Any], operands: Iterable[Any], like: Any = None) -> Any:
    """``function(*operands)``, inside which the compiler shards, as it does on other meshes.

    The result is sharded as ``like`` is, or not at all.
    """
    operands = tuple(operands)
    if not hasattr(jax.sharding, "auto_axes"):  # older than such meshes
        return function(*operands)
    meshes = [jax.typeof(operand).sharding.mesh for operand in operands if operand is not None]
    mesh = next((mesh for mesh in meshes if mesh.explicit_axes), None)
    if mesh is None:
        return function(*operands)
    nowhere: Any = PartitionSpec  # states no types
    spec = nowhere() if like is None else jax.typeof(like).sharding.spec
    wrapped = jax.sharding.auto_axes(function, axes=mesh.explicit_axes, out_sharding=NamedSharding(mesh, spec))
    return wrapped(*operands)
