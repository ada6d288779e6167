"""torch.compile: one fused kernel per curve by its C++ back end, written into given outputs.

Compiled for shapes that vary, once per curve, dtype, number of threads and side of `PARALLEL_FROM` (the compiler
decides by the first shape whether a loop gets threads). Where outputs are not given they are allocated before the call.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch._inductor.config

from softfloor import catalogue

from .. import operands
from ..cells import Cell, inner_of
from ..statement import Absent, Arrays, Statement
from . import torch as eager

PARALLEL_FROM = 50_000
if os.environ.get("ATEN_CPU_CAPABILITY") == "avx2" and hasattr(torch._inductor.config.cpp, "march"):
    # The variable chooses the vectors of the generated code, not what the C++ compiler makes of the rest.
    torch._inductor.config.cpp.march = "x86-64-v3"
functional = torch.nn.functional


def statements(cell: Cell, arrays: Arrays, threads: int) -> list[Statement]:
    torch.set_num_threads(threads)
    given = {name: eager.tensor(array) for name, array in arrays.items()}
    shapes = cell.size >= PARALLEL_FROM if cell.function in catalogue.ACTIVATIONS else cell.shape
    compiled = _compiled(cell.function, cell.variant, cell.axis, cell.dtype, shapes, threads)
    names: dict[str, Any] = {**given, "f": compiled, "empty": torch.empty_like, "like": next(iter(given.values()))}
    outputs = [f"y{i}" for i in range(cell.results)]
    if cell.out:
        names |= dict(zip(outputs, (eager.tensor(array) for array in operands.outputs(cell)), strict=True))
    allocated = "" if cell.out else "".join(f"{name} = empty(like); " for name in outputs)
    call = f"f({', '.join([*cell.operands, *outputs])})"
    if not cell.results:
        text = f"y = {call}"
    elif "labels" in given:
        text = f"{allocated}loss = {call}; y = loss, y0"
    else:
        text = f"{allocated}{call}; y = {', '.join(outputs)}"
    return [Statement(text, names, torch.no_grad)]


@lru_cache(maxsize=4)
def _compiled(
    function: str, variant: str, axis: int | None, dtype: str, shapes: Any, threads: int
) -> Callable[..., Any]:
    del dtype, threads  # part of the key: each is compiled anew
    torch._dynamo.reset()
    source = _source(function, variant, axis)
    return torch.compile(source, dynamic=isinstance(shapes, bool), fullgraph=True)


def _source(function: str, variant: str, axis: int | None) -> Callable[..., Any]:
    if function in catalogue.ACTIVATIONS:
        return _activation(eager.function(function), variant)
    if function in catalogue.GATES:
        return _gate(eager.function(inner_of(function)), variant)
    return _rows(function, variant, axis)


def _activation(f: Callable[..., Any], variant: str) -> Callable[..., Any]:
    def value(x: Any, y: Any) -> None:
        y.copy_(f(x))

    def derivative(x: Any, y: Any) -> None:
        y.copy_(torch.func.vjp(f, x)[1](torch.ones_like(x))[0])

    def vjp(x: Any, cotangent: Any, y: Any) -> None:
        y.copy_(torch.func.vjp(f, x)[1](cotangent)[0])

    def value_and_derivative(x: Any, y: Any, d: Any) -> None:
        v, backward = torch.func.vjp(f, x)
        y.copy_(v)
        d.copy_(backward(torch.ones_like(x))[0])

    found = {"value": value, "derivative": derivative, "vjp": vjp, "value_and_derivative": value_and_derivative}
    return found[variant]


def _gate(f: Callable[..., Any], variant: str) -> Callable[..., Any]:
    def unit(gate: Any, up: Any) -> Any:
        return f(gate) * up

    def value(gate: Any, up: Any, y: Any) -> None:
        y.copy_(unit(gate, up))

    def vjp(gate: Any, up: Any, cotangent: Any, dgate: Any, dup: Any) -> None:
        grads = torch.func.vjp(unit, gate, up)[1](cotangent)
        dgate.copy_(grads[0])
        dup.copy_(grads[1])

    def both(gate: Any, up: Any, cotangent: Any, y: Any, dgate: Any, dup: Any) -> None:
        v, backward = torch.func.vjp(unit, gate, up)
        grads = backward(cotangent)
        y.copy_(v)
        dgate.copy_(grads[0])
        dup.copy_(grads[1])

    return {"value": value, "vjp": vjp}.get(variant, both)


def _rows(function: str, variant: str, axis: int | None) -> Callable[..., Any]:
    def loss(z: Any, labels: Any) -> Any:
        return functional.cross_entropy(z if axis == -1 else z.T, labels)

    def nll(log_probabilities: Any, labels: Any) -> Any:
        return functional.nll_loss(log_probabilities if axis == -1 else log_probabilities.T, labels)

    def binary(z: Any, labels: Any) -> Any:
        return functional.binary_cross_entropy_with_logits(z, labels)

    def with_gradient(loss: Callable[..., Any]) -> Callable[..., Any]:
        def both(z: Any, labels: Any, y: Any) -> Any:
            gradient, value = torch.func.grad_and_value(loss)(z, labels)
            y.copy_(gradient)
            return value

        return both

    def softmax(z: Any, y: Any) -> None:
        y.copy_(torch.softmax(z, axis))

    def softmin(z: Any, y: Any) -> None:
        y.copy_(torch.softmax(-z, axis))

    def log_softmax(z: Any, y: Any) -> None:
        y.copy_(torch.log_softmax(z, axis))

    def logsumexp(z: Any) -> Any:
        return torch.logsumexp(z, axis)

    found: dict[str, Callable[..., Any]] = {
        "softmax.value": softmax,
        "softmin.value": softmin,
        "log_softmax.value": log_softmax,
        "logsumexp.value": logsumexp,
        "softmax_cross_entropy.value": loss,
        "softmax_cross_entropy.value_and_grad": with_gradient(loss),
        "nll.value": nll,
        "nll.value_and_grad": with_gradient(nll),
        "sigmoid_cross_entropy.value": binary,
        "sigmoid_cross_entropy.value_and_grad": with_gradient(binary),
    }
    if f"{function}.{variant}" not in found:
        raise Absent
    return found[f"{function}.{variant}"]
