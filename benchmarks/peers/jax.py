"""JAX: functions compiled by jax.jit for the shape at hand; given outputs are donated, so that XLA writes into them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from softfloor import catalogue

from .. import operands
from ..cells import Cell, inner_of
from ..statement import Absent, Arrays, Statement

jax.config.update("jax_enable_x64", True)  # float32 stays float32
jax.config.update("jax_cpu_enable_async_dispatch", False)  # spares a change of threads: a call returns when it is done

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "silu": jax.nn.silu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
}


def statements(cell: Cell, arrays: Arrays, threads: int) -> list[Statement]:
    del threads  # set for the whole process, by the flags and processors that it is started with
    source = _source(cell)
    names = {name: jnp.asarray(array) for name, array in arrays.items()}
    given = ", ".join(cell.operands)
    if not cell.out:
        return [Statement(f"y = f({given}); ready(y)", {**names, "f": jax.jit(source), "ready": jax.block_until_ready})]
    outputs = tuple(jnp.asarray(array) for array in operands.outputs(cell))
    arguments = len(cell.operands)
    donating = jax.jit(
        lambda *all_given: source(*all_given[:arguments]),
        donate_argnums=tuple(range(arguments, arguments + len(outputs))),
        keep_unused=True,
    )
    if "labels" in cell.operands:  # the loss comes out in front of the gradient
        call = f"loss, *out = f({given}, *out); ready(out); y = loss, *out"
    else:
        call = f"y = f({given}, *out); ready(y); out = y" + ("" if len(outputs) > 1 else ",")
    names |= {"f": donating, "out": outputs, "ready": jax.block_until_ready}
    return [Statement(f"global out\n{call}", names)]


def _source(cell: Cell) -> Callable[..., Any]:
    if cell.function in catalogue.ACTIVATIONS:
        return _activation(_function(cell.function), cell.variant)
    if cell.function in catalogue.GATES:
        return _gate(_function(inner_of(cell.function)), cell.variant)
    return _rows(cell)


def _function(name: str) -> Callable[..., Any]:
    if name not in FUNCTIONS:
        raise Absent
    return FUNCTIONS[name]


def _activation(f: Callable[..., Any], variant: str) -> Callable[..., Any]:
    def both(x: Any) -> Any:
        y, backward = jax.vjp(f, x)
        return y, backward(jnp.ones_like(x))[0]

    found: dict[str, Callable[..., Any]] = {
        "value": f,
        "derivative": lambda x: jax.vjp(f, x)[1](jnp.ones_like(x))[0],
        "vjp": lambda x, cotangent: jax.vjp(f, x)[1](cotangent)[0],
        "value_and_derivative": both,
    }
    return found[variant]


def _gate(f: Callable[..., Any], variant: str) -> Callable[..., Any]:
    def unit(gate: Any, up: Any) -> Any:
        return f(gate) * up

    def both(gate: Any, up: Any, cotangent: Any) -> Any:
        h, backward = jax.vjp(unit, gate, up)
        return h, *backward(cotangent)

    return {"value": unit, "vjp": lambda *given: both(*given)[1:]}.get(variant, both)


def _rows(cell: Cell) -> Callable[..., Any]:
    axis = cell.axis

    def loss(z: Any, labels: Any) -> Any:
        at_label = jnp.take_along_axis(z, jnp.expand_dims(labels, axis), axis)
        return (jax.nn.logsumexp(z, axis) - jnp.squeeze(at_label, axis)).mean()

    def nll(log_probabilities: Any, labels: Any) -> Any:
        return -jnp.take_along_axis(log_probabilities, jnp.expand_dims(labels, axis), axis).mean()

    def binary(z: Any, labels: Any) -> Any:
        return (jax.nn.softplus(z) - z * labels).mean()

    found: dict[str, Callable[..., Any]] = {
        "softmax.value": lambda z: jax.nn.softmax(z, axis),
        "softmin.value": lambda z: jax.nn.softmax(-z, axis),
        "log_softmax.value": lambda z: jax.nn.log_softmax(z, axis),
        "logsumexp.value": lambda z: jax.nn.logsumexp(z, axis),
        "softmax_cross_entropy.value": loss,
        "softmax_cross_entropy.value_and_grad": jax.value_and_grad(loss),
        "nll.value": nll,
        "nll.value_and_grad": jax.value_and_grad(nll),
        "sigmoid_cross_entropy.value": binary,
        "sigmoid_cross_entropy.value_and_grad": jax.value_and_grad(binary),
    }
    if cell.curve not in found:
        raise Absent
    return found[cell.curve]
