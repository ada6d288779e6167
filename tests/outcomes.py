"""What calls return or raise, for tests that compare two ways to the same results."""

import threading
import warnings
from typing import Any

import numpy as np

from cases import assert_same_bits


def numbers(dtype, *shape):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def outcome(function, *operands, **keywords):
    """What it returns, or the type of what it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = function(*operands, **keywords)
        except Exception as error:
            return type(error)
    return result if isinstance(result, tuple) else (result,)


def assert_same_outcome(found, expected):
    if isinstance(expected, type):
        assert isinstance(found, type)
        assert issubclass(found, expected)
        return
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert type(one) is type(other)
        assert_same_bits(one, other)
        assert one.dtype.metadata == other.dtype.metadata
        assert one.strides == other.strides


def assert_same_in_many_threads(function, *operands, expected):
    """Eight threads at once, two hundred calls each; what it should return, as `outcome` has it."""
    failures = []

    def work():
        for _ in range(200):
            result = function(*operands)  # no `outcome`: warnings are of all threads
            try:
                assert_same_outcome(result if isinstance(result, tuple) else (result,), expected)
            except AssertionError as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


class Tagged(np.ndarray):
    """A subclass that NumPy's ufuncs keep."""


#: Arrays of the same numbers, by what is special about them.
OPERANDS: dict[str, Any] = {
    "plain": lambda x: x,
    "empty": lambda x: x[:0],
    "0-d": lambda x: np.array(x[0, 0]),
    "scalar": lambda x: x[0, 0],
    "one": lambda x: x[:1, :1],
    "columns": lambda x: x.T,
    "every other": lambda x: x[:, ::2],
    "backwards": lambda x: x[::-1],
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "broadcast": lambda x: np.broadcast_to(x[0], x.shape),
    "masked": lambda x: np.ma.masked_array(x, x > 0),
    "subclass": lambda x: x.view(Tagged),
    "list": lambda x: x.tolist(),
    "unaligned": lambda x: np.frombuffer(b"." + x.tobytes(), x.dtype, offset=1).reshape(x.shape),
    "large": lambda x: np.resize(x, (1 << 20) // x.itemsize),
}
