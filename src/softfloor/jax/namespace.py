"""The verbs of formulas on the numbers of `numbers` and their duals."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import jax.numpy as jnp

from . import erfc_coefficients, numbers
from .duals import Dual, parts, times
from .numbers import Number, Pair, Plain

_PI = Decimal("3.1415926535897932384626433832795028841971693993751")


class Namespace:
    """What a record's formula takes as ``xp``, for numbers of one dtype and kind; constants have 50 digits."""

    pi = _PI
    decimal = Decimal

    def __init__(self, dtype: Any, kind: type[Pair | Plain] = Pair) -> None:
        self.dtype, self.kind = jnp.dtype(dtype), kind

    def number(self, x: Any) -> Number:
        """An array or a constant as a number."""
        if isinstance(x, (int, float, Decimal)):
            return Number(self.kind.constant(Decimal(x), self.dtype))
        return x if isinstance(x, Number) else Number(self.kind.exactly(x))

    def exp(self, x: Any) -> Any:
        if isinstance(x, Dual):
            value = self.exp(x.value)
            return Dual(value, times(value, x.derivative))
        return numbers.exp(self.number(x))

    def log(self, x: Any) -> Any:
        if isinstance(x, Dual):
            return Dual(self.log(x.value), times(1 / x.value, x.derivative))
        return _log(self.number(x))

    def sqrt(self, x: Any) -> Any:
        if isinstance(x, (int, Decimal)):
            return Decimal(x).sqrt()
        if isinstance(x, Dual):
            root = self.sqrt(x.value)
            return Dual(root, times(1 / (2 * root), x.derivative))
        return self.number(jnp.sqrt(x.rounded()))

    def sigmoid(self, x: Any) -> Any:
        return 1 / (1 + self.exp(-x))

    def cosh(self, x: Any) -> Any:
        return (self.exp(x) + self.exp(-x)) / 2

    def tanh(self, x: Any) -> Any:
        if isinstance(x, Dual):
            return Dual(self.tanh(x.value), times(1 / self.cosh(x.value) ** 2, x.derivative))
        x = self.number(x)
        size = abs(x)
        # Near 0 by the series of sinh, where the difference of exponentials would cancel.
        near = self.number(jnp.minimum(size.rounded(), 1))
        below_one = x * (1 + near**2 * _sinh_series(near)) / self.cosh(near)
        beyond = 1 - 2 / (1 + self.exp(2 * size))
        return self.where(size < 1, below_one, self.where(x < 0, -beyond, beyond))

    def erfc(self, x: Any) -> Any:
        if isinstance(x, Dual):
            slope = self.exp(-(x.value**2)) * (-2 / self.pi.sqrt())
            return Dual(self.erfc(x.value), times(slope, x.derivative))
        x = self.number(x)
        tail = _scaled_erfc(abs(x)) * self.exp(-(x**2))
        return self.where(x < 0, 2 - tail, tail)

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        if isinstance(yes, Dual) or isinstance(no, Dual):
            (a, da), (b, db) = parts(yes), parts(no)
            return Dual(self.where(condition, a, b), self.where(condition, da, db))
        return numbers.where(condition, self.number(yes), self.number(no))


def _log(x: Number) -> Number:
    # log1p keeps the digits of a number near 1; its own power, if it has one, comes out of the logarithm.
    beyond = Number(x.significand) - 1
    value = jnp.log1p(beyond.rounded())
    rest = (beyond - beyond.exactly(beyond.rounded())).rounded() / x.significand.high
    result = x.exactly(value) + x.exactly(jnp.where(jnp.isfinite(rest), rest, 0))
    return result + Number(x.power) if x.power else result


def _horner(coefficients: tuple[float, ...], x: Any) -> Any:
    """x (c_0 + x (c_1 + ...))."""
    result = jnp.zeros_like(x)
    for coefficient in reversed(coefficients):
        result = (result + x.dtype.type(coefficient)) * x
    return result


#: 1/3!, 1/5!, ...: what float64 needs of the series of sinh on [0, 1].
_SINH = tuple(1 / math.factorial(2 * k + 1) for k in range(1, 10))


def _sinh_series(x: Number) -> Number:
    """(sinh(x)/x - 1)/x^2 for 0 <= x <= 1."""
    return x.exactly(_horner(_SINH[1:], x.rounded() ** 2)) + x.beside(_SINH[0])


def _scaled_erfc(u: Number) -> Number:
    """e^(u^2) erfc(u) for u >= 0."""
    head, rest, *others = erfc_coefficients.TAIL[u.significand.high.dtype.name]
    # Beyond, the e^(-u^2) beside it is 0.
    u = numbers.where(u < 30, u, u.beside(30))
    s = ((u - erfc_coefficients.MIDDLE) / (u + erfc_coefficients.MIDDLE)).rounded()
    series = u.beside(Decimal(head) + Decimal(rest)) + u.exactly(_horner(tuple(others), s))
    return series / (1 + 2 * u)
