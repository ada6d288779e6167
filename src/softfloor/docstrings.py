"""numpydoc texts of the public functions, made from their catalogue records."""

from __future__ import annotations

from . import formula
from .catalogue import gate_parameters
from .catalogue.record import Activation, Gate, Parameter, Rows

_KEYWORDS = """\
out : ndarray or tuple of ndarray, optional
    Where to put the result; x itself is allowed.
where : array_like of bool, optional
    Compute only there; elsewhere the output keeps what it held.
dtype : dtype, optional
    Compute in this dtype: float16, bfloat16 (ml_dtypes), float32 or float64.
**kwargs
    Any other keyword of a `numpy.ufunc`."""

_DTYPES = "float16, bfloat16, float32 and float64 keep their dtype; integers and booleans promote as in `numpy.exp`."

_VARIANTS = {
    "derivative": ("The derivative of {name} in x.", "dy", "{slope}"),
    "value_and_derivative": ("{name} and its derivative in one pass over x.", "y, dy", "({formula}, {slope})"),
    "vjp": (
        "The vector-Jacobian product of {name}: cotangent times derivative, in one pass.",
        "dx",
        "cotangent * {slope}",
    ),
}


def _parameters(parameters: tuple[Parameter, ...], *operands: str) -> str:
    lines = [f"{name} : array_like\n    {text}" for name, text in (operand.split(": ", 1) for operand in operands)]
    lines += [f"{p.name} : array_like, default {p.default}\n    {p.description}" for p in parameters]
    return "\n".join([*lines, _KEYWORDS])


def _promise(record: Activation) -> str:
    if record.exact:
        return "Exact for every input of every dtype."
    if record.parameters:
        return "Error below 1.5 ulp; at the default parameters float16 and bfloat16 are correctly rounded."
    return (
        "Error below 1 ulp for each of the 2^32 float32 inputs, below 1.5 ulp in float64; float16 and bfloat16 are "
        "correctly rounded."
    )


def _numpydoc(
    summary: str,
    formula_text: str,
    parameters: str,
    returns: str,
    promise: str,
    edges: str,
    example: str,
    references: tuple[str, ...],
) -> str:
    cited = "\n".join(f".. [{i}] {text}" for i, text in enumerate(references, 1))
    return f"""{summary}

Formula: ``{formula_text}``.

Parameters
----------
{parameters}

Returns
-------
{returns}

Raises
------
TypeError
    If a dtype is complex, object or string, or a keyword is unknown.
ValueError
    If shapes do not broadcast, or ``out`` has the wrong shape or is read-only.

Notes
-----
{promise} {edges} The bits do not depend on the CPU, threads or memory layout. No NumPy warning is ever raised.

References
----------
{cited}

Examples
--------
{example}
"""


def activation(record: Activation) -> str:
    """The docstring of an activation."""
    left, right = record.facts.value.limits
    edges = f"The limits at -inf and inf are {left} and {right}; NaN gives NaN. {record.notes}".strip()
    return _numpydoc(
        f"{record.title}: {record.summary}",
        formula.text_of(record.formula, record),
        _parameters(record.parameters, "x: Input of any shape."),
        f"y : ndarray or scalar\n    Of the shape of the operands broadcast together. {_DTYPES}",
        _promise(record),
        edges,
        f">>> import softfloor as sf\n>>> sf.{record.name}([-1.0, 0.0, 1.0]).shape\n(3,)",
        record.references,
    )


