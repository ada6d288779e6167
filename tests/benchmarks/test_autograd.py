"""The benchmark of softfloor.torch: complete, its contenders compute the same, its section valid; no time asserted."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="what is compared is PyTorch")

from benchmarks import autograd, page  # noqa: E402
from benchmarks.statement import as_numpy  # noqa: E402
from softfloor import catalogue  # noqa: E402

ALL = list(autograd.cases())
SMALL = sorted(
    {
        # In float64, where what torch's gelu loses in its tail is below any tolerance.
        case._replace(shape=(100,) if len(case.shape) == 1 else (6, 10), dtype="float64")
        for case in ALL
        if case.part == autograd.ONE and case.dtype == "float32"
    },
    key=lambda case: case.key,
)


def test_cases_have_names_of_their_own_and_cover_what_both_have():
    assert len({case.key for case in ALL}) == len(ALL)
    functions = {case.function for case in ALL}
    assert {"gelu", "silu", "softmax", "softmax_cross_entropy", "sigmoid_cross_entropy", "nll"} <= functions
    assert functions <= catalogue.RECORDS.keys()
    assert {case.passes for case in ALL} == set(autograd.PASSES)
    assert {case.function for case in autograd.cases(quick=True)} == functions


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.key)
def test_contenders_compute_the_same(case):
    statements = autograd.statements(case)
    assert list(statements) == [autograd.OURS, autograd.EAGER, autograd.COMPILED]
    del statements[autograd.COMPILED]  # which is the eager function, and takes seconds
    results = {label: statement.result() for label, statement in statements.items()}
    for ours, theirs in zip(*results.values(), strict=True):
        np.testing.assert_allclose(as_numpy(ours), as_numpy(theirs), rtol=1e-9, atol=1e-13)
    if case.passes == autograd.PASSES[1]:
        for statement in statements.values():
            saved = autograd.saved_bytes(statement)
            assert 0 <= saved["new"] <= saved["all"]


def test_the_section_of_the_page(tmp_path):
    records = []
    for number, case in enumerate(ALL):
        saved = {label: {"all": 400, "new": 0} for label in (autograd.OURS, autograd.EAGER, autograd.COMPILED)}
        seconds = {autograd.OURS: 2.0, autograd.EAGER: 1.0 + number % 4, autograd.COMPILED: 3.0}
        backward = case.passes == autograd.PASSES[1]
        records.append({"case": case._asdict(), "seconds": seconds, "saved bytes": saved if backward else {}})
    found = {"versions": {"torch": "2"}, "cases": json.loads(json.dumps(records))}
    text = autograd.markdown(found)
    assert "**0.50** / 1.50" in text
    assert "| `gelu`, forward + backward |" in text
    assert "at least twice as fast as eager torch in" in text
    (tmp_path / autograd.OUTPUT.name).write_text(json.dumps(found))
    (written,) = page.files(tmp_path).values()
    assert "## softfloor.torch beside torch" in written
    for case in ALL:
        assert autograd.case_of({"case": json.loads(json.dumps(case._asdict()))}) == case
