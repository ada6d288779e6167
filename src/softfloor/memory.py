"""What becomes of the memory of large results, and how to say otherwise.

The first write to fresh memory costs a page fault per page, several times what computing an activation costs. So
results of 2 MiB and more lie on huge pages, and when such an array is freed its memory waits a moment for the next
result. What waits is bounded in bytes and in time, and goes back to the system by itself; the kernel may take it even
earlier when memory is short. No result depends on it, and memory of other libraries' arrays is left alone.

The environment variable ``SOFTFLOOR_MEMORY_LIMIT`` is the limit in bytes at the start; 0 turns recycling off.
"""

from __future__ import annotations

import operator
import os
from numbers import Real
from types import TracebackType
from typing import NamedTuple

from . import _core

_VARIABLE = "SOFTFLOOR_MEMORY_LIMIT"


class Report(NamedTuple):
    """How much memory may wait for reuse, for how long, and how much does."""

    #: Largest number of bytes that wait for reuse.
    limit: int
    #: Seconds after which waiting memory goes back to the system.
    seconds: float
    #: Bytes that wait now.
    kept: int


def report() -> Report:
    """The limits, and how much memory of freed results waits for reuse.

    Returns
    -------
    Report
        With ``limit`` (bytes), ``seconds`` and ``kept`` (bytes).

    Examples
    --------
    >>> import softfloor as sf
    >>> sf.memory.report().kept <= sf.memory.report().limit
    True
    """
    return Report(*_core.get_memory())


def release() -> int:
    """Give all memory that waits for reuse back to the system, now.

    Returns
    -------
    int
        How many bytes that were.

    Examples
    --------
    >>> import numpy as np, softfloor as sf
    >>> released = sf.memory.release()
    >>> sf.memory.report().kept
    0
    """
    return _core.release_memory()


class set:
    """Bound the memory that waits for reuse, from now on or within a ``with`` block, for the whole process.

    Parameters
    ----------
    limit : int, optional
        Bytes in all, 268435456 (256 MiB) at the start; 0 turns recycling off. A larger block is never kept.
    seconds : float, optional
        How long freed memory waits, 1.0 at the start.

    Raises
    ------
    ValueError
        If a bound is negative, or not finite.
    TypeError
        If ``limit`` is not an integer or ``seconds`` not a number.

    Examples
    --------
    >>> import softfloor as sf
    >>> with sf.memory.set(limit=0):
    ...     sf.memory.report().limit
    0
    """

    def __init__(self, limit: int | None = None, *, seconds: float | None = None) -> None:
        before = report()
        self._before = before.limit, before.seconds
        _core.set_memory(
            before.limit if limit is None else _checked_limit(limit),
            before.seconds if seconds is None else _checked_seconds(seconds),
        )

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _core.set_memory(*self._before)


def _checked_limit(limit: int) -> int:
    number = operator.index(limit)
    if not 0 <= number < 2**62:
        raise ValueError(f"the limit must be a number of bytes, 0 for no recycling; got {limit}")
    return number


def _checked_seconds(seconds: float) -> float:
    if not isinstance(seconds, Real):
        raise TypeError(f"seconds must be a number; got {seconds!r}")
    number = float(seconds)
    if not 0 <= number <= 1e6:
        raise ValueError(f"seconds must be between 0 and 1000000; got {seconds}")
    return number


def _set_from_environment() -> None:
    text = os.environ.get(_VARIABLE)
    if text:
        try:
            set(int(text))
        except ValueError:
            raise ImportError(
                f"environment variable {_VARIABLE} must be a number of bytes, 0 for no recycling; got {text!r}"
            ) from None


_set_from_environment()
