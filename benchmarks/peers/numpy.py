"""NumPy code as textbooks have it, and the same with every step in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from softfloor import catalogue, formula

from .. import operands
from ..cells import Cell
from ..statement import Absent, Arrays, Statement


def statements(cell: Cell, arrays: Arrays, threads: int) -> list[Statement]:
    del threads  # NumPy has one
    names: dict[str, Any] = {"np": np, **arrays}
    names["out"] = operands.outputs(cell) if cell.out else ()
    if cell.function in catalogue.ACTIVATIONS:
        return _activation(cell, names)
    if cell.function in catalogue.GATES:
        return _gate(cell, names)
    return _rows(cell, names)


def in_float32(cell: Cell, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, in float32 for the half precisions, where NumPy and SciPy are slow or have nothing."""
    if cell.dtype not in ("float16", "bfloat16"):
        return function
    dtype = np.dtype(cell.dtype)

    def widened(*given: np.ndarray) -> Any:
        result = function(*(x.astype(np.float32) for x in given))
        return tuple(y.astype(dtype) for y in result) if isinstance(result, tuple) else result.astype(dtype)

    return widened


def evaluated(cell: Cell, function: Callable[..., Any], names: dict[str, Any]) -> Statement:
    """A statement for a function that allocates its results."""
    names = {**names, "f": in_float32(cell, function)}
    call = f"f({', '.join(cell.operands)})"
    if not cell.out:
        return Statement(f"y = {call}", names)
    copies = "; ".join(f"np.copyto(out[{i}], y[{i}])" for i in range(cell.results))
    return Statement(f"y = {call}; {copies}" if cell.results > 1 else f"y = {call}; np.copyto(out[0], y)", names)


def with_defaults(name: str, which: str) -> Callable[[np.ndarray], np.ndarray]:
    """A record's formula or slope over NumPy, at its default parameters."""
    record = catalogue.ACTIVATIONS[name]
    function, namespace = getattr(record, which), formula.numpy()
    defaults = [parameter.default for parameter in record.parameters]

    def textbook(x: np.ndarray) -> np.ndarray:
        # A parameter of x's own dtype, so that nothing is widened on the way.
        return np.asarray(function(namespace, x, *(x.dtype.type(default) for default in defaults)), x.dtype)

    return textbook


def _activation(cell: Cell, names: dict[str, Any]) -> list[Statement]:
    name = cell.function
    value, slope = with_defaults(name, "formula"), with_defaults(name, "slope")
    if name == "relu":  # what people write is faster than the record's formula
        value = lambda x: np.maximum(x, x.dtype.type(0))  # noqa: E731
        slope = lambda x: (x > 0).astype(x.dtype)  # noqa: E731
    functions: dict[str, Callable[..., Any]] = {
        "value": value,
        "derivative": slope,
        "vjp": lambda x, cotangent: cotangent * slope(x),
        "value_and_derivative": lambda x: (value(x), slope(x)),
    }
    found = [evaluated(cell, functions[cell.variant], names)]
    if cell.curve in IN_PLACE and cell.dtype in ("float32", "float64"):
        outs = [f"out[{i}]" if cell.out else "None" for i in range(cell.results)]
        found.append(Statement(f"y = f({', '.join([*cell.operands, *outs])})", {**names, "f": IN_PLACE[cell.curve]}))
    return found


def _sigmoid(x: np.ndarray, out: Any) -> np.ndarray:
    y = np.negative(x, out=out)
    np.exp(y, out=y)
    np.add(y, 1, out=y)
    return np.reciprocal(y, out=y)


def _sigmoid_derivative(x: np.ndarray, out: Any) -> np.ndarray:
    y = _sigmoid(x, out)
    return np.multiply(y, np.subtract(1, y), out=y)


def _sigmoid_both(x: np.ndarray, out: Any, slope: Any) -> tuple[np.ndarray, np.ndarray]:
    y = _sigmoid(x, out)
    d = np.subtract(1, y, out=slope)
    return y, np.multiply(d, y, out=d)


