"""A piece of Python that computes a cell, with the objects that it names."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from timeit import Timer
from typing import Any

import ml_dtypes
import numpy as np

Arrays = Mapping[str, np.ndarray]


class Absent(Exception):
    """A peer does not compute a cell. Without a message: it has no such function; else the message says what failed."""


class Statement:
    """What is timed, as text (``"y = f(x)"``) and the objects behind its names; the result is left in ``y``.

    ``within`` makes the context that it runs in; entering that is not timed.
    """

    def __init__(
        self, text: str, names: dict[str, Any], within: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> None:
        self.text, self.names, self.within = text, names, within
        # y is global so that a result lives until the next one replaces it, as in a user's loop.
        self._timer = Timer(text, "global y", globals=names)

    def seconds(self, number: int) -> float:
        """How long ``number`` repetitions take."""
        with self.within():
            return self._timer.timeit(number)

    def result(self) -> tuple[np.ndarray, ...]:
        """Run it and return what it computed, as NumPy arrays."""
        self.seconds(1)
        y = self.names["y"]
        return tuple(as_numpy(part) for part in (y if isinstance(y, (tuple, list)) else (y,)))


def as_numpy(array: Any) -> np.ndarray:
    """The NumPy array of a peer's array."""
    if hasattr(array, "detach"):
        return np.asarray((array.float() if str(array.dtype) == "torch.bfloat16" else array).detach())
    if type(array).__name__ == "OrtValue":
        if array.data_type() != "tensor(bfloat16)":
            return array.numpy()
        count = int(np.prod(array.shape()))
        bits = np.ctypeslib.as_array((ctypes.c_uint16 * count).from_address(array.data_ptr()))
        return bits.copy().view(ml_dtypes.bfloat16).reshape(array.shape())
    return np.asarray(array)
