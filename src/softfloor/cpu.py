"""Which instruction set's kernels run. All of them return the same bits; only the speed differs.

Chosen at import: the best that the CPU supports, or the one named by the environment variable ``SOFTFLOOR_CPU``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from . import _core

_VARIABLE = "SOFTFLOOR_CPU"


def available() -> tuple[str, ...]:
    """Instruction sets that this CPU runs, best first.

    Returns
    -------
    tuple of str
        Some of ``"v4"`` (AVX-512), ``"v3"`` (AVX2 and FMA), ``"x86_64"``; elsewhere ``"generic"``.

    Examples
    --------
    >>> import softfloor as sf
    >>> sf.cpu.current() in sf.cpu.available()
    True
    """
    return _core.available_cpus()


def current() -> str:
    """The instruction set whose kernels run, one of `available()`."""
    return _core.current_cpu()


@contextmanager
def use(name: str) -> Iterator[None]:
    """Run another instruction set's kernels within a ``with`` block, in every thread of the process.

    Parameters
    ----------
    name : str
        One of `available()`.

    Raises
    ------
    ValueError
        If this CPU cannot run it.
    TypeError
        If it is no string.

    Examples
    --------
    >>> import numpy as np, softfloor as sf
    >>> x = np.linspace(-5, 5, 1000, dtype=np.float32)
    >>> with sf.cpu.use(sf.cpu.available()[-1]):
    ...     slowest = sf.gelu(x)
    >>> bool((slowest == sf.gelu(x)).all())
    True
    """
    before = current()
    _select(name)
    try:
        yield
    finally:
        _core.use_cpu(before)


def _select(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"an instruction set must be a string, one of {', '.join(available())}; got {name!r}")
    if not _core.use_cpu(name):
        raise ValueError(f"instruction set {name!r} cannot run here; available: {', '.join(available())}")


def _select_from_environment() -> None:
    name = os.environ.get(_VARIABLE)
    if name:
        try:
            _select(name)
        except ValueError as error:
            raise ImportError(f"environment variable {_VARIABLE}: {error}") from None


_select_from_environment()
