"""The tour's findings as one HTML file that needs no other: style, figures and formulas are inside."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources

from softfloor import plot

from .results import COMPARED, Card, Example, Report, Tried, Verdict
from .terminal import number, ulps
from .training import HIDDEN, LARGE_STEP, STEP

_CLASSES = {Verdict.HOLDS: "good", Verdict.CORRECTED: "warn", Verdict.FAILS: "bad"}
_PLURALS = {Verdict.HOLDS: "hold", Verdict.CORRECTED: "hold with a correction", Verdict.FAILS: "do not hold"}
_SECTIONS = {
    "verdicts": "Verdicts",
    "functions": "Functions",
    "examples": "Worked examples",
    "figures": "Figures",
    "digits": "Digits",
    "depth": "Depth",
    "speed": "Speed and accuracy",
    "claims": "Claim by claim",
}


def html_of(report: Report) -> str:
    """The report as the text of an HTML page.

    Parameters
    ----------
    report : Report
        What `softfloor.tour.run` returned.

    Returns
    -------
    str
        A page for laptop and phone, light and dark, without scripts and without anything to load.
    """
    style = resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    sections = (
        _verdicts(report),
        _functions(report.cards),
        _examples(report.evidence.examples.values()),
        _figures(report),
        _digits(report),
        _depth(report),
        _speed(report),
        _claims(report.claims.values()),
    )
    body = "".join(
        f'<section><h2 id="{name}">{_escape(title)}</h2>{text}</section>'
        for (name, title), text in zip(_SECTIONS.items(), sections, strict=True)
    )
    links = "".join(f'<a href="#{name}">{_escape(title)}</a>' for name, title in _SECTIONS.items())
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>softfloor tour</title>'
        f"<style>{style}</style></head><body>{_header(report)}<nav><div>{links}</div></nav><main>{body}"
        f"<footer>softfloor {_escape(report.version)}, seed {report.seed}, kernels for {_escape(report.cpu)}; "
        f"{report.seconds:.0f} s.</footer></main></body></html>\n"
    )


def _header(report: Report) -> str:
    counted = Counter(tried.verdict for tried in report.claims.values())
    counts = "".join(
        f'<div class="{_CLASSES[verdict]}"><b>{counted[verdict]}</b>{_PLURALS[verdict]}</div>'
        for verdict in Verdict
        if counted[verdict]
    )
    return (
        "<header><div><h1>A tour of activation functions</h1>"
        f"<p>The notes behind softfloor make {len(report.claims)} claims. Each was tried by computing: here are the "
        "verdicts, the numbers they rest on, and what the functions do in a network that reads handwriting.</p>"
        f'<div class="counts">{counts}</div></div></header>'
    )


def _verdicts(report: Report) -> str:
    rows = [
        (f'<a href="#claim-{t.row}">{t.row}</a>', _escape(t.statement), _badge(t.verdict))
        for t in report.claims.values()
    ]
    return f'<div class="panel">{_table(("row", "claim", "verdict"), rows)}</div>'


def _functions(cards: Sequence[Card]) -> str:
    return f'<div class="grid">{"".join(map(_card, cards))}</div>'


def _card(card: Card) -> str:
    landmarks = [
        (_escape(label).replace(" at x = ", "<br>x&nbsp;=&nbsp;"), fact, computed)
        for label, fact, computed in card.landmarks
    ]
    facts = [(_escape(label), _escape(text)) for label, text in card.facts]
    marks = _table(("landmark", "fact", "computed"), landmarks) if landmarks else ""
    return (
        f'<article class="panel"><h3>{_escape(card.title)} <code class="soft">sf.{card.name}</code></h3>'
        f"<p>{_escape(card.summary)}</p>{card.svg}"
        f'<div class="soft small">value</div>{card.formula_mathml}'
        f'<div class="soft small">derivative</div>{card.derivative_mathml}{marks}'
        f"<details><summary>All facts</summary>{_table(None, facts)}</details></article>"
    )


def _examples(examples: Iterable[Example]) -> str:
    parts = []
    for example in examples:
        tables = "".join(
            _table(header, [tuple(map(_escape, row)) for row in rows], caption, figures=True)
            for caption, header, rows in example.tables
        )
        parts.append(
            f'<article class="panel"><h3>{_escape(example.title)} '
            f'<span class="soft small">row {example.rows[0]}</span></h3>'
            f"<p>{_escape(example.text)}</p><pre>{_escape(example.code)}</pre>{tables}{_numbers(example.numbers)}</article>"
        )
    return "".join(parts)


def _figures(report: Report) -> str:
    names = ("relu_and_variants", "relu_func_vs_derivative")
    return "".join(_figure(report, name) for name in names)


def _figure(report: Report, name: str) -> str:
    figure = report.evidence.figures[name]
    width = "panel narrow" if len(figure.axes) == 1 else "panel wide"
    return f'<figure class="{width}">{plot.svg_of(figure, name)}</figure>'


def _digits(report: Report) -> str:
    evidence = report.evidence
    rows = []
    for name in COMPARED:
        run, hot = evidence.training[name], evidence.hot_training[name]
        rows.append(
            (
                name,
                f"{run.mean_accuracy:.1%}",
                f"{min(run.accuracy):.1%} to {max(run.accuracy):.1%}",
                f"{run.loss_curve[-1]:.2g}",
                f"{run.growth:.3f}",
                f"{sum(run.dead_units)}",
                f"{sum(hot.dead_units)}",
            )
        )
    first = evidence.training[COMPARED[0]]
    header = (
        "activation", "test accuracy", "lowest to highest", "final loss", "weights after / before", "dead units",
        "dead units, large step",
    )  # fmt: skip
    return (
        f"<p>A classifier of handwritten digits, 8 by 8 pixels, with {first.hidden_units} hidden units in "
        f"{len(HIDDEN)} layers; value and vjp of each activation and the loss are softfloor's. {len(first.accuracy)} "
        f"starts each, {len(first.loss_curve)} passes over the images. A unit is dead when no image gives it a "
        f"gradient; {first.hidden_units * len(first.dead_units)} were watched, then as many again at "
        f"{LARGE_STEP / STEP:.0f} times the step size.</p>"
        f"{_figure(report, 'training')}"
        f'<div class="panel">{_table(header, rows, figures=True)}</div>'
    )


def _depth(report: Report) -> str:
    depth = report.evidence.depth
    depths = sorted(depth[COMPARED[0]].first_layer)
    rows = [
        (name, *(f"{depth[name].first_layer[d]:.2g}" for d in depths), f"{depth[name].spread_biases[depths[-1]]:.2g}")
        for name in COMPARED
    ]
    header = ("activation", *(f"{d} layers" for d in depths), f"{depths[-1]} layers, spread biases")
    return (
        "<p>How much gradient reaches the first layer of an untrained deep network, relative to the last layer. The "
        "weights start as each activation asks for, the biases at 0; in the last column the biases are spread wide, "
        "which moves units away from the middle of their range.</p>"
        f'<div class="panel">{_table(header, rows, figures=True)}</div><div class="panel narrow">'
        f"{plot.svg_of(report.evidence.figures['depth'], 'depth')}</div>"
    )


def _speed(report: Report) -> str:
    rows = [
        (
            f"<code>{timing.function}</code>",
            f"{timing.nanoseconds:.2f}",
            f"{timing.textbook_nanoseconds:.2f}",
            f"{timing.speedup:.1f}x",
            ulps(timing.error),
            ulps(timing.textbook_error),
            f"{timing.textbook_worst_input:.5g}",
            "yes" if timing.warned else "",
        )
        for timing in report.timings
    ]
    header = (
        "function", "ns", "textbook ns", "speed-up", "worst ulp", "textbook worst ulp", "at x", "textbook warns",
    )  # fmt: skip
    texts = [(f"<code>{t.function}</code>", f"<code>{_escape(t.textbook)}</code>") for t in report.timings]
    return (
        "<p>float32, nanoseconds per element, one thread, data in cache; errors in units in the last place over inputs "
        "from -110 to 110; ten million of them leave no digit right. The truth is softfloor's float64, which differs "
        f"from 50-digit arithmetic by at most {report.oracle_error:.2g} ulp of float64 where the two were compared.</p>"
        f'<div class="panel">{_table(header, rows, figures=True)}'
        f"<details><summary>The textbook code</summary>{_table(None, texts)}</details></div>"
    )


def _claims(claims: Iterable[Tried]) -> str:
    return "".join(map(_claim, claims))


def _claim(tried: Tried) -> str:
    finding = tried.finding
    versions = ""
    if finding.right_version:
        versions = (
            f'<dl class="versions"><dt>notes</dt><dd>{_escape(finding.notes_version)}</dd>'
            f"<dt>right</dt><dd><b>{_escape(finding.right_version)}</b></dd></dl>"
        )
    remark = f"<p>{_escape(finding.remark)}</p>" if finding.remark else ""
    return (
        f'<article class="panel claim" id="claim-{tried.row}"><div class="row">{tried.row}</div><div>'
        f'<div class="head"><h3>{_escape(tried.statement)}</h3>{_badge(tried.verdict)}</div>'
        f"{versions}{remark}{_numbers(tried.numbers, tried.digits)}</div></article>"
    )


def _badge(verdict: Verdict) -> str:
    return f'<span class="badge {_CLASSES[verdict]}">{verdict}</span>'


def _numbers(numbers: Mapping[str, float], digits: int = 6) -> str:
    items = "".join(
        f"<div><dt>{_escape(label)}</dt><dd>{number(value, digits)}</dd></div>" for label, value in numbers.items()
    )
    return f'<dl class="numbers">{items}</dl>'


def _table(
    header: Sequence[str] | None, rows: Iterable[Sequence[str]], caption: str = "", figures: bool = False
) -> str:
    """A table; cells are HTML already. ``figures`` aligns all but the first column to the right."""
    head = f"<thead><tr>{''.join(f'<th>{_escape(h)}</th>' for h in header)}</tr></thead>" if header else ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    title = f"<caption>{_escape(caption)}</caption>" if caption else ""
    kind = ' class="figures"' if figures else ""
    return f'<div class="scroll"><table{kind}>{title}{head}<tbody>{body}</tbody></table></div>'


def _escape(text: str) -> str:
    return html.escape(text, quote=True)
