"""sigmoid_cross_entropy on jax arrays."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from .activations import differentiable
from .axes import logits_of
from .differentiable import Differentiable
from .loss_options import Reduction, check_reduction, reduced
from .operands import wide
from .softmaxes import times


def sigmoid_cross_entropy(
    z: Any, labels: Any, *, pos_weight: Any = 1.0, weight: Any = 1.0, reduction: Reduction = "mean"
) -> Any:
    """The cross-entropy of sigmoid(z) against labels in [0, 1], entry by entry.

    Formula: ``weight * ((1 - y) * softplus(z) + pos_weight * y * softplus(-z))``, where ``softplus(t)`` is computed as
    ``max(t, 0) + log1p(exp(-|t|))``.

    Parameters
    ----------
    z : jax.Array
        Logits of any shape.
    labels : jax.Array
        Numbers in [0, 1], or booleans, of the shape of z.
    pos_weight, weight : jax.Array or float, default 1.0
        Multiply the term of positive labels, and the loss of each entry; broadcast to z.
    reduction : {"mean", "sum", "none"}, default "mean"
        What becomes of the losses. The mean is over the number of entries, whatever their weights; over none it is 0.

    Returns
    -------
    loss : jax.Array
        Of the dtype of z.

    Raises
    ------
    TypeError
        If a dtype is complex.
    ValueError
        If shapes do not match or the reduction is unknown.

    Notes
    -----
    Infinite logits give the limit: 0 where the label agrees with certainty, inf otherwise.

    References
    ----------
    .. [1] I. Goodfellow, Y. Bengio, A. Courville, Deep Learning, section 6.2.2, 2016.

    Examples
    --------
    >>> import jax.numpy as jnp, softfloor.jax as sj
    >>> sj.sigmoid_cross_entropy(jnp.array([0.0, -100.0]), jnp.array([0, 1]), reduction="none").round(4).tolist()[1]
    100.0
    """
    function = "sigmoid_cross_entropy"
    check_reduction(function, reduction)
    logits, targets = logits_of(function, "z", z), logits_of(function, "labels", labels)
    if targets.shape != logits.shape:
        raise ValueError(f"{function}: labels have shape {targets.shape}; the logits have {logits.shape}")
    weights = []
    for name, value in (("pos_weight", pos_weight), ("weight", weight)):
        numbers = logits_of(function, name, value)
        try:
            weights.append(jnp.broadcast_to(numbers, logits.shape))
        except ValueError:
            raise ValueError(
                f"{function}: {name} has shape {numbers.shape}, which does not broadcast to {logits.shape}"
            ) from None
    return _compiled(logits, targets, *weights, reduction=reduction)


@partial(jax.jit, static_argnames="reduction")
def _compiled(z: Any, labels: Any, pos_weight: Any, weight: Any, *, reduction: Reduction) -> Any:
    logits = wide(z)
    y, pos_weight, weight = (operand.astype(logits.dtype) for operand in (labels, pos_weight, weight))
    losses = times(weight * (1 - y), _softplus(logits)) + times(weight * pos_weight * y, _softplus(-logits))
    return reduced(losses, reduction, float(z.size)).astype(z.dtype)


@Differentiable
def _softplus(t: Any) -> Any:
    """log(1 + e^t), whose slope is sigmoid: finite where both are taken at once."""
    return jnp.maximum(t, 0) + jnp.log1p(jnp.exp(-abs(t)))


@_softplus.defjvp
def _softplus_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (t,), (step,) = primals, tangents
    return _softplus(t), differentiable("sigmoid", (), True)(t) * step
