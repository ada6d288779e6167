"""Elementwise functions: an operator for the value and one for the vector-Jacobian product, from the records."""

from __future__ import annotations

from typing import Any

import torch

from .. import _core, formula
from .. import activation as numpy_side
from ..catalogue import record as records
from .arrays import array_of, at_addresses, elementwise, tensor_of
from .operators import DTYPES, Operator, backwards, is_distributed, keep, unobserved
from .second_order import pulled, pushed

_XP = formula.torch()


class Activation:
    """An activation function on tensors: ``gelu(x)``; ``derivative`` and ``vjp`` do what they say.

    CPU tensors run softfloor's kernels on their own memory, those of other devices the record's formula in torch
    operations. Parameters are given by keyword, as numbers or as tensors, which broadcast and get gradients.

    Attributes
    ----------
    name : str
        Its name in the catalogue.
    record : softfloor.catalogue.record.Activation
        Formula, slope, parameters, references.
    """

    def __init__(self, record: records.Activation) -> None:
        self.name = self.__name__ = record.name
        self.record = record
        self.parameters = {parameter.name: parameter.default for parameter in record.parameters}
        self._defaults = tuple(self.parameters.values())
        function = numpy_side.Activation(record)
        self._vjp = _Vjp(record, function)
        self._value = _Value(record, function, self._vjp)
        self._function = function
        self._learnable: tuple[_Value, _Vjp] | None = None
        if record.parameters:
            learnable_vjp = _Vjp(record, function, learnable=True)
            self._learnable = _Value(record, function, learnable_vjp, learnable=True), learnable_vjp
        self.__doc__ = _doc(record)

    def __call__(self, x: torch.Tensor, *, inplace: bool = False, **parameters: Any) -> torch.Tensor:
        operands = self._given(parameters) if parameters else self._defaults
        check(self.name, x=x)
        if inplace:
            return self._in_place(x, operands)
        if is_distributed(x):
            from . import distributed

            return distributed.elementwise(self, x, **parameters)  # type: ignore[no-any-return]
        if parameters and any(isinstance(value, torch.Tensor) for value in operands):
            x, *others = self._broadcast(x, operands)
            return self._learnable[0](x, *others)  # type: ignore[index, no-any-return]
        return self._value(x, *operands)  # type: ignore[no-any-return]

    def vjp(self, x: torch.Tensor, cotangent: torch.Tensor, **parameters: Any) -> torch.Tensor:
        """``cotangent * derivative(x)`` in one pass, rounded once.

        Parameters
        ----------
        x : Tensor
            Where to evaluate.
        cotangent : Tensor
            Of the shape and dtype of x, or broadcasting to its shape.
        **parameters
            Numbers.

        Returns
        -------
        Tensor
            Of the shape of x.
        """
        operands = self._numbers(parameters)
        check(self.name, x=x, cotangent=cotangent)
        try:
            upstream = cotangent.to(x.dtype).expand_as(x)
        except RuntimeError:
            raise RuntimeError(
                f"{self.name}(): cotangent has shape {tuple(cotangent.shape)}, which does not broadcast to "
                f"{tuple(x.shape)}"
            ) from None
        return self._vjp(x, upstream, *operands)  # type: ignore[no-any-return]

    def derivative(self, x: torch.Tensor, **parameters: Any) -> torch.Tensor:
        """The derivative in x; parameters are numbers.

        Examples
        --------
        >>> import torch, softfloor.torch as st
        >>> st.relu.derivative(torch.tensor([-1.0, 2.0]))
        tensor([0., 1.])
        """
        check(self.name, x=x)
        return self.vjp(x, x.new_ones(()), **parameters)

    def __repr__(self) -> str:
        keywords = [f"{name}={value}" for name, value in self.parameters.items()]
        return f"<softfloor.torch function {self.name}({', '.join(['x', '*', *keywords, 'inplace=False'])})>"

    def __reduce__(self) -> tuple[Any, ...]:
        return by_name, (self.name,)

    def _given(self, parameters: dict[str, Any]) -> tuple[Any, ...]:
        for name in parameters:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise TypeError(f"{self.name}() got an unexpected keyword argument {name!r}; parameters: {known}")
        for name, value in parameters.items():
            if not isinstance(value, (int, float, torch.Tensor)):
                raise TypeError(f"{self.name}(): {name} must be a number or a Tensor; got {value!r}")
        return tuple([parameters.get(name, default) for name, default in self.parameters.items()])

    def _numbers(self, parameters: dict[str, Any]) -> tuple[Any, ...]:
        operands = self._given(parameters)
        if any(isinstance(value, torch.Tensor) for value in operands):
            raise TypeError(f"{self.name}: here parameters must be numbers; differentiate {self.name}(x) for tensors")
        return operands

    def _broadcast(self, x: torch.Tensor, operands: tuple[Any, ...]) -> Any:
        tensors = [torch.as_tensor(value, dtype=x.dtype, device=x.device) for value in operands]
        try:
            return torch.broadcast_tensors(x, *tensors)
        except RuntimeError:
            names = zip(("x", *self.parameters), (x, *tensors), strict=True)
            shapes = " and ".join(f"{tuple(tensor.shape)} of {name}" for name, tensor in names)
            raise RuntimeError(f"{self.name}(): shapes {shapes} do not broadcast") from None

    def _in_place(self, x: torch.Tensor, operands: tuple[Any, ...]) -> torch.Tensor:
        numbers = not any(isinstance(value, torch.Tensor) for value in operands)
        if numbers and unobserved(x) and x.is_contiguous() and not (x.is_neg() or x._is_zerotensor()):
            array = array_of(x)
            self._function(array, out=array, **dict(zip(self.parameters, operands, strict=True)))
            torch.autograd.graph.increment_version(x)
            return x
        # The backward pass needs what x held, so that is kept, as torch's own functions in place do.
        before = x if self.record.saved_for_backward == "y" else x.clone()
        return x.copy_(self(before, **dict(zip(self.parameters, operands, strict=True))))


