"""``softfloor tour``: the notes that softfloor implements, run from the first row to the last (extra ``tour``)."""

from .report import html_of
from .results import Report, Verdict
from .run import run
from .terminal import print_report

__all__ = ["Report", "Verdict", "html_of", "print_report", "run"]
