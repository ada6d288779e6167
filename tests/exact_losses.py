"""The cross-entropy of one row with all its options, and its gradient, in MPFR: the truth for tests of losses."""

from __future__ import annotations

from typing import Any

import gmpy2
import numpy as np

from exact_rows import PRECISION
from softfloor import formula


def exact(value: Any) -> Any:
    return gmpy2.mpfr(float(value))


class ExactLoss:
    """A row of finite logits with labels, a class or probabilities."""

    def __init__(
        self,
        z: np.ndarray,
        labels: Any,
        weight: Any = None,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        softcap: float | None = None,
    ) -> None:
        formula.mpfr(PRECISION)
        n = len(z)
        y = [exact(k == labels) for k in range(n)] if np.ndim(labels) == 0 else [exact(v) for v in labels]
        weights = [exact(1)] * n if weight is None else [exact(w) for w in weight]
        e = exact(label_smoothing)
        self.charges = [w * ((1 - e) * share + e / n) for w, share in zip(weights, y, strict=True)]
        self.z_loss, self.softcap = exact(z_loss), None if softcap is None else exact(softcap)
        self.inputs = [exact(value) for value in z]
        self.logits = [self.cap(value) for value in self.inputs]
        self.lse = self.log_sum(self.logits)

    def cap(self, value: Any) -> Any:
        return value if self.softcap is None else self.softcap * gmpy2.tanh(value / self.softcap)

    def log_sum(self, logits: list[Any]) -> Any:
        top = max(range(len(logits)), key=logits.__getitem__)
        rest = (gmpy2.exp(value - logits[top]) for i, value in enumerate(logits) if i != top)
        return logits[top] + gmpy2.log1p(gmpy2.fsum(rest))

    def loss(self) -> Any:
        costs = (a * (self.lse - value) for a, value in zip(self.charges, self.logits, strict=True))
        return gmpy2.fsum(costs) + self.z_loss * self.lse**2

    def gradient(self) -> tuple[list[Any], list[Any]]:
        """The gradient, and the sizes of the terms that it is a difference of."""
        factor = gmpy2.fsum(self.charges) + 2 * self.z_loss * self.lse
        slopes, sizes = [], []
        for a, value, given in zip(self.charges, self.logits, self.inputs, strict=True):
            p = gmpy2.exp(value - self.lse)
            slope = exact(1) if self.softcap is None else gmpy2.sech(given / self.softcap) ** 2
            slopes.append((p * factor - a) * slope)
            sizes.append((p * abs(factor) + a) * slope)
        return slopes, sizes
