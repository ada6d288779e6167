"""Gated units in torch.library: of two operands and of one packed one, a value and a vector-Jacobian product each.

All units share these operators, which take the unit by name: that of an activation, or of a unit with soft limits.
"""

from __future__ import annotations

import functools
from typing import Any

import torch

import softfloor

from .. import formula
from ..catalogue import ACTIVATIONS, gates
from . import second_order
from .activations import in_working_precision, limit_where_undefined, working_dtype
from .arrays import array_of, elementwise, empty_like, tensor_of
from .operators import Operator

_XP = formula.torch()
_UNIT = "str unit, float[] parameters, bool clamp_after"


@functools.cache
def numpy_unit(name: str, clamp_after: bool) -> Any:
    """The unit that an operator's arguments name."""
    if name in ACTIVATIONS:
        return softfloor.gated(name, clamp="after" if clamp_after else "before")
    return softfloor.get(name)


@functools.cache
def _formulas(name: str, clamp_after: bool) -> tuple[Any, Any, Any]:
    """Value and slopes in torch operations, with their limits at infinity."""
    if name not in ACTIVATIONS:
        return gates.softcapped, *gates.softcapped_slopes
    record = ACTIVATIONS[name]

    def value(xp: Any, x: Any, *own: Any) -> Any:
        return limit_where_undefined(lambda x: record.formula(xp, x, *own), x, 1e18)

    def slope(xp: Any, x: Any, *own: Any) -> Any:
        return limit_where_undefined(lambda x: record.slope(xp, x, *own) + 0 * x, x, 1e7)

    of_torch, clamp = record._replace(formula=value, slope=slope), "after" if clamp_after else "before"
    return gates.clamped(of_torch, clamp), *gates.clamped_slopes(of_torch, clamp)  # type: ignore[arg-type]


def _keywords(unit: Any, parameters: Any) -> dict[str, float]:
    """Parameters that differ from their defaults: without any the kernel of the plain unit runs."""
    defaults = unit.parameters.items()
    return {name: own for (name, default), own in zip(defaults, parameters, strict=True) if own != default}


def halves(x: Any, dim: int, interleaved: bool, gate_first: bool) -> tuple[Any, Any]:
    """Gate and up in a packed tensor, as views."""
    if interleaved:
        before = (slice(None),) * dim
        first, second = x[(*before, slice(0, None, 2))], x[(*before, slice(1, None, 2))]
    else:
        first, second = x.chunk(2, dim) if x.shape[dim] else (x, x)
    return (first, second) if gate_first else (second, first)


def joined(gate: Any, up: Any, dim: int, interleaved: bool, gate_first: bool) -> Any:
    parts = (gate, up) if gate_first else (up, gate)
    return torch.stack(parts, dim + 1).flatten(dim, dim + 1) if interleaved else torch.cat(parts, dim)


def _with_parameters(slope: Any, parameters: Any, gate: Any, up: Any) -> Any:
    return slope(_XP, gate, up, *parameters)