def variant(record: Activation, name: str) -> str:
    """The docstring of a derivative, vjp and the like."""
    if name in _VARIANTS:
        summary, result, text = _VARIANTS[name]
        slope = record.slope
    else:
        parameter = name.removesuffix("_derivative")
        summary, result, text = f"The derivative of {{name}} in {parameter}.", f"d{parameter}", "{slope}"
        slope = record.parameter_slopes[parameter]
    operands = ["x: Input of any shape."]
    if name == "vjp":
        operands.append("cotangent: What the derivative is multiplied by; broadcasts with x.")
    left, right = record.facts.derivative.limits
    edges = f"The derivative tends to {left} at -inf and {right} at inf; NaN gives NaN."
    edges += "".join(f" At the kink x = {kink.x} it is stated as {kink.stated}." for kink in record.facts.kinks)
    call = f"sf.{record.name}.{name}(" if name in _VARIANTS else f"sf.{record.name}.parameter_derivative("
    arguments = "1.0, 2.0" if name == "vjp" else "1.0" if name in _VARIANTS else f'1.0, "{parameter}"'
    return _numpydoc(
        summary.format(name=record.name),
        text.format(formula=formula.text_of(record.formula, record), slope=formula.text_of(slope, record)),
        _parameters(record.parameters, *operands),
        f"{result} : ndarray or scalar\n    Of the shape of the operands broadcast together. {_DTYPES}",
        _promise(record),
        edges,
        f">>> import numpy as np, softfloor as sf\n>>> np.isfinite({call}{arguments})).all()\nnp.True_",
        record.references,
    )


_GATE_NOTES = (
    "Computed from the operands in the wide format and rounded once, at the end: in half precision, too, where no "
    "intermediate result is. Parameters are float32 beside float16, bfloat16 and float32, float64 beside float64."
)
_CLAMP_NOTES = (
    "``clamp='before'`` (default) clamps the gate to at most ``limit``, ``clamp='after'`` the activated gate. A "
    "cotangent passes at the limit itself and is 0 beyond, as torch's clamp has it; an activated gate within 2^-31 of "
    "the limit, relatively, counts as either side."
)
_SOFTCAP_NOTES = (
    "In float64 the cotangent of the gate, next to the zero of the derivative, has an error below 2^-58 of the two "
    "terms whose difference it is there."
)


def _gate_notes(record: Gate) -> str:
    return f"Error below 1.5 ulp. {_GATE_NOTES} {_SOFTCAP_NOTES if record.softcaps else _CLAMP_NOTES}"


def gate_formula(record: Gate) -> str:
    """The plain text of a gated unit."""
    if record.softcaps:
        return "softcap(gate, gate_softcap) * sigmoid(gate) * softcap(up, up_softcap)"
    return f"{record.activation}(min(gate, limit)) * (clip(up, -limit, limit) + offset)"


def gate(record: Gate) -> str:
    """The docstring of a gated unit."""
    operands = "gate: Passes through the activation.", "up: Is multiplied by it; broadcasts with gate."
    return _numpydoc(
        f"{record.title}: {record.summary}",
        gate_formula(record),
        _parameters(gate_parameters(record), *operands),
        f"h : ndarray or scalar\n    Of the shape of the operands broadcast together. {_DTYPES}",
        _gate_notes(record),
        "",
        f">>> import softfloor as sf\n>>> float(sf.{record.name}(1.0, 0.0))\n0.0",
        record.references,
    )


def gate_vjp(record: Gate, part: str) -> str:
    """The docstring of a gated unit's vjp, and of its value and vjp."""
    value = part == "value_and_vjp"
    results = "h, dgate, dup" if value else "dgate, dup"
    summary = f"The cotangents of gate and up of {record.name}, from the inputs alone."
    if value:
        summary = (
            f"The value of {record.name} and the cotangents of gate and up, in one pass: for a backward pass that "
            "computes the value again instead of keeping it."
        )
    return _numpydoc(
        summary,
        f"({'h, ' * value}cotangent * dh/dgate, cotangent * dh/dup) with h the unit's value",
        _parameters(
            gate_parameters(record),
            "gate: The gate that the unit was called with.",
            "up: The other operand that it was called with.",
            "cotangent: The cotangent of the result; broadcasts with the others.",
        ),
        f"{results} : ndarray or scalar\n    Of the shape of the operands broadcast together. {_DTYPES}",
        _gate_notes(record) + f" The bits are those of {record.name} and {record.name}.vjp." * value,
        f"``out=({'cotangent, ' * value}gate, up)`` is allowed.",
        f">>> import softfloor as sf\n>>> {results} = sf.{record.name}.{part}(1.0, 0.0, 3.0)\n>>> float(dgate)\n0.0",
        record.references,
    )


def rows_kernel(record: Rows, variant: str) -> str:
    """The docstring of the gufunc under a row function."""
    return f"{record.title}, kernel {variant}. Use softfloor.{record.name}."
