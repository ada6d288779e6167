"""A folder with an input file, and a way to run commands in it."""

import numpy as np
import pytest

from softfloor import commands


@pytest.fixture
def array():
    return np.linspace(-6, 6, 210).reshape(5, 6, 7)


@pytest.fixture
def folder(tmp_path, monkeypatch, array):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    np.save("x.npy", array)
    return tmp_path


@pytest.fixture
def softfloor(capsys):
    """Run a command; gives exit code, standard output and standard error."""

    def run(*arguments):
        code = commands.run([str(argument) for argument in arguments])
        out, error = capsys.readouterr()
        return code, out, error

    return run


@pytest.fixture
def one_sentence():
    """Check an error message: one line that names the program."""

    def check(error):
        assert error.startswith("softfloor: ")
        assert error.count("\n") == 1
        assert "Traceback" not in error

    return check
