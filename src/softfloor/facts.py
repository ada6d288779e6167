"""Cards: what softfloor knows of a function, for the terminal and for notebooks."""

from __future__ import annotations

import contextlib
import html
import io
from typing import TYPE_CHECKING

from . import docstrings, formula
from .catalogue import gate_parameters, gates
from .catalogue.record import Activation as Record
from .catalogue.record import Curve, Gate, shorten

if TYPE_CHECKING:
    from .activation import Activation


def rows(record: Record) -> list[tuple[str, str]]:
    """The facts of an activation as (label, text), in the order in which they are shown."""
    facts = record.facts
    result = [("value", formula.text_of(record.formula, record)), ("derivative", formula.text_of(record.slope, record))]
    result += [(f"parameter {p.name}", f"default {p.default}. {p.description}") for p in record.parameters]
    for name, curve in (("value", facts.value), ("derivative", facts.derivative)):
        result += [(f"{name} {label}", text) for label, text in _curve(curve)]
    result.append(("increases on", ", ".join(map(str, facts.rising))))
    if facts.falling:
        result.append(("decreases on", ", ".join(map(str, facts.falling))))
    result += [
        ("kink", f"x = {k.x}: slope {k.left} before, {k.right} after, stated as {k.stated}") for k in facts.kinks
    ]
    smoothness = {None: "all derivatives continuous", 0: "continuous"}.get(
        facts.smoothness, f"{facts.smoothness} continuous derivatives"
    )
    result += [("smoothness", smoothness), ("Lipschitz constant", shorten(facts.lipschitz))]
    if facts.symmetry:
        result.append(("symmetry", {"odd": "f(-x) = -f(x)", "complement": "f(-x) = 1 - f(x)"}[facts.symmetry]))
    if record.notes:
        result.append(("note", record.notes))
    return result + [("reference", text) for text in record.references]


def gate_rows(record: Gate) -> list[tuple[str, str]]:
    """What is known of a gated unit as (label, text)."""
    result = [("kind", "gated unit"), ("value", docstrings.gate_formula(record))]
    result += [(f"parameter {p.name}", f"default {p.default}. {p.description}") for p in gate_parameters(record)]
    for preset in gates.PRESETS:
        if preset.unit == record.name:
            settings = [f"{name}={value}" for name, value in preset.settings.items()]
            settings += [f"clamp={preset.clamp}"] if preset.clamp == "after" else []
            packed = f"packed: {preset.layout}, gate {preset.gate}"
            result.append((f"preset {preset.name}", f"{', '.join([*settings, packed])}. {preset.reference}"))
    return result + [("reference", text) for text in record.references]


def _curve(curve: Curve) -> list[tuple[str, str]]:
    result = [("range", str(curve.range)), ("limits", f"{curve.limits[0]} at -inf, {curve.limits[1]} at inf")]
    if curve.zeros:
        result.append(("zeros", ", ".join(map(shorten, curve.zeros))))
    for name, point in (("minimum", curve.minimum), ("maximum", curve.maximum)):
        if point:
            result.append((name, f"{shorten(point.y)} at x = {shorten(point.x)}"))
    return result


def card(record: Record) -> str:
    """A short card: name, formula, derivative and landmarks."""
    lines = [f"softfloor.{record.name}: {record.title}", f"  {record.summary}"]
    shown = ("value", "derivative", "value range", "value minimum", "derivative range", "kink")
    lines += [f"  {label:16} {text}" for label, text in rows(record) if label in shown]
    return "\n".join(lines)


def html_card(activation: Activation) -> str:
    """Formula, derivative, facts and curve for a notebook; LaTeX needs SymPy and the curve Matplotlib (extra tour)."""
    record = activation.record
    left = "style='text-align:left'"
    table = "".join(
        f"<tr><th {left}>{html.escape(label)}</th><td {left}>{html.escape(text)}</td></tr>"
        for label, text in rows(record)
    )
    parts = [f"<b>{html.escape(record.title)}</b> <code>softfloor.{record.name}</code>"]
    with contextlib.suppress(ImportError):
        value, slope = (formula.latex_of(f, record) for f in (record.formula, record.slope))
        parts.append(f"$$f(x) = {value}$$ $$f'(x) = {slope}$$")
    with contextlib.suppress(ImportError):
        parts.append(curve_svg(activation))
    return "".join(f"<div>{part}</div>" for part in [*parts, f"<table>{table}</table>"])


def curve_svg(activation: Activation) -> str:
    """Value and derivative on [-5, 5] as an SVG element."""
    from .plot import figure_of

    buffer = io.StringIO()
    figure_of([activation.name], derivative=True).savefig(buffer, format="svg")
    text = buffer.getvalue()
    return text[text.index("<svg") :]
