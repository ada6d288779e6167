"""sparsemax and entmax15 of one row in MPFR, from sorted entries: the truth for tests."""

from __future__ import annotations

from typing import Any

import gmpy2
import numpy as np

from softfloor import formula

PRECISION = 2400  # sums over all exponents of float64 are exact


def numbers(row: Any, divisor: float = 1.0) -> list[Any]:
    formula.mpfr(PRECISION)
    return [gmpy2.mpfr(float(value)) / gmpy2.mpfr(divisor) for value in row]


def sparsemax(row: np.ndarray, temperature: float = 1.0) -> list[Any]:
    z = numbers(row, temperature)
    total, tau = gmpy2.mpfr(0), gmpy2.mpfr(0)
    for k, top in enumerate(sorted((v for v in z if v > -np.inf), reverse=True), 1):
        total += top
        if top <= (total - 1) / k:
            break
        tau = (total - 1) / k
    return [max(v - tau, gmpy2.mpfr(0)) for v in z]


def entmax15(row: np.ndarray, temperature: float = 1.0) -> list[Any]:
    z = [v / 2 for v in numbers(row, temperature)]
    largest = max(z)
    total = squares = tau = gmpy2.mpfr(0)
    for k, top in enumerate(sorted((v - largest for v in z if v > -np.inf), reverse=True), 1):
        total, squares = total + top, squares + top * top
        rest = 1 - (squares - total * total / k)
        if rest < 0 or top <= total / k - gmpy2.sqrt(rest / k):
            break
        tau = total / k - gmpy2.sqrt(rest / k)
    return [max(v - largest - tau, gmpy2.mpfr(0)) ** 2 for v in z]


FUNCTIONS = {"sparsemax": sparsemax, "entmax15": entmax15}
