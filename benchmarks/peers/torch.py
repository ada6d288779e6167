"""PyTorch, eager: its functions for values, autograd or its own backward kernels (whichever is faster) for slopes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch

from softfloor import catalogue

from .. import operands
from ..cells import Cell, inner_of
from ..statement import Absent, Arrays, Statement


class Operation(NamedTuple):
    """Expressions for a function. ``{c}`` stands for the cotangent, ``{y}`` for the function's value."""

    value: str
    into: str
    backward: str
    backward_into: str


def _backward(name: str, arguments: str) -> tuple[str, str]:
    return (
        f"aten.{name}.default({arguments})",
        f"aten.{name}.grad_input({arguments}, grad_input=out[{{i}}])",
    )


OPERATIONS = {
    "relu": Operation(
        "torch.relu(x)", "torch.clamp_min(x, 0, out=out[0])", *_backward("threshold_backward", "{c}, x, 0")
    ),
    "sigmoid": Operation(
        "torch.sigmoid(x)", "torch.sigmoid(x, out=out[0])", *_backward("sigmoid_backward", "{c}, {y}")
    ),
    "tanh": Operation("torch.tanh(x)", "torch.tanh(x, out=out[0])", *_backward("tanh_backward", "{c}, {y}")),
    "silu": Operation("functional.silu(x)", "nn.silu(x, out=out[0])", *_backward("silu_backward", "{c}, x")),
    "gelu": Operation("functional.gelu(x)", "nn.gelu(x, out=out[0])", *_backward("gelu_backward", "{c}, x")),
    "gelu_tanh": Operation(
        "functional.gelu(x, approximate='tanh')",
        "nn.gelu(x, approximate='tanh', out=out[0])",
        *(text.replace("x", "x, approximate='tanh'", 1) for text in _backward("gelu_backward", "{c}, x")),
    ),
}
LOSSES = {
    "softmax_cross_entropy": "cross_entropy",
    "sigmoid_cross_entropy": "binary_cross_entropy_with_logits",
    "nll": "nll_loss",
}
NAMES = {"torch": torch, "functional": torch.nn.functional, "nn": torch._C._nn, "aten": torch.ops.aten}


def function(name: str) -> Callable[..., Any]:
    """The function that computes a value."""
    if name not in OPERATIONS:
        raise Absent
    found: Callable[..., Any] = eval(f"lambda x: {OPERATIONS[name].value}", dict(NAMES))
    return found


def tensor(array: np.ndarray) -> torch.Tensor:
    """A tensor over the array's own memory."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array).view(array.shape)


def statements(cell: Cell, arrays: Arrays, threads: int) -> list[Statement]:
    torch.set_num_threads(threads)
    if cell.function in catalogue.ACTIVATIONS:
        texts = _activation(cell)
    elif cell.function in catalogue.GATES:
        texts = _gate(cell)
    else:
        texts = _rows(cell)
    found = [_statement(cell, arrays, text) for text in texts]
    if "gelu" in cell.function:  # without the library that torch calls for it, a small array is done sooner
        found += [_statement(cell, arrays, text, mkldnn=False) for text in texts]
    return found


def _statement(cell: Cell, arrays: Arrays, text: str, mkldnn: bool = True) -> Statement:
    differentiated = "leaf" in text
    names: dict[str, Any] = {**NAMES, "axis": cell.axis, "grad": torch.autograd.grad}
    # Tensors of inference mode spare a call what only autograd needs.
    within = nullcontext if differentiated else torch.inference_mode
    with within():
        names |= {name: tensor(array) for name, array in arrays.items()}
        names["out"] = tuple(tensor(array) for array in operands.outputs(cell)) if cell.out else ()
        if cell.function in catalogue.ACTIVATIONS:
            names["f"] = function(cell.function)
            names.setdefault("cotangent", torch.ones_like(names["x"]))
        for leaf, operand in zip(("leaf", "leaf2"), cell.operands, strict=False):
            if differentiated and operand not in ("labels", "cotangent"):
                names[leaf] = names[operand].clone().requires_grad_()

    @contextmanager
    def entered() -> Iterator[None]:
        with within(), nullcontext() if mkldnn else torch.backends.mkldnn.flags(enabled=False):
            yield

    return Statement(text, names, entered)


def _activation(cell: Cell) -> list[str]:
    if cell.function not in OPERATIONS:
        raise Absent
    operation = OPERATIONS[cell.function]
    if cell.variant == "value":
        return [f"{operation.into}; y = out[0]" if cell.out else f"y = {operation.value}"]
    autograd = ["v = f(leaf); y = grad(v, leaf, cotangent)[0]", "v = f(leaf); y = v, grad(v, leaf, cotangent)[0]"]
    if cell.variant == "value_and_derivative":
        if cell.out:
            backward = operation.backward_into.format(c="cotangent", y="out[0]", i=1)
            return [f"{operation.into}; {backward}; y = out"]
        backward = operation.backward.format(c="cotangent", y="v")
        return [autograd[1], f"v = {operation.value}; y = v, {backward}"]
    if cell.out:
        # A value that the backward kernel needs may live where its result goes: the kernels are elementwise.
        backward = operation.backward_into.format(c="cotangent", y=operation.into, i=0)
        return [f"{backward}; y = out[0]"]
    backward = operation.backward.format(c="cotangent", y=operation.value)
    return [autograd[0], f"y = {backward}"]


def _gate(cell: Cell) -> list[str]:
    activation = inner_of(cell.function)
    if activation not in OPERATIONS:
        raise Absent
    operation = OPERATIONS[activation]
    of_gate = operation.value.replace("(x", "(gate")
    into = operation.into.replace("(x", "(gate")
    if cell.variant == "value":
        if cell.out:
            return [f"torch.mul({of_gate}, up, out=out[0]); y = out[0]", f"{into}; y = out[0].mul_(up)"]
        return [f"y = {of_gate} * up", f"y = {of_gate}.mul_(up)"]
    forward = operation.value.replace("(x", "(leaf") + " * leaf2"
    # Not to be had with outputs given, so that the allocating statement stands for both policies.
    if cell.variant == "vjp":
        found = [f"h = {forward}; y = grad(h, (leaf, leaf2), cotangent)"]
        if "{y}" not in operation.backward:
            backward = operation.backward.format(c="cotangent * up").replace("x", "gate", 1)
            found.append(f"y = {backward}, cotangent * {of_gate}")
        return found
    return [f"h = {forward}; y = h, *grad(h, (leaf, leaf2), cotangent)"]


def _rows(cell: Cell) -> list[str]:
    direct = {
        "softmax.value": "torch.softmax(z, axis{out})",
        "softmin.value": "torch.softmax(-z, axis{out})",
        "log_softmax.value": "torch.log_softmax(z, axis{out})",
        "logsumexp.value": "torch.logsumexp(z, axis{out})",
    }
    if cell.curve in direct:
        return ["y = " + direct[cell.curve].format(out=", out=out[0]" if cell.out else "")]
    if cell.function not in LOSSES:
        raise Absent
    first = cell.operands[0] if cell.variant == "value" else "leaf"
    loss = f"functional.{LOSSES[cell.function]}({first}{'' if cell.axis == -1 else '.T'}, labels)"
    return [f"y = {loss}" if cell.variant == "value" else f"loss = {loss}; y = loss, grad(loss, leaf)[0]"]
