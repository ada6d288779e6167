"""A card for each activation: formula, facts, curve, and its landmarks recomputed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import softfloor as sf
from softfloor import catalogue, facts, formula, plot
from softfloor.catalogue.record import Activation as Record
from softfloor.catalogue.record import shorten

from .results import Card


def card(name: str) -> Card:
    """The card of an activation; each landmark is evaluated by softfloor in float64, beside what the catalogue states."""
    record = catalogue.ACTIVATIONS[name]
    activation = sf.get(name)
    landmarks = []
    for label, curve, function in (
        ("value", record.facts.value, activation),
        ("derivative", record.facts.derivative, activation.derivative),
    ):
        for kind, point in (("minimum", curve.minimum), ("maximum", curve.maximum)):
            if point:
                landmarks.append(_landmark(f"{label}, {kind}", point.x, point.y, function))
        landmarks += [_landmark(f"{label}, zero", x, "0", function) for x in curve.zeros]
    landmarks += [
        _landmark("derivative, kink", kink.x, kink.stated, activation.derivative) for kink in record.facts.kinks
    ]
    return Card(
        name,
        record.title,
        record.summary,
        formula.text_of(record.formula, record),
        formula.text_of(record.slope, record),
        mathml(record.formula, record),
        mathml(record.slope, record),
        tuple(facts.rows(record)),
        tuple(landmarks),
        plot.svg_of(plot.figure_of([name], derivative=True, landmarks=True), f"card-{name}"),
    )


def _landmark(label: str, x: str, y: str, function: Callable[..., Any]) -> tuple[str, str, str]:
    return f"{label} at x = {shorten(x)}", shorten(y), f"{float(function(float(x))):.15g}"


def mathml(function: Callable[..., Any], record: Record) -> str:
    """A formula as MathML, which browsers show without help."""
    import sympy

    symbols = [sympy.Symbol(name, real=True) for name in ("x", *(parameter.name for parameter in record.parameters))]
    expression = sympy.sympify(function(_Verbs(), *symbols))
    text = sympy.mathml(expression, printer="presentation")
    return f'<math display="block">{re.sub(r"</?math[^>]*>", "", text)}</math>'


class _Verbs:
    """SymPy's namespace, but with sigmoid as a letter: written out, the slopes would be too wide for a card."""

    def __init__(self) -> None:
        import sympy

        self._verbs = formula.sympy()
        self._letter = sympy.Function("σ")

    def __getattr__(self, name: str) -> Any:
        return self._letter if name == "sigmoid" else getattr(self._verbs, name)