class Vjp(Operator):
    def __init__(self) -> None:
        super().__init__("gated_vjp", f"(Tensor gate, Tensor up, Tensor cotangent, {_UNIT}) -> (Tensor, Tensor)")

    def kernel(self, gate: Any, up: Any, cotangent: Any, unit: str, parameters: Any, clamp_after: bool) -> Any:
        function = numpy_unit(unit, clamp_after)
        results = empty_like(gate), empty_like(up)
        operands = map(array_of, (gate, up, cotangent))
        function.vjp(*operands, out=tuple(map(array_of, results)), **_keywords(function, parameters))
        return results

    def formula(self, gate: Any, up: Any, cotangent: Any, unit: str, parameters: Any, clamp_after: bool) -> Any:
        def product(slope: Any) -> Any:
            return lambda gate, up, cotangent: cotangent * slope(gate, up)

        slopes = self._slopes(unit, parameters, clamp_after)
        return tuple([in_working_precision(product(slope), gate, up, cotangent) for slope in slopes])

    def fake(self, gate: Any, up: Any, *args: Any) -> Any:
        return torch.empty_like(gate), torch.empty_like(up)

    def backward(self, ctx: Any, *second: Any) -> Any:
        gate, up, cotangent = ctx.saved_tensors
        of_operands, of_cotangent = self.pulled(gate, up, cotangent, second, *ctx.others[3:])
        return (*of_operands, of_cotangent, None, None, None)

    def jvp(self, ctx: Any, *tangents: Any) -> Any:
        gate, up, cotangent = ctx.saved_tensors
        return self.pushed(gate, up, cotangent, *tangents[:3], *ctx.others[3:])

    def pulled(self, gate: Any, up: Any, cotangent: Any, second: Any, *rest: Any) -> Any:
        return second_order.pulled(self._slopes(*rest), (gate, up), cotangent, second, working_dtype(gate))

    def pushed(
        self, gate: Any, up: Any, cotangent: Any, of_gate: Any, of_up: Any, of_cotangent: Any, *rest: Any
    ) -> Any:
        tangents, dtype = (of_gate, of_up), working_dtype(gate)
        return second_order.pushed(self._slopes(*rest), (gate, up), cotangent, tangents, of_cotangent, dtype)

    def _slopes(self, unit: str, parameters: Any, clamp_after: bool) -> list[Any]:
        _, *slopes = _formulas(unit, clamp_after)
        return [functools.partial(_with_parameters, slope, parameters) for slope in slopes]

    def vmap(self, info: Any, in_dims: Any, gate: Any, up: Any, cotangent: Any, *args: Any) -> Any:
        return self(*_batched(in_dims, gate, up, cotangent), *args), (0, 0)


class Value(Operator):
    def __init__(self, vjp: Vjp) -> None:
        self.vjp = vjp
        super().__init__("gated", f"(Tensor gate, Tensor up, {_UNIT}) -> Tensor")

    def kernel(self, gate: Any, up: Any, unit: str, parameters: Any, clamp_after: bool) -> Any:
        function = numpy_unit(unit, clamp_after)
        return elementwise(function, gate, gate, up, **_keywords(function, parameters))

    def formula(self, gate: Any, up: Any, unit: str, parameters: Any, clamp_after: bool) -> Any:
        value, *_ = _formulas(unit, clamp_after)
        return in_working_precision(lambda gate, up: value(_XP, gate, up, *parameters), gate, up)

    to_fuse = Operator.with_backward

    def fake(self, gate: Any, up: Any, *args: Any) -> Any:
        return torch.empty_like(gate)

    def backward(self, ctx: Any, cotangent: Any) -> Any:
        gate, up = ctx.saved_tensors
        return (*self.vjp(gate, up, cotangent, *ctx.others[2:]), None, None, None)

    def jvp(self, ctx: Any, *tangents: Any) -> Any:
        gate, up = ctx.saved_tensors
        slopes = self.vjp(gate, up, torch.ones_like(gate), *ctx.others[2:])
        return sum(slope * tangent for slope, tangent in zip(slopes, tangents, strict=False) if tangent is not None)

    def vmap(self, info: Any, in_dims: Any, gate: Any, up: Any, *args: Any) -> Any:
        return self(*_batched(in_dims, gate, up), *args), 0


def _batched(in_dims: Any, *tensors: Any) -> Any:
    """Operands of one shape with the batch in front."""
    moved = [t if dim is None else t.movedim(dim, 0) for t, dim in zip(tensors, in_dims, strict=False)]
    return torch.broadcast_tensors(*moved)


