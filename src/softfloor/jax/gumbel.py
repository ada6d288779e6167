"""gumbel_softmax on jax arrays: differentiable samples of a categorical distribution."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from .axes import Axis, logits_of, masked
from .differentiable import Differentiable
from .operands import wide
from .rows import softmax
from .sparse import hardmax


def gumbel_softmax(
    z: Any,
    axis: Axis = -1,
    *,
    rng: Any,
    temperature: Any = 1.0,
    hard: bool = False,
    where: Any = None,
    dtype: Any = None,
) -> Any:
    """A sample of softmax(z) that can be differentiated: softmax((z + g) / T) with Gumbel noise g, along an axis.

    Formula: ``softmax((z + g) / temperature)``, ``g = -log(-log(u))``; with ``hard=True`` the one-hot of ``z + g``.

    Parameters
    ----------
    z, axis, temperature, where, dtype
        As for `softmax`.
    rng : jax.Array
        A key, such as ``jax.random.key(0)``. The same key gives the same sample.
    hard : bool, default False
        Return 1 at the first maximum of z + g and 0 elsewhere, an exact sample of the distribution softmax(z). Its
        gradient is that of the soft sample of the same key: the straight-through estimate.

    Returns
    -------
    p : jax.Array
        Of the shape and dtype of z. The stream is that of `jax.random.gumbel`, not NumPy's.

    Raises
    ------
    numpy.exceptions.AxisError, ValueError
        As for `softmax`.
    TypeError
        As for `softmax`, or if ``rng`` is no key.

    References
    ----------
    .. [1] E. Jang, S. Gu, B. Poole, Categorical Reparameterization with Gumbel-Softmax, 2017.
    .. [2] C. J. Maddison, A. Mnih, Y. W. Teh, The Concrete Distribution, 2017.

    Examples
    --------
    >>> import jax, jax.numpy as jnp, softfloor.jax as sj
    >>> float(sj.gumbel_softmax(jnp.array([0.0, 1.0, 2.0]), rng=jax.random.key(0), hard=True).sum())
    1.0
    """
    logits = masked("gumbel_softmax", logits_of("gumbel_softmax", "z", z, dtype), where)
    if not isinstance(rng, jax.Array):
        raise TypeError(f"gumbel_softmax: rng must be a key, such as jax.random.key(0); got {type(rng).__name__}")
    perturbed = wide(logits) + jax.random.gumbel(rng, logits.shape, wide(logits).dtype)
    soft = softmax(perturbed, axis, temperature=temperature)
    return (_with_gradient_of(hardmax(perturbed, axis), soft) if hard else soft).astype(logits.dtype)


@Differentiable
def _with_gradient_of(value: Any, estimate: Any) -> Any:
    """The value, differentiated as if it were the estimate."""
    return value + 0 * jnp.where(jnp.isnan(estimate), estimate, 0)


@_with_gradient_of.defjvp
def _with_gradient_of_jvp(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    value, (_, of_estimate) = _with_gradient_of(*primals), tangents
    return value, jnp.zeros_like(value) if of_estimate is None else of_estimate