def _silu(x: np.ndarray, out: Any) -> np.ndarray:
    y = np.negative(x, out=out)
    np.exp(y, out=y)
    np.add(y, 1, out=y)
    return np.divide(x, y, out=y)


def _tanh_derivative(x: np.ndarray, out: Any) -> np.ndarray:
    y = np.tanh(x, out=out)
    np.multiply(y, y, out=y)
    return np.subtract(1, y, out=y)


def _tanh_both(x: np.ndarray, out: Any, slope: Any) -> tuple[np.ndarray, np.ndarray]:
    y = np.tanh(x, out=out)
    d = np.multiply(y, y, out=slope)
    return y, np.subtract(1, d, out=d)


def _times(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    def vjp(x: np.ndarray, cotangent: np.ndarray, out: Any) -> np.ndarray:
        d = function(x, out)
        return np.multiply(d, cotangent, out=d)

    return vjp


def _relu_derivative(x: np.ndarray, out: Any) -> np.ndarray:
    return np.greater(x, 0, out=np.empty_like(x) if out is None else out)


def _relu_both(x: np.ndarray, out: Any, slope: Any) -> tuple[np.ndarray, np.ndarray]:
    return np.maximum(x, 0, out=out), _relu_derivative(x, slope)


#: The same with as few fresh arrays as can be; an ``out`` of None is allocated by the first step.
IN_PLACE: dict[str, Callable[..., Any]] = {
    "relu.value": lambda x, out: np.maximum(x, 0, out=out),
    "relu.derivative": _relu_derivative,
    "relu.vjp": lambda x, cotangent, out: np.multiply(cotangent, np.greater(x, 0), out=out),
    "relu.value_and_derivative": _relu_both,
    "sigmoid.value": _sigmoid,
    "sigmoid.derivative": _sigmoid_derivative,
    "sigmoid.vjp": _times(_sigmoid_derivative),
    "sigmoid.value_and_derivative": _sigmoid_both,
    "tanh.value": lambda x, out: np.tanh(x, out=out),
    "tanh.derivative": _tanh_derivative,
    "tanh.vjp": _times(_tanh_derivative),
    "tanh.value_and_derivative": _tanh_both,
    "silu.value": _silu,
}


def _softcapped(cell: Cell, names: dict[str, Any]) -> list[Statement]:
    xp, defaults = formula.numpy(), [parameter.default for parameter in catalogue.GATES[cell.function].softcaps]

    def value(gate: np.ndarray, up: np.ndarray) -> Any:
        return catalogue.gates.softcapped(xp, gate, up, *defaults)

    def vjp(gate: np.ndarray, up: np.ndarray, cotangent: np.ndarray) -> tuple[Any, ...]:
        return tuple(cotangent * slope(xp, gate, up, *defaults) for slope in catalogue.gates.softcapped_slopes)

    return [evaluated(cell, value if cell.variant == "value" else vjp, names)]


def _gate(cell: Cell, names: dict[str, Any]) -> list[Statement]:
    if catalogue.GATES[cell.function].softcaps:
        return _softcapped(cell, names)
    activation = catalogue.GATES[cell.function].activation
    value, slope = with_defaults(activation, "formula"), with_defaults(activation, "slope")
    functions: dict[str, Callable[..., Any]] = {
        "value": lambda gate, up: value(gate) * up,
        "vjp": lambda gate, up, cotangent: (cotangent * up * slope(gate), cotangent * value(gate)),
    }

    def both(gate: np.ndarray, up: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, ...]:
        v = value(gate)
        return v * up, cotangent * up * slope(gate), cotangent * v

    return [evaluated(cell, functions.get(cell.variant, both), names)]


def _shifted(z: np.ndarray, axis: int, out: Any = None) -> np.ndarray:
    return np.subtract(z, z.max(axis, keepdims=True), out=out)


def _softmax(z: np.ndarray, axis: int, out: Any = None) -> np.ndarray:
    e = _shifted(z, axis, out)
    np.exp(e, out=e)
    return np.divide(e, e.sum(axis, keepdims=True), out=e)


def _softmin(z: np.ndarray, axis: int, out: Any = None) -> np.ndarray:
    e = np.subtract(z.min(axis, keepdims=True), z, out=out)
    np.exp(e, out=e)
    return np.divide(e, e.sum(axis, keepdims=True), out=e)


def _log_softmax(z: np.ndarray, axis: int, out: Any = None) -> np.ndarray:
    q = _shifted(z, axis, out)
    return np.subtract(q, np.log(np.exp(q).sum(axis, keepdims=True)), out=q)


def _logsumexp(z: np.ndarray, axis: int) -> np.ndarray:
    top = z.max(axis, keepdims=True)
    return np.squeeze(np.log(np.exp(z - top).sum(axis, keepdims=True)) + top, axis)


def picked(z: np.ndarray, labels: np.ndarray, axis: int) -> np.ndarray:
    """The entry of each row at its label."""
    return np.squeeze(np.take_along_axis(z, np.expand_dims(labels, axis), axis), axis)


def _cross_entropy(z: np.ndarray, labels: np.ndarray, axis: int) -> np.ndarray:
    return (_logsumexp(z, axis) - picked(z, labels, axis)).mean()


def _cross_entropy_and_gradient(
    z: np.ndarray, labels: np.ndarray, axis: int, out: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    top = z.max(axis, keepdims=True)
    e = np.subtract(z, top, out=out)
    np.exp(e, out=e)
    total = e.sum(axis, keepdims=True)
    loss = (np.squeeze(np.log(total) + top, axis) - picked(z, labels, axis)).mean()
    e /= total * z.dtype.type(labels.size)
    where = np.expand_dims(labels, axis)
    share = np.take_along_axis(e, where, axis) - z.dtype.type(1 / labels.size)
    np.put_along_axis(e, where, share, axis)
    return loss, e


def _nll(q: np.ndarray, labels: np.ndarray, axis: int) -> np.ndarray:
    return -picked(q, labels, axis).mean()


def _nll_and_gradient(q: np.ndarray, labels: np.ndarray, axis: int, out: Any = None) -> tuple[np.ndarray, np.ndarray]:
    gradient = np.empty_like(q) if out is None else out
    gradient[...] = 0
    np.put_along_axis(gradient, np.expand_dims(labels, axis), -1 / labels.size, axis)
    return _nll(q, labels, axis), gradient


def _binary(z: np.ndarray, labels: np.ndarray, axis: int) -> np.ndarray:
    return (np.maximum(z, 0) - z * labels + np.log1p(np.exp(-np.abs(z)))).mean()


def _binary_and_gradient(
    z: np.ndarray, labels: np.ndarray, axis: int, out: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    gradient = _sigmoid(z, out)
    gradient -= labels
    gradient /= z.size
    return _binary(z, labels, axis), gradient


_ALONG_ROWS = {
    "softmax.value": _softmax,
    "softmin.value": _softmin,
    "log_softmax.value": _log_softmax,
    "logsumexp.value": _logsumexp,
    "softmax_cross_entropy.value": _cross_entropy,
    "softmax_cross_entropy.value_and_grad": _cross_entropy_and_gradient,
    "nll.value": _nll,
    "nll.value_and_grad": _nll_and_gradient,
    "sigmoid_cross_entropy.value": _binary,
    "sigmoid_cross_entropy.value_and_grad": _binary_and_gradient,
}


def _rows(cell: Cell, names: dict[str, Any]) -> list[Statement]:
    if cell.curve not in _ALONG_ROWS:
        raise Absent
    given = [*cell.operands, "axis", *(["out[0]"] if cell.out and cell.results else [])]
    return [Statement(f"y = f({', '.join(given)})", {**names, "axis": cell.axis, "f": _ALONG_ROWS[cell.curve]})]
