"""Functions along an axis of jax arrays: softmax, log_softmax, logsumexp and softmin, as users call them."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from . import softmaxes
from .axes import Axes, Axis, Empty, axes_of, check_empty, logits_of, masked, temperature_of
from .operands import wide


@partial(jax.jit, static_argnames=("name", "axes", "empty"))
def _compiled(name: str, z: Any, temperature: Any, axes: Axes, empty: Empty) -> Any:
    logits = wide(z)
    result = getattr(softmaxes, name)(axes)(logits, jnp.asarray(temperature, logits.dtype))
    if empty == "nan":
        result = jnp.where(jnp.all(logits == -jnp.inf, axes, keepdims=True), jnp.nan, result)
    return result.astype(z.dtype)


def _along(
    name: str, z: Any, axis: Axis, where: Any, temperature: Any, dtype: Any, empty: Empty, sign: int = 1
) -> tuple[Any, Axes]:
    function = "softmin" if sign < 0 else name
    check_empty(function, empty)
    logits = masked(function, sign * logits_of(function, "z", z, dtype), where)
    axes = axes_of(function, axis, logits.ndim)
    return _compiled(name, logits, temperature_of(function, temperature, logits), axes, empty), axes


def softmax(
    z: Any,
    axis: Axis = -1,
    *,
    where: Any = None,
    temperature: Any = 1.0,
    dtype: Any = None,
    empty: Empty = "zeros",
) -> Any:
    """Softmax: e^(z_i / T) / sum_j e^(z_j / T), along an axis.

    Formula: ``exp(z / temperature) / sum(exp(z / temperature))``, computed after subtracting the maximum.

    Parameters
    ----------
    z : jax.Array
        Logits of any shape.
    axis : int, tuple of int or None, default -1
        What a row is; None is the whole array.
    where : array of bool, optional
        True where an entry takes part; broadcasts with z. Others get 0 and pass no gradient.
    temperature : float, default 1.0
        Divides the logits: below 1 sharpens, above 1 flattens. May be traced, and differentiated.
    dtype : dtype, optional
        Compute in this dtype.
    empty : {"zeros", "nan"}, default "zeros"
        What a row without entries, or of -inf alone, gives.

    Returns
    -------
    p : jax.Array
        Of the shape and dtype of z; float16 and bfloat16 are computed in float32.

    Raises
    ------
    numpy.exceptions.AxisError
        If the axis is out of range.
    TypeError
        If a dtype is complex, or the mask not boolean.
    ValueError
        If the temperature is known and not positive, or it or its reciprocal is no normal number of the dtype computed
        in; or if the mask does not broadcast.

    Notes
    -----
    ``+inf`` logits share the mass; NaN spreads to its row only. Gradients of empty rows are zeros.

    References
    ----------
    .. [1] J. S. Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, 1990.

    Examples
    --------
    >>> import jax.numpy as jnp, softfloor.jax as sj
    >>> sj.softmax(jnp.array([[1.0, 2.0, 3.0], [7.0, 8.0, 9.0]])).round(4).tolist()[0] == sj.softmax(
    ...     jnp.array([7.0, 8.0, 9.0])
    ... ).round(4).tolist()
    True
    """
    return _along("softmax", z, axis, where, temperature, dtype, empty)[0]


def log_softmax(
    z: Any,
    axis: Axis = -1,
    *,
    where: Any = None,
    temperature: Any = 1.0,
    dtype: Any = None,
    empty: Empty = "zeros",
) -> Any:
    """The logarithm of softmax: z_i / T - log sum_j e^(z_j / T), along an axis; never computed as log(softmax).

    Formula: ``z / temperature - logsumexp(z / temperature)``.

    Parameters
    ----------
    z, axis, where, temperature, dtype
        As for `softmax`; masked entries get -inf and pass no gradient.
    empty : {"zeros", "nan"}, default "zeros"
        What a row without entries gives: -inf, the logarithm of softmax's zeros, or NaN.

    Returns
    -------
    q : jax.Array
        Of the shape and dtype of z.

    Raises
    ------
    numpy.exceptions.AxisError, TypeError, ValueError
        As for `softmax`.

    References
    ----------
    .. [1] P. Blanchard, D. J. Higham, N. J. Higham, Accurately computing the log-sum-exp and softmax functions, 2021.

    Examples
    --------
    >>> import jax.numpy as jnp, softfloor.jax as sj
    >>> [round(q, 4) for q in sj.log_softmax(jnp.zeros(2)).tolist()]
    [-0.6931, -0.6931]
    """
    return _along("log_softmax", z, axis, where, temperature, dtype, empty)[0]


def logsumexp(
    z: Any,
    axis: Axis = -1,
    *,
    where: Any = None,
    temperature: Any = 1.0,
    keepdims: bool = False,
    dtype: Any = None,
    empty: Empty = "zeros",
) -> Any:
    """The logarithm of a sum of exponentials: log sum_j e^(z_j / T), along an axis; a smooth maximum.

    Formula: ``log(sum(exp(z / temperature)))``, computed as max + log1p(rest).

    Parameters
    ----------
    z, axis, where, temperature, dtype
        As for `softmax`.
    keepdims : bool, default False
        Keep the axes of the rows with length 1.
    empty : {"zeros", "nan"}, default "zeros"
        What a row without entries gives: -inf, the logarithm of no mass, or NaN.

    Returns
    -------
    lse : jax.Array
        Of the shape of z without its rows.

    Raises
    ------
    numpy.exceptions.AxisError, TypeError, ValueError
        As for `softmax`.

    References
    ----------
    .. [1] P. Blanchard, D. J. Higham, N. J. Higham, Accurately computing the log-sum-exp and softmax functions, 2021.

    Examples
    --------
    >>> import jax.numpy as jnp, softfloor.jax as sj
    >>> round(float(sj.logsumexp(jnp.array([1000.0, 1000.0]))), 3)
    1000.693
    """
    result, axes = _along("logsumexp", z, axis, where, temperature, dtype, empty)
    return result if keepdims else jnp.squeeze(result, axes)


def softmin(
    z: Any,
    axis: Axis = -1,
    *,
    where: Any = None,
    temperature: Any = 1.0,
    dtype: Any = None,
    empty: Empty = "zeros",
) -> Any:
    """Softmin: e^(-z_i / T) / sum_j e^(-z_j / T), along an axis; the softmax of -z.

    Formula: ``exp(-z / temperature) / sum(exp(-z / temperature))``, computed after subtracting the minimum.

    Parameters
    ----------
    z, axis, where, temperature, dtype, empty
        As for `softmax`; a row of +inf alone is empty.

    Returns
    -------
    p : jax.Array
        Of the shape and dtype of z.

    Raises
    ------
    numpy.exceptions.AxisError, TypeError, ValueError
        As for `softmax`.

    References
    ----------
    .. [1] J. S. Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, 1990.

    Examples
    --------
    >>> import jax.numpy as jnp, softfloor.jax as sj
    >>> [round(p, 4) for p in sj.softmin(jnp.array([1.0, 2.0, 3.0])).tolist()]
    [0.6652, 0.2447, 0.09]
    """
    return _along("softmax", z, axis, where, temperature, dtype, empty, sign=-1)[0]
