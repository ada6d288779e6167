"""How many threads a call on a large array may use. The bits of a result do not depend on it.

Without a request softfloor uses what OpenMP offers, so ``OMP_NUM_THREADS`` and ``threadpoolctl`` work as usual. A
process forked after threads ran, and a call inside another OpenMP region, use one thread.
"""

from __future__ import annotations

import operator
from types import TracebackType

from . import _core


def get() -> int:
    """The number of threads that the next large call may use."""
    return _core.get_threads()[1]


class set:
    """Ask for a number of threads, from now on or within a ``with`` block.

    Parameters
    ----------
    count : int or None
        At least 1; ``None`` leaves the choice to OpenMP again.

    Raises
    ------
    ValueError
        If ``count`` is below 1.
    TypeError
        If ``count`` is not an integer.

    Examples
    --------
    >>> import softfloor as sf
    >>> with sf.threads.set(1):
    ...     sf.threads.get()
    1
    """

    def __init__(self, count: int | None) -> None:
        number = 0 if count is None else operator.index(count)
        if count is not None and not 1 <= number <= 4096:
            raise ValueError(
                f"the number of threads must be between 1 and 4096, or None for OpenMP's choice; got {count}"
            )
        self._before = _core.get_threads()[0]
        _core.set_threads(number)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _core.set_threads(self._before)