class PackedVjp(Operator):
    def __init__(self) -> None:
        packing = "int dim, bool interleaved, bool gate_first"
        super().__init__("gated_packed_vjp", f"(Tensor x, Tensor cotangent, {packing}, {_UNIT}) -> Tensor")

    def kernel(self, x: Any, cotangent: Any, *rest: Any) -> Any:
        *packing, unit, parameters, clamp_after = rest
        function = numpy_unit(unit, clamp_after)
        options = {**_packing(*packing), **_keywords(function, parameters)}
        if x.is_contiguous() and x.numel():
            return tensor_of(function.packed.vjp(array_of(x), array_of(cotangent), **options))
        result = torch.empty_like(x)
        function.packed.vjp(array_of(x), array_of(cotangent), out=array_of(result), **options)
        return result

    def formula(self, x: Any, cotangent: Any, *rest: Any) -> Any:
        *packing, unit, parameters, clamp_after = rest
        parts = VJP.formula(*halves(x, *packing), cotangent, unit, parameters, clamp_after)
        return joined(*parts, *packing)

    def fake(self, x: Any, *args: Any) -> Any:
        return torch.empty_like(x)

    def backward(self, ctx: Any, second: Any) -> Any:
        (x, cotangent), (packing, rest) = ctx.saved_tensors, (ctx.others[2:5], ctx.others[5:])
        of_operands, of_cotangent = VJP.pulled(*halves(x, *packing), cotangent, halves(second, *packing), *rest)
        return (joined(*of_operands, *packing), of_cotangent, *[None] * 6)

    def jvp(self, ctx: Any, of_x: Any, of_cotangent: Any, *_: Any) -> Any:
        (x, cotangent), (packing, rest) = ctx.saved_tensors, (ctx.others[2:5], ctx.others[5:])
        of_operands = (None, None) if of_x is None else halves(of_x, *packing)
        return joined(*VJP.pushed(*halves(x, *packing), cotangent, *of_operands, of_cotangent, *rest), *packing)

    def vmap(self, info: Any, in_dims: Any, x: Any, cotangent: Any, dim: int, *args: Any) -> Any:
        x, cotangent = _with_batch(info, in_dims[0], x), _with_batch(info, in_dims[1], cotangent)
        return self(x, cotangent, dim + 1, *args), 0


class PackedValue(Operator):
    def __init__(self, vjp: PackedVjp) -> None:
        self.vjp = vjp
        packing = "int dim, bool interleaved, bool gate_first"
        super().__init__("gated_packed", f"(Tensor x, {packing}, {_UNIT}) -> Tensor")

    def kernel(self, x: Any, *rest: Any) -> Any:
        *packing, unit, parameters, clamp_after = rest
        function = numpy_unit(unit, clamp_after)
        options = {**_packing(*packing), **_keywords(function, parameters)}
        return tensor_of(function.packed(array_of(x), order="C", **options))

    def formula(self, x: Any, *rest: Any) -> Any:
        *packing, unit, parameters, clamp_after = rest
        return VALUE.formula(*halves(x, *packing), unit, parameters, clamp_after)

    to_fuse = Operator.with_backward

    def fake(self, x: Any, dim: int, *args: Any) -> Any:
        return x.new_empty((*x.shape[:dim], x.shape[dim] // 2, *x.shape[dim + 1 :]))

    def backward(self, ctx: Any, cotangent: Any) -> Any:
        (x,) = ctx.saved_tensors
        return (self.vjp(x, cotangent, *ctx.others[1:]), *[None] * (len(ctx.others) - 1))

    def jvp(self, ctx: Any, *tangents: Any) -> Any:
        (x,), (dim, interleaved, gate_first) = ctx.saved_tensors, ctx.others[1:4]
        slopes = self.vjp(x, torch.ones_like(self.fake(x, dim)), *ctx.others[1:])
        return sum(halves(slopes * tangents[0], dim, interleaved, gate_first))

    def vmap(self, info: Any, in_dims: Any, x: Any, dim: int, *args: Any) -> Any:
        return self(_with_batch(info, in_dims[0], x), dim + 1, *args), 0


def _packing(dim: int, interleaved: bool, gate_first: bool) -> dict[str, Any]:
    """The same for the NumPy side."""
    layout, gate = "interleaved" if interleaved else "split", "first" if gate_first else "last"
    return {"axis": dim, "layout": layout, "gate": gate}


def _with_batch(info: Any, dim: int | None, x: Any) -> Any:
    return x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)


VJP = Vjp()
VALUE = Value(VJP)
PACKED_VJP = PackedVjp()
PACKED_VALUE = PackedValue(PACKED_VJP)
