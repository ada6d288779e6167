"""sparsemax, entmax15 and hardmax on jax arrays: functions along an axis that give most entries exactly zero.

An entry is a difference from a threshold, so that its error is absolute: some 2^-23 in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from .axes import Axes, Axis, axes_of, logits_of, masked, temperature_of
from .differentiable import Differentiable
from .meshes import left_to_compiler
from .operands import wide
from .softmaxes import change


class Rows:
    """Takes the axes of the rows to the end, as one, and back."""

    def __init__(self, shape: tuple[int, ...], axes: Axes) -> None:
        self.axes, self.ends = axes, tuple(range(-len(axes), 0))
        self.outer = tuple(n for k, n in enumerate(shape) if k not in axes)
        self.inner = tuple(shape[k] for k in axes)

    def of(self, array: Any) -> Any:
        return jnp.moveaxis(array, self.axes, self.ends).reshape(*self.outer, math.prod(self.inner))

    def back(self, rows: Any) -> Any:
        return jnp.moveaxis(rows.reshape(*self.outer, *self.inner), self.ends, self.axes)


def _below_maximum(z: Any, temperature: Any) -> tuple[Any, Any]:
    """The maximum of each row, and (z - maximum) / temperature, of which anything below -4 is outside every support."""
    maximum = jnp.max(z, -1, keepdims=True, initial=-jnp.inf)
    reference = jnp.where(jnp.isfinite(maximum), maximum, 0)
    distance = jnp.maximum((z - reference) / temperature, -4)
    beside_infinity = (maximum == jnp.inf) & (z < jnp.inf)
    return maximum, jnp.where(beside_infinity, -4, jnp.where(z == maximum, 0, distance))


def _total(maximum: Any, p: Any) -> Any:
    """Zeros in a row without entries, NaN in one with NaN."""
    return jnp.where(jnp.isnan(maximum), jnp.nan, jnp.where(maximum == -jnp.inf, 0, p))


def _thresholds(z: Any, threshold: Callable[[Any, Any], Any]) -> Any:
    """The threshold of the largest support that lies above the one it implies."""
    ordered = -jnp.sort(-z, -1)
    counts = jnp.arange(1, z.shape[-1] + 1, dtype=z.dtype)
    implied = threshold(ordered, counts)
    size = jnp.sum(ordered > implied, -1, keepdims=True)
    return jnp.take_along_axis(implied, jnp.maximum(size - 1, 0), -1)


@Differentiable
def _sparsemax(z: Any, temperature: Any) -> Any:
    maximum, distance = _below_maximum(z, temperature)
    tau = _thresholds(distance, lambda ordered, counts: (jnp.cumsum(ordered, -1) - 1) / counts)
    support = distance > tau
    # Once more from the support alone: what the sums over sorted entries rounded is gone.
    tau = tau + (jnp.sum(jnp.where(support, distance - tau, 0), -1, keepdims=True) - 1) / jnp.sum(
        support, -1, keepdims=True
    )
    return _total(maximum, jnp.maximum(distance - tau, 0))


@Differentiable
def _entmax15(z: Any, temperature: Any) -> Any:
    maximum, distance = _below_maximum(z, temperature)
    halves = distance / 2

    def threshold(ordered: Any, counts: Any) -> Any:
        mean = jnp.cumsum(ordered, -1) / counts
        spread = jnp.cumsum(ordered**2, -1) - counts * mean**2
        return mean - jnp.sqrt(jnp.maximum(1 - spread, 0) / counts)

    tau = _thresholds(halves, threshold)
    for _ in range(2):  # Newton's method, for the same reason
        above = jnp.maximum(halves - tau, 0)
        tau = tau + (jnp.sum(above**2, -1, keepdims=True) - 1) / (2 * jnp.sum(above, -1, keepdims=True))
    return _total(maximum, jnp.maximum(halves - tau, 0) ** 2)


def _jvp(function: Any, weights: Callable[[Any], Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
    """weights * (step - its mean under these weights)."""

    def rule(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
        p, step = function(*primals), change(*primals, tangents)
        s = weights(p)
        total = jnp.sum(s, -1, keepdims=True)
        mean = jnp.sum(s * step, -1, keepdims=True) / jnp.where(total == 0, 1, total)
        return p, s * (step - mean)

    return rule


def _root(p: Any) -> Any:
    """sqrt(p), whose slope outside the support is 0, not infinite."""
    return jnp.where(p == 0, 0, jnp.sqrt(jnp.where(p == 0, 1, p)))


_sparsemax.defjvp(_jvp(_sparsemax, lambda p: jnp.where(jnp.isnan(p), p, (p > 0).astype(p.dtype))))
_entmax15.defjvp(_jvp(_entmax15, _root))


def _hardmax(z: Any, temperature: Any) -> Any:
    maximum = jnp.max(z, -1, keepdims=True, initial=-jnp.inf)
    first = jnp.argmax(z, -1, keepdims=True)
    return _total(maximum, (jnp.arange(z.shape[-1]) == first).astype(z.dtype))


_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {"sparsemax": _sparsemax, "entmax15": _entmax15, "hardmax": _hardmax}


@partial(jax.jit, static_argnames=("name", "axes"))
def _compiled(name: str, z: Any, temperature: Any, axes: Axes) -> Any:
    if not z.size:
        return z
    rows = Rows(z.shape, axes)

    def function(z: Any, temperature: Any) -> Any:
        logits = wide(z)
        return rows.back(_FUNCTIONS[name](rows.of(logits), jnp.asarray(temperature, logits.dtype))).astype(z.dtype)

    return left_to_compiler(function, (z, temperature), like=z)


def _along(name: str, z: Any, axis: Axis, where: Any, temperature: Any, dtype: Any) -> Any:
    logits = masked(name, logits_of(name, "z", z, dtype), where)
    return _compiled(name, logits, temperature_of(name, temperature, logits), axes_of(name, axis, logits.ndim))


def sparsemax(z: Any, axis: Axis = -1, *, where: Any = None, temperature: Any = 1.0, dtype: Any = None) -> Any:
    """Sparsemax: the probabilities nearest to z / T, along an axis; entries far below the maximum get exactly 0.

    Formula: ``max(z / temperature - tau, 0)``, with tau such that a row adds up to 1.

    Parameters
    ----------
    z, axis, where, temperature, dtype
        As for `softmax`.

    Returns
    -------
    p : jax.Array
        Of the shape and dtype of z. A row without entries gives zeros; ``+inf`` logits share the mass.

    Raises
    ------
    numpy.exceptions.AxisError, TypeError, ValueError
        As for `softmax`.

    References
    ----------
    .. [1] A. F. T. Martins, R. F. Astudillo, From Softmax to Sparsemax, 2016.

    Examples
    --------
    >>> import jax.numpy as jnp, softfloor.jax as sj
    >>> sj.sparsemax(jnp.array([1.0, 0.5, -1.0])).tolist()
    [0.75, 0.25, 0.0]
    """
    return _along("sparsemax", z, axis, where, temperature, dtype)


def entmax15(z: Any, axis: Axis = -1, *, where: Any = None, temperature: Any = 1.0, dtype: Any = None) -> Any:
    """1.5-entmax: between softmax and sparsemax; entries far below the maximum get exactly 0, without a sharp corner.

    Formula: ``max(z / (2 * temperature) - tau, 0)^2``, with tau such that a row adds up to 1.

    Parameters
    ----------
    z, axis, where, temperature, dtype
        As for `softmax`.

    Returns
    -------
    p : jax.Array
        Of the shape and dtype of z. A row without entries gives zeros; ``+inf`` logits share the mass.

    Raises
    ------
    numpy.exceptions.AxisError, TypeError, ValueError
        As for `softmax`.

    References
    ----------
    .. [1] B. Peters, V. Niculae, A. F. T. Martins, Sparse Sequence-to-Sequence Models, 2019.

    Examples
    --------
    >>> import jax.numpy as jnp, softfloor.jax as sj
    >>> [round(p, 4) for p in sj.entmax15(jnp.array([1.0, 0.0, -2.0])).tolist()]
    [0.8307, 0.1693, 0.0]
    """
    return _along("entmax15", z, axis, where, temperature, dtype)


def hardmax(z: Any, axis: Axis = -1, *, where: Any = None, dtype: Any = None) -> Any:
    """Hardmax: 1 at the first maximum of a row, 0 elsewhere; its gradient is 0.

    Formula: ``1 if i == argmax(z) else 0``.

    Parameters
    ----------
    z, axis, where, dtype
        As for `softmax`. Of several axes the later varies faster: that decides which maximum is the first.

    Returns
    -------
    p : jax.Array
        Of the shape and dtype of z. A row without entries gives zeros.

    Raises
    ------
    numpy.exceptions.AxisError, TypeError, ValueError
        As for `softmax`.

    References
    ----------
    .. [1] ONNX, operator Hardmax, 2016.

    Examples
    --------
    >>> import jax.numpy as jnp, softfloor.jax as sj
    >>> sj.hardmax(jnp.array([1.0, 3.0, 3.0])).tolist()
    [0.0, 1.0, 0.0]
    """
    return _along("hardmax", z, axis, where, 1.0, dtype)
