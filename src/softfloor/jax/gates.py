"""Gated units on jax arrays, made of the activations, whose derivatives of every order they inherit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

import softfloor

from .. import gates as numpy_side
from ..packed import GATES_OF_PACKED, LAYOUTS
from .activations import differentiable
from .operands import as_array, as_floats, narrow, unknown_parameters, wide


def _at_most(x: Any, limit: Any) -> Any:
    """A derivative passes at the limit, and NaN through it."""
    return jnp.where(x > limit, limit, x)


def _clamped(activation: str, after: bool, gate: Any, up: Any, parameters: tuple[Any, ...]) -> Any:
    *own, limit, offset = parameters
    activate = differentiable(activation, (), True)
    of_gate = _at_most(activate(gate, *own), limit) if after else activate(_at_most(gate, limit), *own)
    kept = jnp.where(up < -limit, -limit, _at_most(up, limit))
    return jnp.where(limit >= 0, of_gate * jnp.where(offset == 0, kept, kept + offset), jnp.nan)


def _softcapped(gate: Any, up: Any, parameters: tuple[Any, ...]) -> Any:
    tanh, sigmoid = (differentiable(name, (), True) for name in ("tanh", "sigmoid"))

    def softcap(x: Any, cap: Any) -> Any:
        finite = jnp.where(jnp.isinf(cap), 1, cap)  # infinity times zero must not reach a derivative
        return jnp.where(cap > 0, jnp.where(jnp.isinf(cap), x, finite * tanh(x / finite)), jnp.nan)

    gate_softcap, up_softcap = parameters
    return softcap(gate, gate_softcap) * sigmoid(gate) * softcap(up, up_softcap)


@partial(jax.jit, static_argnums=(0, 1))
def _computed(unit: numpy_side.GatedUnit, after: bool, gate: Any, up: Any, parameters: tuple[Any, ...]) -> Any:
    given = gate, up
    gate, up = as_floats(unit.name, unit.operands, given)
    dtype, (gate, up) = gate.dtype, map(wide, (gate, up))
    parameters = tuple(jnp.asarray(parameter, gate.dtype) for parameter in parameters)
    if unit.record.softcaps:
        return narrow(_softcapped(gate, up, parameters), dtype, given)
    return narrow(_clamped(unit.activation, after, gate, up, parameters), dtype, given)


class GatedUnit:
    """A gated unit of jax arrays, activation(gate) * (up + offset): ``swiglu(gate, up)``.

    Differentiable to any order, in its operands and its settings, under the transformations of jax. Computed in float32
    (float64 for float64), and rounded to half precision once. A derivative passes at a limit and is 0 beyond.

    Attributes
    ----------
    name : str
        Its name in the catalogue, or that of its activation.
    parameters : dict
        The defaults of its keyword parameters: numbers, or arrays that broadcast with the operands.

    Examples
    --------
    >>> import jax, softfloor.jax as sj
    >>> float(sj.reglu(2.0, 3.0, offset=1.0))
    8.0
    >>> [float(d) for d in jax.grad(sj.reglu, (0, 1))(2.0, 3.0)]
    [3.0, 2.0]
    """

    def __init__(self, unit: numpy_side.GatedUnit) -> None:
        self.unit = unit
        self.name = self.__name__ = unit.name
        self.record, self.parameters = unit.record, unit.parameters

    def __call__(self, gate: Any, up: Any, /, **settings: Any) -> Any:
        unit = self.unit
        if "clamp" in settings:
            unit = unit.with_settings(clamp=settings.pop("clamp"))
        if not settings.keys() <= self.parameters.keys():
            unknown_parameters(self.name, settings, tuple(self.parameters))
        for name, value in {"gate": gate, "up": up, **settings}.items():
            as_array(self.name, name, value)
        parameters = tuple({**self.parameters, **settings}.values())
        return _computed(unit, unit.clamp == "after", gate, up, parameters)

    def vjp(self, gate: Any, up: Any, cotangent: Any, /, **settings: Any) -> tuple[Any, Any]:
        """The cotangents of gate and up, as `jax.vjp` computes them.

        Examples
        --------
        >>> import softfloor.jax as sj
        >>> [float(d) for d in sj.reglu.vjp(2.0, 3.0, 1.0)]
        [3.0, 2.0]
        """
        gate, up, cotangent = as_floats(f"{self.name}.vjp", ("gate", "up", "cotangent"), (gate, up, cotangent))
        h, backward = jax.vjp(partial(self, **settings), gate, up)
        return backward(jnp.broadcast_to(cotangent, h.shape))  # type: ignore[no-any-return]

    def packed(
        self, x: Any, *, gate: str | None = None, layout: str | None = None, axis: int = -1, **settings: Any
    ) -> Any:
        """The unit of one array that holds gate and up along an axis.

        Parameters
        ----------
        x : jax.Array
            Gate and up, an even number of entries along the axis.
        gate : {"first", "last"}
            Which of the two is the gate; `jax.nn.glu` has it last. To be said here or in the unit.
        layout : {"split", "interleaved"}
            Two halves (default), or entries in turns.
        axis : int
            The axis along which they are packed.
        **settings
            As in the call.

        Returns
        -------
        jax.Array
            Half as long as x along the axis.

        Raises
        ------
        TypeError
            If ``gate`` is not given.
        ValueError
            If the axis has an odd number of entries or does not exist, or ``gate`` or ``layout`` is none of those
            allowed.

        Examples
        --------
        >>> import jax.numpy as jnp, softfloor.jax as sj
        >>> sj.reglu.packed(jnp.array([2.0, 3.0]), gate="first").tolist()
        [6.0]
        """
        gate, layout = self.unit.packed.conventions(gate, layout)
        x = jnp.asarray(as_array(f"{self.name}.packed", "x", x))
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(f"{self.name}.packed: axis {axis} is out of bounds; x has {x.ndim} dimensions")
        length = x.shape[axis]
        if length % 2:
            raise ValueError(
                f"{self.name}.packed: x has {length} entries along axis {axis}; gate and up together are an even number"
            )
        half, interleaved = length // 2, layout == LAYOUTS[1]
        parts = (slice(0, None, 2), slice(1, None, 2)) if interleaved else (slice(0, half), slice(half, None))
        first, second = (x[(slice(None),) * (axis % x.ndim) + (part,)] for part in parts)
        operands = (first, second) if gate == GATES_OF_PACKED[0] else (second, first)
        return self(*operands, **settings)

    def with_settings(self, **changes: Any) -> GatedUnit:
        """The same unit with other defaults, as `softfloor.GatedUnit.with_settings`."""
        return GatedUnit(self.unit.with_settings(**changes))

    def __repr__(self) -> str:
        keywords = self.unit.shown_keywords()
        return f"<softfloor.jax gated unit {self.name}({', '.join(['gate', 'up', '*', *keywords])})>"

    def __reduce__(self) -> tuple[Any, ...]:
        return GatedUnit, (self.unit,)


def gated(activation: str = "silu", **settings: Any) -> GatedUnit:
    """The gated unit of any activation on jax arrays; settings as in `softfloor.gated`.

    Examples
    --------
    >>> import softfloor.jax as sj
    >>> sj.gated("tanh", limit=7.0)
    <softfloor.jax gated unit gated('tanh')(gate, up, *, limit=7.0, offset=0.0)>
    """
    return GatedUnit(softfloor.gated(activation, **settings))


#: `softfloor.gated_presets` on jax arrays.
gated_presets: Mapping[str, GatedUnit] = numpy_side.Presets(GatedUnit)

UNITS: dict[str, GatedUnit] = {name: GatedUnit(unit) for name, unit in numpy_side.NAMED.items()}
