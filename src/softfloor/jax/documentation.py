"""numpydoc texts of the functions on jax arrays, made from their catalogue records."""

from __future__ import annotations

from .. import formula
from ..catalogue.record import Activation

_NOTES = """\
Differentiable to any order, forwards and backwards, under `jax.jit` and `jax.vmap`. float16 and bfloat16 are computed
in float32 and rounded once. The errors measured stand in docs/jax.md. Where XLA flushes subnormal numbers to zero, as
on CPUs, such inputs and results are zero."""


def _numpydoc(summary: str, text: str, record: Activation, result: str, edges: str, example: str) -> str:
    parameters = "".join(
        f"{p.name} : array_like, default {p.default}\n    {p.description}\n" for p in record.parameters
    )
    cited = "\n".join(f".. [{i}] {reference}" for i, reference in enumerate(record.references, 1))
    return f"""{summary}

Formula: ``{text}``.

Parameters
----------
x : jax.Array or number
    Of any shape and any real dtype.
{parameters}
Returns
-------
{result} : jax.Array
    Of the shape of the operands broadcast together. float16, bfloat16, float32 and float64 keep their dtype; integers
    and booleans become what `jax.numpy.exp` makes of them.

Raises
------
TypeError
    If an operand is no array or number, or its dtype is complex; or a keyword is unknown.

Notes
-----
{edges} {_NOTES}

References
----------
{cited}

Examples
--------
{example}
"""


def activation(record: Activation) -> str:
    left, right = record.facts.value.limits
    return _numpydoc(
        f"{record.title}: {record.summary}",
        formula.text_of(record.formula, record),
        record,
        "y",
        f"The limits at -inf and inf are {left} and {right}; NaN gives NaN.",
        f">>> import jax, jax.numpy as jnp, softfloor.jax as sj\n"
        f">>> sj.{record.name}(jnp.array([-1.0, 0.0, 1.0])).shape\n(3,)\n"
        f">>> bool(jnp.isfinite(jax.grad(sj.{record.name})(-100.0)))\nTrue",
    )


def derivative(record: Activation, parameter: str | None = None) -> str:
    """Of the derivative in x, or in a parameter."""
    slope = record.slope if parameter is None else record.parameter_slopes[parameter]
    call = f"sj.{record.name}.derivative(1.0)"
    if parameter is not None:
        call = f'sj.{record.name}.parameter_derivative(1.0, "{parameter}")'
    left, right = record.facts.derivative.limits
    edges = "NaN gives NaN."
    if parameter is None:
        edges = f"The limits at -inf and inf are {left} and {right}; NaN gives NaN."
        edges += "".join(f" At the kink x = {kink.x} it is stated as {kink.stated}." for kink in record.facts.kinks)
    return _numpydoc(
        f"The derivative of {record.name} in {parameter or 'x'}.",
        formula.text_of(slope, record),
        record,
        f"d{parameter or 'y'}",
        edges,
        f">>> import math, softfloor.jax as sj\n>>> math.isfinite({call})\nTrue",
    )
