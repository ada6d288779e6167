"""The numbers that formulas run on: ``significand e^power``, arrays of one float dtype.

Two things make a formula lose its digits in float32: exponentials that leave the range of the format before they are
divided or multiplied away, and rounding errors that an exponential magnifies. Here an exponential stays a power until
the end, so the formulas of the catalogue need no second, stable text: ``1 / (1 + exp(-x))`` at x = -1000 is
``1 / (1 e^1000) = 1 e^-1000``. And significand and power are each a `Pair`, which carries what its rounding left over;
or a `Plain`, which does not, where half the digits are enough.

Compilers contract ``a * b + c`` and so break the error-free sums and products of the textbooks. Here a number is cut in
two by a mask on its bits, and products of such halves are exact, contracted or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

_INTEGERS = {"float32": jnp.int32, "float64": jnp.int64}
#: How many bits are cut off to leave half of the digits.
_HALF = {"float32": 12, "float64": 27}
#: Powers of e beyond this size are as good as infinite; their sums stay finite.
_ENDLESS = {"float32": 1e30, "float64": 1e300}
#: Powers below -shift ln 2 are raised by it, and results multiplied by 2^-shift in the end.
_SHIFT = {"float32": 92, "float64": 740}
_LN2 = Decimal("0.69314718055994530941723212145817656807550013436026")


def cut(x: Any, bits: int) -> Any:
    """x without its last bits."""
    integers = _INTEGERS[x.dtype.name]
    return lax.bitcast_convert_type(lax.bitcast_convert_type(x, integers) & integers(-(1 << bits)), x.dtype)


def leading(x: Any) -> Any:
    """The first half of the digits of x: products of two such numbers are exact."""
    return cut(x, _HALF[x.dtype.name])


class Pair(NamedTuple):
    """``high + low``, the second far smaller. Where high is not finite low means nothing."""

    high: Any
    low: Any

    @classmethod
    def exactly(cls, x: Any) -> Pair:
        return cls(x, jnp.zeros_like(x))

    @classmethod
    def constant(cls, value: Decimal, dtype: Any) -> Pair:
        """A constant to twice the digits of the dtype."""
        high = dtype.type(value)
        return cls(jnp.asarray(high), jnp.asarray(dtype.type(value - Decimal(float(high)))))

    def __neg__(self) -> Pair:
        return Pair(-self.high, -self.low)

    def plus(self, other: Pair) -> Pair:
        a, b = self.high, other.high
        swap = abs(a) < abs(b)
        large, small = jnp.where(swap, b, a), jnp.where(swap, a, b)
        high = leading(a + b)
        # large - high is exact: high is near large, or its last digit is not below that of small.
        return Pair(high, (large - high) + small + (self.low + other.low))

    def times(self, other: Pair) -> Pair:
        a, b = leading(self.high), leading(other.high)
        rest, its_rest = self.high - a, other.high - b
        high = self.high * other.high
        # a b and its difference from high are exact.
        low = ((a * b - high) + a * its_rest + rest * b) + rest * its_rest
        return Pair(high, low + self.high * other.low + self.low * (other.high + other.low))

    def over(self, other: Pair) -> Pair:
        high = self.high / other.high
        a, b = leading(high), leading(other.high)
        rest, its_rest = high - a, other.high - b
        remainder = (((self.high - a * b) - a * its_rest) - rest * b) - rest * its_rest - high * other.low + self.low
        return Pair(high, jnp.where(jnp.isfinite(other.high), remainder / (other.high + other.low), 0))

    def rounded(self) -> Any:
        """One array. A zero keeps its sign, as -0.0 + 0.0 would not."""
        return jnp.where(jnp.isfinite(self.high) & (self.low != 0), self.high + self.low, self.high)

    def times_e_to(self, power: Pair) -> Pair:
        """``self e^power``."""
        significand = Pair(_bounded(self.high, power.high), jnp.where(jnp.isfinite(self.high), self.low, 0))
        high = cut(power.rounded(), 1)
        low = jnp.where(jnp.isfinite(high), (power.high - high) + power.low, 0)
        factor = jnp.exp(high)
        return significand.times(Pair(factor, factor * low))

    def clipped(self, limit: float) -> Pair:
        """Within [-limit, limit]; infinities too."""
        return Pair(jnp.clip(self.high, -limit, limit), jnp.where(abs(self.high) < limit, self.low, 0))


class Plain(NamedTuple):
    """A float with the operations of `Pair`."""

    high: Any

    @classmethod
    def exactly(cls, x: Any) -> Plain:
        return cls(x)

    @classmethod
    def constant(cls, value: Decimal, dtype: Any) -> Plain:
        return cls(jnp.asarray(dtype.type(value)))

    def __neg__(self) -> Plain:
        return Plain(-self.high)

    def plus(self, other: Plain) -> Plain:
        return Plain(self.high + other.high)

    def times(self, other: Plain) -> Plain:
        return Plain(self.high * other.high)

    def over(self, other: Plain) -> Plain:
        return Plain(self.high / other.high)

    def rounded(self) -> Any:
        return self.high

    def times_e_to(self, power: Plain) -> Plain:
        return Plain(_bounded(self.high, power.high) * jnp.exp(power.high))

    def clipped(self, limit: float) -> Plain:
        return Plain(jnp.clip(self.high, -limit, limit))


def _bounded(significand: Any, power: Any) -> Any:
    """An infinite significand is a power of a large x; beside a vanishing exponential it is as good as a finite one."""
    largest = np.finfo(power.dtype).max
    return jnp.where(power < 0, jnp.clip(significand, -largest, largest), significand)


Significand = Pair | Plain


def chosen(condition: Any, yes: Any, no: Any) -> Any:
    """yes or no, both `Pair` or both `Plain`."""
    return type(yes)(*(jnp.where(condition, a, b) for a, b in zip(yes, no, strict=True)))


class Number:
    """``significand e^power`` with operators, beside Python numbers and `decimal.Decimal` constants.

    The power is None where it is 0 everywhere.
    """

    __slots__ = ("power", "significand")

    def __init__(self, significand: Any, power: Any = None) -> None:
        self.significand, self.power = significand, power

    def exactly(self, x: Any) -> Number:
        """An array as a number of this one's kind."""
        return Number(type(self.significand).exactly(x))

    def beside(self, other: Any) -> Number:
        """The other operand; a constant takes this number's kind and dtype."""
        if isinstance(other, Number):
            return other
        return Number(type(self.significand).constant(Decimal(other), self.significand.high.dtype))

    def _over(self, power: Any) -> Any:
        """The number over e^power, for a power not below its own."""
        return self.significand.times_e_to(-power if self.power is None else self.power.plus(-power))

    def rounded(self) -> Any:
        """The number as an array; 0 where it is too small for the format's normal range."""
        if self.power is None:
            return self.significand.rounded()
        # Raised, neither the exponential nor what a rounding left over is below the normal range before its time.
        dtype = self.power.high.dtype
        shift = _SHIFT[dtype.name]
        small = self.power.high < -shift * math.log(2)
        power = chosen(small, self.power.plus(type(self.power).constant(shift * _LN2, dtype)), self.power)
        result = self.significand.times_e_to(power).rounded()
        return jnp.where(small, result * dtype.type(2.0**-shift), result)

    def __neg__(self) -> Number:
        return Number(-self.significand, self.power)

    def __abs__(self) -> Number:
        negative = self < 0
        return Number(chosen(negative, -self.significand, self.significand), self.power)

    def __add__(self, other: Any) -> Number:
        other = self.beside(other)
        if self.power is None and other.power is None:
            return Number(self.significand.plus(other.significand))
        mine, its = _powers(self, other)
        power = chosen(mine.rounded() >= its.rounded(), mine, its)
        return Number(self._over(power).plus(other._over(power)), power)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Number:
        return self + -self.beside(other)

    def __rsub__(self, other: Any) -> Number:
        return self.beside(other) + -self

    def __mul__(self, other: Any) -> Number:
        other = self.beside(other)
        power = self.power or other.power
        if self.power and other.power:
            power = self.power.plus(other.power)
        return Number(self.significand.times(other.significand), power)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Number:
        other = self.beside(other)
        power = self.power
        if other.power:
            power = self.power.plus(-other.power) if self.power else -other.power
        return Number(self.significand.over(other.significand), power)

    def __rtruediv__(self, other: Any) -> Number:
        return self.beside(other) / self

    def __pow__(self, exponent: int) -> Number:
        result = self
        for _ in range(exponent - 1):
            result = result * self
        return result

    def _against(self, other: Any, compare: Callable[[Any, Any], Any]) -> Any:
        return compare(self.rounded(), self.beside(other).rounded())

    def __lt__(self, other: Any) -> Any:
        return self._against(other, jnp.less)

    def __gt__(self, other: Any) -> Any:
        return self._against(other, jnp.greater)

    def __le__(self, other: Any) -> Any:
        return self._against(other, jnp.less_equal)

    def __ge__(self, other: Any) -> Any:
        return self._against(other, jnp.greater_equal)


def _powers(a: Number, b: Number) -> tuple[Any, Any]:
    """The powers of two numbers, at least one of which has one."""
    some = a.power or b.power
    none = type(some).exactly(jnp.zeros_like(some.high))
    return a.power or none, b.power or none


def where(condition: Any, yes: Number, no: Number) -> Number:
    power = chosen(condition, *_powers(yes, no)) if yes.power or no.power else None
    return Number(chosen(condition, yes.significand, no.significand), power)


def exp(x: Number) -> Number:
    exponent = x.exactly(x.rounded()).significand if x.power else x.significand
    power = exponent.clipped(_ENDLESS[exponent.high.dtype.name])
    return Number(type(power).exactly(jnp.ones_like(power.high)), power)