def check_numbers(function: str, **options: Any) -> None:
    """Options that get no gradient, and so are no tensors."""
    for name, value in options.items():
        if isinstance(value, torch.Tensor):
            raise TypeError(f"{function}(): {name} must be a number, and gets no gradient; got a Tensor (use .item())")


def check(function: str, **operands: Any) -> None:
    """Raise TypeError unless all are tensors of dtypes that softfloor computes in."""
    for name, value in operands.items():
        if not isinstance(value, torch.Tensor):
            if not hasattr(type(value), "__torch_function__"):  # torch.fx puts its proxies in the place of tensors
                raise TypeError(f"{function}(): argument '{name}' must be Tensor, not {type(value).__name__}")
        elif value.dtype not in DTYPES:
            raise TypeError(
                f"{function}(): '{name}' has dtype {value.dtype}; allowed are {', '.join(map(str, DTYPES))} "
                "(convert with .to first)"
            )


class _Elementwise(Operator):
    """What value and vjp share. ``learnable``: the parameters are tensors, too, and get cotangents."""

    def __init__(self, record: records.Activation, function: Any, name: str, operands: str, learnable: bool) -> None:
        self.record, self.function, self.learnable = record, function, learnable
        self.names = [parameter.name for parameter in record.parameters]
        self.defaults = None if learnable else tuple([parameter.default for parameter in record.parameters])
        self.run = _core.at_addresses(record.name, "vjp" if "cotangent" in operands else "value")
        # No defaults: the dispatcher leaves out arguments that equal theirs.
        parameters = [f"{'Tensor' if learnable else 'float'} {parameter}" for parameter in self.names]
        self.outputs = 1 + len(parameters) if learnable and "cotangent" in operands else 1
        returned = f"({', '.join(['Tensor'] * self.outputs)})" if self.outputs > 1 else "Tensor"
        super().__init__(name, f"({', '.join([operands, *parameters])}) -> {returned}", "tensors" if learnable else "")

    def fake(self, x: Any, *args: Any) -> Any:
        return tuple([torch.empty_like(x) for _ in range(self.outputs)]) if self.outputs > 1 else torch.empty_like(x)

    def vmap(self, info: Any, in_dims: Any, *args: Any) -> Any:
        moved = [arg if dim is None else arg.movedim(dim, 0) for arg, dim in zip(args, in_dims, strict=True)]
        tensors = [arg for arg in moved if isinstance(arg, torch.Tensor)]
        result = self(*torch.broadcast_tensors(*tensors), *moved[len(tensors) :])
        return result, (0,) * self.outputs if self.outputs > 1 else 0

    def keywords(self, parameters: tuple[Any, ...]) -> dict[str, Any]:
        return dict(zip(self.names, [array_of(p) if self.learnable else p for p in parameters], strict=True))


