"""Speed and accuracy beside the code that people write: float32, one thread each."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import softfloor as sf

from .exact import numbers, precision, slope, value
from .results import Timing

#: The textbook code, as text that is shown and run; ``erf`` is SciPy's.
TEXTBOOK = {
    "sigmoid": "1 / (1 + np.exp(-x))",
    "sigmoid.derivative": "1 / (1 + np.exp(-x)) * (1 - 1 / (1 + np.exp(-x)))",
    "tanh": "np.tanh(x)",
    "tanh.derivative": "1 - np.tanh(x) ** 2",
    "relu": "np.maximum(0, x)",
    "relu.derivative": "(x > 0).astype(x.dtype)",
    "gelu": "0.5 * x * (1 + erf(x / np.sqrt(np.float32(2))))",
    "gelu.derivative": "0.5 * (1 + erf(x / np.sqrt(np.float32(2)))) "
    "+ x * np.exp(-0.5 * x**2) / np.sqrt(np.float32(2 * np.pi))",
    "gelu_tanh": "0.5 * x * (1 + np.tanh(np.sqrt(np.float32(2 / np.pi)) * (x + 0.044715 * x**3)))",
    "silu": "x / (1 + np.exp(-x))",
    "silu.derivative": "1 / (1 + np.exp(-x)) * (1 + x * (1 - 1 / (1 + np.exp(-x))))",
}

#: Elements of a timed call: their input and output stay in the cache.
SIZE = 30_000


def compare(quick: bool = False) -> tuple[Timing, ...]:
    """Time and error of each function of `TEXTBOOK`.

    The truth for float32 is softfloor's float64 kernel, which `oracle_error` holds to mpmath.
    """
    x = np.random.default_rng(0).normal(0, 3, SIZE).astype(np.float32)
    inputs = error_inputs(20_001 if quick else 200_001)
    with sf.threads.set(1):
        return tuple(_compare(name, text, x, inputs, 3 if quick else 12) for name, text in TEXTBOOK.items())


def error_inputs(count: int) -> Any:
    """float32 numbers on [-110, 110], half of them evenly spaced, half evenly spread over the exponents."""
    even = np.linspace(-110, 110, count, dtype=np.float32)
    powers = np.geomspace(1e-30, 110, count // 2, dtype=np.float32)
    return np.concatenate([even, powers, -powers])


def _function(name: str) -> Callable[..., Any]:
    function, _, variant = name.partition(".")
    found: Callable[..., Any] = getattr(sf.get(function), variant) if variant else sf.get(function)
    return found


def textbook(name: str) -> Callable[[Any], Any]:
    """The textbook code as a function."""
    from scipy.special import erf

    function: Callable[[Any], Any] = eval(f"lambda x: {TEXTBOOK[name]}", {"np": np, "erf": erf})
    return function


def _compare(name: str, text: str, x: Any, inputs: Any, repeats: int) -> Timing:
    ours, theirs = _function(name), textbook(name)
    true = ours(inputs.astype(np.float64))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        their_errors = ulps(theirs(inputs), true)
    our_errors = ulps(ours(inputs), true)
    return Timing(
        f"sf.{name}",
        text,
        nanoseconds(ours, x, repeats),
        nanoseconds(theirs, x, repeats),
        float(our_errors.max()),
        float(their_errors.max()),
        float(inputs[their_errors.argmax()]),
        bool(caught),
    )


def ulps(computed: Any, true: Any) -> Any:
    """Errors of a float32 array in ulp, against float64."""
    with np.errstate(all="ignore"):
        spacing = np.abs(np.spacing(true.astype(np.float32))).astype(np.float64)
        errors = np.abs(computed.astype(np.float64) - true) / spacing
    return np.where(np.isfinite(errors), errors, np.inf)


def nanoseconds(function: Callable[[Any], Any], x: Any, repeats: int) -> float:
    """Time per element, the best of several rounds: others may be using the machine."""
    best = float("inf")
    with np.errstate(all="ignore"):
        for _ in range(repeats):
            began = time.perf_counter()
            for _ in range(10):
                function(x)
            best = min(best, time.perf_counter() - began)
    return best / 10 / len(x) * 1e9


def oracle_error(count: int = 40) -> float:
    """The worst error of the float64 kernels, in ulp, against mpmath with 50 digits, over points of each function."""
    points = np.concatenate([np.linspace(-36, 36, count), np.geomspace(1e-12, 1, count // 4)])
    worst = 0.0
    with precision():
        for name in ("sigmoid", "tanh", "gelu", "gelu_tanh", "silu"):
            activation = sf.get(name)
            for computed, truth in ((activation(points), value), (activation.derivative(points), slope)):
                for x, y in zip(points, computed, strict=True):
                    true = truth(name, x)
                    error = abs(numbers().mpf(float(y)) - true)
                    worst = max(worst, float(error / float(np.spacing(abs(float(true))))))
    return worst
