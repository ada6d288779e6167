"""The other commands, and what happens without the extra that they need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import softfloor as sf


@pytest.mark.parametrize("name", ["f.png", "f.svg", "f.pdf", "f.PNG"])
def test_plot(folder, softfloor, name):
    assert softfloor("plot", "relu", "gelu", "silu", "--derivative", "--landmarks", "-o", name) == (0, f"{name}\n", "")
    assert os.path.getsize(name) > 3000


@pytest.mark.parametrize("name", sf.functions())
def test_info(folder, softfloor, name):
    code, out, error = softfloor("info", name)
    assert (code, error) == (0, "")
    assert f"softfloor.{name}" in out


def test_info_shows_all_facts(folder, softfloor):
    out = softfloor("info", "gelu")[1]
    for text in ("-0.16997120747990", "-0.75179152469356", "1.12890414518515", "Hendrycks", "erfc"):
        assert text in out


def test_list_version_and_help(folder, softfloor):
    out = softfloor("list")[1]
    assert all(name in out for name in sf.functions())
    assert softfloor("--version") == (0, f"softfloor {sf.__version__}\n", "")
    code, out, _ = softfloor()
    assert code == 0
    assert all(command in out for command in ("tour", "apply", "plot", "info", "list"))
    code, out, _ = softfloor("apply", "--help")
    assert code == 0
    assert "softfloor apply softmax logits.npz p.npz --axis 1" in out
    assert "bfloat16" in out


def test_tour_writes_its_report_and_replaces_it(folder, softfloor, monkeypatch):
    from softfloor import tour

    runs = {}
    real = tour.run

    def quick_and_once(seed, quick, progress):
        if seed not in runs:
            runs[seed] = real(seed, True, progress)
        return runs[seed]

    monkeypatch.setattr(tour, "run", quick_and_once)
    code, out, error = softfloor("tour", "--out", "a/b", "--seed", "3")
    assert (code, error, list(runs)) == (0, "", [3])
    assert "Verdicts" in out
    # Beside the lines of tables, for which rich has others, terminals need no more than ASCII.
    assert all(character.isascii() or "\u2500" <= character <= "\u257f" for character in out)
    page = Path("a/b/tour.html").read_text()
    assert "seed 3" in page
    Path("a/b/tour.html").write_text("old")
    assert softfloor("tour", "--out", "a/b", "--seed", "3")[0] == 0
    assert Path("a/b/tour.html").read_text() != "old"
    assert os.listdir("a/b") == ["tour.html"]


@pytest.mark.parametrize(
    ("missing", "arguments", "code"),
    [
        ("typer", [], 1),
        ("rich", ["list"], 1),
        ("matplotlib", ["plot", "gelu", "-o", "y.png"], 1),
        ("sklearn", ["tour"], 1),
        ("sympy", ["tour", "--quick"], 1),
        ("matplotlib", ["list"], 0),
        ("sklearn", ["apply", "gelu", "x.npy", "y.npy"], 0),
    ],
)
def test_missing_extra_is_named_in_one_line(folder, missing, arguments, code, one_sentence):
    hide = f"import sys; sys.modules[{missing!r}] = None; from softfloor.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", hide, *arguments], capture_output=True, text=True)
    assert done.returncode == code
    if code:
        one_sentence(done.stderr)
        assert "pip install 'softfloor[tour]'" in done.stderr
        assert os.listdir() == ["x.npy"]
