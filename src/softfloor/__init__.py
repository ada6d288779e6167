"""Activation functions for NumPy: values, derivatives and vector-Jacobian products with measured error bounds.

Functions are found as attributes (``softfloor.gelu``), by name (``softfloor.get("gelu")``), and listed by
``softfloor.functions()``.
"""

from __future__ import annotations

from typing import Any

from . import catalogue, cpu, memory, threads
from .activation import Activation, Function
from .binary_losses import sigmoid_cross_entropy
from .gates import NAMED as _NAMED_UNITS
from .gates import GatedUnit, gated, gated_presets
from .gumbel import gumbel_softmax
from .likelihood import nll
from .linear_losses import linear_cross_entropy
from .losses import softmax_cross_entropy
from .soft_maximum import log_softmax, logsumexp, softmax
from .soft_minimum import softmin
from .sparse import entmax15, hardmax, sparsemax

_FUNCTIONS: dict[str, Any] = {
    **{name: Activation(record) for name, record in catalogue.ACTIVATIONS.items()},
    **_NAMED_UNITS,
    **{
        function.name: function
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

__all__ = [
    "Activation",
    "Function",
    "GatedUnit",
    "catalogue",
    "cpu",
    "functions",
    "gated",
    "gated_presets",
    "get",
    "memory",
    "threads",
    *_FUNCTIONS,
]


def functions() -> tuple[str, ...]:
    """The names of all functions.

    Returns
    -------
    tuple of str
        In the order of the catalogue.

    Examples
    --------
    >>> import softfloor as sf
    >>> "gelu" in sf.functions()
    True
    """
    return tuple(_FUNCTIONS)


def get(name: str) -> Any:
    """A function by its name.

    Parameters
    ----------
    name : str
        One of `functions()`.

    Returns
    -------
    Activation, GatedUnit or row function

    Raises
    ------
    ValueError
        If there is no such function; names the nearest.

    Examples
    --------
    >>> import softfloor as sf
    >>> sf.get("silu") is sf.silu
    True
    """
    try:
        return _FUNCTIONS[name]
    except (KeyError, TypeError):
        import difflib

        near = difflib.get_close_matches(str(name).lower(), _FUNCTIONS, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(_FUNCTIONS)}"
        raise ValueError(f"no function is called {name!r}; {hint}") from None


def __getattr__(name: str) -> Any:
    if name == "__version__":  # read when asked for: importlib.metadata costs as much as the rest of this import
        from importlib.metadata import version

        return version("softfloor")
    raise AttributeError(f"module 'softfloor' has no attribute {name!r}")
