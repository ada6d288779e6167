"""The softmax family on tensors: an operator for the value, one for the vector-Jacobian product, what users call."""

from __future__ import annotations

import operator
from typing import Any

import torch

import softfloor

from ..catalogue.record import Rows
from ..layout import check_temperature
from . import row_formulas
from .activations import by_name, check, check_numbers, in_working_precision
from .arrays import array_of, tensor_of
from .operators import DTYPES, Operator, backwards, is_distributed, keep

Dim = int | tuple[int, ...] | None


class RowFunction:
    """A function along dimensions: ``softmax(z, dim=-1)``.

    Parameters
    ----------
    z : Tensor
        Logits of any shape: float16, bfloat16, float32 or float64.
    dim : int, tuple of int or None, default -1
        What a row is; None is the whole tensor.
    where : Tensor of bool, optional
        True where an entry takes part; broadcasts with z. A row without entries gives zeros, and zero gradients.
    temperature : float, default 1.0
        Divides the logits.
    dtype : torch.dtype, optional
        Compute in this dtype.

    Returns
    -------
    Tensor
        On CPU the bits of the function of that name in softfloor.

    Raises
    ------
    IndexError
        If a dimension is out of range.
    TypeError
        If z is no tensor of these dtypes.
    ValueError
        If the temperature is not positive.
    """

    #: What an entry that takes no part is.
    absent = -torch.inf
    #: Whether `softfloor.torch.nn` has it as a module: what makes a row of a row.
    has_module = True

    def __init__(self, record: Rows) -> None:
        self.name = self.__name__ = record.name
        self.record = record
        self._vjp = _Vjp(record.name)
        self._value = _Value(record.name, self._vjp)

    def __call__(
        self,
        z: torch.Tensor,
        dim: Dim = -1,
        *,
        where: torch.Tensor | None = None,
        temperature: float = 1.0,
        dtype: torch.dtype | None = None,
    ) -> torch.Tensor:
        logits, dims = self._prepared(z, dim, where, temperature, dtype)
        return self._run(logits, dims, temperature)  # type: ignore[no-any-return]

    def _run(self, logits: Any, dims: list[int], temperature: float) -> Any:
        if is_distributed(logits):
            from . import distributed

            return distributed.along(self._value, logits, dims, temperature)
        return self._value(logits, dims, temperature)

    def _prepared(self, z: Any, dim: Dim, where: Any, temperature: float, dtype: Any) -> tuple[Any, list[int]]:
        check(self.name, z=z)
        if type(temperature) is not float or temperature != 1.0:
            check_numbers(self.name, temperature=temperature)
            check_temperature(temperature)
        if dtype is not None and dtype not in DTYPES:
            raise TypeError(f"{self.name}(): dtype must be one of {', '.join(map(str, DTYPES))}; got {dtype!r}")
        logits = z if dtype is None else z.to(dtype)
        if where is not None:
            if not isinstance(where, torch.Tensor) or where.dtype is not torch.bool:
                given = where.dtype if isinstance(where, torch.Tensor) else type(where).__name__
                raise TypeError(
                    f"{self.name}(): where must be a Tensor of booleans, True where an entry takes part; got {given}"
                )
            logits = torch.where(where, logits, self.absent)
        return logits, dimensions(self.name, logits, dim)

    def __repr__(self) -> str:
        return f"<softfloor.torch function {self.name}: {self.record.summary}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return by_name, (self.name,)


class Softmin(RowFunction):
    __doc__ = RowFunction.__doc__
    absent = torch.inf


class Logsumexp(RowFunction):
    __doc__ = RowFunction.__doc__
    has_module = False

    def __call__(
        self,
        z: torch.Tensor,
        dim: Dim = -1,
        keepdim: bool = False,
        *,
        where: torch.Tensor | None = None,
        temperature: float = 1.0,
        dtype: torch.dtype | None = None,
    ) -> torch.Tensor:
        logits, dims = self._prepared(z, dim, where, temperature, dtype)
        result = self._run(logits, dims, temperature)
        if keepdim:
            for position in dims:
                result = result.unsqueeze(position)
        return result  # type: ignore[no-any-return]


class Hardmax(RowFunction):
    __doc__ = RowFunction.__doc__

    def __call__(  # type: ignore[override]
        self,
        z: torch.Tensor,
        dim: Dim = -1,
        *,
        where: torch.Tensor | None = None,
        dtype: torch.dtype | None = None,
    ) -> torch.Tensor:
        return super().__call__(z, dim, where=where, dtype=dtype)


