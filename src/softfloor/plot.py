"""Curves of activation functions, drawn with Matplotlib (extra ``tour``) from values that softfloor computes.

Everything goes through `matplotlib.figure.Figure`: no global state, no window, nothing to close.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from . import catalogue
from .catalogue.record import Activation as Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's palette: told apart by colour-blind readers, and legible on white and on near-black.
PALETTE = ("#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#E69F00", "#D55E00")
INK = "#30353c"
GRID = "#d9dde2"
FORMATS = (".png", ".svg", ".pdf")

DOMAIN = (-5.0, 5.0)


def colour_of(name: str) -> str:
    """The colour of an activation: the same in every figure of softfloor."""
    return PALETTE[list(catalogue.ACTIVATIONS).index(name) % len(PALETTE)]


def figure_of(
    names: Sequence[str],
    derivative: bool = False,
    *,
    beside: bool = False,
    landmarks: bool = False,
    parameters: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Curves of activation functions on [-5, 5].

    Parameters
    ----------
    names : sequence of str
        Activations of the catalogue.
    derivative : bool, default False
        Draw the derivatives too, dashed.
    beside : bool, default False
        With ``derivative``: the derivatives in a second panel, beside the values.
    landmarks : bool, default False
        Mark minima of the value, and zeros and extrema of the derivative where it is drawn. The facts hold for default
        parameters, so functions given other ones are left unmarked.
    parameters : mapping, optional
        Parameters such as ``{"beta": 1.5}``, for the functions that have them.
    title : str, optional
        Above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``savefig``; nothing was shown or registered with pyplot.

    Raises
    ------
    ValueError
        If there is no name, a name is not that of an activation, or a parameter belongs to none of them.

    Examples
    --------
    >>> from softfloor.plot import figure_of
    >>> figure = figure_of(["relu", "gelu"], derivative=True)
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['relu', "relu'", 'gelu', "gelu'"]
    """
    from matplotlib.figure import Figure

    records = [_activation(name) for name in names]
    if not records:
        raise ValueError("a figure needs the name of at least one activation")
    given = dict(parameters or {})
    _check_parameters(records, given)
    two_panels = derivative and beside
    figure = Figure(figsize=(9.6, 4.0) if two_panels else (6.4, 4.2), layout="constrained")
    if two_panels:
        axes = figure.subplots(1, 2)
        _draw(axes[0], records, given, ("value",), landmarks)
        _draw(axes[1], records, given, ("derivative",), landmarks)
        axes[0].set_title("value", color=INK, fontsize=11)
        axes[1].set_title("derivative", color=INK, fontsize=11)
    else:
        _draw(figure.subplots(), records, given, ("value", "derivative") if derivative else ("value",), landmarks)
    if title:
        figure.suptitle(title, color=INK, fontsize=12)
    return figure


def svg_of(figure: Figure, salt: str) -> str:
    """A figure as an SVG element for an HTML page, its text and grid in the colours of the page, light or dark.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn with `INK` and `GRID`.
    salt : str
        Different for each figure of a page, so that their ids differ; the same figure and salt give the same text.

    Returns
    -------
    str
        ``<svg ...>...</svg>``, without a fixed size and without a reference to anything outside.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", text, count=1)
    # Group names such as "axes_1" repeat from figure to figure, and nothing refers to them.
    text = re.sub(r' id="[\w.]+_\d+"', "", text)
    text = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans, sans-serif)", text)
    return text.replace(INK, "currentColor").replace(GRID, "var(--grid, #d9dde2)")


def style(axes: Axes) -> None:
    """The look of softfloor's figures: no frame, light grid, ink that `svg_of` can adapt to a page."""
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(colors=INK, length=0, labelsize=10)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


def legend(axes: Axes, **keywords: Any) -> None:
    """A legend without a frame."""
    axes.legend(frameon=False, labelcolor=INK, fontsize=10, **keywords)


def save(figure: Figure, file: Any, suffix: str) -> None:
    """Write a figure to an open binary file, in the format that ``suffix``, one of `FORMATS`, names."""
    figure.savefig(file, format=PurePath(f"figure{suffix}").suffix[1:].lower(), dpi=160)


def _activation(name: str) -> Record:
    from . import get

    get(name)  # raises for an unknown name, with the nearest ones
    if name not in catalogue.ACTIVATIONS:
        known = ", ".join(catalogue.ACTIVATIONS)
        raise ValueError(f"{name} is not a function of one number, so it has no curve; curves exist for {known}")
    return catalogue.ACTIVATIONS[name]


def _check_parameters(records: Sequence[Record], given: Mapping[str, float]) -> None:
    known = sorted({parameter.name for record in records for parameter in record.parameters})
    for name in given:
        if name not in known:
            functions = " and ".join(record.name for record in records)
            raise ValueError(f"no parameter {name!r} in {functions}; parameters: {', '.join(known) or 'none'}")


def _draw(
    axes: Axes, records: Sequence[Record], given: Mapping[str, float], curves: tuple[str, ...], landmarks: bool
) -> None:
    from . import get

    # An even number of steps puts a sample on zero, so that the kink of relu is drawn sharp.
    x = np.linspace(*DOMAIN, 801)
    style(axes)
    axes.axhline(0, color=INK, linewidth=0.8, alpha=0.6, label="_axis")
    axes.axvline(0, color=INK, linewidth=0.8, alpha=0.6, label="_axis")
    for record in records:
        activation = get(record.name)
        own = {parameter.name: given[parameter.name] for parameter in record.parameters if parameter.name in given}
        suffix = "".join(f", {name} = {value:g}" for name, value in own.items())
        for curve in curves:
            slope = curve == "derivative"
            y = activation.derivative(x, **own) if slope else activation(x, **own)
            dashed = slope and len(curves) > 1
            prime = "'" if slope else ""
            axes.plot(
                x,
                _broken_at_jumps(record, x, y) if slope else y,
                color=colour_of(record.name),
                linestyle="--" if dashed else "-",
                linewidth=1.7 if dashed else 2.2,
                label=f"{record.name}{prime}{suffix}",
            )
            if landmarks and not own:
                _mark(axes, record, curve)
    axes.set_xlim(*DOMAIN)
    axes.set_xlabel("x")
    legend(axes, loc="upper left")


def _broken_at_jumps(record: Record, x: Any, y: Any) -> Any:
    """The derivative with a gap at each kink, so that its step is not drawn as a steep line."""
    broken = np.array(y)
    for kink in record.facts.kinks:
        broken[np.argmin(np.abs(x - float(kink.x)))] = np.nan
    return broken


def _mark(axes: Axes, record: Record, curve: str) -> None:
    facts = record.facts.derivative if curve == "derivative" else record.facts.value
    points = [(float(p.x), float(p.y)) for p in (facts.minimum, facts.maximum) if p]
    if curve == "derivative":
        points += [(float(x), 0.0) for x in facts.zeros]
    for x, y in points:
        axes.plot(
            x, y, marker="o", markersize=6, color=colour_of(record.name), markeredgecolor="white", label="_landmark"
        )
    if curve == "derivative" and facts.maximum and float(facts.maximum.y) > 1:
        axes.axhline(1, color=INK, linewidth=0.8, linestyle=":", label="_one")
