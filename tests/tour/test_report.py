"""The HTML page and the terminal output."""

import dataclasses
import io
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from softfloor import tour
from softfloor.tour.results import COMPARED, Report


@pytest.fixture(scope="module")
def page(report):
    return tour.html_of(report)


class _Tags(HTMLParser):
    """Checks nesting, and keeps what a page might load or refer to."""

    VOID = frozenset({"meta", "br", "img", "link", "hr", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.names, self.references, self.ids = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        self.ids += [value for name, value in attributes if name == "id"]
        self.references += [
            value for name, value in attributes if name in ("href", "src", "xlink:href", "data", "action")
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page_needs_no_other_file(page):
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", page)
    tags = _Tags()
    tags.feed(page)
    assert not tags.open
    assert "script" not in tags.names
    assert not {"link", "iframe", "object", "img"} & set(tags.names)
    assert tags.references
    assert all(reference.startswith("#") for reference in tags.references)


def test_links_of_the_page_lead_somewhere(page):
    tags = _Tags()
    tags.feed(page)
    assert {reference[1:] for reference in tags.references} <= set(tags.ids)
    sections = [name for name in tags.ids if not re.fullmatch(r"[mp][0-9a-f]{10}", name)]
    assert len(sections) == len(set(sections))


def test_page_shows_every_row_with_its_verdict(page, report):
    for row, tried in report.claims.items():
        article = re.search(f'id="claim-{row}".*?</article>', page, re.DOTALL).group()
        assert f">{tried.verdict}</span>" in article


def test_page_shows_every_function_example_and_figure(page, report):
    for card in report.cards:
        assert f"sf.{card.name}</code>" in page
        assert card.formula_mathml in page
    for example in report.evidence.examples.values():
        assert example.title in page
    assert page.count("<svg") == len(report.cards) + len(report.evidence.figures)


def test_page_adapts_to_dark_and_phone(page):
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    assert "currentColor" in page


def test_landmarks_recomputed_are_those_stated(report):
    count = 0
    for card in report.cards:
        for _, fact, computed in card.landmarks:
            assert float(computed) == pytest.approx(float(fact), rel=1e-14, abs=1e-15)
            count += 1
    assert count >= 15


def test_terminal_shows_verdicts_and_tables(report):
    console = Console(file=io.StringIO(), width=120)
    tour.print_report(report, console)
    text = console.file.getvalue()
    for tried in report.claims.values():
        assert tried.statement in text
    for title in ("Handwritten digits", "Gradient norm", "float32 per element", "Verdicts", "A step of an LSTM cell"):
        assert title in text
    assert text.count("holds with a correction") >= 18  # in the list and in the table


def _numbers(report: Report):
    """What a seed decides: all but times."""
    training = {
        name: [
            dataclasses.replace(run, seconds=0.0)
            for run in (report.evidence.training[name], report.evidence.hot_training[name])
        ]
        for name in COMPARED
    }
    claims = {row: (tried.verdict, dict(tried.numbers)) for row, tried in report.claims.items()}
    examples = {name: (example.tables, dict(example.numbers)) for name, example in report.evidence.examples.items()}
    errors = [(timing.function, timing.error, timing.textbook_error) for timing in report.timings]
    return repr((training, claims, examples, errors, report.evidence.depth, report.oracle_error, report.cards))


def test_same_seed_same_numbers_other_seed_others(report):
    assert _numbers(tour.run(seed=0, quick=True)) == _numbers(report)
    other = tour.run(seed=1, quick=True)
    assert other.evidence.training["relu"].loss_curve != report.evidence.training["relu"].loss_curve
    assert other.evidence.examples["lstm"].tables != report.evidence.examples["lstm"].tables
    assert {row: tried.verdict for row, tried in other.claims.items() if row != 16} == {
        row: tried.verdict for row, tried in report.claims.items() if row != 16
    }


def test_errors_of_softfloor_keep_its_promise(report):
    assert report.oracle_error < 1.5
    for timing in report.timings:
        assert timing.error < 1
        assert timing.nanoseconds > 0
    assert any(timing.warned for timing in report.timings)
    assert max(timing.textbook_error for timing in report.timings) > 1e6


def test_progress_counts_to_the_end(monkeypatch, report):
    steps = []

    class Stop(Exception):
        pass

    def watch(done, total, what):
        steps.append((done, total, what))
        if len(steps) == 5:
            raise Stop

    with pytest.raises(Stop):
        tour.run(quick=True, progress=watch)
    assert [done for done, _, _ in steps] == list(range(5))
    assert all(what for _, _, what in steps)


def test_attention_with_a_fully_masked_row(report):
    numbers = report.evidence.examples["attention"].numbers
    assert numbers["largest weight of a fully masked row"] == 0
    assert numbers["largest gradient of a fully masked row"] == 0
    assert numbers["NaN of the textbook in that row"] == 4
