"""Figures: the curves are softfloor's, and nothing global is touched."""

import io
import re
import subprocess
import sys

import numpy as np
import pytest

import softfloor as sf
from softfloor import catalogue, plot


def _curves(axes):
    return {line.get_label(): line.get_data() for line in axes.lines if not line.get_label().startswith("_")}


@pytest.mark.parametrize("name", catalogue.ACTIVATIONS)
def test_curves_are_values_and_derivatives(name):
    (axes,) = plot.figure_of([name], derivative=True).axes
    curves = _curves(axes)
    assert list(curves) == [name, f"{name}'"]
    x, y = curves[name]
    assert (x[0], x[-1]) == plot.DOMAIN
    assert np.array_equal(y, sf.get(name)(x))
    x, slopes = curves[f"{name}'"]
    there = np.isfinite(slopes)
    assert np.array_equal(slopes[there], sf.get(name).derivative(x)[there])
    assert np.count_nonzero(~there) == len(sf.get(name).info.kinks)


def test_derivatives_are_dashed_beside_values_and_solid_alone():
    (together,) = plot.figure_of(["gelu"], derivative=True).axes
    assert [line.get_linestyle() for line in together.lines if line.get_label() in ("gelu", "gelu'")] == ["-", "--"]
    left, right = plot.figure_of(["gelu", "relu"], derivative=True, beside=True).axes
    assert list(_curves(left)) == ["gelu", "relu"]
    assert list(_curves(right)) == ["gelu'", "relu'"]
    assert {line.get_linestyle() for line in right.lines if line.get_label() in _curves(right)} == {"-"}


def test_landmarks_are_marked_where_asked():
    def marks(figure):
        return {
            (round(float(line.get_xdata()[0]), 6), round(float(line.get_ydata()[0]), 6))
            for axes in figure.axes
            for line in axes.lines
            if line.get_label() == "_landmark"
        }

    assert marks(plot.figure_of(["silu"], derivative=True)) == set()
    found = marks(plot.figure_of(["silu"], derivative=True, landmarks=True))
    assert found == {(-1.278465, -0.278465), (-1.278465, 0.0), (-2.399357, -0.099839), (2.399357, 1.099839)}
    assert marks(plot.figure_of(["silu"], landmarks=True)) == {(-1.278465, -0.278465)}
    assert marks(plot.figure_of(["silu"], landmarks=True, parameters={"beta": 2.0})) == set()


def test_parameters_reach_the_curve_and_the_legend():
    (axes,) = plot.figure_of(["silu", "relu"], parameters={"beta": 2.5}).axes
    x, y = _curves(axes)["silu, beta = 2.5"]
    assert np.array_equal(y, sf.silu(x, beta=2.5))
    assert "relu" in _curves(axes)


def test_a_function_keeps_its_colour():
    def colour(names):
        (axes,) = plot.figure_of(names).axes
        return next(line.get_color() for line in axes.lines if line.get_label() == "silu")

    assert colour(["silu"]) == colour(["relu", "silu"])
    assert len({plot.colour_of(name) for name in catalogue.ACTIVATIONS}) == min(6, len(catalogue.ACTIVATIONS))


@pytest.mark.parametrize(
    ("names", "parameters", "message"),
    [
        ([], None, "at least one"),
        (["gelo"], None, "did you mean gelu"),
        (["softmax"], None, "not a function of one number"),
        (["gelu"], {"beta": 1.0}, "no parameter 'beta' in gelu"),
    ],
)
def test_wrong_calls_say_why(names, parameters, message):
    with pytest.raises(ValueError, match=message):
        plot.figure_of(names, parameters=parameters)


def test_svg_of_is_repeatable_adapts_and_stands_alone():
    first, second = (plot.svg_of(plot.figure_of(["gelu"], derivative=True), "a") for _ in range(2))
    assert first == second
    assert first.startswith("<svg")
    assert first.rstrip().endswith("</svg>")
    assert not re.search(r"https?:|<metadata|<svg[^>]* (width|height)=", first)
    assert "currentColor" in first
    assert plot.INK not in first
    other = plot.svg_of(plot.figure_of(["gelu"], derivative=True), "b")
    ids = [set(re.findall(r' id="([^"]*)"', text)) for text in (first, other)]
    assert ids[0]
    assert not ids[0] & ids[1]


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_save_writes_the_format_of_the_suffix(suffix, start):
    file = io.BytesIO()
    plot.save(plot.figure_of(["relu"]), file, suffix)
    assert file.getvalue().startswith(start)


def test_pyplot_is_never_imported_and_softfloor_alone_imports_no_extra():
    code = (
        "import sys, softfloor\n"
        "extra = {'matplotlib', 'rich', 'typer', 'sympy', 'scipy', 'sklearn', 'mpmath'} & set(sys.modules)\n"
        "assert not extra, extra\n"
        "import softfloor.cli\n"
        "assert not {'rich', 'typer'} & set(sys.modules)\n"
        "from softfloor.plot import figure_of\n"
        "figure_of(['gelu'])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
