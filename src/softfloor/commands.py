"""The commands of ``softfloor``, with Typer and rich. ``cli`` imports this module only when it runs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from . import __version__, apply, catalogue, facts, functions, get
from .activation import Activation
from .gates import GatedUnit
from .whole_file import replacing

# Newer releases of Typer carry their own copy of Click, so its exceptions are reached through Typer's names.
_ClickException: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

_INTERRUPTED = "interrupted; nothing was written"

app = typer.Typer(
    help="Activation functions: look them up, draw them, apply them to files, or take the tour.",
    epilog="Examples: softfloor tour; softfloor info gelu; softfloor plot relu gelu silu -d -o curves.svg; "
    "softfloor apply silu x.npy y.npy --param beta=1.5",
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Force = Annotated[bool, typer.Option("--force", "-f", help="Replace OUT if it exists.")]
_Derivative = Annotated[bool, typer.Option("--derivative", "-d", help="The derivative instead of the value.")]
_Parameters = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=NUMBER", help="A parameter, such as beta=1.5; repeat it for others."),
]


class _CutShort(Exception):
    """What a command prints could not be printed to its end."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code: 0 done, 1 bad data, 2 bad usage, 130 interrupted."""
    try:
        with _signals_interrupt():
            code = int(app(list(arguments), standalone_mode=False, prog_name="softfloor") or 0)
        # Typer turns an interrupt into this code without a word.
        return _complain(_INTERRUPTED, code) if code == 130 else code
    except _ClickException as error:
        return _complain(error.format_message(), 2)  # type: ignore[attr-defined]
    except apply.BadUsage as error:
        return _complain(str(error), 2)
    except apply.BadData as error:
        return _complain(str(error), 1)
    except _CutShort as error:
        return _complain(str(error), error.code)
    except (KeyboardInterrupt, typer.Abort):
        return _complain(_INTERRUPTED, 130)
    except MemoryError:
        return _complain("not enough memory; nothing was written", 1)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _complain(f"{error.strerror or error}{where}; nothing was written", 1)


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let a polite kill and the closing of the terminal unwind like ctrl-C, so that temporary files go."""
    numbers = (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP"))  # Windows has no SIGHUP
    before = {number: signal.getsignal(number) for number in numbers if number is not None}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # which is how nohup starts a command
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _: Any) -> NoReturn:
    # A closed terminal sends it twice, itself and by its shell; the second must not interrupt the cleaning up.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def _printing(written: Path | None = None) -> Iterator[None]:
    """Around what a command prints at its end: if it cannot be printed, say so, and that the file is complete."""
    complete = f"; {written} is complete"
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        if written is None:
            raise
        raise _CutShort(f"interrupted{complete}", 130) from None
    except (BrokenPipeError, SystemExit):  # rich exits where a pipe is closed
        if written is None:
            raise
        raise _CutShort(f"standard output is closed{complete}", 1) from None
    except OSError as error:
        problem = f"standard output: {error.strerror or error}"
        raise _CutShort(problem if written is None else problem + complete, 1) from None


def _complain(message: str, code: int) -> int:
    with suppress(OSError):  # a closed terminal; the code remains
        print("softfloor:", " ".join(message.split()), file=sys.stderr)
    return code


def _print_version(asked: bool) -> None:
    if asked:
        with _printing():
            print("softfloor", __version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _softfloor(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        with _printing():
            print(context.get_help())


@app.command("tour", short_help="Try every claim of the notes, train digit classifiers, and write a report.")
def _tour(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for tour.html.")] = Path(
        "tour-report"
    ),
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same numbers, timings excepted.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Shorter training and timing, for a first look.")] = False,
) -> None:
    """Try every claim of the notes, train digit classifiers, and write a report.
    Prints a verdict for each claim with the numbers behind it, and writes DIR/tour.html, one file that needs no other.
    Takes under a minute.

    \b
    Examples:
    softfloor tour
    softfloor tour --out report --seed 7
    """
    from . import tour

    if out.exists() and not out.is_dir():
        raise apply.BadUsage(f"{out} is a file; --out names a folder")
    console = Console()
    with _progress(console) as progress:
        task = progress.add_task("starting")
        report = tour.run(
            seed, quick, lambda done, total, what: progress.update(task, completed=done, total=total, description=what)
        )
    page = out / "tour.html"
    out.mkdir(parents=True, exist_ok=True)
    with replacing(page) as file:
        file.write(tour.html_of(report).encode())
    with _printing(page):
        tour.print_report(report, console)
        console.print(f"\nThe report: [bold]{escape(str(page))}[/]  ({report.seconds:.0f} s)", highlight=False)


@app.command("apply", short_help="Apply a function to every number of a .npy, .npz or .csv file.")
def _apply(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The function; softfloor list shows them.")],
    source: Annotated[Path, typer.Argument(metavar="IN", help="A .npy, .npz or .csv file.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, of the same kind.")],
    derivative: _Derivative = False,
    param: _Parameters = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="DTYPE",
            help="Compute and write float16, bfloat16, float32 or float64; otherwise the input's own. NumPy stores "
            "bfloat16 as raw items of two bytes: with --dtype bfloat16 such input is reinterpreted, and the output is "
            "stored likewise.",
        ),
    ] = None,
    axis: Annotated[
        int | None,
        typer.Option(metavar="AXIS", help="The axis of softmax, log_softmax and logsumexp; otherwise the last."),
    ] = None,
    force: _Force = False,
) -> None:
    """Apply a function to every number of a file.
    A .npy file may be larger than memory: it is mapped and worked through in blocks (a row of softmax must fit; where
    rows of millions of numbers lie side by side, the disk must have room for OUT twice). Arrays of a .npz are read one
    at a time, a .csv whole. OUT appears when it is complete, and after an error not at all.

    \b
    Examples:
    softfloor apply gelu x.npy y.npy
    softfloor apply silu x.npy y.npy --param beta=1.5 --derivative
    softfloor apply softmax logits.npz p.npz --axis 1 --param temperature=0.5
    """
    request = apply.Request(name, derivative, _numbers(param), dtype, axis)
    suffix = source.suffix.lower()
    for path in (source, target):
        if path.suffix.lower() not in apply.SUFFIXES:
            raise apply.BadUsage(f"{path} has none of the extensions {', '.join(apply.SUFFIXES)}")
    if target.suffix.lower() != suffix:
        raise apply.BadUsage(f"{source} and {target} must have the same extension")
    if not source.is_file():
        raise apply.BadUsage(f"there is no file {source}")
    _check_target(target, force)
    console = Console(stderr=True)
    with _progress(console) as progress:
        task = progress.add_task(escape(f"{name} {source.name}"))
        written = apply.apply(
            request, source, target, lambda done, total: progress.update(task, completed=done, total=total)
        )
    with _printing(target):
        print(f"{target}: {written}")


@app.command("plot")
def _plot(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Activations, such as relu gelu silu.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The figure: .png, .svg or .pdf.")],
    derivative: Annotated[bool, typer.Option("--derivative", "-d", help="Draw the derivatives too, dashed.")] = False,
    landmarks: Annotated[
        bool, typer.Option("--landmarks", help="Mark minima, and zeros and extrema of the derivative.")
    ] = False,
    param: _Parameters = None,
    force: _Force = False,
) -> None:
    """Draw functions on [-5, 5].

    \b
    Examples:
    softfloor plot relu gelu silu -o curves.png
    softfloor plot silu --derivative --landmarks -o silu.svg
    """
    from . import plot

    suffix = out.suffix.lower()
    if suffix not in plot.FORMATS:
        raise apply.BadUsage(f"{out} has none of the extensions {', '.join(plot.FORMATS)}")
    _check_target(out, force)
    try:
        figure = plot.figure_of(names, derivative, landmarks=landmarks, parameters=_numbers(param))
    except ValueError as error:
        raise apply.BadUsage(str(error)) from None
    with replacing(out) as file:
        plot.save(figure, file, suffix)
    with _printing(out):
        print(out)


@app.command("info")
def _info(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The function; softfloor list shows them.")],
) -> None:
    """Show what is known of a function: formula, derivative, range, limits, landmarks.

    \b
    Examples:
    softfloor info gelu
    """
    try:
        function = get(name)
    except ValueError as error:
        raise apply.BadUsage(str(error)) from None
    record = function.record
    table = Table(title=f"softfloor.{name}: {record.title}", show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    if isinstance(function, Activation):
        entries = facts.rows(record)
    elif isinstance(function, GatedUnit):
        entries = facts.gate_rows(record)
    else:
        entries = [("kind", _kind(function)), *(("reference", text) for text in record.references)]
    for label, text in [("summary", record.summary), *entries]:
        table.add_row(label, escape(text))
    with _printing():
        Console().print(table)


@app.command("list")
def _list() -> None:
    """List the functions.

    \b
    Examples:
    softfloor list
    """
    table = Table("name", "title", "kind")
    for name in functions():
        table.add_row(name, catalogue.RECORDS[name].title, _kind(get(name)))
    with _printing():
        Console().print(table)


def _kind(function: object) -> str:
    if isinstance(function, Activation):
        return "activation"
    return "gated unit" if isinstance(function, GatedUnit) else "along an axis"


def _numbers(parameters: list[str] | None) -> dict[str, float]:
    numbers = {}
    for text in parameters or []:
        name, equals, number = text.partition("=")
        try:
            numbers[name.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise apply.BadUsage(f"--param takes NAME=NUMBER, such as beta=1.5; got {text!r}")
    return numbers


def _check_target(path: Path, force: bool) -> None:
    if path.is_dir():
        raise apply.BadUsage(f"{path} is a folder")
    if path.exists() and not force:
        raise apply.BadUsage(f"{path} exists; add --force to replace it")
    if not path.parent.is_dir():
        raise apply.BadUsage(f"there is no folder {path.parent}")


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    # In a file or a pipe the frames of a moving bar would only be noise.
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress
