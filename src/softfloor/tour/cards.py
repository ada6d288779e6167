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
    """The card of an activation; each landmark is evaluated in float64, beside what the catalogue states."""
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
    computed = float(function(float(x)))
    # The float64 nearest to an irrational zero is not the zero: what is left there needs no 15 digits.
    return f"{label} at x = {shorten(x)}", shorten(y), f"{computed:.{15 if abs(computed) > 1e-15 else 2}g}"


def mathml(function: Callable[..., Any], record: Record) -> str:
    """A formula as MathML, which browsers show without help."""
    import sympy

    symbols = [sympy.Symbol(name, real=True) for name in ("x", *(parameter.name for parameter in record.parameters))]
    expression = sympy.sympify(function(_Verbs(), *symbols))
    if isinstance(expression, sympy.Piecewise):
        # SymPy would print this as a function called piecewise.
        cases = "".join(
            f"<mtr><mtd>{_presentation(value)}</mtd>"
            f"<mtd>{'<mtext>otherwise</mtext>' if condition == True else _presentation(condition)}</mtd></mtr>"  # noqa: E712
            for value, condition in expression.args
        )
        return f'<math display="block"><mrow><mo>{{</mo><mtable columnalign="left">{cases}</mtable></mrow></math>'
    return f'<math display="block">{_presentation(expression)}</math>'


def _presentation(expression: Any) -> str:
    import sympy

    return re.sub(r"</?math[^>]*>", "", sympy.mathml(expression, printer="presentation"))


class _Verbs:
    """SymPy's namespace for reading: sigmoid and erfc stay as written, and decimals do not become fractions."""

    def __init__(self) -> None:
        import sympy

        self._verbs = formula.sympy()
        self._own = {
            "sigmoid": sympy.Function("\N{GREEK SMALL LETTER SIGMA}"),
            "erfc": sympy.Function("erfc"),
            "decimal": sympy.Float,
        }

    def __getattr__(self, name: str) -> Any:
        return self._own[name] if name in self._own else getattr(self._verbs, name)
