"""The namespaces that a record's ``formula`` and ``slope`` run in.

A formula is plain Python over ``xp``; the verbs it may use are those of `Namespace`. Running one text with several
namespaces is what keeps the truth for the tests, the symbols that users see and the code that compilers fuse the same.
The libraries behind the namespaces are imported when one is asked for.

>>> from softfloor import catalogue, formula
>>> catalogue.ACTIVATIONS["gelu"].formula(formula.mpmath(20), 1)
mpf('0.84134474606854294857825')
"""

from __future__ import annotations

from typing import Any, Protocol


class Namespace(Protocol):
    """The verbs of a formula. ``decimal`` makes a constant from its decimal digits, exactly where the numbers can."""

    pi: Any

    def exp(self, x: Any, /) -> Any: ...
    def log(self, x: Any, /) -> Any: ...
    def sqrt(self, x: Any, /) -> Any: ...
    def tanh(self, x: Any, /) -> Any: ...
    def cosh(self, x: Any, /) -> Any: ...
    def erfc(self, x: Any, /) -> Any: ...
    def sigmoid(self, x: Any, /) -> Any: ...
    def where(self, condition: Any, yes: Any, no: Any, /) -> Any: ...
    def decimal(self, digits: str, /) -> Any: ...


class _Scalars:
    """What the two arbitrary-precision namespaces share."""

    def __init__(self, **verbs: Any) -> None:
        self.__dict__.update(verbs)

    def sigmoid(self, x: Any) -> Any:
        return 1 / (1 + self.exp(-x))  # type: ignore[attr-defined]

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        return yes if condition else no


def mpfr(precision: int = 160) -> Namespace:
    """MPFR numbers through gmpy2. Sets the precision, in bits, of gmpy2's current context."""
    import gmpy2

    context = gmpy2.get_context()
    context.precision = precision
    context.emin, context.emax = gmpy2.get_emin_min(), gmpy2.get_emax_max()
    context.subnormalize = False

    def number(function: Any) -> Any:
        return lambda x: function(gmpy2.mpfr(x))

    names = ("exp", "log", "sqrt", "tanh", "cosh", "erfc")
    return _Scalars(**{n: number(getattr(gmpy2, n)) for n in names}, pi=gmpy2.const_pi(), decimal=gmpy2.mpfr)  # type: ignore[return-value]


def mpmath(digits: int = 50) -> Namespace:
    """mpmath numbers. Sets mpmath's working precision, in decimal digits (ten more than asked for)."""
    import mpmath as library

    library.mp.dps = digits + 10
    names = ("exp", "log", "sqrt", "tanh", "cosh", "erfc")

    def number(function: Any) -> Any:
        return lambda x: function(library.mpmathify(x))

    return _Scalars(**{n: number(getattr(library, n)) for n in names}, pi=library.mp.pi, decimal=library.mpf)  # type: ignore[return-value]


def sympy() -> Namespace:
    """SymPy expressions: for LaTeX, and for derivatives of any order."""
    import sympy as library

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + library.exp(-x))

    def where(condition: Any, yes: Any, no: Any) -> Any:
        return library.Piecewise((yes, condition), (no, True))

    names = ("exp", "log", "sqrt", "tanh", "cosh", "erfc")
    verbs = {name: getattr(library, name) for name in names}
    namespace = _Scalars(**verbs, pi=library.pi, decimal=library.Rational)
    namespace.sigmoid, namespace.where = sigmoid, where  # type: ignore[method-assign]
    return namespace  # type: ignore[return-value]


def numpy() -> Namespace:
    """NumPy arrays: what a careful user would write without softfloor, overflow warnings and rounding included."""
    import numpy as library

    def erfc(x: Any) -> Any:
        try:
            from scipy.special import erfc as vectorised
        except ImportError:
            import math

            vectorised = library.vectorize(math.erfc)
        return vectorised(x)

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + library.exp(-x))

    names = ("exp", "log", "sqrt", "tanh", "cosh")
    verbs = {name: getattr(library, name) for name in names}
    namespace = _Scalars(**verbs, erfc=erfc, pi=library.pi, decimal=float)
    namespace.sigmoid, namespace.where = sigmoid, library.where  # type: ignore[method-assign, assignment]
    return namespace  # type: ignore[return-value]
