"""The truth that claims are held to: catalogue formulas with 50 digits, by mpmath."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from softfloor import catalogue, formula

DIGITS = 50
#: What two numbers that agree to all digits may still differ by, relatively.
AGREE = 1e-45


def value(name: str, x: Any) -> Any:
    """An activation at x, default parameters."""
    return _run(catalogue.ACTIVATIONS[name].formula, name, x)


def slope(name: str, x: Any) -> Any:
    """Its derivative at x."""
    return _run(catalogue.ACTIVATIONS[name].slope, name, x)


def _run(function: Callable[..., Any], name: str, x: Any) -> Any:
    parameters = [parameter.default for parameter in catalogue.ACTIVATIONS[name].parameters]
    return function(_namespace(), numbers().convert(x), *parameters)


@functools.cache
def _namespace() -> Any:
    # Made once: making it sets the precision, which mpmath's own numerical derivatives raise while they run.
    return formula.mpmath(DIGITS)


def numbers() -> Any:
    """mpmath's functions and numbers, at the precision in force; see `precision`."""
    from mpmath import mp

    return mp


@contextmanager
def precision() -> Iterator[None]:
    """Compute with `DIGITS` and ten more within a ``with`` block, and leave mpmath as it was."""
    before = numbers().dps
    _namespace()
    numbers().dps = DIGITS + 10
    try:
        yield
    finally:
        numbers().dps = before


def relative(computed: Any, true: Any) -> float:
    """The relative difference, or the absolute one where the truth is 0."""
    difference = abs(computed - true)
    return float(difference / abs(true)) if true else float(difference)


def worst_ulps(computed: Any, true: Iterable[Any]) -> float:
    """The largest error of an array in ulp of its dtype, the truth given as mpmath numbers."""
    array = np.asarray(computed)
    spacings = [abs(float(np.spacing(array.dtype.type(float(t))))) for t in true]
    return max(
        float(abs(numbers().mpf(float(c)) - t) / spacing)
        for c, t, spacing in zip(array.ravel(), true, spacings, strict=True)
    )


def first_float32(predicate: Callable[[Any], bool], low: float, high: float) -> float:
    """The float32 nearest to ``low`` where a predicate holds that is false at ``low`` and true up to ``high``."""
    below, above = np.float32(low), np.float32(high)
    while True:
        middle = np.float32((float(below) + float(above)) / 2)
        if middle in (below, above):
            return float(above)
        below, above = (below, middle) if predicate(middle) else (middle, above)
