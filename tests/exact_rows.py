"""The softmax family of one row in MPFR at 60 digits, in forms that do not cancel: the truth for tests of rows."""

from __future__ import annotations

from typing import Any

import gmpy2
import ml_dtypes
import numpy as np

import ulp
from softfloor import formula

PRECISION = 200


class ExactRow:
    """All that can be asked about one row of finite logits (or -inf, which takes no part)."""

    def __init__(self, z: np.ndarray, temperature: float = 1.0) -> None:
        formula.mpfr(PRECISION)
        numbers = [gmpy2.mpfr(float(value)) for value in z]
        top = max(range(len(numbers)), key=numbers.__getitem__)
        self.temperature = gmpy2.mpfr(temperature)
        self.maximum = numbers[top] / self.temperature
        self.depths = [(value - numbers[top]) / self.temperature for value in numbers]
        self.terms = [gmpy2.exp(depth) for depth in self.depths]
        rest = gmpy2.fsum(term for i, term in enumerate(self.terms) if i != top)
        self.total, self.log_of_total = 1 + rest, gmpy2.log1p(rest)

    def softmax(self) -> list[Any]:
        return [term / self.total for term in self.terms]

    def log_softmax(self) -> list[Any]:
        return [depth - self.log_of_total for depth in self.depths]

    def logsumexp(self) -> Any:
        return self.maximum + self.log_of_total

    def others(self, i: int) -> Any:
        """1 - softmax_i, as the sum of the others."""
        return gmpy2.fsum(term for j, term in enumerate(self.terms) if j != i) / self.total

    def class_gradient(self, label: int) -> list[Any]:
        return [-self.others(i) if i == label else term / self.total for i, term in enumerate(self.terms)]

    def probability_loss(self, labels: np.ndarray) -> Any:
        logs = self.log_softmax()
        return gmpy2.fsum(-gmpy2.mpfr(float(y)) * q for y, q in zip(labels, logs, strict=True) if y != 0)

    def probability_gradient(self, labels: np.ndarray) -> list[Any]:
        weights = [gmpy2.mpfr(float(y)) for y in labels]
        total = gmpy2.fsum(weights)
        return [p * total - y for p, y in zip(self.softmax(), weights, strict=True)]


def worst_excess(computed: np.ndarray, exact: list[Any], magnitudes: list[Any] | None = None) -> float:
    """The largest (error in ulp) - 2 - (n 2^-26 relative, in ulp); at most 0 where the promise is kept.

    ``magnitudes`` are what the relative part refers to where the result is a difference of larger numbers.
    """
    name, n = computed.dtype.name, len(exact)
    worst = -np.inf
    precision, smallest = ulp.FORMATS[name]
    largest = float(ml_dtypes.finfo(computed.dtype).max)
    for i, (value, truth) in enumerate(zip(computed.ravel().tolist(), exact, strict=True)):
        if abs(value) == np.inf and abs(truth) >= largest and (value > 0) == (truth > 0):
            continue  # too large for the format
        size = abs(truth) if magnitudes is None else magnitudes[i]
        exponent = smallest if truth == 0 else max(gmpy2.get_exp(truth) - 1, smallest)
        allowed = 2 + n * float(size * gmpy2.exp2(precision - 1 - exponent - 26))
        worst = max(worst, ulp.ulp_error(value, truth, name) - allowed)
    return worst
