"""What the command line does where standard output takes nothing, or no more than ASCII."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Standard output in a buffer, as it is by default, and without one.
BUFFERING = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
WRITING = [["apply", "gelu", "x.npy", "y.npy"], ["plot", "gelu", "-o", "y.svg"]]
SILENT = [["info", "gelu"], ["list"], ["--version"], []]


def _run(arguments, output, **environment):
    command = [sys.executable, "-m", "softfloor.cli", *arguments]
    environment = os.environ | environment
    return subprocess.run(command, stdout=output, stderr=subprocess.PIPE, env=environment, text=True, timeout=120)


def _run_with_closed_pipe(arguments, **environment):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return _run(arguments, writing, **environment)
    finally:
        os.close(writing)


@FULL
@BUFFERING
@pytest.mark.parametrize("arguments", WRITING + SILENT, ids=lambda arguments: " ".join(arguments[:1]) or "help")
def test_full_standard_output(folder, arguments, unbuffered, one_sentence):
    with open("/dev/full", "w") as full:
        done = _run(arguments, full, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1
    one_sentence(done.stderr)
    assert "standard output: No space left on device" in done.stderr
    assert "nothing was written" not in done.stderr
    if arguments in WRITING:
        assert f"{arguments[-1]} is complete" in done.stderr
        assert sorted(os.listdir()) == ["x.npy", arguments[-1]]


@BUFFERING
@pytest.mark.parametrize("arguments", WRITING, ids=lambda arguments: arguments[0])
def test_closed_pipe_after_the_file_is_written(folder, arguments, unbuffered, one_sentence):
    done = _run_with_closed_pipe(arguments, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1
    one_sentence(done.stderr)
    assert "standard output is closed" in done.stderr
    assert f"{arguments[-1]} is complete" in done.stderr
    assert sorted(os.listdir()) == ["x.npy", arguments[-1]]


@BUFFERING
@pytest.mark.parametrize("arguments", SILENT, ids=lambda arguments: " ".join(arguments[:1]) or "help")
def test_closed_pipe_without_a_file_is_no_news(folder, arguments, unbuffered):
    done = _run_with_closed_pipe(arguments, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("failure", "code"),
    [(KeyboardInterrupt, 130), (SystemExit, 1), (BrokenPipeError, 1), (OSError(28, "no room"), 1)],
    ids=["interrupt", "exit of rich", "closed pipe", "full"],
)
def test_tour_keeps_its_report_where_it_cannot_be_printed(folder, softfloor, monkeypatch, failure, code, one_sentence):
    from softfloor import tour

    def fails(*_):
        raise failure

    monkeypatch.setattr(tour, "run", lambda *_: None)
    monkeypatch.setattr(tour, "html_of", lambda report: "<html>")
    monkeypatch.setattr(tour, "print_report", fails)
    done, _, error = softfloor("tour", "--out", "report")
    assert done == code
    one_sentence(error)
    assert f"{Path('report', 'tour.html')} is complete" in error
    assert Path("report/tour.html").read_text() == "<html>"


@pytest.mark.parametrize(
    "arguments",
    [[], ["list"], ["info", "gelu"], ["info", "softmax"], ["info", "swiglu"], *WRITING, ["apply", "--help"]],
    ids=lambda arguments: " ".join(arguments[:2]) or "help",
)
def test_ascii_is_enough_for_what_is_printed(folder, arguments):
    environment = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = _run(arguments, subprocess.PIPE, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
    assert "\\" not in done.stdout  # nothing had to be escaped


@pytest.mark.parametrize(
    "command", [["apply", "gelu", "x.npy"], ["plot", "gelu", "-o"]], ids=lambda command: command[0]
)
def test_names_beyond_ascii_are_escaped(folder, command):
    name = "\u00e4.npy" if command[0] == "apply" else "\u00e4.svg"
    done = _run([*command, name], subprocess.PIPE, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xe4" in done.stdout
    assert Path(name).exists()
