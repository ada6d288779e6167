"""Activation functions on jax arrays: each a record's formula and slopes, run on the numbers of `numbers`."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from .. import formula
from ..catalogue import ACTIVATIONS
from ..catalogue.record import Activation as Record
from ..catalogue.record import Facts
from . import documentation
from .differentiable import Differentiable
from .duals import Dual, parts
from .operands import as_floats, narrow, unknown_parameters, wide

#: Which derivative: the variables it is taken in, one after another; 0 is x, then come the parameters. () is the value.
Order = tuple[int, ...]


def evaluated(record: Record, order: Order, compensated: bool, operands: tuple[Any, ...]) -> Any:
    """A value or derivative of any order, from operands of one dtype, float32 or float64."""
    with decimal.localcontext(prec=50):
        namespace: Any = formula.jax(operands[0].dtype, compensated)
        text = record.formula
        if order:
            text = (record.slope, *(record.parameter_slopes[p.name] for p in record.parameters))[order[0]]
        variables: list[Any] = [namespace.number(operand) for operand in operands]
        for variable in order[1:]:
            variables = [Dual(v, int(k == variable)) for k, v in enumerate(variables)]
        result = text(namespace, *variables)
        for _ in order[1:]:
            result = parts(result)[1]
        value = namespace.number(result).rounded()
    if len(order) > 1:
        # Where powers of x leave the format's range, every exponential has been 0 for long, and so are the derivatives.
        value = jnp.where(jnp.isnan(value), 0, value)
    for operand in operands:  # a comparison with NaN chooses a branch without it
        value = jnp.where(jnp.isnan(operand), operand, value)
    return value


@cache
def differentiable(name: str, order: Order, compensated: bool) -> Callable[..., Any]:
    """That function of float32 or float64 operands, whose derivatives are such functions again.

    Not compensated from the second derivative on: it would take XLA several times as long to compile them.
    """
    record = ACTIVATIONS[name]
    compensated = compensated and len(order) < 2

    @Differentiable
    def function(*operands: Any) -> Any:
        return evaluated(record, order, compensated, operands)

    def rule(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
        value = function(*primals)
        change = jnp.zeros_like(value)
        for variable, tangent in enumerate(tangents):
            if tangent is not None:
                change = change + differentiable(name, (*order, variable), compensated)(*primals) * tangent
        return value, change

    function.defjvp(rule)
    return function


class Function:
    """A value or derivative: call it with x and, by keyword, parameters."""

    def __init__(self, record: Record, part: str, order: Order, doc: str) -> None:
        self.__name__ = self.__qualname__ = f"{record.name}.{part}" if part else record.name
        self.__doc__ = doc
        self.record = record
        self.parameters = {parameter.name: parameter.default for parameter in record.parameters}

        def compiled(*operands: Any) -> Any:
            floats = as_floats(self.__name__, ("x", *self.parameters), operands)
            dtype = floats[0].dtype
            function = differentiable(record.name, order, dtype.itemsize > 2)
            return narrow(function(*map(wide, floats)), dtype, operands)

        compiled.__name__ = record.name
        self._compiled = jax.jit(compiled)

    def __call__(self, x: Any, /, **parameters: Any) -> Any:
        return self._compiled(x, *self._in_order(parameters))

    def __repr__(self) -> str:
        keywords = "".join(f", {name}={value}" for name, value in self.parameters.items())
        return f"<softfloor.jax function {self.__name__}(x{', *' if keywords else ''}{keywords})>"

    def __reduce__(self) -> tuple[Any, ...]:
        owner, _, part = self.__name__.partition(".")
        return _function_called, (owner, part)

    def _in_order(self, given: dict[str, Any]) -> tuple[Any, ...]:
        if not given.keys() <= self.parameters.keys():
            unknown_parameters(self.__name__, given, tuple(self.parameters))
        return tuple(given.get(name, default) for name, default in self.parameters.items())


class Activation(Function):
    """An activation function of jax arrays: call it for values; the rest is as in `softfloor.Activation`.

    Attributes
    ----------
    name : str
        Its name in the catalogue.
    derivative : Function
        ``derivative(x)``: the derivative in x.
    record : softfloor.catalogue.record.Activation
        Formula, slope, parameters, references.
    info : softfloor.catalogue.record.Facts
        Range, limits, zeros, extrema and kinks.
    """

    def __init__(self, record: Record) -> None:
        super().__init__(record, "", (), documentation.activation(record))
        self.name = record.name
        self.derivative = Function(record, "derivative", (0,), documentation.derivative(record))
        self._parameter_derivatives = {
            p.name: Function(record, f"{p.name}_derivative", (k,), documentation.derivative(record, p.name))
            for k, p in enumerate(record.parameters, 1)
        }

    @property
    def info(self) -> Facts:
        return self.record.facts

    def value_and_derivative(self, x: Any, /, **parameters: Any) -> tuple[Any, Any]:
        """The value and the derivative in x; under `jax.jit` what they have in common is computed once.

        Examples
        --------
        >>> import softfloor.jax as sj
        >>> y, dy = sj.relu.value_and_derivative(2.0)
        >>> float(y), float(dy)
        (2.0, 1.0)
        """
        return self(x, **parameters), self.derivative(x, **parameters)

    def vjp(self, x: Any, cotangent: Any, /, **parameters: Any) -> Any:
        """``cotangent * derivative(x)``, as `jax.vjp` computes it.

        Examples
        --------
        >>> import softfloor.jax as sj
        >>> float(sj.relu.vjp(2.0, 3.0))
        3.0
        """
        given = x, cotangent
        x, cotangent = as_floats(f"{self.name}.vjp", ("x", "cotangent"), given)
        return narrow(wide(cotangent) * self.derivative(wide(x), **parameters), x.dtype, given)

    def parameter_derivative(self, x: Any, parameter: str, /, **parameters: Any) -> Any:
        """The derivative in a parameter: ``silu.parameter_derivative(x, "beta", beta=1.5)``.

        Raises
        ------
        ValueError
            If the function has no such parameter.

        Examples
        --------
        >>> import softfloor.jax as sj
        >>> round(float(sj.silu.parameter_derivative(2.0, "beta")), 4)
        0.42
        """
        try:
            function = self._parameter_derivatives[parameter]
        except (KeyError, TypeError):
            known = ", ".join(self._parameter_derivatives) or "none"
            raise ValueError(f"{self.name} has no parameter {parameter!r}; its parameters: {known}") from None
        return function(x, **parameters)


def _function_called(name: str, part: str) -> Any:
    """What pickles and copies find a function by."""
    owner = FUNCTIONS[name]
    if not part:
        return owner
    return owner.derivative if part == "derivative" else owner._parameter_derivatives[part.removesuffix("_derivative")]


FUNCTIONS: dict[str, Activation] = {name: Activation(record) for name, record in ACTIVATIONS.items()}
