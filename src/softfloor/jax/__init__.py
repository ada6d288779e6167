"""The functions of softfloor on jax arrays: ``import softfloor.jax as sj``.

The names and meanings are those of `softfloor`; what differs is in docs/jax.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    import jax as _jax  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "jax":  # jax is there, and fails for a reason of its own
        raise
    raise ImportError("softfloor.jax needs jax, which is not installed: pip install 'softfloor[jax]'") from error

from .activations import FUNCTIONS as _ACTIVATIONS
from .activations import Activation
from .binary_losses import sigmoid_cross_entropy
from .gates import UNITS as _UNITS
from .gates import GatedUnit, gated, gated_presets
from .gumbel import gumbel_softmax
from .linear_losses import linear_cross_entropy
from .losses import nll, softmax_cross_entropy
from .rows import log_softmax, logsumexp, softmax, softmin
from .sparse import entmax15, hardmax, sparsemax

_FUNCTIONS: dict[str, Any] = {
    **_ACTIVATIONS,
    **_UNITS,
    **{
        function.__name__: function
        for function in (
            softmax,
            log_softmax,
            logsumexp,
            softmin,
            sparsemax,
            entmax15,
            hardmax,
            gumbel_softmax,
            softmax_cross_entropy,
            sigmoid_cross_entropy,
            nll,
            linear_cross_entropy,
        )
    },
}
globals().update(_FUNCTIONS)

__all__ = ["Activation", "GatedUnit", "functions", "gated", "gated_presets", "get", *_FUNCTIONS]


def functions() -> tuple[str, ...]:
    """The names of all functions.

    Examples
    --------
    >>> import softfloor.jax as sj
    >>> "gelu" in sj.functions()
    True
    """
    return tuple(_FUNCTIONS)


def get(name: str) -> Any:
    """A function by its name.

    Raises
    ------
    ValueError
        If there is no such function.

    Examples
    --------
    >>> import softfloor.jax as sj
    >>> sj.get("silu") is sj.silu
    True
    """
    try:
        return _FUNCTIONS[name]
    except (KeyError, TypeError):
        raise ValueError(f"softfloor.jax has no function {name!r}; it has {', '.join(_FUNCTIONS)}") from None


if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
