"""Type stubs: up to date, complete, and understood by mypy."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import softfloor as sf
import stubs
from cases import CASES
from softfloor import _core

ROOT = Path(__file__).resolve().parents[1]


def test_the_stub_is_what_the_catalogue_gives():
    assert stubs.STUB.read_text() == stubs.text(), "run: python tools/stubs.py"


def test_check_finds_a_stale_stub(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["stubs.py", "--check"])
    assert stubs.main() == 0
    monkeypatch.setattr(stubs, "STUB", tmp_path / "__init__.pyi")
    assert stubs.main() == 1
    (tmp_path / "__init__.pyi").write_text(stubs.text() + "\n")
    assert stubs.main() == 1
    assert "python tools/stubs.py" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["stubs.py"])
    assert stubs.main() == 0
    assert (tmp_path / "__init__.pyi").read_text() == stubs.text()


def names_in(stub):
    """Names that a stub gives a module."""
    tree, found = ast.parse(stub.read_text()), set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname for alias in node.names if alias.asname}
        elif isinstance(node, ast.AnnAssign):
            found.add(ast.unparse(node.target))
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
    return found


def test_the_stub_names_what_the_package_has():
    found = {name for name in names_in(stubs.STUB) if not name.startswith("_")}
    assert found == set(sf.__all__) - {"__version__"}
    compiled = {name for name in dir(_core) if not name.startswith("_")}
    assert names_in(stubs.STUB.with_name("_core.pyi")) == compiled


def test_the_stub_knows_the_keywords_of_ufuncs():
    text = stubs.text()
    from softfloor.activation import _UFUNC_KEYWORDS

    assert all(f"        {keyword}: " in text for keyword in _UFUNC_KEYWORDS)


def test_signatures_say_the_operands():
    for case in CASES:
        shown = case.function.signature()
        assert shown.startswith(f"{case.name}({', '.join(case.function.operands)}, *")


def test_mypy():
    pytest.importorskip("mypy", reason="mypy belongs to the extra dev")
    command = [sys.executable, "-m", "mypy", "tests/typing/usage.py"]  # strict: pyproject.toml
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_shows_operands():
    assert "gate, up, cotangent" in repr(sf.swiglu.vjp)
    assert inspect.getdoc(sf.swiglu.vjp)