class GumbelSoftmax:
    """softmax((z + g) / temperature) with Gumbel noise g: a differentiable sample of the distribution softmax(z).

    Parameters
    ----------
    z : Tensor
        Logits of any shape.
    dim : int, tuple of int or None, default -1
        What a row is.
    where : Tensor of bool, optional
        True where an entry takes part.
    temperature : float, default 1.0
        Divides the logits and the noise.
    hard : bool, default False
        Return the one-hot sample, with the gradient of the soft one.
    generator : torch.Generator, optional
        Where the noise comes from; torch's default generator if not given. The stream is torch's, so samples are not
        those of ``softfloor.gumbel_softmax``.

    Returns
    -------
    Tensor
        Of the shape of z.
    """

    def __init__(self, record: Rows, softmax: RowFunction, hardmax: RowFunction) -> None:
        self.name = self.__name__ = record.name
        self.record = record
        self._softmax, self._hardmax = softmax, hardmax

    def __call__(
        self,
        z: torch.Tensor,
        dim: Dim = -1,
        *,
        where: torch.Tensor | None = None,
        temperature: float = 1.0,
        hard: bool = False,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        check(self.name, z=z)
        wide = torch.float64 if z.dtype is torch.float64 else torch.float32
        noise = -torch.empty_like(z, dtype=wide).exponential_(generator=generator).log()
        noisy = z + noise
        soft = self._softmax(noisy, dim, where=where, temperature=temperature).to(z.dtype)
        # Not that of the soft sample, in which rounding makes ties.
        return self._hardmax(noisy, dim, where=where).to(z.dtype) + (soft - soft.detach()) if hard else soft

    def __repr__(self) -> str:
        return f"<softfloor.torch function {self.name}: {self.record.summary}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return by_name, (self.name,)


def dimensions(function: str, z: Any, dim: Dim) -> list[int]:
    """The dimensions of a row, counted from the front; as in torch, a tensor without dimensions has dimension 0."""
    if dim is None:
        return list(range(z.ndim))
    ndim = max(z.ndim, 1)
    result = []
    for one in dim if isinstance(dim, (tuple, list)) else (dim,):
        try:
            position = operator.index(one)
        except TypeError:
            raise TypeError(f"{function}(): dim must be an integer, a tuple of integers or None; got {dim!r}") from None
        if not -ndim <= position < ndim:
            raise IndexError(
                f"{function}(): dimension {position} is out of range: z has shape {tuple(z.shape)}, which allows "
                f"{-ndim} to {ndim - 1}"
            )
        result.append(position % ndim)
    if len(set(result)) < len(result):
        raise RuntimeError(f"{function}(): a dimension appears twice in dim={dim!r}")
    return sorted(result) if z.ndim else []


class _Value(Operator):
    """``saves`` tells what the vjp takes: the output, or for logsumexp the logits."""

    def __init__(self, name: str, vjp: _Vjp) -> None:
        self.function, self.vjp = getattr(softfloor, name), vjp
        self.value = getattr(row_formulas, name)
        self.reduces = name == "logsumexp"
        super().__init__(name, "(Tensor z, int[] dim, float temperature) -> Tensor")

    def kernel(self, z: Any, dim: Any, temperature: float) -> Any:
        return _along(self.function, z, dim, temperature, self.reduces, z)

    def formula(self, z: Any, dim: Any, temperature: float) -> Any:
        return in_working_precision(self.value, z, dim, temperature)

    def fake(self, z: Any, dim: Any, temperature: float) -> Any:
        return z.new_empty(_outer(z, dim)) if self.reduces else torch.empty_like(z)

    def vmap(self, info: Any, in_dims: Any, z: Any, dim: Any, temperature: float) -> Any:
        return self(z.movedim(in_dims[0], 0), [k + 1 for k in dim], temperature), 0

    to_fuse = Operator.with_backward

    def save(self, ctx: Any, inputs: Any, output: Any) -> None:
        ctx.dim, ctx.temperature = list(inputs[1]), inputs[2]
        keep(ctx, inputs[0] if self.reduces else output)

    def backward(self, ctx: Any, cotangent: Any) -> Any:
        (saved,) = ctx.saved_tensors
        return self.vjp(saved, cotangent, ctx.dim, ctx.temperature), None, None

    def jvp(self, ctx: Any, tangent: Any, *_: Any) -> Any:
        # The vjp is linear in the cotangent: its transpose is the jvp.
        (saved,) = ctx.saved_tensors
        nothing = torch.zeros(_outer(saved, ctx.dim) if self.reduces else saved.shape).to(saved)
        _, push = backwards(lambda cotangent: self.vjp.formula(saved, cotangent, ctx.dim, ctx.temperature), nothing)
        return push(tangent)[0]


class _Vjp(Operator):
    """The vector-Jacobian product. Its own derivatives are those of its formula."""

    def __init__(self, name: str) -> None:
        self.function = getattr(softfloor, name).vjp
        self.product = getattr(row_formulas, f"{name}_vjp")
        super().__init__(f"{name}_vjp", "(Tensor saved, Tensor cotangent, int[] dim, float temperature) -> Tensor")

    def kernel(self, saved: Any, cotangent: Any, dim: Any, temperature: float) -> Any:
        return _along(self.function, saved, dim, temperature, False, saved, cotangent)

    def formula(self, saved: Any, cotangent: Any, dim: Any, temperature: float) -> Any:
        return in_working_precision(self.product, saved, cotangent, dim, temperature)

    def fake(self, saved: Any, cotangent: Any, dim: Any, temperature: float) -> Any:
        return torch.empty_like(saved)

    def vmap(self, info: Any, in_dims: Any, saved: Any, cotangent: Any, dim: Any, temperature: float) -> Any:
        both = [
            tensor.expand(info.batch_size, *tensor.shape) if place is None else tensor.movedim(place, 0)
            for tensor, place in zip((saved, cotangent), in_dims[:2], strict=True)
        ]
        return self(*both, [k + 1 for k in dim], temperature), 0


def _outer(z: Any, dim: Any) -> list[int]:
    return [length for k, length in enumerate(z.shape) if k not in dim]


def _along(function: Any, like: Any, dim: Any, temperature: float, reduces: bool, *operands: Any) -> Any:
    """A row function's result, in the memory format of ``like``; contiguous ones lie in NumPy's memory, to recycle."""
    keywords = {} if temperature == 1.0 else {"temperature": temperature}
    arrays = [array_of(operand) for operand in operands]
    if len(dim) == 1 and like.is_contiguous() and like.numel():
        return tensor_of(function(*arrays, dim[0], **keywords))
    result = like.new_empty(_outer(like, dim)) if reduces else torch.empty_like(like)
    function(*arrays, axis=tuple(dim), out=array_of(result), **keywords)
    return result
