"""Completeness: a record, its kernels, its export, its documentation, and nothing that no record names."""

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import softfloor as sf
from cases import CASES
from softfloor import _core, catalogue, facts, formula
from softfloor.catalogue.record import Activation, Gate, struct_name

ROOT = Path(__file__).resolve().parents[1]
SECTIONS = ("Parameters", "Returns", "Raises", "References", "Examples")
every_name = pytest.mark.parametrize("name", catalogue.RECORDS)
every_activation_record = pytest.mark.parametrize(
    "record", catalogue.ACTIVATIONS.values(), ids=lambda record: record.name
)


def expected_kernels():
    for record in catalogue.RECORDS.values():
        if isinstance(record, Activation):
            yield from ((record.name, v) for v in ("value", "derivative", "value_and_derivative", "vjp"))
            yield from ((record.name, f"{parameter}_derivative") for parameter in record.parameter_slopes)
            parts = ("", "_vjp", "_value_and_vjp")
            yield from ((record.name, f"{kind}{part}") for kind in ("gated", "gated_after") for part in parts)
        elif isinstance(record, Gate):
            yield from ((record.name, v) for v in ("value", "vjp", "value_and_vjp") if record.softcaps)
        else:
            yield from ((record.name, kernel.variant) for kernel in record.kernels)


def test_kernels_are_those_of_the_catalogue():
    assert sorted(_core.kernels()) == sorted(expected_kernels())
    for name in sf.cpu.available():
        with sf.cpu.use(name):
            assert sorted(_core.kernels()) == sorted(expected_kernels())


def test_a_kernel_that_is_not_there():
    with pytest.raises(LookupError, match="no kernel nothing of gelu"):
        _core.make_ufunc("gelu", "nothing", "gelu.nothing", "")


def test_functions_are_those_of_the_catalogue():
    assert sorted(sf.functions()) == sorted(catalogue.RECORDS)
    assert set(catalogue.RECORDS) == {*catalogue.ACTIVATIONS, *catalogue.GATES, *catalogue.ROWS}
    assert len(catalogue.RECORDS) == sum(len(records) for records in catalogue.FAMILIES.values())


def test_exports():
    assert {*catalogue.RECORDS, "get", "functions", "cpu", "threads", "catalogue"} <= set(sf.__all__)
    assert all(hasattr(sf, name) for name in sf.__all__)
    assert len(set(sf.__all__)) == len(sf.__all__)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", sf.__version__)
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        sf.nothing_of_the_kind  # noqa: B018


@every_name
def test_get(name):
    assert sf.get(name) is getattr(sf, name)
    assert sf.get(name).record is catalogue.RECORDS[name]


@every_name
def test_records_are_whole(name):
    record = catalogue.RECORDS[name]
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", record.name)
    assert record.title
    assert record.title[0].isupper()
    assert record.summary.endswith(".")
    assert record.references
    assert all(re.search(r"\b(1[89]|20)\d\d\b", reference) for reference in record.references), "a reference has a year"
    with pytest.raises(AttributeError):
        record.name = "other"


@pytest.mark.parametrize("name", catalogue.ROWS)
def test_operands_are_those_that_a_call_needs(name):
    parameters = inspect.signature(sf.get(name)).parameters.values()
    assert list(catalogue.ROWS[name].operands) == [p.name for p in parameters if p.default is p.empty]


HEADERS = {path.stem: path.read_text() for path in (ROOT / "csrc" / "ops").glob("*.hpp")}
LOOPS = [path.read_text() for path in (ROOT / "csrc" / "isa").iterdir()]


@pytest.mark.parametrize("header", sorted(HEADERS))
def test_headers_in_c_serve_a_record(header):
    """Each holds a struct that a record names, or is there for those that do."""
    named = {struct_name(name) for name in catalogue.ACTIVATIONS}
    named |= {kernel.struct for record in catalogue.ROWS.values() for kernel in record.kernels}
    defined = set(re.findall(r"\b(?:struct|using) (\w+)", HEADERS[header]))
    included = any(f'#include "{header}.hpp"' in text for text in HEADERS.values())
    included |= any(f'#include "../ops/{header}.hpp"' in text for text in LOOPS)
    assert named & defined or included


