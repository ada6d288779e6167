"""softfloor.jax is imported when asked for, and says what it needs."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

from processes import output_of, run_python


def test_softfloor_imports_no_jax():
    assert (
        output_of("import sys, softfloor; print('jax' in sys.modules, 'softfloor.jax' in sys.modules)") == "False False"
    )


def test_without_jax_it_says_how_to_install_it():
    done = run_python("import sys; sys.modules['jax'] = None; import softfloor.jax")
    assert done.returncode == 1
    assert "ImportError: softfloor.jax needs jax, which is not installed: pip install 'softfloor[jax]'" in done.stderr


def test_examples_of_docstrings():
    sj = pytest.importorskip("softfloor.jax", reason="softfloor.jax needs the extra jax")
    modules = [sj, *(importlib.import_module(m.name) for m in pkgutil.iter_modules(sj.__path__, "softfloor.jax."))]
    tests = [test for module in modules for test in doctest.DocTestFinder(exclude_empty=True).find(module)]
    for name in sj.functions():
        text = inspect.getdoc(sj.get(name))
        tests.append(doctest.DocTestParser().get_doctest(text, {}, name, None, 0))
        assert tests[-1].examples, name
    runner, report = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE), []
    for test in tests:
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
