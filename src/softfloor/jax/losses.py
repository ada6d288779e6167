"""Cross-entropies on jax arrays: softmax_cross_entropy and nll, as users call them."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from . import softmaxes
from .activations import differentiable
from .axes import logits_of
from .loss_options import (
    LARGEST,
    Reduction,
    between,
    check_reduction,
    chosen_classes,
    class_labels,
    class_weights,
    integer_or_none,
    one_axis,
    reduced,
)
from .operands import as_array, wide


def softmax_cross_entropy(
    z: Any,
    labels: Any,
    axis: int = -1,
    *,
    weight: Any = None,
    ignore_index: int | None = None,
    label_smoothing: Any = 0.0,
    z_loss: Any = 0.0,
    softcap: Any = None,
    reduction: Reduction = "mean",
) -> Any:
    """The cross-entropy of softmax(z) against labels: -sum_i y_i log softmax(z)_i.

    Formula: ``sum(w * ((1 - e) * y + e / n) * (logsumexp(z) - z)) + z_loss * logsumexp(z)^2``, where y is one-hot for a
    class label, w is 1 and e is 0 unless given; never log(softmax).

    Parameters
    ----------
    z : jax.Array
        Logits of any shape, the n classes along ``axis``.
    labels : jax.Array
        Integers in [0, n), of the shape of z without ``axis``; or probabilities (one-hot is a case) of the shape of z.
    axis : int, default -1
        The axis of the classes.
    weight : jax.Array, optional
        A weight w per class, of length n.
    ignore_index : int, optional
        A class label, inside or outside [0, n), whose rows have loss 0 and gradient 0, whatever their logits, and are
        not counted.
    label_smoothing : float, default 0.0
        Charges a share e in [0, 1] of each row to all classes alike.
    z_loss : float, default 0.0
        Adds ``z_loss * logsumexp(z)^2`` to the loss of each row that counts.
    softcap : float, optional
        Replaces the logits by ``softcap * tanh(z / softcap)`` first; a logit of -inf stays -inf.
    reduction : {"mean", "sum", "none"}, default "mean"
        What becomes of the losses of the rows. With class labels and ``weight`` the mean divides by the sum of the
        weights of the labels, else by the number of rows that are not ignored. If that is 0, so are loss and gradient.

    Returns
    -------
    loss : jax.Array
        Of the dtype of z; float16 and bfloat16 are computed, and added up, in float32.

    Raises
    ------
    numpy.exceptions.AxisError
        If the axis is out of range.
    TypeError
        If labels are neither integers nor, in the shape of z, floats; or a dtype is not supported.
    ValueError
        If shapes do not match, a known option is out of its range, or ``ignore_index`` is given with probabilities.

    Notes
    -----
    A label outside [0, n) gives NaN: values are not known while jax traces, so that nothing can be raised. A class of
    probability 0 costs nothing even at a logit of -inf; a row of -inf alone has loss inf and gradient 0. The gradient
    is softmax(z) - y, without the cancellation of that where a row is nearly certain.

    References
    ----------
    .. [1] I. Goodfellow, Y. Bengio, A. Courville, Deep Learning, section 6.2.2, 2016.

    Examples
    --------
    >>> import jax, jax.numpy as jnp, softfloor.jax as sj
    >>> z, labels = jnp.zeros((2, 2)), jnp.array([0, 1])
    >>> loss, gradient = jax.value_and_grad(sj.softmax_cross_entropy)(z, labels)
    >>> round(float(loss), 4), gradient.tolist()
    (0.6931, [[-0.25, 0.25], [0.25, -0.25]])
    """
    function = "softmax_cross_entropy"
    check_reduction(function, reduction)
    logits = logits_of(function, "z", z)
    position = one_axis(function, axis, logits.ndim)
    classes, rows = logits.shape[position], logits.shape[:position] + logits.shape[position + 1 :]
    targets = jnp.asarray(as_array(function, "labels", labels))
    ignored = integer_or_none(function, "ignore_index", ignore_index)
    if targets.shape == logits.shape:
        if ignored is not None:
            raise ValueError(f"{function}: ignore_index is for class labels; these are probabilities")
        targets = wide(logits_of(function, "labels", targets))
    elif targets.shape != rows:
        raise ValueError(
            f"{function}: labels have shape {targets.shape}; class labels need {rows}, "
            f"probabilities the shape of the logits, {logits.shape}"
        )
    else:
        targets = class_labels(function, targets, rows)
    return _softmax_cross_entropy(
        logits,
        targets,
        class_weights(function, weight, classes, wide(logits).dtype),
        between(function, "label_smoothing", label_smoothing, 0.0, 1.0),
        between(function, "z_loss", z_loss, 0.0, LARGEST),
        None if softcap is None else between(function, "softcap", softcap, 1 / LARGEST, LARGEST),
        position=position,
        ignored=ignored,
        reduction=reduction,
        smooth=not _is_zero(label_smoothing),
        squares=not _is_zero(z_loss),
    )


def _is_zero(option: Any) -> bool:
    return not isinstance(option, jax.core.Tracer) and float(option) == 0


@partial(jax.jit, static_argnames=("position", "ignored", "reduction", "smooth", "squares"))
def _softmax_cross_entropy(
    z: Any,
    labels: Any,
    weight: Any,
    smoothing: Any,
    z_loss: Any,
    softcap: Any,
    *,
    position: int,
    ignored: int | None,
    reduction: Reduction,
    smooth: bool,
    squares: bool,
) -> Any:
    logits, axes = wide(z), (position,)
    classes = logits.shape[position]
    charges, kept = labels, None
    if labels.ndim < logits.ndim:
        if ignored is not None:
            kept = labels != ignored
            labels = jnp.where(kept, labels, 0)
            logits = jnp.where(jnp.expand_dims(kept, position), logits, 0)
        charges = chosen_classes(labels, position, classes, logits.dtype)
    if softcap is not None:
        logits = softcapped(logits, softcap)
    per_class = None
    if weight is not None:
        per_class = jnp.expand_dims(weight, tuple(range(1, logits.ndim - position)))
    divisor = _divisor(charges, labels, per_class, kept, position)
    if smooth:
        charges = (1 - smoothing) * charges + smoothing / classes
    if per_class is not None:
        charges = charges * per_class
    losses = softmaxes.cross_entropy(axes)(logits, charges.astype(logits.dtype))
    if squares:
        lse = softmaxes.logsumexp(axes)(logits, jnp.ones((), logits.dtype))
        # Nothing is added to a loss that is infinite already: of a row of -inf alone the gradient is 0.
        losses = losses + z_loss * jnp.where(jnp.isfinite(lse), lse, jnp.inf) ** 2
    losses = jnp.squeeze(losses, position)
    if kept is not None:
        losses = jnp.where(kept, losses, 0)
    return reduced(losses, reduction, divisor).astype(z.dtype)


def _divisor(charges: Any, labels: Any, per_class: Any, kept: Any, position: int) -> Any:
    """What a mean divides by: the weights of the labels if there are any, else the rows that count."""
    if labels.ndim == charges.ndim:
        return math.prod(charges.shape) / max(1, charges.shape[position])
    weights = jnp.ones(labels.shape, charges.dtype)
    if per_class is not None:
        weights = jnp.sum(softmaxes.times(charges, per_class), position)
    return jnp.sum(weights if kept is None else jnp.where(kept, weights, 0))


def softcapped(logits: Any, softcap: Any) -> Any:
    """softcap tanh(z / softcap); -inf, of a class that takes no part, stays."""
    tanh = differentiable("tanh", (), True)
    return jnp.where(logits == -jnp.inf, -jnp.inf, softcap * tanh((logits / softcap).astype(logits.dtype)))


def nll(
    log_probabilities: Any,
    labels: Any,
    axis: int = -1,
    *,
    weight: Any = None,
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """The negative log-likelihood of class labels under log-probabilities, such as log_softmax returns.

    Formula: ``-weight[label] * q[label]``. From logits, softmax_cross_entropy does both steps in one.

    Parameters
    ----------
    log_probabilities : jax.Array
        Log-probabilities q of any shape, the n classes along ``axis``.
    labels : jax.Array
        Integers in [0, n), of the shape of q without ``axis``.
    axis, weight, ignore_index, reduction
        As for `softmax_cross_entropy`. A class of weight 0 costs nothing, even at q = -inf.

    Returns
    -------
    loss : jax.Array
        Of the dtype of q.

    Raises
    ------
    numpy.exceptions.AxisError, TypeError, ValueError
        As for `softmax_cross_entropy`.

    References
    ----------
    .. [1] C. M. Bishop, Pattern Recognition and Machine Learning, section 4.3.4, 2006.

    Examples
    --------
    >>> import jax.numpy as jnp, softfloor.jax as sj
    >>> q = jnp.log(jnp.array([[0.5, 0.5], [0.75, 0.25]]))
    >>> round(float(sj.nll(q, jnp.array([0, 1]))), 4)
    1.0397
    """
    check_reduction("nll", reduction)
    q = logits_of("nll", "log_probabilities", log_probabilities)
    position = one_axis("nll", axis, q.ndim)
    targets = class_labels("nll", labels, q.shape[:position] + q.shape[position + 1 :])
    weights = class_weights("nll", weight, q.shape[position], wide(q).dtype)
    ignored = integer_or_none("nll", "ignore_index", ignore_index)
    return _nll(q, targets, weights, position=position, ignored=ignored, reduction=reduction)


@partial(jax.jit, static_argnames=("position", "ignored", "reduction"))
def _nll(q: Any, labels: Any, weight: Any, *, position: int, ignored: int | None, reduction: Reduction) -> Any:
    costs, kept = -wide(q), None
    if ignored is not None:
        kept = labels != ignored
        labels = jnp.where(kept, labels, 0)
        costs = jnp.where(jnp.expand_dims(kept, position), costs, 0)
    charges = chosen_classes(labels, position, q.shape[position], costs.dtype)
    per_class = None
    if weight is not None:
        per_class = jnp.expand_dims(weight, tuple(range(1, q.ndim - position)))
    divisor = _divisor(charges, labels, per_class, kept, position)
    if per_class is not None:
        charges = charges * per_class
    losses = jnp.sum(softmaxes.times(charges, costs), position)
    if kept is not None:
        losses = jnp.where(kept, losses, 0)
    return reduced(losses, reduction, divisor).astype(q.dtype)
