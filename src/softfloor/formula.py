"""The namespaces that a record's ``formula`` and ``slope`` run in.

A formula is plain Python over ``xp``; the verbs it may use are those of `Namespace`. Running one text with several
namespaces is what keeps the truth for the tests, the symbols that users see and the code that compilers fuse the same.
The libraries behind the namespaces are imported when one is asked for.

>>> from softfloor import catalogue, formula
>>> import mpmath
>>> print(mpmath.nstr(catalogue.ACTIVATIONS["gelu"].formula(formula.mpmath(30), 1), 30))
0.841344746068542948585232545632
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .catalogue.record import Activation, Formula

if TYPE_CHECKING:
    from typing import Protocol

    class Namespace(Protocol):
        """The verbs of a formula. ``decimal`` makes a constant from decimal digits, exactly where the numbers can."""

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
    import math

    import numpy as library

    def erfc(x: Any) -> Any:
        try:
            from scipy.special import erfc as vectorised
        except ImportError:
            vectorised = library.vectorize(math.erfc)
        return vectorised(x)

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + library.exp(-x))

    def sqrt(x: Any) -> Any:
        # Of a constant a Python float, beside which float32 stays float32; np.sqrt(2) would make float64 of it.
        return math.sqrt(x) if isinstance(x, (int, float)) else library.sqrt(x)

    names = ("exp", "log", "tanh", "cosh")
    verbs = {name: getattr(library, name) for name in names}
    namespace = _Scalars(**verbs, sqrt=sqrt, erfc=erfc, pi=library.pi, decimal=float)
    namespace.sigmoid, namespace.where = sigmoid, library.where  # type: ignore[method-assign, assignment]
    return namespace  # type: ignore[return-value]


def torch() -> Namespace:
    """torch tensors on any device, differentiable to any order: what compilers fuse.

    cosh is held below the largest float32 or float64: 1 / cosh^2 is 0 there all the same, and its derivative 0 instead
    of infinity times zero.
    """
    import math

    import torch as library

    def number_or(function: Any, of_number: Any) -> Any:
        return lambda x: of_number(x) if isinstance(x, (int, float)) else function(x)

    def cosh(x: Any) -> Any:
        bound = 709.0 if x.dtype is library.float64 else 88.0
        return library.cosh(x.clamp(-bound, bound))

    names = ("exp", "log", "sqrt", "tanh", "erfc")
    verbs = {name: number_or(getattr(library, name), getattr(math, name)) for name in names}
    namespace = _Scalars(**verbs, cosh=cosh, pi=math.pi, decimal=float)
    namespace.sigmoid, namespace.where = library.sigmoid, library.where  # type: ignore[method-assign, assignment]
    return namespace  # type: ignore[return-value]


def jax(dtype: Any, compensated: bool = True) -> Namespace:
    """Numbers over jax arrays of float32 or float64 that hold back exponentials and, compensated, roundings.

    They are in ``softfloor.jax.numbers``, which tells what makes plain formulas accurate on them.
    """
    from .jax import namespace, numbers

    return namespace.Namespace(dtype, numbers.Pair if compensated else numbers.Plain)


class _Text:
    """A formula as people type it; ``rank`` tells how strongly its outermost operation binds (1 sum ... 5 atom)."""

    def __init__(self, text: str, rank: int = 5) -> None:
        self.text, self.rank = text, rank

    def inside(self, rank: int) -> str:
        return self.text if self.rank >= rank else f"({self.text})"

    def __add__(self, other: Any) -> _Text:
        return _Text(f"{self.inside(1)} + {_text(other).inside(1)}", 1)

    def __radd__(self, other: Any) -> _Text:
        return _text(other) + self

    def __sub__(self, other: Any) -> _Text:
        return _Text(f"{self.inside(1)} - {_text(other).inside(2)}", 1)

    def __rsub__(self, other: Any) -> _Text:
        return _text(other) - self

    def __mul__(self, other: Any) -> _Text:
        return _Text(f"{self.inside(2)} * {_text(other).inside(3)}", 2)

    def __rmul__(self, other: Any) -> _Text:
        return _text(other) * self

    def __truediv__(self, other: Any) -> _Text:
        return _Text(f"{self.inside(2)} / {_text(other).inside(3)}", 2)

    def __rtruediv__(self, other: Any) -> _Text:
        return _text(other) / self

    def __abs__(self) -> _Text:
        return _Text(f"abs({self.text})")

    def __neg__(self) -> _Text:
        return _Text(f"-{self.inside(2)}", 2)

    def __pow__(self, power: int) -> _Text:
        return _Text(f"{self.inside(5)}^{power}", 4)

    def _compared(self, sign: str, other: Any) -> _Text:
        return _Text(f"{self.inside(1)} {sign} {_text(other).inside(1)}", 0)

    def __lt__(self, other: Any) -> _Text:
        return self._compared("<", other)

    def __gt__(self, other: Any) -> _Text:
        return self._compared(">", other)

    def __le__(self, other: Any) -> _Text:
        return self._compared("<=", other)

    def __ge__(self, other: Any) -> _Text:
        return self._compared(">=", other)


def _text(value: Any) -> _Text:
    return value if isinstance(value, _Text) else _Text(str(value))


def text() -> Namespace:
    """Formulas as plain text, ``x * sigmoid(beta * x)``."""

    def call(name: str) -> Any:
        return lambda x: _Text(f"{name}({_text(x).text})")

    def where(condition: Any, yes: Any, no: Any) -> _Text:
        return _Text(f"{_text(yes).inside(1)} if {_text(condition).text} else {_text(no).inside(1)}", 0)

    names = ("exp", "log", "sqrt", "tanh", "cosh", "erfc")
    namespace = _Scalars(**{name: call(name) for name in names}, pi=_Text("pi"), decimal=_Text)
    namespace.sigmoid, namespace.where = call("sigmoid"), where  # type: ignore[method-assign]
    return namespace  # type: ignore[return-value]


def text_of(function: Formula, record: Activation) -> str:
    """The plain text of a record's formula or slope."""
    result: _Text = function(text(), _Text("x"), *(_Text(parameter.name) for parameter in record.parameters))
    return result.text


def latex_of(function: Formula, record: Activation) -> str:
    """The LaTeX of a record's formula or slope, by SymPy."""
    import sympy as library

    symbols = [library.Symbol(name, real=True) for name in ("x", *(parameter.name for parameter in record.parameters))]
    return str(library.latex(function(sympy(), *symbols)))
