"""softfloor.jax is imported when asked for, and says what it needs."""

import doctest
import inspect
import re
from pathlib import Path

import pytest

from processes import output_of, run_python
from softfloor import catalogue


def test_softfloor_imports_no_jax():
    assert (
        output_of("import sys, softfloor; print('jax' in sys.modules, 'softfloor.jax' in sys.modules)") == "False False"
    )


def test_without_jax_it_says_how_to_install_it():
    done = run_python("import sys; sys.modules['jax'] = None; import softfloor.jax")
    assert done.returncode == 1
    assert "ImportError: softfloor.jax needs jax, which is not installed: pip install 'softfloor[jax]'" in done.stderr


def test_examples_of_generated_docstrings():
    pytest.importorskip("jax", reason="softfloor.jax needs the extra jax")
    import softfloor.jax as sj

    runner, report = doctest.DocTestRunner(), []
    for name in catalogue.ACTIVATIONS:
        test = doctest.DocTestParser().get_doctest(inspect.getdoc(sj.get(name)), {}, name, None, 0)
        assert test.examples, name
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_examples_of_the_page():
    """Those that need other packages are headed so, and are parsed only."""
    pytest.importorskip("jax", reason="softfloor.jax needs the extra jax")
    page, names = (Path(__file__).parents[1] / "docs" / "jax.md").read_text(), {}
    blocks = re.findall(r"([^\n]*)\n\n```python\n(.*?)```", page, re.DOTALL)
    run = [block for heading, block in blocks if "(needs `" not in heading]
    assert len(blocks) - len(run) == 2
    for heading, block in blocks:
        code = compile(block, heading or "docs/jax.md", "exec")
        if block in run:
            exec(code, names)
    assert names["p"][1].tolist() == [0, 0, 0]
    assert names["loss"] > 0
