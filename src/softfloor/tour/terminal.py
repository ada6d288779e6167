"""The tour's findings in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .results import COMPARED, Report, Verdict

_STYLES = {Verdict.HOLDS: "green", Verdict.CORRECTED: "yellow", Verdict.FAILS: "red"}


def number(value: float, digits: int = 6) -> str:
    """A number as reports show it. Tiny ones are errors, of which three digits are enough."""
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{int(value)}"
    return f"{value:.{digits if abs(value) > 1e-6 else 3}g}"


def ulps(error: float) -> str:
    """An error in ulp as reports show it."""
    return f"{error:.3g}" if error < 1000 else f"{error:.1e}"


def print_report(report: Report, console: Console) -> None:
    """Print cards, examples, verdicts and measurements."""
    _cards(report, console)
    _examples(report, console)
    _training(report, console)
    _depth(report, console)
    _speed(report, console)
    _claims(report, console)


def _cards(report: Report, console: Console) -> None:
    for card in report.cards:
        table = Table(title=f"{card.name}: {card.title}", title_justify="left", show_header=False, title_style="bold")
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        table.add_row("value", escape(card.formula))
        table.add_row("derivative", escape(card.derivative))
        for label, fact, computed in card.landmarks:
            table.add_row(label, fact if fact == computed else f"{fact}  (computed {computed})")
        console.print(table)


def _examples(report: Report, console: Console) -> None:
    for example in report.evidence.examples.values():
        console.print(f"\n[bold]{example.title}[/]  (row {example.rows[0]})")
        console.print(escape(example.text))
        console.print(escape(example.code), style="cyan", highlight=False)
        for caption, header, rows in example.tables:
            table = Table(*header, title=escape(caption), title_justify="left")
            for row in rows:
                table.add_row(*(escape(cell) for cell in row))
            console.print(table)


def _training(report: Report, console: Console) -> None:
    evidence = report.evidence
    table = Table(
        "activation", "test accuracy", "final loss", "weights after / before", "dead units", "dead, large step",
        title="Handwritten digits", title_justify="left",
    )  # fmt: skip
    for name in COMPARED:
        run, hot = evidence.training[name], evidence.hot_training[name]
        watched = f" of {run.hidden_units * len(run.dead_units)}"
        table.add_row(
            name,
            f"{run.mean_accuracy:.1%}",
            f"{run.loss_curve[-1]:.2g}",
            f"{run.growth:.3f}",
            f"{sum(run.dead_units)}{watched}",
            f"{sum(hot.dead_units)}{watched}",
        )
    console.print(table)


def _depth(report: Report, console: Console) -> None:
    depths = sorted(report.evidence.depth[COMPARED[0]].first_layer)
    deepest = depths[-1]
    table = Table(
        "activation", *(f"{d} layers" for d in depths), f"{deepest} layers, spread biases",
        title="Gradient norm of the first layer relative to the last", title_justify="left",
    )  # fmt: skip
    for name in COMPARED:
        depth = report.evidence.depth[name]
        table.add_row(name, *(f"{depth.first_layer[d]:.2g}" for d in depths), f"{depth.spread_biases[deepest]:.2g}")
    console.print(table)


def _speed(report: Report, console: Console) -> None:
    table = Table(title="float32 per element, one thread", title_justify="left")
    table.add_column("function", min_width=max(len(timing.function) for timing in report.timings))
    for heading in ("ns", "textbook ns", "worst ulp", "textbook worst ulp", "textbook warns"):
        table.add_column(heading)
    for timing in report.timings:
        table.add_row(
            timing.function,
            f"{timing.nanoseconds:.2f}",
            f"{timing.textbook_nanoseconds:.2f}",
            ulps(timing.error),
            ulps(timing.textbook_error),
            "yes" if timing.warned else "",
        )
    console.print(table)


def _claims(report: Report, console: Console) -> None:
    for tried in report.claims.values():
        console.print(
            f"\n[bold]{tried.row}[/]  {escape(tried.statement)}: [{_STYLES[tried.verdict]}]{tried.verdict}[/]",
            highlight=False,
        )
        finding = tried.finding
        if finding.right_version:
            console.print(
                f"    notes: {escape(finding.notes_version)}\n    right: {escape(finding.right_version)}",
                highlight=False,
            )
        if finding.remark:
            console.print(f"    {escape(finding.remark)}", highlight=False)
        text = "; ".join(f"{label} {number(value, tried.digits)}" for label, value in tried.numbers.items())
        console.print(f"    {escape(text)}", style="dim", highlight=False)
    table = Table("row", "claim", "verdict", title="Verdicts", title_justify="left")
    for tried in report.claims.values():
        table.add_row(str(tried.row), escape(tried.statement), f"[{_STYLES[tried.verdict]}]{tried.verdict}[/]")
    console.print(table)
