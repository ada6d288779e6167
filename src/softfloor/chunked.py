"""Functions along an axis on Dask arrays, lazily; imported only when one is met.

Where a row lies in one chunk, each block goes through the NumPy function. Where its axis is cut, chunks are reduced to
states (csrc/ops/states.hpp), merged in a tree: first the two largest entries, then fixed-point sums of terms below
them. Both merges are exact, so the bits of a result depend neither on where the axis is cut nor on the order of the
merges. The chunks that share rows stay in memory, or are spilled, between the passes.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np

from .gumbel import generator
from .layout import Layout, as_logits, check_temperature, masked
from .losses import check_class_labels, reduced
from .soft_maximum import logsumexp, softmax

SUMMIT = np.dtype([("first", np.float64), ("second", np.float64)])
TERMS = np.dtype([("ties", np.int64), ("high", np.int64), ("low", np.int64)])
SIZE = np.dtype([("largest", np.float64), ("unbounded", np.float64)])
SUM = np.dtype([("high", np.int64), ("low", np.int64)])
#: csrc/ops/states.hpp: low counts units that carry into high at this bit, and this many terms fit.
LOW_BITS, MOST_TERMS = 48, 2**36
#: How many states one task of a tree merges.
SPLIT_EVERY = 16


def call(function: Any, method: str, arguments: dict[str, Any]) -> Any:
    """A method of a row function, by its arguments' names; at least one of them is a Dask array."""
    if arguments.pop("out", None) is not None:
        raise TypeError(f"{function.name}: out cannot be given with Dask arrays, whose results are lazy")
    if arguments.pop("empty", "zeros") != "zeros":
        raise NotImplementedError(f"{function.name}: empty of Dask arrays is 'zeros'; no other value is supported")
    own = globals().get(f"_{function.name}_{method.strip('_')}")
    return own(function, **arguments) if own else _of_whole_rows(getattr(function, method), **arguments)


# ---------------------------------------------- what is given
def _logits(function: Any, z: Any, where: Any = None, dtype: Any = None) -> Any:
    logits = as_logits(function.name, "z", z if isinstance(z, da.Array) else da.asarray(np.asanyarray(z)), dtype)
    if where is None:
        return logits
    shape = np.broadcast_shapes(logits.shape, np.shape(where))
    logits = da.broadcast_to(logits, shape)
    return _map(masked, logits.dtype, logits, _along(where, shape, logits.chunks))


def _along(value: Any, shape: tuple[int, ...], chunks: Any) -> Any:
    """An operand broadcast to a shape and cut like another; axes of length 1 stay so."""
    array = value if isinstance(value, da.Array) else da.asarray(np.asanyarray(value))
    return da.broadcast_to(array, shape).rechunk(chunks)


def _axes(z: Any, axis: Any) -> tuple[int, ...]:
    return Layout(z.shape, axis).axes


def _cut(z: Any, axes: tuple[int, ...]) -> bool:
    """Whether rows lie in several chunks."""
    if math.prod(z.shape[a] for a in axes) > MOST_TERMS:
        raise ValueError(f"a row may have at most {MOST_TERMS} entries; got {math.prod(z.shape[a] for a in axes)}")
    return any(z.numblocks[a] > 1 for a in axes)


# ---------------------------------------------- maps and merges
def _map(body: Callable[..., Any], dtype: Any, *arrays: Any, like: int = 0, one: Any = (), **keywords: Any) -> Any:
    """``body`` of corresponding blocks; ``one`` are the axes along which each gives a single entry."""
    chunks = tuple((1,) * len(c) if k in one else c for k, c in enumerate(arrays[like].chunks))
    meta = np.empty((0,) * arrays[like].ndim, dtype)
    return da.map_blocks(body, *arrays, dtype=dtype, chunks=chunks, meta=meta, **keywords)


def _merge(merge: Callable[..., Any], states: Any, axes: tuple[int, ...]) -> Any:
    """States of chunks to one per row, in a tree; the axes stay, with length 1."""
    meta = np.empty((0,) * states.ndim, states.dtype)
    return da.reduction(
        states,
        chunk=merge,
        combine=merge,
        aggregate=merge,
        axis=axes,
        keepdims=True,
        dtype=states.dtype,
        meta=meta,
        split_every=SPLIT_EVERY,
    )


def _fields(layout: Layout, results: tuple[Any, ...], dtype: np.dtype[Any]) -> Any:
    """One record per row, the axes of the rows kept with length 1."""
    records = np.empty(layout.outer_shape, dtype)
    for name, values in zip(dtype.names or (), results, strict=True):
        records[name] = values
    return layout.kept(records)


