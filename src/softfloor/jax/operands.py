"""Operands of jax functions: which are allowed, and the dtypes they are computed in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

FLOATS = ("float16", "bfloat16", "float32", "float64")


def as_array(function: str, name: str, value: Any) -> Any:
    """An operand as it is, if it is an array or a number of a real dtype."""
    if not isinstance(value, (jax.Array, np.ndarray, np.generic, bool, int, float, complex)) and not hasattr(
        value, "__jax_array__"
    ):
        raise TypeError(
            f"{function}: {name} must be an array or a number; got {type(value).__name__}. "
            "jax.numpy.asarray makes an array of it"
        )
    dtype = jnp.result_type(value)
    if not (jnp.issubdtype(dtype, jnp.integer) or dtype.name == "bool" or dtype.name in FLOATS):
        raise TypeError(f"{function}: {name} has dtype {dtype}; allowed are {', '.join(FLOATS)}, integers and bool")
    return value


def as_floats(function: str, names: Iterable[str], values: Iterable[Any]) -> tuple[Any, ...]:
    """Operands that broadcast, in the dtype they promote to; integers become what `jax.numpy.exp` makes of them."""
    named = {name: as_array(function, name, value) for name, value in zip(names, values, strict=True)}
    dtype = jnp.result_type(*named.values(), 1.0)
    operands = tuple(jnp.asarray(operand, dtype) for operand in named.values())
    try:
        jnp.broadcast_shapes(*(operand.shape for operand in operands))
    except ValueError:
        shapes = ", ".join(f"{name} {operand.shape}" for name, operand in zip(named, operands, strict=True))
        raise ValueError(f"{function}: shapes do not broadcast: {shapes}") from None
    return operands


def wide_dtype(dtype: Any) -> Any:
    """The dtype to compute in: float32 for the half precisions, so that results are rounded once."""
    return np.dtype("float64" if dtype.name == "float64" else "float32")


def wide(x: Any) -> Any:
    """x in the dtype it is computed in."""
    return x if x.dtype.name == "float64" else x.astype(wide_dtype(x.dtype))


def narrow(result: Any, dtype: Any, operands: Iterable[Any]) -> Any:
    """The result in that dtype; weakly typed, as those of `jax.numpy`, if all operands are, as Python numbers are."""
    result = result.astype(dtype)
    # Arrays of NumPy are not: converting them to ask would copy them.
    if not all(getattr(operand, "weak_type", type(operand) in (int, float)) for operand in operands):
        return result
    return lax.convert_element_type_p.bind(result, new_dtype=result.dtype, weak_type=True, sharding=None)


def unknown_parameters(function: str, given: Iterable[str], known: tuple[str, ...]) -> NoReturn:
    name = next(name for name in given if name not in known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known) or 'none'}"
    raise TypeError(f"{function} has no keyword {name!r}; {hint}")
