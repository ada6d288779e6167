"""How many threads a call on a large array may use. The bits of a result do not depend on it.

Without a request softfloor uses as many as OpenMP offers, so ``OMP_NUM_THREADS`` and ``threadpoolctl`` work as usual.
A call takes helpers where its work pays for them, which it knows from what earlier calls took. Calls from several
threads at once (Dask workers, joblib, a `concurrent.futures.ThreadPoolExecutor`) share one set of helpers, so that no
more threads work than asked for, except the callers themselves. A process made by fork uses one thread until asked for
more.
"""

from __future__ import annotations

import operator
from types import TracebackType

from . import _core


def get() -> int:
    """The number of threads that the next large call may use.

    Examples
    --------
    >>> import softfloor as sf
    >>> sf.threads.get() >= 1
    True
    """
    return _core.get_threads()[1]


def used() -> int:
    """The number of threads that worked on the latest call of the current thread, calls on small arrays not counted.

    Examples
    --------
    >>> import numpy as np, softfloor as sf
    >>> with sf.threads.set(1):
    ...     y = sf.gelu(np.zeros(1_000_000))
    ...     sf.threads.used()
    1
    """
    return _core.get_threads()[2]


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
