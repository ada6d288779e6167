"""Numbers with their derivative in one variable, which may be such numbers again.

A slope's own derivative is found by running it on duals, that one's on duals of duals: derivatives of any order are
computed like values, with their exponentials held back, and no step of that computation is ever differentiated.
"""

from __future__ import annotations

from typing import Any


class Dual:
    """A value and its derivative, each a `Number`, a Python number or again a `Dual`, under the rules of calculus."""

    __slots__ = ("derivative", "value")

    def __init__(self, value: Any, derivative: Any) -> None:
        self.value, self.derivative = value, derivative

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.derivative)

    def __abs__(self) -> Dual:
        return Dual(abs(self.value), times(self.derivative, self.value / abs(self.value)))

    def __add__(self, other: Any) -> Dual:
        value, derivative = parts(other)
        return Dual(self.value + value, plus(self.derivative, derivative))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Dual:
        return difference(self, other)

    def __rsub__(self, other: Any) -> Dual:
        return difference(other, self)

    def __mul__(self, other: Any) -> Dual:
        value, derivative = parts(other)
        return Dual(self.value * value, plus(times(self.derivative, value), times(self.value, derivative)))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Dual:
        return quotient(self, other)

    def __rtruediv__(self, other: Any) -> Dual:
        return quotient(other, self)

    def __pow__(self, exponent: int) -> Dual:
        if exponent == 1:
            return self
        return Dual(self.value**exponent, times(self.derivative, exponent * self.value ** (exponent - 1)))

    def __lt__(self, other: Any) -> Any:
        return self.value < parts(other)[0]

    def __gt__(self, other: Any) -> Any:
        return self.value > parts(other)[0]

    def __le__(self, other: Any) -> Any:
        return self.value <= parts(other)[0]

    def __ge__(self, other: Any) -> Any:
        return self.value >= parts(other)[0]


def parts(x: Any) -> tuple[Any, Any]:
    """The value and the derivative; that of a constant is the integer 0."""
    return (x.value, x.derivative) if isinstance(x, Dual) else (x, 0)


def _nothing(x: Any) -> bool:
    """Whether a derivative is known to be 0, not just computed as one: it costs nothing, not even NaN beside inf."""
    return isinstance(x, int) and x == 0


def plus(a: Any, b: Any) -> Any:
    return b if _nothing(a) else a if _nothing(b) else a + b


def times(a: Any, b: Any) -> Any:
    return 0 if _nothing(a) or _nothing(b) else a * b


def difference(a: Any, b: Any) -> Dual:
    (value, derivative), (its_value, its_derivative) = parts(a), parts(b)
    return Dual(value - its_value, plus(derivative, times(-1, its_derivative)))


def quotient(a: Any, b: Any) -> Dual:
    (top, its_derivative), (bottom, derivative) = parts(a), parts(b)
    value = top / bottom
    change = plus(its_derivative, times(-1, times(value, derivative)))
    return Dual(value, 0 if _nothing(change) else change / bottom)
