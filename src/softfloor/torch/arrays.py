"""CPU tensors as NumPy arrays over the same memory, and back.

NumPy knows no bfloat16 of torch's, so such a tensor is seen as int16, and that as ml_dtypes' bfloat16: three views.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import torch

from .. import _core

_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
#: As `_core.at_addresses` counts them.
_DTYPES = {torch.float16: 0, torch.bfloat16: 1, torch.float32: 2, torch.float64: 3}
#: Elements; larger results come from NumPy, whose memory softfloor recycles.
_FEW = 1 << 17


class NoMemory(RuntimeError):
    """A tensor that stands for others and has no memory of its own, such as those of ``is_grads_batched=True``."""


def array_of(tensor: torch.Tensor) -> Any:
    """The array over a CPU tensor's memory, whatever its strides."""
    try:
        if tensor.dtype is torch.bfloat16:
            return tensor.view(torch.int16).numpy(force=True).view(_BFLOAT16)
        return tensor.numpy(force=True)  # force: detached, with lazy signs resolved; no copy otherwise
    except RuntimeError as error:
        raise NoMemory(str(error)) from error


def tensor_of(array: Any) -> torch.Tensor:
    """The tensor over an array's memory; NumPy scalars become tensors without dimensions."""
    if not isinstance(array, np.ndarray):
        array = np.asarray(array)
    if array.dtype == _BFLOAT16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def one_or_all(cotangent: torch.Tensor) -> Any:
    """The cotangent of a loss: a number if it is one, otherwise an array."""
    array = array_of(cotangent)
    return array if array.ndim else float(array)


def empty_like(like: torch.Tensor) -> torch.Tensor:
    """As `torch.empty_like`; memory of contiguous results is NumPy's, because softfloor recycles it."""
    if like.is_contiguous() and like.ndim and like.numel():
        return tensor_of(_core.call_recycling(np.empty_like, array_of(like)))
    return torch.empty_like(like)


def elementwise(function: Any, like: torch.Tensor, *operands: torch.Tensor, **parameters: Any) -> torch.Tensor:
    """A ufunc's result, in the memory format that `torch.empty_like` gives.

    The memory of a contiguous result is NumPy's, because softfloor recycles it (`softfloor.memory`).
    """
    arrays = [array_of(operand) for operand in operands]
    if like.is_contiguous() and like.ndim and like.numel():
        return tensor_of(function(*arrays, order="C", **parameters))
    result = torch.empty_like(like)
    function(*arrays, out=array_of(result), **parameters)
    return result


def at_addresses(run: Any, like: torch.Tensor, *operands: torch.Tensor) -> torch.Tensor | None:
    """The result of a kernel of `_core.at_addresses` on few contiguous elements, or None where that does not apply.

    It saves the arrays: half of the time of a small call.
    """
    count, dtype = like.numel(), like.dtype
    if not 0 < count <= _FEW or not like.is_contiguous():
        return None
    for operand in operands:
        if (
            operand.dtype is not dtype
            or operand.numel() != count
            or not operand.is_contiguous()
            or operand.is_neg()
            or operand._is_zerotensor()
        ):
            return None
    try:
        addresses = [operand.data_ptr() for operand in operands]
    except RuntimeError as error:
        raise NoMemory(str(error)) from error
    result = torch.empty_like(like)
    run(_DTYPES[dtype], count, *addresses, result.data_ptr())
    return result