class _Value(_Elementwise):
    def __init__(self, record: records.Activation, function: Any, vjp: _Vjp, learnable: bool = False) -> None:
        self.vjp = vjp
        super().__init__(record, function, record.name, "Tensor x", learnable)

    def kernel(self, x: Any, *parameters: Any) -> Any:
        if parameters == self.defaults and (result := at_addresses(self.run, x, x)) is not None:
            return result
        return elementwise(self.function, x, x, **self.keywords(parameters))

    def formula(self, x: Any, *parameters: Any) -> Any:
        def value(x: Any, *parameters: Any) -> Any:
            return limit_where_undefined(lambda x: self.record.formula(_XP, x, *parameters), x, 1e18)

        return in_wide_precision(value, x, *parameters)

    to_fuse = Operator.with_backward

    def save(self, ctx: Any, inputs: Any, output: Any) -> None:
        parameters = inputs[1:]
        ctx.parameters = () if self.learnable else parameters
        saved = output if self.record.saved_for_backward == "y" else inputs[0]
        keep(ctx, saved, *(parameters if self.learnable else ()))

    def _saved(self, ctx: Any) -> tuple[Any, tuple[Any, ...]]:
        saved = ctx.saved_tensors  # may be unpacked once only, under torch.utils.checkpoint
        return saved[0], (*saved[1:], *ctx.parameters)

    def backward(self, ctx: Any, cotangent: Any) -> Any:
        x, parameters = self._saved(ctx)
        if self.learnable:
            return self.vjp(x, cotangent, *parameters)
        return (self.vjp(x, cotangent, *parameters), *[None] * len(parameters))

    def jvp(self, ctx: Any, *tangents: Any) -> Any:
        x, parameters = self._saved(ctx)
        if not self.learnable:
            return self.vjp(x, tangents[0], *parameters)
        given = [(k, tangent) for k, tangent in enumerate(tangents) if tangent is not None]
        return sum(self.vjp(x, tangent, *parameters)[k] for k, tangent in given)


class _Vjp(_Elementwise):
    def __init__(self, record: records.Activation, function: Any, learnable: bool = False) -> None:
        super().__init__(record, function, f"{record.name}_vjp", "Tensor x, Tensor cotangent", learnable)

    def kernel(self, x: Any, cotangent: Any, *parameters: Any) -> Any:
        if parameters == self.defaults and (result := at_addresses(self.run, x, x, cotangent)) is not None:
            return result
        keywords = self.keywords(parameters)
        of_x = elementwise(self.function.vjp, x, x, cotangent, **keywords)
        if not self.learnable:
            return of_x
        slopes = [tensor_of(self.function.parameter_derivative(array_of(x), name, **keywords)) for name in self.names]
        return (of_x, *[cotangent * slope for slope in slopes])

    def formula(self, x: Any, cotangent: Any, *parameters: Any) -> Any:
        def product(x: Any, cotangent: Any, *parameters: Any) -> Any:
            return cotangent * self.slope(x, *parameters)

        of_x = in_wide_precision(product, x, cotangent, *parameters)
        if not self.learnable:
            return of_x

        def product_with(slope: Any) -> Any:
            return lambda x, cotangent, *parameters: cotangent * slope(x, *parameters)

        _, *others = self.slopes()
        return (of_x, *[in_wide_precision(product_with(slope), x, cotangent, *parameters) for slope in others])

    def slopes(self) -> list[Any]:
        """In x, and in each parameter."""

        def with_limit(slope: Any) -> Any:
            return lambda x, *parameters: limit_where_undefined(lambda x: slope(_XP, x, *parameters), x, 1e18)

        return [self.slope, *[with_limit(self.record.parameter_slopes[name]) for name in self.names]]

    def slope(self, x: Any, *parameters: Any) -> Any:
        # 0 * x makes floats of relu's 0 and 1, and NaN of NaN.
        return limit_where_undefined(lambda x: self.record.slope(_XP, x, *parameters) + 0 * x, x, 1e7)

    def backward(self, ctx: Any, *second: Any) -> Any:
        if self.learnable:
            x, cotangent, *parameters = ctx.saved_tensors
            of_operands, of_cotangent = pulled(self.slopes(), (x, *parameters), cotangent, second, wide_dtype(x))
            of_x, *of_others = of_operands
            return (of_x, of_cotangent, *of_others)
        (x, cotangent), parameters = ctx.saved_tensors, ctx.others[2:]
        of_x = of_cotangent = None
        if ctx.needs_input_grad[-2 - len(parameters)]:
            of_x = second[0] * cotangent * self._bend(x, parameters)
        if ctx.needs_input_grad[-1 - len(parameters)]:
            of_cotangent = self(x, second[0], *parameters)
        return (of_x, of_cotangent, *[None] * len(parameters))

    def jvp(self, ctx: Any, *tangents: Any) -> Any:
        if self.learnable:
            x, cotangent, *parameters = ctx.saved_tensors
            of_x, of_cotangent, *of_others = tangents
            operands, given = (x, *parameters), (of_x, *of_others)
            return pushed(self.slopes(), operands, cotangent, given, of_cotangent, wide_dtype(x))
        (x, cotangent), parameters = ctx.saved_tensors, ctx.others[2:]
        of_x, of_cotangent = tangents[:2]
        through_x = None if of_x is None else of_x * cotangent * self._bend(x, parameters)
        if of_cotangent is None:
            return through_x
        through_cotangent = self(x, of_cotangent, *parameters)
        return through_cotangent if through_x is None else through_cotangent + through_x

    def _bend(self, x: Any, parameters: Any) -> Any:
        """The derivative of the slope: that of its formula, and 0 far out where the formula leaves infinity times 0."""

        def bend(x: Any) -> Any:
            slope, pull = backwards(lambda x: self.slope(x, *parameters), x)
            (result,) = pull(torch.ones_like(slope))
            return torch.where(result.isnan() & ~x.isnan(), 0.0, result)

        return in_wide_precision(bend, x)


