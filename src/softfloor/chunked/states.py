"""Rows that are cut, as states: what each chunk knows of a row, and how that merges (csrc/ops/states.hpp)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..layout import Layout
from ..soft_maximum import logsumexp
from .maps import map_blocks, merge

SUMMIT = np.dtype([("first", np.float64), ("second", np.float64)])
TERMS = np.dtype([("ties", np.int64), ("high", np.int64), ("low", np.int64)])
SIZE = np.dtype([("largest", np.float64), ("unbounded", np.float64)])
SUM = np.dtype([("high", np.int64), ("low", np.int64)])
#: csrc/ops/states.hpp: low counts units that carry into high at this bit.
LOW_BITS = 48


def _records(layout: Layout, results: tuple[Any, ...], dtype: np.dtype[Any]) -> Any:
    """One record per row, the axes of the rows kept with length 1."""
    records = np.empty(layout.outer_shape, dtype)
    for name, values in zip(dtype.names or (), results, strict=True):
        records[name] = values
    return layout.kept(records)


def _fields(layout: Layout, states: Any) -> list[Any]:
    """The fields of records that `_records` or a merge made, one number per row."""
    records = np.squeeze(states, layout.axes)
    return [records[name] for name in records.dtype.names]


# ---------------------------------------------- of logits
def state_of(z: Any, axes: tuple[int, ...], temperature: float) -> tuple[Any, Any]:
    """The state of each row: its summit, and the terms below it."""
    summit = merge(_merge_summits, map_blocks(_summits, SUMMIT, z, one=axes, axes=axes), axes)
    terms = map_blocks(_terms, TERMS, z, summit, one=axes, axes=axes, temperature=temperature)
    return summit, merge(_merge_sums, terms, axes)


def finish(
    block: Any, summit: Any, terms: Any, *others: Any, function: Any, variant: str, axes: Any, temperature: float
) -> Any:
    """A kernel that takes a row, or a part of it, and its state; ``others`` have one entry per row."""
    layout = Layout(block.shape, axes)
    state = (*_fields(layout, summit), *_fields(layout, terms), temperature)
    rest = (np.squeeze(other, axes) for other in others)
    return layout.restore(function.gufuncs[variant](layout.rows(block), *state, *rest))


def _summits(block: Any, axes: tuple[int, ...]) -> Any:
    layout = Layout(block.shape, axes)
    return _records(layout, logsumexp.gufuncs["summit"](layout.rows(block)), SUMMIT)


def _merge_summits(states: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    layout = Layout(states.shape, axis)
    rows = layout.rows(states)
    both = np.sort(np.concatenate([rows["first"], rows["second"]], axis=-1), axis=-1)  # NaN comes last: it is kept
    return _records(layout, (both[..., -1], both[..., -2]), SUMMIT)


def _terms(block: Any, summit: Any, axes: tuple[int, ...], temperature: float) -> Any:
    layout = Layout(block.shape, axes)
    results = logsumexp.gufuncs["terms"](layout.rows(block), *_fields(layout, summit), temperature)
    return _records(layout, results, TERMS)


def _merge_sums(states: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    merged = np.empty(np.sum(states[states.dtype.names[0]], axis=axis, keepdims=True).shape, states.dtype)
    for name in states.dtype.names:
        merged[name] = np.sum(states[name], axis=axis, keepdims=True)
    merged["high"] += merged["low"] >> LOW_BITS
    merged["low"] &= (1 << LOW_BITS) - 1
    return merged


# ---------------------------------------------- of products of an output and its cotangent
def vjp_of_products(function: Any, output: Any, upstream: Any, axes: tuple[int, ...], temperature: float) -> Any:
    """The vjp from the output of a function whose rows are cut."""
    settings = {"function": function, "axes": axes}
    sizes = merge(_merge_sizes, map_blocks(_product_sizes, SIZE, output, upstream, one=axes, **settings), axes)
    sums = merge(_merge_sums, map_blocks(_product_sums, SUM, output, upstream, sizes, one=axes, **settings), axes)
    dtype = np.result_type(output.dtype, upstream.dtype)
    return map_blocks(_finish_vjp, dtype, output, upstream, sizes, sums, temperature=temperature, **settings)


def _product_sizes(block: Any, cotangent: Any, function: Any, axes: tuple[int, ...]) -> Any:
    layout = Layout(block.shape, axes)
    return _records(layout, function.gufuncs["product_size"](layout.rows(block), layout.rows(cotangent)), SIZE)


def _merge_sizes(states: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    merged = np.empty(np.max(states["largest"], axis=axis, keepdims=True).shape, SIZE)
    merged["largest"] = np.max(states["largest"], axis=axis, keepdims=True)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, as it would be in a plain sum
        merged["unbounded"] = np.sum(states["unbounded"], axis=axis, keepdims=True)
    return merged


def _product_sums(block: Any, cotangent: Any, sizes: Any, function: Any, axes: tuple[int, ...]) -> Any:
    layout = Layout(block.shape, axes)
    largest = _fields(layout, sizes)[0]
    results = function.gufuncs["product_sum"](layout.rows(block), layout.rows(cotangent), largest)
    return _records(layout, results, SUM)


def _finish_vjp(
    block: Any, cotangent: Any, sizes: Any, sums: Any, function: Any, axes: tuple[int, ...], temperature: float
) -> Any:
    layout = Layout(block.shape, axes)
    state = (*_fields(layout, sizes), *_fields(layout, sums), temperature)
    return layout.restore(function.gufuncs["vjp_of_state"](layout.rows(block), layout.rows(cotangent), *state))
