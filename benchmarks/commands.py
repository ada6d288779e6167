"""The command line: measure, write the data, the figure and the page, print the tables."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from . import cells, data, machine, page, run, tables, terminal, timing
from .results import outcomes

#: What ``--quick`` leaves out, as the terminal and the page say it.
QUICK = "most sizes, dtypes and variants, AVX2 and torch.compile, in this quick run"

app = typer.Typer(add_completion=False)


@app.command()
def benchmarks(
    quick: Annotated[bool, typer.Option("--quick", help="Few cells, in two minutes, without torch.compile.")] = False,
    only: Annotated[
        str | None, typer.Option(help="Only cells with this in their name, such as 'gelu.vjp float32*out='.")
    ] = None,
    no_compile: Annotated[
        bool, typer.Option("--no-compile", help="Without torch.compile, which compiles long.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Only cells that the folder has no data of.")] = False,
    output: Annotated[Path, typer.Option(help="The folder to write into.")] = Path("benchmark-report"),
    listing: Annotated[bool, typer.Option("--list", help="Print the names of the cells and stop.")] = False,
    write_page: Annotated[bool, typer.Option("--page", help="Write page and figure from the data at hand.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Fail if the page is not what the data give.")] = False,
) -> None:
    """Measure softfloor beside NumPy, SciPy, torch, jax and ONNX Runtime.

    With --only or --resume, what was measured before in the same folder is kept and completed.
    """
    console = Console()
    if check:
        if stale := page.stale(output):
            raise _failure(
                f"{', '.join(stale)} in {output} is stale: run python -m benchmarks --page --output {output}"
            )
        return
    if write_page:
        _write_page(output)
        return
    listed = list(cells.all_cells(quick))
    chosen = [cell for cell in listed if only is None or fnmatch.fnmatchcase(cell.key, f"*{only}*")]
    if not chosen:
        raise _failure(f"no cell has {only!r} in its name; --list prints the names")
    if listing:
        print("\n".join(cell.key for cell in chosen))
        return
    path = output / page.DATA
    old = data.read(path) if (only or resume) and path.exists() else None
    if old and resume:
        known = {data.key(record) for record in old["cells"]}
        chosen = [cell for cell in chosen if cell.key not in known]
    here = machine.describe()
    try:
        if old:
            data.check_machine(old, here)
    except data.OtherMachine as error:
        raise _failure(f"{path}: {error}") from None
    with terminal.progress(console) as progress:
        task = progress.add_task("starting", total=len(chosen))

        def done(cell: cells.Cell) -> None:
            progress.update(task, advance=1, description=f"{cell.part}: {cell.curve}"[:44].ljust(44))

        choices = [QUICK] if quick else ["torch.compile, by request"] if no_compile else []
        effort = timing.QUICK if quick else timing.FULL
        facts, records, failures = run.run(chosen, effort, run.labels(not (quick or no_compile)), done)
    new = {"machine": here, "parts": facts, "failures": failures, "choices": choices, "cells": records}
    data.write(path, data.merged(old, new, list(cells.all_cells())) if old else new)
    _write_page(output)
    terminal.show(tables.tables(outcomes(new)), console)
    for line in page.left_out(new):
        console.print(f"Not measured: {line}", markup=False)
    for part, found in facts.items():
        if found.get("lost", 0) > page.BUSY:
            console.print(f"{part}: other programs took {found['lost']:.0%} of the time; ratios suffer from that")
    console.print(f"Data, figure and page are in {output}", markup=False)
    if failures:
        raise typer.Exit(1)


def _write_page(output: Path) -> None:
    for path, text in page.files(output).items():
        data.write_text(path, text)


def _failure(message: str) -> typer.Exit:
    typer.echo(f"benchmarks: {message}", err=True)
    return typer.Exit(1)
