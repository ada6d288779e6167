"""One operator: its entry in torch.library, its derivatives, and the short way of plain CPU tensors.

An operator is reached in four ways. Plain CPU tensors go straight to the kernel, through an `autograd.Function` if a
gradient is wanted: the dispatcher's way to a kernel in Python takes longer than the kernel on small tensors. Code that
is compiled, exported or traced, and tensors that are not plain (fake ones, subclasses, other devices), take the op in
``torch.ops.softfloor``. Compiled code for other devices gets the formula itself, to fuse it. Under `torch.func` an
`autograd.Function` of the form that its transforms ask for states the rules.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch.autograd import forward_ad

from .arrays import NoMemory

LIBRARY = torch.library.Library("softfloor", "DEF")
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

# Found once: a look-up through the module would take longer than the question.
_transforms_active = torch._C._are_functorch_transforms_active
_dispatch_modes = torch._C._len_torch_dispatch_stack
_tracing_state = torch._C._get_tracing_state
_is_excluded, _BATCHED = torch._C._dispatch_tls_is_dispatch_key_excluded, torch._C.DispatchKey.FuncTorchBatched
_is_compiling = torch.compiler.is_compiling
_stands_for_others = torch._C._functorch.is_legacy_batchedtensor
_Tensor, _Parameter = torch.Tensor, torch.nn.Parameter
#: Types of options, which are never tensors.
_OPTIONS = frozenset({float, int, str, bool, list, type(None)})

#: A function's value, and the function that takes cotangents backwards through it.
backwards: Any = torch.func.vjp


class Operator:
    """A function of tensors and plain values with a tensor as its result, or several.

    Subclasses state ``kernel`` (CPU tensors, by softfloor's kernels), ``formula`` (any tensors, in torch operations),
    ``fake`` (shape, dtype and strides of the result) and ``vmap``. An operator's derivative is that of its formula,
    unless a subclass names a better one in ``save``, ``backward`` and ``jvp``.
    """

    def __init__(self, name: str, schema: str, overload: str = "") -> None:
        full = f"{name}.{overload}" if overload else name
        self.name = self.__name__ = full
        LIBRARY.define(f"{full}{schema}", tags=(torch.Tag.pt2_compliant_tag,))
        LIBRARY.impl(full, self.kernel, "CPU")
        LIBRARY.impl(full, self.formula, "CompositeExplicitAutograd")
        self.op = getattr(getattr(torch.ops.softfloor, name), overload or "default")
        qualified = f"softfloor::{full}"
        torch.library.register_fake(qualified, self.fake, lib=LIBRARY)
        torch.library.register_autograd(qualified, self.backward, setup_context=self.save, lib=LIBRARY)
        torch.library.register_vmap(qualified, self.vmap, lib=LIBRARY)

    def kernel(self, *args: Any) -> Any:
        raise NotImplementedError

    def formula(self, *args: Any) -> Any:
        raise NotImplementedError

    def fake(self, *args: Any) -> Any:
        raise NotImplementedError

    def vmap(self, info: Any, in_dims: Any, *args: Any) -> Any:
        raise NotImplementedError

    def save(self, ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.others = [... if isinstance(value, _Tensor) else value for value in inputs]
        keep(ctx, *[value for value in inputs if isinstance(value, _Tensor)])

    def backward(self, ctx: Any, *cotangents: Any) -> Any:
        function, tensors, positions = self._of_tensors(ctx)
        _, pull = backwards(function, *tensors)
        given = cotangents if len(cotangents) > 1 else cotangents[0]
        gradients = [None] * len(ctx.others)
        for position, gradient in zip(positions, pull(given), strict=True):
            gradients[position] = gradient
        return tuple(gradients)

    def jvp(self, ctx: Any, *tangents: Any) -> Any:
        function, tensors, positions = self._of_tensors(ctx)
        filled = [
            torch.zeros_like(tensor) if tangents[position] is None else tangents[position]
            for tensor, position in zip(tensors, positions, strict=True)
        ]
        # Forward mode does not nest, so the linear map backwards is itself transposed.
        output, pull = backwards(function, *tensors)
        several = isinstance(output, tuple)
        nothing = tuple([torch.zeros_like(one) for one in output]) if several else torch.zeros_like(output)
        _, push = backwards(pull, nothing)
        return push(tuple(filled))[0]

    def _of_tensors(self, ctx: Any) -> tuple[Any, Any, list[int]]:
        """The formula as a function of the floating-point tensors alone, these, and where they stand."""
        others = list(ctx.others)
        places = [k for k, value in enumerate(others) if value is ...]
        positions, tensors = [], []
        for position, tensor in zip(places, ctx.saved_tensors, strict=True):
            if tensor.is_floating_point():
                positions.append(position)
                tensors.append(tensor)
            else:
                others[position] = tensor

        def function(*given: Any) -> Any:
            args = list(others)
            for position, tensor in zip(positions, given, strict=True):
                args[position] = tensor
            return self.formula(*args)

        return function, tensors, positions

    def __call__(self, *args: Any) -> Any:
        if _is_compiling():
            on_cpu = all(value.is_cpu for value in args if isinstance(value, torch.Tensor))
            return self.op(*args) if on_cpu else self.to_fuse(*args)
        if _transforms_active():
            # In torch.library's rule for vmap, which excludes that key, only ops may be called.
            return self.op(*args) if _is_excluded(_BATCHED) else _Transformed.apply(self, *args)
        if not plain(args):
            # torch.library has no forward mode: a tangent would be lost in the op.
            return self.op(*args) if forward_ad._current_level < 0 else _Transformed.apply(self, *args)
        return _Eager.apply(self, *args) if _differentiated(args) else self.of_plain(*args)

    def to_fuse(self, *args: Any) -> Any:
        """The formula for a compiler. Operators with a backward pass of their own override this by `with_backward`."""
        return self.formula(*args)

    def with_backward(self, *args: Any) -> Any:
        # Where nothing needs a gradient, Dynamo takes `forward` for one without a context if it is called with as many
        # arguments as it names.
        return _Formula.apply(self, *args) if _differentiated(args) else self.formula(*args)

    def of_plain(self, *args: Any) -> Any:
        """The value alone, of plain tensors: derivatives are taken care of."""
        try:
            return self.kernel(*args)
        except NoMemory:  # the dispatcher knows what such a tensor stands for
            return self.op(*args)

    def __repr__(self) -> str:
        return f"<softfloor operator {self.name} for torch>"


def plain(args: Any) -> bool:
    """Whether the tensors among the arguments are ordinary CPU tensors that nobody traces."""
    found = False
    for value in args:
        kind = type(value)
        if kind is _Tensor or kind is _Parameter:
            if not value.is_cpu:
                return False
            found = True
        elif kind not in _OPTIONS and hasattr(kind, "__torch_function__"):  # a subclass, or a proxy of torch.fx
            return False
    return found and not _dispatch_modes() and _tracing_state() is None


def is_distributed(value: Any) -> bool:
    """Whether it is a DTensor; torch takes long to import what that is, so it is not imported to find out."""
    kind = type(value)
    if kind is _Tensor or kind is _Parameter:
        return False
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(value, module.DTensor)


def unobserved(*tensors: Any) -> bool:
    """Whether nobody would notice if these were handled without a word to torch: no tracing, derivatives or batch."""
    if _is_compiling() or _transforms_active() or not plain(tensors) or _differentiated(tensors):
        return False
    return not any(map(_stands_for_others, tensors))


def _differentiated(args: Any) -> bool:
    if forward_ad._current_level >= 0:
        return True
    if torch.is_grad_enabled():
        for value in args:
            if isinstance(value, _Tensor) and value.requires_grad:
                return True
    return False


def differentiable_backwards_only(tensor: Any) -> bool:
    """Whether a gradient of the tensor is wanted, by nothing but a backward pass."""
    if not (tensor.requires_grad and torch.is_grad_enabled()):
        return False
    return _is_compiling() or not (_transforms_active() or forward_ad._current_level >= 0)


def keep(ctx: Any, *tensors: Any) -> None:
    """Save tensors for the derivatives."""
    ctx.save_for_backward(*tensors)
    # Only where it is needed: an output that is saved for forward mode is kept alive in a cycle.
    if forward_ad._current_level >= 0 or _transforms_active():
        ctx.save_for_forward(*tensors)


class _Eager(torch.autograd.Function):
    """The derivative rules of an operator, its first argument. ``setup_context`` would double the time of a call."""

    @staticmethod
    def forward(ctx: Any, operator: Operator, *args: Any) -> Any:
        ctx.operator = operator
        output = operator.of_plain(*args)
        operator.save(ctx, args, output)
        return output

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        return (None, *ctx.operator.backward(ctx, *cotangents))

    @staticmethod
    def jvp(ctx: Any, _: Any, *tangents: Any) -> Any:
        return ctx.operator.jvp(ctx, *tangents)


class _Transformed(torch.autograd.Function):
    """The same for the transforms of `torch.func`, which ask for ``setup_context`` and a rule for vmap."""

    @staticmethod
    def forward(operator: Operator, *args: Any) -> Any:
        return operator.of_plain(*args) if plain(args) else operator.op(*args)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.operator = inputs[0]
        ctx.operator.save(ctx, inputs[1:], output)

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        return (None, *ctx.operator.backward(ctx, *cotangents))

    @staticmethod
    def jvp(ctx: Any, _: Any, *tangents: Any) -> Any:
        # torch switches forward mode off here, for the transforms outside of this one as well.
        with forward_ad._set_fwd_grad_enabled(True):
            return ctx.operator.jvp(_Primals(ctx), *tangents)

    @staticmethod
    def vmap(info: Any, in_dims: Any, operator: Operator, *args: Any) -> Any:
        return operator.vmap(info, in_dims[1:], *args)


class _Primals:
    """What a function saved, without the tangents of the transform whose rule runs."""

    def __init__(self, ctx: Any) -> None:
        self.saved_tensors = tuple(
            [None if tensor is None else forward_ad.unpack_dual(tensor).primal for tensor in ctx.saved_tensors]
        )
        self.__dict__.update(ctx.__dict__)


class _Formula(torch.autograd.Function):
    """The same for compilers that fuse: they are given the formula and the formula of the backward pass."""

    @staticmethod
    def forward(ctx: Any, operator: Operator, *args: Any) -> Any:
        ctx.operator = operator
        output = operator.formula(*args)
        operator.save(ctx, args, output)
        return output

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        return (None, *ctx.operator.backward(ctx, *cotangents))
