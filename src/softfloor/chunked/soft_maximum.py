"""softmax, log_softmax, logsumexp and their vjps."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np

from ..layout import check_temperature
from .maps import map_blocks
from .operands import axes_of, cotangent_of, cotangent_per_row, filled, is_cut, logits_of
from .states import finish, state_of, vjp_of_products


def softmax_call(
    function: Any, z: Any, axis: Any, where: Any, temperature: float, dtype: Any, empty: Any = "zeros"
) -> Any:
    temperature = check_temperature(temperature)
    logits = logits_of(function, z, where, dtype)
    axes = axes_of(logits, axis)
    settings = {"function": function, "axes": axes, "temperature": temperature}
    if is_cut(logits, axes):
        state = state_of(logits, axes, temperature)
        result = map_blocks(finish, logits.dtype, logits, *state, variant="of_state", **settings)
    else:
        result = map_blocks(_value_of_block, logits.dtype, logits, keep=False, **settings)
    return filled(function, result, logits, axes, empty)


log_softmax_call = softmax_call


def logsumexp_call(
    function: Any, z: Any, axis: Any, where: Any, temperature: float, keepdims: bool, dtype: Any, empty: Any
) -> Any:
    temperature = check_temperature(temperature)
    logits = logits_of(function, z, where, dtype)
    axes = axes_of(logits, axis)
    settings = {"function": function, "axes": axes, "temperature": temperature}
    if is_cut(logits, axes):
        summit, terms = state_of(logits, axes, temperature)
        # The kernel takes the largest entry for a row of one.
        top = map_blocks(_first, logits.dtype, summit, dtype_of_logits=logits.dtype)
        result = map_blocks(finish, logits.dtype, top, summit, terms, variant="of_state", **settings)
    else:
        result = map_blocks(_value_of_block, logits.dtype, logits, one=axes, keep=True, **settings)
    result = filled(function, result, logits, axes, empty)
    return result if keepdims else da.squeeze(result, axes)


def logsumexp_vjp(function: Any, z: Any, cotangent: Any, axis: Any, where: Any, temperature: float, empty: Any) -> Any:
    temperature = check_temperature(temperature)
    logits = logits_of(function, z, where)
    axes = axes_of(logits, axis)
    upstream = cotangent_per_row(function, cotangent, logits, axes)
    dtype = np.result_type(logits.dtype, upstream.dtype)
    settings = {"function": function, "axes": axes, "temperature": temperature}
    if is_cut(logits, axes):
        state = state_of(logits, axes, temperature)
        result = map_blocks(finish, dtype, logits, *state, upstream, variant="vjp_of_state", **settings)
    else:
        result = map_blocks(_vjp_of_block, dtype, logits, upstream, squeeze=True, **settings)
    return filled(function, result, logits, axes, empty)


def softmax_vjp(function: Any, p: Any, cotangent: Any, axis: Any, temperature: float) -> Any:
    temperature = check_temperature(temperature)
    output = logits_of(function, p, name="p")
    axes = axes_of(output, axis)
    upstream = cotangent_of(function, cotangent, output)
    if is_cut(output, axes):
        return vjp_of_products(function, output, upstream, axes, temperature)
    dtype = np.result_type(output.dtype, upstream.dtype)
    settings = {"function": function, "axes": axes, "temperature": temperature}
    return map_blocks(_vjp_of_block, dtype, output, upstream, squeeze=False, **settings)


def log_softmax_vjp(function: Any, q: Any, cotangent: Any, axis: Any, temperature: float) -> Any:
    return softmax_vjp(function, q, cotangent, axis, temperature)


def _value_of_block(block: Any, function: Any, axes: Any, keep: bool, temperature: float) -> Any:
    settings = {"keepdims": True} if keep else {}
    return function(block, axes, temperature=temperature, **settings)


def _vjp_of_block(block: Any, cotangent: Any, function: Any, axes: Any, squeeze: bool, temperature: float) -> Any:
    return function.vjp(block, np.squeeze(cotangent, axes) if squeeze else cotangent, axes, temperature=temperature)


def _first(summit: Any, dtype_of_logits: Any) -> Any:
    return summit["first"].astype(dtype_of_logits)