@pytest.mark.parametrize("family", catalogue.FAMILIES)
def test_families_here_have_one_in_c(family):
    """A family of activations has its structs in the header of its name."""
    records = [record for record in catalogue.FAMILIES[family] if isinstance(record, Activation)]
    if not records:
        pytest.skip("no activation of its own")
    for record in records:
        assert re.search(rf"\bstruct {struct_name(record.name)}\b", HEADERS[family])


def documented():
    for name in catalogue.RECORDS:
        function = sf.get(name)
        yield name, function
        if name in catalogue.ROWS:
            for method, value in inspect.getmembers(function, inspect.ismethod):
                if not method.startswith("_"):
                    yield f"{name}.{method}", value
    for case in CASES:
        if "." in case.name:
            yield case.name, case.function


@pytest.mark.parametrize(("name", "function"), [pytest.param(*pair, id=pair[0]) for pair in documented()])
def test_docstrings(name, function):
    text = inspect.getdoc(function)
    first, second = text.splitlines()[:2]
    assert first.endswith(".") or ":" in first
    assert second == ""
    method = "." in name and name.split(".")[0] in catalogue.ROWS
    for section in ("Parameters", "Returns", "Examples") if method else SECTIONS:
        assert re.search(rf"^{section}\n-{{{len(section)}}}$", text, re.MULTILINE), section
    assert ">>> " in text
    documented_names = set(
        re.findall(r"^(\w[\w, ]*?) :", text, re.MULTILINE) + re.findall(r"^(\w[\w, ]*)$", text, re.MULTILINE)
    )
    documented_names = {part.strip() for entry in documented_names for part in entry.split(",")}
    if isinstance(function, sf.Function):
        expected = {*function.operands, *function.parameters, "out", "where", "dtype"}
    else:
        signature = inspect.signature(function)
        expected = {p.name for p in signature.parameters.values()}
    assert expected <= documented_names, expected - documented_names


def test_docstrings_reach_the_ufunc():
    for case in CASES:
        assert inspect.getdoc(case.function) in case.function.ufunc.__doc__


@every_activation_record
def test_text_of_formulas_evaluates(record):
    """The text that users see is the formula: read back as Python it gives the same numbers."""
    names = {name: getattr(formula.numpy(), name) for name in ("exp", "log", "sqrt", "tanh", "cosh", "erfc", "sigmoid")}
    settings = {parameter.name: parameter.default * 0.75 for parameter in record.parameters}
    for function in (record.formula, record.slope, *record.parameter_slopes.values()):
        text = formula.text_of(function, record).replace("^", "**")
        for x in (-3.5, -0.25, 0.75, 2.0):
            value = eval(text, {}, {**names, **settings, "pi": np.pi, "x": x})
            assert float(value) == pytest.approx(float(function(formula.numpy(), x, *settings.values())), rel=1e-13)


@every_activation_record
def test_latex_of_formulas(record):
    sympy = pytest.importorskip("sympy")
    mathtext = pytest.importorskip("matplotlib.mathtext")
    for function in (record.formula, record.slope):
        latex = formula.latex_of(function, record)
        assert "x" in latex
        assert latex.count("{") == latex.count("}")
        if not record.facts.kinks:  # Matplotlib knows no environments, which pieces need
            mathtext.MathTextParser("path").parse(f"${latex}$")
    assert sympy


@every_activation_record
def test_facts_are_shown(record):
    rows = facts.rows(record)
    labels = [label for label, _ in rows]
    assert {"value", "derivative", "value range", "value limits", "derivative range", "Lipschitz constant"} <= set(
        labels
    )
    assert labels.count("kink") == len(record.facts.kinks)
    assert labels.count("reference") == len(record.references)
    assert all(text for _, text in rows)
    assert sf.get(record.name).info is record.facts


def test_nothing_is_typed_twice():
    """Adding a function touches the catalogue and csrc/ops: no other source of the package names one."""
    source = ROOT / "src" / "softfloor"
    for path in ("activation.py", "docstrings.py", "facts.py", "formula.py", "cpu.py", "threads.py"):
        tree = ast.parse((source / path).read_text())
        named = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        # sigmoid and tanh are verbs of formulas, too.
        assert not named & (set(catalogue.RECORDS) - {"sigmoid", "tanh"}), path
