"""What users call: elementwise functions, each a catalogue record and its ufuncs.

`Function` is one ufunc behind keyword parameters. `Activation` adds derivative, vjp and facts; gated units are in
`softfloor.gates`. Calls pass through C (``csrc/ufunc_call.hpp``), so the classes here cost nothing per call.
"""

from __future__ import annotations

import copyreg
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np

from . import _core, containers, docstrings
from .catalogue import record as records

if TYPE_CHECKING:
    from .catalogue.record import Facts

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_UFUNC_KEYWORDS = ("out", "where", "dtype", "casting", "order", "subok", "signature")

_UFUNCS: dict[tuple[str, str, bool], np.ufunc] = {}


def ufunc_of(function: str, variant: str, at_defaults: bool = False, name: str = "", doc: str = "") -> np.ufunc:
    """The ufunc of a kernel; there is one of each, named and documented as the first who asked for it said."""
    key = function, variant, at_defaults
    if key not in _UFUNCS:
        _UFUNCS[key] = _core.make_ufunc(function, variant, name or f"{function}.{variant}", doc, at_defaults)
    return _UFUNCS[key]


def _default_operand(value: float) -> Any:
    """A default as a type that leaves promotion to the other operands: a Python float would make float64 of int8."""
    if value in (0, 1):
        return bool(value)
    return np.float16(value) if value == float("inf") else value


