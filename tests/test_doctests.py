"""Runs the examples of the package's docstrings: those of its modules, and those made from the catalogue."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import softfloor as sf
from cases import CASES

# The command line and the tour have tests of their own; their modules need the extra to be imported.
MODULES = [
    "softfloor",
    *(
        module.name
        for module in pkgutil.walk_packages(sf.__path__, "softfloor.")
        if not module.name.startswith(("softfloor._", "softfloor.cli", "softfloor.tour", "softfloor.plot"))
    ),
]


#: Where modules that need a framework begin, and the framework.
FRAMEWORKS = {"softfloor.torch": "torch", "softfloor.jax": "jax"}


def run(tests):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    report = []
    for test in tests:
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
    return runner.tries


@pytest.mark.parametrize("name", MODULES)
def test_modules(name):
    for begin, framework in FRAMEWORKS.items():
        if name.startswith(begin):
            pytest.importorskip(framework, reason=f"{begin} is tested where {framework} is installed")
    run(doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_generated_docstrings(case):
    text = inspect.getdoc(case.function)
    assert run([doctest.DocTestParser().get_doctest(text, {}, case.name, None, 0)]) > 0


def test_the_finder_finds():
    """The examples of classes and methods are among those run above."""
    names = {
        test.name
        for test in doctest.DocTestFinder().find(importlib.import_module("softfloor.soft_maximum"))
        if test.examples
    }
    assert {f"softfloor.soft_maximum.{name}" for name in ("Softmax", "Softmax.vjp", "Logsumexp.jacobian")} <= names
