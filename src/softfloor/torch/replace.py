"""Swapping the activation modules of a whole model."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import torch

from . import nn


class Change(NamedTuple):
    """A module and what became of it: ``reason`` tells why it stayed, and is empty if it was replaced."""

    path: str
    module: str
    reason: str


class Report(NamedTuple):
    """What `replace_activations` did: modules that it replaced, and activations that it left, each with its path."""

    changed: tuple[Change, ...]
    left: tuple[Change, ...]

    def __str__(self) -> str:
        lines = [f"changed {change.path}: {change.module}" for change in self.changed]
        lines += [f"left {change.path or 'the model itself'}: {change.module}, {change.reason}" for change in self.left]
        return "\n".join(lines) or "no activation modules found"


def replace_activations(model: torch.nn.Module) -> Report:
    """Replace torch's activation modules in a model by softfloor's, in place.

    Only modules are found: calls of ``torch.nn.functional`` in a model's own code stay what they are.

    Parameters
    ----------
    model : Module
        Changed in place; a module that stands in several places is replaced by one that does, too.

    Returns
    -------
    Report
        ``changed`` and ``left``, as `Change` records of path, module and reason; printing it lists them.

    Raises
    ------
    TypeError
        If the model is no `torch.nn.Module`.

    Examples
    --------
    >>> import torch, softfloor.torch as st
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.GELU(), torch.nn.Hardswish())
    >>> print(st.replace_activations(model))
    changed 1: GELU(approximate='none')
    left 2: Hardswish(), softfloor has no such function
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"replace_activations takes a torch.nn.Module; got {type(model).__name__}")
    changed, left = [], []
    made: dict[torch.nn.Module, torch.nn.Module] = {}
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if not isinstance(module, _ACTIVATIONS):
            reason = _hidden_activation(module)
        else:
            reason = _reason_to_stay(module) if path else "replace it where you made it"
        if reason:
            left.append(Change(path, _line(module), reason))
        elif isinstance(module, _ACTIVATIONS):
            if module not in made:
                made[module] = _counterpart(module)
            owner, _, name = path.rpartition(".")
            setattr(model.get_submodule(owner), name, made[module])
            changed.append(Change(path, _line(module), ""))
    return Report(tuple(changed), tuple(left))


#: torch's modules that do nothing but apply an activation function.
_ACTIVATIONS: Any = tuple(
    getattr(torch.nn, name) for name in torch.nn.modules.activation.__all__ if name != "MultiheadAttention"
)


def _line(module: torch.nn.Module) -> str:
    return " ".join(repr(module).split()) if isinstance(module, _ACTIVATIONS) else type(module).__name__


def _reason_to_stay(module: torch.nn.Module) -> str:
    if type(module) not in _ACTIVATIONS:
        return "its class is derived from torch's and may do something else"
    if type(module).__name__ not in nn.__all__:
        return "softfloor has no such function"
    if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks:
        return "it has hooks"
    return ""


def _hidden_activation(module: torch.nn.Module) -> str:
    """Why a module that is no activation uses torch's functions all the same."""
    if isinstance(module, torch.nn.MultiheadAttention):
        return "its softmax is part of torch's attention"
    used = getattr(module, "activation", None)
    if callable(used) and getattr(used, "__module__", "") in ("torch.nn.functional", "torch._C._nn", "torch"):
        return f"it calls torch's {used.__name__} itself; set its activation to softfloor.torch.{used.__name__}"
    return ""


def _counterpart(module: Any) -> torch.nn.Module:
    names = inspect.signature(type(module)).parameters
    settings = {name: getattr(module, name) for name in names if hasattr(module, name)}
    return getattr(nn, type(module).__name__)(**settings).train(module.training)  # type: ignore[no-any-return]