class Function(_core.UfuncCall):
    """A ufunc with keyword parameters.

    Positional arguments and the keywords ``out``, ``where``, ``dtype``, ``casting``, ``order`` and ``subok`` mean what
    they mean for any `numpy.ufunc`; parameters such as ``beta`` are given by keyword and broadcast like operands.
    ``ufunc`` is the `numpy.ufunc` itself, with the parameters as its last input operands; ``at_defaults`` is the one
    without them, where there is one.
    """

    #: Whether parameters are float32 beside half precision.
    wide = False

    def __init__(
        self,
        name: str,
        kernel: tuple[str, str],
        operands: tuple[str, ...],
        parameters: tuple[records.Parameter, ...],
        doc: str,
        settings: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.__name__ = self.__qualname__ = name
        self.__doc__ = doc
        self.operands = operands
        self.parameters = {parameter.name: settings.get(parameter.name, parameter.default) for parameter in parameters}
        defaults = tuple(map(_default_operand, self.parameters.values()))
        ufunc = ufunc_of(*kernel, name=name, doc=doc)
        own = all(parameter.default == self.parameters[parameter.name] for parameter in parameters)
        self.at_defaults = ufunc_of(*kernel, True, name, doc) if parameters and own else None
        super().__init__(ufunc, len(operands), tuple(self.parameters), defaults, recover, self.at_defaults, self.wide)

    def __repr__(self) -> str:
        return f"<softfloor function {self.signature()}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _function_called, (self.__name__,)

    def signature(self) -> str:
        """The call as one would type it, ``"silu(x, *, beta=1.0, out=None, ...)"``."""
        return f"{self.__name__}({', '.join([*self.operands, '*', *self.shown_keywords(), 'out=None', '...'])})"

    def shown_keywords(self) -> list[str]:
        """Keywords with the defaults that tell this function from others."""
        return [f"{name}={value}" for name, value in self.parameters.items()]

    def with_options(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
        """The result of a call with options that no ufunc knows; NotImplemented where there are none."""
        return NotImplemented


class Activation(Function):
    """An activation function: call it for values; ``derivative``, ``vjp`` and the others do what they say.

    Attributes
    ----------
    name : str
        Its name in the catalogue.
    derivative : Function
        ``derivative(x)``: the derivative in x.
    value_and_derivative : Function
        ``value_and_derivative(x)``: both, in one pass.
    vjp : Function
        ``vjp(x, cotangent)``: ``cotangent * derivative(x)`` in one pass, rounded once.
    record : softfloor.catalogue.record.Activation
        Formula, slope, parameters, references.
    info : softfloor.catalogue.record.Facts
        Range, limits, zeros, extrema, kinks and more, each checked by a test at 50 digits.
    """

    def __init__(self, record: records.Activation) -> None:
        def function(variant: str, operands: tuple[str, ...]) -> Function:
            name = f"{record.name}.{variant}"
            return Function(
                name, (record.name, variant), operands, record.parameters, docstrings.variant(record, variant)
            )

        self.name = record.name
        self.record = record
        super().__init__(record.name, (record.name, "value"), ("x",), record.parameters, docstrings.activation(record))
        self.derivative = function("derivative", ("x",))
        self.value_and_derivative = function("value_and_derivative", ("x",))
        self.vjp = function("vjp", ("x", "cotangent"))
        self._parameter_derivatives = {name: function(f"{name}_derivative", ("x",)) for name in record.parameter_slopes}

    @property
    def info(self) -> Facts:
        return self.record.facts

    def parameter_derivative(self, x: Any, parameter: str, /, **keywords: Any) -> Any:
        """The derivative in a parameter, at x: ``silu.parameter_derivative(x, "beta", beta=1.5)``.

        Parameters
        ----------
        x : array_like
            Where to evaluate.
        parameter : str
            The parameter's name.
        **keywords
            Values of the parameters, and the keywords of any ufunc (``out``, ``where``, ``dtype``, ...).

        Returns
        -------
        ndarray or scalar
            Of the shape of x and the parameters broadcast together; error below 1.5 ulp.

        Raises
        ------
        ValueError
            If the function has no such parameter.

        Examples
        --------
        >>> import softfloor as sf
        >>> float(sf.silu.parameter_derivative(2.0, "beta"))
        0.4199743416140261
        """
        try:
            function = self._parameter_derivatives[parameter]
        except (KeyError, TypeError):
            known = ", ".join(self._parameter_derivatives) or "none"
            raise ValueError(f"{self.name} has no parameter {parameter!r}; its parameters: {known}") from None
        return function(x, **keywords)

    def __repr__(self) -> str:
        from . import facts

        return facts.card(self.record)

    def _repr_html_(self) -> str:
        from . import facts

        return facts.html_card(self)


def _function_called(name: str) -> Function:
    """The function of a ``__name__`` such as "gelu" or "gelu.derivative": what pickles and copies find it by."""
    from . import get

    owner, _, part = name.partition(".")
    function: Any = get(owner)
    if part:
        function = getattr(function, part, None) or function._parameter_derivatives[part.removesuffix("_derivative")]
    return cast(Function, function)


_reduce_other_ufunc: Any = copyreg.dispatch_table[np.ufunc]


def _reduce_ufunc(ufunc: np.ufunc) -> Any:
    """NumPy finds a ufunc by its name in some module. Ours are in none, and found by their kernels."""
    for key, own in _UFUNCS.items():
        if own is ufunc:
            return ufunc_of, key
    return _reduce_other_ufunc(ufunc)


copyreg.pickle(np.ufunc, _reduce_ufunc)  # Dask sends ufuncs to its workers


def recover(call: Function, error: Exception | None, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """What remains to be done when a ufunc failed: the result after all, a clearer error than NumPy's, or None.

    Without an error the ufunc was not called yet, and some operand may be a container.
    """
    if error is None:
        return containers.elementwise(call, args, keywords)
    count, outputs = len(call.operands), call.ufunc.nout
    if not count <= len(args) <= count + outputs:
        raise TypeError(
            f"{call.__name__} takes {' and '.join(call.operands)} by position, then up to {outputs} "
            f"output{'s' if outputs > 1 else ''}; got {len(args)} positional argument{'s' if len(args) != 1 else ''}"
        ) from None
    result = call.with_options(args, keywords)
    if result is not NotImplemented:
        return result
    for name in keywords:
        if name not in _UFUNC_KEYWORDS and name not in call.parameters and name not in ("axes", "axis", "keepdims"):
            _unknown_keyword(call, name)
    if isinstance(error, TypeError):
        if outputs > 1 and any(map(containers.is_lazy, (*args, *keywords.values()))):
            return containers.several_outputs(call, args, keywords)
        for name, operand in [*zip(call.operands, args, strict=False), *keywords.items()]:
            if name in call.operands or name in call.parameters:
                check_dtype(call.__name__, name, operand)
        if keywords.get("dtype") is not None:
            dtype = check_requested_dtype(call.__name__, keywords["dtype"])
            if dtype.name == "bfloat16" or call.wide:
                # NumPy looks for loops of added dtypes, and of several dtypes, by the operands alone, unless the whole
                # signature is given.
                rest = {name: value for name, value in keywords.items() if name != "dtype"}
                return call(*args, **rest, signature=_whole_signature(call, dtype, rest))
    return None


def _whole_signature(call: Function, dtype: np.dtype[Any], keywords: Mapping[str, Any]) -> tuple[Any, ...]:
    """One dtype per operand of the ufunc that a call with these keywords reaches."""
    given = call.at_defaults is None or any(name in call.parameters for name in keywords)
    parameter = np.dtype(np.float32) if call.wide and dtype.itemsize < 4 else dtype
    parameters = (parameter,) * len(call.parameters) if given else ()
    return (dtype,) * len(call.operands) + parameters + (dtype,) * call.ufunc.nout


def check_dtype(function: str, operand: str, value: Any) -> None:
    """Raise TypeError if ``value`` has a dtype that no function of softfloor takes."""
    if type(value) is np.ndarray and value.dtype.char in "efdbhilqBHILQ?":  # spares most calls the rest
        return
    if getattr(value, "__array_ufunc__", ...) is None:  # its type refuses ufuncs: NumPy's message says so
        return
    try:
        dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
        supported = dtype.name in _FLOATS or dtype.kind in "biu"
    except (AttributeError, ValueError):
        return
    if not supported:
        advice = " (take .real or .imag, or abs)" if dtype.kind == "c" else " (convert with .astype first)"
        raise TypeError(
            f"{function}: {operand} has dtype {dtype}; allowed are {', '.join(_FLOATS)}, and integers and "
            f"booleans, which promote to them{advice}"
        ) from None


def check_requested_dtype(function: str, requested: Any) -> np.dtype[Any]:
    """The dtype that ``dtype=`` asks for; raises TypeError if softfloor does not compute in it."""
    try:
        dtype: np.dtype[Any] = np.dtype(requested)
    except TypeError:
        raise TypeError(f"{function}: dtype={requested!r} is no dtype; allowed are {', '.join(_FLOATS)}") from None
    if dtype.name not in _FLOATS:
        raise TypeError(
            f"{function}: dtype={dtype} is not one to compute in; allowed are {', '.join(_FLOATS)}"
        ) from None
    return dtype


def _unknown_keyword(call: Function, name: str) -> NoReturn:
    import difflib

    known = [*call.parameters, *_UFUNC_KEYWORDS]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    parameters = f"parameters: {', '.join(call.parameters)}" if call.parameters else "no parameters"
    raise TypeError(
        f"{call.__name__} has no keyword {name!r} ({parameters}; ufunc keywords: {', '.join(_UFUNC_KEYWORDS)}){hint}"
    ) from None