def in_wide_precision(function: Any, x: Any, *others: Any) -> Any:
    """The function computed in float64 and rounded: in float32 its exponentials would leave the range in the tails.

    float16 has a range that float32 covers. Devices that have no float64 compute in float32.
    """
    return _computed_in(wide_dtype(x), function, x, *others)


def in_working_precision(function: Any, x: Any, *others: Any) -> Any:
    """The function computed in float32 where x is float16 or bfloat16, then rounded, as torch's own kernels do."""
    return _computed_in(working_dtype(x), function, x, *others)


def _computed_in(dtype: Any, function: Any, x: Any, *others: Any) -> Any:
    if x.dtype is dtype:
        return function(x, *others)
    wide = [other.to(dtype) if isinstance(other, torch.Tensor) else other for other in (x, *others)]
    return function(*wide).to(x.dtype)


def wide_dtype(x: Any) -> Any:
    has_float64 = x.device.type != "mps" and (x.device.type != "xpu" or torch.xpu.get_device_properties().has_fp64)
    return working_dtype(x) if x.dtype is torch.float16 or not has_float64 else torch.float64


def working_dtype(x: Any) -> Any:
    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype


def limit_where_undefined(function: Any, x: Any, far: float) -> Any:
    """function(x), and where that is NaN for an x that is not (infinity times zero), its value far out on that side."""
    value = function(x)
    return torch.where(value.isnan() & ~x.isnan(), function(x.clamp(-far, far)), value)


def by_name(name: str) -> Activation:
    import softfloor.torch

    return getattr(softfloor.torch, name)  # type: ignore[no-any-return]


def _doc(record: records.Activation) -> str:
    parameters = "\n".join(
        f"    {p.name} : float or Tensor, default {p.default}\n        {p.description}" for p in record.parameters
    )
    return f"""{record.summary}

    Formula: ``{formula.text_of(record.formula, record)}``.

    Parameters
    ----------
    x : Tensor
        float16, bfloat16, float32 or float64, of any shape and strides.
    inplace : bool, default False
        Write the result into x.
{parameters}

    Returns
    -------
    Tensor
        Of the shape, dtype and memory format of x. On CPU the bits of ``softfloor.{record.name}``.

    Raises
    ------
    TypeError
        If x is no tensor of these dtypes, or a keyword is unknown.
    """