def _per_row(layout: Layout, states: Any) -> list[Any]:
    """The fields of records that `_fields` or a merge made, one number per row."""
    records = np.squeeze(states, layout.axes)
    return [records[name] for name in records.dtype.names]


def _summits(block: Any, axes: tuple[int, ...]) -> Any:
    layout = Layout(block.shape, axes)
    return _fields(layout, logsumexp.gufuncs["summit"](layout.rows(block)), SUMMIT)


def _merge_summits(states: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    layout = Layout(states.shape, axis)
    rows = layout.rows(states)
    both = np.sort(np.concatenate([rows["first"], rows["second"]], axis=-1), axis=-1)  # NaN comes last: it is kept
    return _fields(layout, (both[..., -1], both[..., -2]), SUMMIT)


def _terms(block: Any, summit: Any, axes: tuple[int, ...], temperature: float) -> Any:
    layout = Layout(block.shape, axes)
    results = logsumexp.gufuncs["terms"](layout.rows(block), *_per_row(layout, summit), temperature)
    return _fields(layout, results, TERMS)


def _merge_sums(states: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    merged = np.empty(np.sum(states[states.dtype.names[0]], axis=axis, keepdims=True).shape, states.dtype)
    for name in states.dtype.names:
        merged[name] = np.sum(states[name], axis=axis, keepdims=True)
    merged["high"] += merged["low"] >> LOW_BITS
    merged["low"] &= (1 << LOW_BITS) - 1
    return merged


def _state(z: Any, axes: tuple[int, ...], temperature: float) -> tuple[Any, Any]:
    """The state of each row: its summit, and the terms below it."""
    summit = _merge(_merge_summits, _map(_summits, SUMMIT, z, one=axes, axes=axes), axes)
    terms = _map(_terms, TERMS, z, summit, one=axes, axes=axes, temperature=temperature)
    return summit, _merge(_merge_sums, terms, axes)


def _finish(
    block: Any, summit: Any, terms: Any, *others: Any, function: Any, variant: str, axes: Any, temperature: float
) -> Any:
    """A kernel that takes a row, or a part of it, and its state; ``others`` have one entry per row."""
    layout = Layout(block.shape, axes)
    state = (*_per_row(layout, summit), *_per_row(layout, terms), temperature)
    rest = (np.squeeze(other, axes) for other in others)
    return layout.restore(function.gufuncs[variant](layout.rows(block), *state, *rest))


# ---------------------------------------------- whole rows in each block
def _of_whole_rows(method: Any, axis: Any = -1, **arguments: Any) -> Any:
    """A function whose result is like its first operand; operands that are arrays broadcast to it."""
    names = [name for name, value in arguments.items() if isinstance(value, (da.Array, np.ndarray, list))]
    arrays = [arguments.pop(name) for name in names]
    first = arrays[0] if isinstance(arrays[0], da.Array) else da.asarray(np.asanyarray(arrays[0]))
    first = first.rechunk(dict.fromkeys(_axes(first, axis), -1))
    others = [_along(value, first.shape, first.chunks) for value in arrays[1:]]
    dtype = as_logits("", names[0], first[:0], arguments.get("dtype")).dtype
    body = functools.partial(_call_by_name, method=method, names=tuple(names), axis=axis, **arguments)
    return _map(body, dtype, first, *others)


def _call_by_name(*blocks: Any, method: Any, names: tuple[str, ...], **settings: Any) -> Any:
    return method(**dict(zip(names, blocks, strict=True)), **settings)


def _value_of_block(block: Any, function: Any, axes: Any, keep: bool, temperature: float) -> Any:
    settings = {"keepdims": True} if keep else {}
    return function(block, axes, temperature=temperature, **settings)


def _vjp_of_block(block: Any, cotangent: Any, function: Any, axes: Any, squeeze: bool, temperature: float) -> Any:
    return function.vjp(block, np.squeeze(cotangent, axes) if squeeze else cotangent, axes, temperature=temperature)


# ---------------------------------------------- the softmax family
def _softmax_call(function: Any, z: Any, axis: Any, where: Any, temperature: float, dtype: Any) -> Any:
    temperature = check_temperature(temperature)
    logits = _logits(function, z, where, dtype)
    axes = _axes(logits, axis)
    settings = {"function": function, "axes": axes, "temperature": temperature}
    if not _cut(logits, axes):
        return _map(_value_of_block, logits.dtype, logits, keep=False, **settings)
    return _map(_finish, logits.dtype, logits, *_state(logits, axes, temperature), variant="of_state", **settings)


_log_softmax_call = _softmax_call


def _softmin_call(function: Any, z: Any, axis: Any, where: Any, temperature: float, dtype: Any) -> Any:
    return _softmax_call(softmax, -_logits(function, z, None, dtype), axis, where, temperature, None)


def _softmin_vjp(function: Any, p: Any, cotangent: Any, axis: Any, temperature: float) -> Any:
    return -_softmax_vjp(softmax, p, cotangent, axis, temperature)


def _gumbel_softmax_call(
    function: Any, z: Any, axis: Any, rng: Any, hard: bool, where: Any, temperature: float, dtype: Any
) -> Any:
    """Rows are gathered; what is drawn depends on how the other axes are cut."""
    logits = _logits(function, z, where, dtype)
    logits = logits.rechunk(dict.fromkeys(_axes(logits, axis), -1))
    seed = generator(function.name, rng).integers(2**63)
    uniform = da.random.default_rng(int(seed)).random(logits.shape, chunks=logits.chunks)
    operands = () if hard else (check_temperature(temperature),)
    settings = {"function": function, "axis": axis, "variant": "hard" if hard else "value", "operands": operands}
    return _map(_drawn, logits.dtype, logits, uniform, **settings)


def _drawn(block: Any, uniform: Any, function: Any, axis: Any, variant: str, operands: tuple[float, ...]) -> Any:
    layout = Layout(block.shape, axis)
    return layout.restore(function.gufuncs[variant](layout.rows(block), layout.rows(uniform), *operands))


def _gumbel_softmax_vjp(function: Any, p: Any, cotangent: Any, axis: Any, temperature: float) -> Any:
    return _softmax_vjp(softmax, p, cotangent, axis, temperature)


def _logsumexp_call(
    function: Any, z: Any, axis: Any, where: Any, temperature: float, keepdims: bool, dtype: Any
) -> Any:
    temperature = check_temperature(temperature)
    logits = _logits(function, z, where, dtype)
    axes = _axes(logits, axis)
    settings = {"function": function, "axes": axes, "temperature": temperature}
    if not _cut(logits, axes):
        result = _map(_value_of_block, logits.dtype, logits, one=axes, keep=True, **settings)
    else:
        summit, terms = _state(logits, axes, temperature)
        # The kernel takes the largest entry for a row of one.
        top = _map(_first, logits.dtype, summit, dtype_of_logits=logits.dtype)
        result = _map(_finish, logits.dtype, top, summit, terms, variant="of_state", **settings)
    return result if keepdims else da.squeeze(result, axes)


def _first(summit: Any, dtype_of_logits: Any) -> Any:
    return summit["first"].astype(dtype_of_logits)


def _logsumexp_vjp(function: Any, z: Any, cotangent: Any, axis: Any, temperature: float) -> Any:
    temperature = check_temperature(temperature)
    logits = _logits(function, z)
    axes = _axes(logits, axis)
    layout = Layout(logits.shape, axes)
    upstream = da.expand_dims(_cotangent(function, cotangent, logits, layout.outer_shape), axes)
    upstream = upstream.rechunk(tuple((1,) if k in axes else c for k, c in enumerate(logits.chunks)))
    dtype = np.result_type(logits.dtype, upstream.dtype)
    settings = {"function": function, "axes": axes, "temperature": temperature}
    if not _cut(logits, axes):
        return _map(_vjp_of_block, dtype, logits, upstream, squeeze=True, **settings)
    state = _state(logits, axes, temperature)
    return _map(_finish, dtype, logits, *state, upstream, variant="vjp_of_state", **settings)


def _cotangent(function: Any, value: Any, like: Any, shape: tuple[int, ...]) -> Any:
    array = np.asarray(value, like.dtype) if type(value) in (bool, int, float) else value
    array = as_logits(function.name, "cotangent", array)
    try:
        return da.broadcast_to(da.asarray(array), shape)
    except ValueError:
        raise ValueError(
            f"{function.name}: cotangent has shape {array.shape}, which does not broadcast to {shape}"
        ) from None


# ---------------------------------------------- vjps from the output
def _softmax_vjp(function: Any, p: Any, cotangent: Any, axis: Any, temperature: float) -> Any:
    temperature = check_temperature(temperature)
    output = as_logits(function.name, "p", p if isinstance(p, da.Array) else da.asarray(np.asanyarray(p)))
    axes = _axes(output, axis)
    upstream = _cotangent(function, cotangent, output, output.shape).rechunk(output.chunks)
    dtype = np.result_type(output.dtype, upstream.dtype)
    settings = {"function": function, "axes": axes}
    if not _cut(output, axes):
        return _map(_vjp_of_block, dtype, output, upstream, squeeze=False, temperature=temperature, **settings)
    sizes = _merge(_merge_sizes, _map(_product_sizes, SIZE, output, upstream, one=axes, **settings), axes)
    sums = _map(_product_sums, SUM, output, upstream, sizes, one=axes, **settings)
    sums = _merge(_merge_sums, sums, axes)
    return _map(_finish_vjp, dtype, output, upstream, sizes, sums, temperature=temperature, **settings)


def _log_softmax_vjp(function: Any, q: Any, cotangent: Any, axis: Any, temperature: float) -> Any:
    return _softmax_vjp(function, q, cotangent, axis, temperature)


def _product_sizes(block: Any, cotangent: Any, function: Any, axes: tuple[int, ...]) -> Any:
    layout = Layout(block.shape, axes)
    return _fields(layout, function.gufuncs["product_size"](layout.rows(block), layout.rows(cotangent)), SIZE)


def _merge_sizes(states: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    merged = np.empty(np.max(states["largest"], axis=axis, keepdims=True).shape, SIZE)
    merged["largest"] = np.max(states["largest"], axis=axis, keepdims=True)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, as it would be in a plain sum
        merged["unbounded"] = np.sum(states["unbounded"], axis=axis, keepdims=True)
    return merged


def _product_sums(block: Any, cotangent: Any, sizes: Any, function: Any, axes: tuple[int, ...]) -> Any:
    layout = Layout(block.shape, axes)
    largest = _per_row(layout, sizes)[0]
    results = function.gufuncs["product_sum"](layout.rows(block), layout.rows(cotangent), largest)
    return _fields(layout, results, SUM)


def _finish_vjp(
    block: Any, cotangent: Any, sizes: Any, sums: Any, function: Any, axes: tuple[int, ...], temperature: float
) -> Any:
    layout = Layout(block.shape, axes)
    state = (*_per_row(layout, sizes), *_per_row(layout, sums), temperature)
    return layout.restore(function.gufuncs["vjp_of_state"](layout.rows(block), layout.rows(cotangent), *state))


# ---------------------------------------------- softmax_cross_entropy
def _softmax_cross_entropy_call(function: Any, z: Any, labels: Any, axis: Any, reduction: str, **options: Any) -> Any:
    return _Loss(function, z, labels, axis, reduction, options).loss()


def _softmax_cross_entropy_value_and_grad(
    function: Any, z: Any, labels: Any, axis: Any, reduction: str, **options: Any
) -> Any:
    problem = _Loss(function, z, labels, axis, reduction, options)
    return problem.loss(), problem.gradient(1.0)


def _softmax_cross_entropy_vjp(
    function: Any, z: Any, labels: Any, cotangent: Any, axis: Any, reduction: str, **options: Any
) -> Any:
    upstream = da.asarray(cotangent).astype(np.float64)
    if reduction != "none" and upstream.ndim:
        raise ValueError(
            f"with reduction={reduction!r} the loss is a scalar; got a cotangent of shape {upstream.shape}"
        )
    return _Loss(function, z, labels, axis, reduction, options).gradient(upstream)


class _Loss:
    """A cross-entropy: its losses per row, and the gradient, which share their state if both are computed."""

    def __init__(self, function: Any, z: Any, labels: Any, axis: Any, reduction: str, options: dict[str, Any]) -> None:
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none'; got {reduction!r}")
        given = [
            name
            for name, value in options.items()
            if value is not None and not (isinstance(value, float) and value == 0)
        ]
        if given:
            raise NotImplementedError(f"{function.name}: {', '.join(given)} of Dask arrays is not supported")
        self.function, self.reduction = function, reduction
        self.logits = _logits(function, z)
        (self.axis,) = self.axes = _axes(self.logits, operator.index(axis))
        self.layout = Layout(self.logits.shape, self.axis)
        targets = labels if isinstance(labels, da.Array) else np.asanyarray(labels)
        self.probabilities = targets.shape == self.logits.shape
        if self.probabilities:
            # Sums of products with labels are no sums of terms in (0, 1]: such rows are gathered.
            self.logits = self.logits.rechunk({self.axis: -1})
            self.labels = da.asarray(targets).rechunk(self.logits.chunks)
        else:
            if targets.shape != self.layout.outer_shape:
                raise ValueError(
                    f"{function.name}: labels have shape {targets.shape}; class labels need {self.layout.outer_shape}, "
                    f"probabilities the shape of the logits, {self.logits.shape}"
                )
            self.labels = self._per_row(self._checked(targets))
        self.cut = _cut(self.logits, self.axes)

    def _checked(self, targets: Any) -> Any:
        """Class labels: looked at now if they are there, else when they are computed."""
        classes = self.logits.shape[self.axis]
        if isinstance(targets, da.Array):
            return _map(_checked_labels, np.int64, targets, function_name=self.function.name, classes=classes)
        return da.asarray(_checked_labels(targets, self.function.name, classes))

    def _per_row(self, values: Any) -> Any:
        """One number per row as an array that is cut as the logits are, of length 1 along the axis."""
        kept = da.expand_dims(da.broadcast_to(values, self.layout.outer_shape), self.axis)
        return kept.rechunk(tuple((1,) if k == self.axis else c for k, c in enumerate(self.logits.chunks)))

    @functools.cached_property
    def state(self) -> tuple[Any, Any]:
        return _state(self.logits, self.axes, 1.0)

    def loss(self) -> Any:
        settings = {"function": self.function, "axis": self.axis}
        if self.cut:
            picked = _map(_picked, self.logits.dtype, self.logits, self.labels, one=self.axes, axis=self.axis)
            picked = _merge(_merge_picked, picked, self.axes)
            losses = _map(
                _finish,
                self.logits.dtype,
                picked,
                *self.state,
                function=self.function,
                variant="of_state",
                axes=self.axes,
                temperature=1.0,
            )
        else:
            losses = _map(_losses_of_block, self.logits.dtype, self.logits, self.labels, one=self.axes, **settings)
        losses = da.squeeze(losses, self.axis)
        if self.reduction == "none":
            return losses
        # An exact sum of all losses at once, as NumPy arrays get: one number per row is little beside the logits.
        together = losses.ravel().rechunk(-1)
        meta = np.empty((), losses.dtype)
        return da.map_blocks(_reduced, together, dtype=losses.dtype, drop_axis=0, meta=meta, reduction=self.reduction)

    def gradient(self, cotangent: Any) -> Any:
        count = max(1, math.prod(self.layout.outer_shape)) if self.reduction == "mean" else 1
        scale = self._per_row(da.asarray(cotangent) / count)
        settings = {"function": self.function}
        if not self.cut:
            return _map(
                _gradient_of_block,
                self.logits.dtype,
                self.logits,
                self.labels,
                scale,
                axis=self.axis,
                classes_only=not self.probabilities,
                **settings,
            )
        return _map(
            _gradient_of_chunk,
            self.logits.dtype,
            self.logits,
            *self.state,
            self.labels,
            scale,
            axis=self.axis,
            **settings,
        )


def _checked_labels(labels: Any, function_name: str, classes: int) -> Any:
    check_class_labels(function_name, labels, classes)
    return labels.astype(np.int64, copy=False)


def _losses_of_block(block: Any, labels: Any, function: Any, axis: int) -> Any:
    targets = labels if labels.shape == block.shape else np.squeeze(labels, axis)
    return np.expand_dims(function(block, targets, axis, reduction="none"), axis)


def _gradient_of_block(block: Any, labels: Any, scale: Any, function: Any, axis: int, classes_only: bool) -> Any:
    targets = np.squeeze(labels, axis) if classes_only else labels
    return function.vjp(block, targets, np.squeeze(scale, axis), axis, reduction="none")


def _picked(block: Any, labels: Any, axis: int, block_info: Any) -> Any:
    """The logit of the label where it lies in this chunk, -inf elsewhere."""
    local = labels - block_info[0]["array-location"][axis][0]
    here = (local >= 0) & (local < block.shape[axis])
    found = np.take_along_axis(block, np.where(here, local, 0), axis)
    return np.where(here, found, block.dtype.type(-np.inf))


def _merge_picked(picked: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return np.max(picked, axis=axis, keepdims=True)


def _reduced(losses: Any, reduction: str) -> Any:
    return np.asarray(reduced(losses, reduction))


def _gradient_of_chunk(
    block: Any, summit: Any, terms: Any, labels: Any, scale: Any, function: Any, axis: int, block_info: Any
) -> Any:
    local = labels - block_info[0]["array-location"][axis][0]
    return _finish(
        block,
        summit,
        terms,
        local,
        scale,
        function=function,
        variant="gradient_of_state",
        axes=(axis,),
        temperature=1.0,
    )
