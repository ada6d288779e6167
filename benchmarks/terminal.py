"""Tables and progress in a terminal."""

from __future__ import annotations

import re

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table as RichTable

from .tables import Table


def progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def show(tables: list[Table], console: Console) -> None:
    for table in tables:
        rich = RichTable(title=table.title, caption=_markup(table.note))
        for i, name in enumerate(table.header):
            rich.add_column(name, justify="left" if i == 0 else "right", no_wrap=i == 0 and name != "cell", min_width=6)
        for row in table.rows:
            rich.add_row(*map(_markup, row))
        console.print(rich)


def _markup(text: str) -> str:
    return re.sub(r"\*\*(.*?)\*\*", r"[bold red]\1[/bold red]", escape(text.replace("`", "")))
