# The compiled module (csrc/module.cpp).
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

class UfuncCall:
    """A callable that passes its arguments to a ufunc, keyword parameters turned into operands."""

    ufunc: np.ufunc
    def __init__(
        self,
        ufunc: np.ufunc,
        required: int,
        parameters: tuple[str, ...],
        defaults: tuple[float, ...],
        recover: Callable[[Any, Exception, tuple[Any, ...], Mapping[str, Any]], Any] | None,
        at_defaults: np.ufunc | None = None,
        wide: bool = False,
    ) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

def make_ufunc(function: str, variant: str, name: str, doc: str, at_defaults: bool = False, /) -> np.ufunc:
    """A new ufunc over a compiled kernel; at_defaults: without operands for the parameters."""

def at_addresses(function: str, variant: str, /) -> Callable[..., None]:
    """call(dtype, n, address, ...): the kernel, its parameters at their defaults, on contiguous memory of others."""

def kernels() -> list[tuple[str, str]]:
    """Every (function, variant) that is compiled in."""

def available_cpus() -> tuple[str, ...]:
    """Instruction sets that this CPU runs, best first."""

def current_cpu() -> str:
    """The instruction set whose kernels run."""

def use_cpu(name: str, /) -> bool:
    """Run the kernels of that instruction set; False if there are none."""

def get_threads() -> tuple[int, int, int]:
    """(threads asked for or 0, threads that the next call may use, threads that the latest large call used)."""

def set_threads(count: int, /) -> None:
    """Ask for a number of threads; 0 leaves it to OpenMP."""

def set_share(nanoseconds: float, /) -> float:
    """Nanoseconds of work that a call needs per thread; returns the value before."""

def call_recycling(function: Callable[..., Any], /, *args: Any, **keywords: Any) -> Any:
    """The call, its large results in recycled memory."""

def exact_sum(values: Any, /) -> float | None:
    """The sum of an array's float64, rounded once; None if one is infinite or NaN."""

def direct_rows(gufunc: np.ufunc, /) -> Callable[..., Any]:
    """call(array, ..., axis=-1, *, temperature=1.0, keepdims=False, out=None) of plain arrays; None for others."""

def direct_loss(*gufuncs: np.ufunc) -> Callable[..., Any]:
    """call(z, labels, ..., reduction='mean') of plain arrays; None for others, where a label is outside, and where the
    sum is of an infinity or NaN. The gufuncs of softmax_cross_entropy: of class labels, of probabilities; or those of
    sigmoid_cross_entropy: of each entry, of totals, of what is outside."""

def direct_loss_vjp(*gufuncs: np.ufunc) -> Callable[..., Any]:
    """call(z, labels, cotangent, ..., reduction='mean') for one cotangent; None as direct_loss."""

def direct_loss_and_losses(*gufuncs: np.ufunc) -> Callable[..., Any]:
    """call(z, labels, ..., reduction='mean'): the loss, the losses of the rows, the gradient; None as direct_loss."""

def class_loss(*operands: Any, **keywords: Any) -> Any:
    """class_loss(log_probabilities, labels, axis=-1, *, reduction='mean'): nll of plain arrays; None as direct_loss."""

def class_loss_and_grad(*operands: Any, **keywords: Any) -> Any:
    """The pair, or None as class_loss; a new gradient where ``out`` is None."""

def set_streaming(limit: int, /) -> int:
    """Bytes of all operands from which results are written around the caches; returns the value before."""

def get_looked_up() -> int:
    """How many functions of half precision look their results up."""

def set_looked_up(limit: int, /) -> int:
    """Elements of half precision that a function computes before it looks results up; returns the value before."""

def set_second_level_cache(limit: int, /) -> int:
    """How many bytes of rows side by side are put aside before they are read again; returns the value before."""

def get_memory() -> tuple[int, float, int]:
    """(limit in bytes, age in seconds, bytes kept now)."""

def set_memory(limit: int, seconds: float, /) -> None:
    """How many bytes of freed memory are kept, and how long."""

def release_memory() -> int:
    """Give kept memory back to the system; returns the bytes."""
