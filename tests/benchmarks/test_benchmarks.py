"""The benchmark: complete, its peers compute the same functions, its data and page are valid. No time is asserted."""

import importlib.util
import itertools
import json
import platform
import re
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

import softfloor as sf
from benchmarks import cells, cycles, data, operands, page, results, run, tables, timing, worker
from benchmarks.commands import app
from benchmarks.peers import COPY, OURS, PEERS, Absent
from benchmarks.statement import Statement
from softfloor import catalogue

ALL = list(cells.all_cells())

#: Relative to the largest result of an array: what any library's rounding stays within, and no other function's values.
TOLERANCE = {"float64": 1e-7, "float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}

#: torch.compile takes seconds per curve, so one of each kind stands for all.
COMPILED = ("gelu.value_and_derivative", "swiglu.vjp", "softmax_cross_entropy.value_and_grad")


def small(cell):
    """The cell at a size that is computed at once; its other fields stay."""
    return cell._replace(shape=(100,) if len(cell.shape) == 1 else (12, 12))


#: The kind of numbers changes nothing between these and the other variants.
NARROW = ("value", "vjp")
CASES = sorted(
    {small(cell) for cell in ALL if cell.part == cells.ONE and (cell.dtype == "float32" or cell.variant in NARROW)},
    key=lambda cell: cell.key,
)


@pytest.mark.parametrize("part", cells.PARTS)
def test_every_function_and_variant_has_cells(part):
    present = {cell.curve for cell in ALL if cell.part == part}
    documented = re.findall(r"^    (\w+) : Function$", sf.Activation.__doc__, re.MULTILINE)
    assert "vjp" in documented
    for name in catalogue.ACTIVATIONS:
        assert {f"{name}.value", *(f"{name}.{variant}" for variant in documented)} <= present
    for name in catalogue.GATES:
        assert {f"{name}.value", f"{name}.vjp"} <= present
    for name, record in catalogue.ROWS.items():
        for variant, offered in ("value", True), ("value_and_grad", hasattr(sf.get(name), "value_and_grad")):
            assert (f"{name}.{variant}" in present) == (cells.comparable(record) and offered)
    left_out = {name for name, record in catalogue.ROWS.items() if not cells.comparable(record)}
    assert left_out == {"linear_cross_entropy", "gumbel_softmax"}
    assert {"softmax_cross_entropy.value_and_grad", "sigmoid_cross_entropy.value_and_grad"} <= present


def test_every_cell_has_a_name_of_its_own():
    assert len({cell.key for cell in ALL}) == len(ALL)


@pytest.mark.filterwarnings("ignore")  # those of the peers
@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.label)
def test_peers_compute_what_softfloor_computes(peer):
    if not importlib.util.find_spec(peer.package):
        pytest.skip(f"{peer.package} is not installed")
    compared = 0
    for cell in CASES:
        if peer.module == "torch_compile" and (cell.curve not in COMPILED or cell.dtype != "float32"):
            continue
        arrays = operands.inputs(cell)
        (ours,) = OURS.statements(cell, arrays, 1)
        try:
            statements = peer.statements(cell, arrays, 1)
        except Absent as error:
            assert peer.module == "onnxruntime" or not error.args, f"{cell.key}: {error}"
            continue
        for statement in statements:
            with np.errstate(all="ignore"):
                computed = statement.result()
            expected = ours.result()
            assert len(computed) == len(expected)
            for theirs, our in zip(computed, expected, strict=True):
                assert theirs.shape == our.shape, f"{cell.key}: {statement.text}"
                theirs, our = theirs.astype(np.float64), our.astype(np.float64)
                bound = TOLERANCE[cell.dtype] * np.abs(our).max()
                np.testing.assert_allclose(theirs, our, 0, bound, err_msg=f"{cell.key}: {statement.text}")
            compared += 1
    assert compared


def test_given_outputs_are_written():
    for cell in CASES:
        if cell.out:
            (statement,) = OURS.statements(cell, operands.inputs(cell), 1)
            names = statement.names
            given = [array for name in ("h", "grads", "out") for array in _arrays(names.get(name, ()))]
            assert len(given) == cell.results
            statement.seconds(1)
            returned = _arrays(names["y"])
            assert all(any(array is one for one in returned) for array in given), cell.key
            assert not any((array == operands.FILLED).all() for array in given), cell.key


def _arrays(value):
    return value if isinstance(value, (tuple, list)) else (value,)


def test_copy_moves_the_bytes_of_the_cell():
    cell = next(cell for cell in ALL if cell.curve == "gelu.vjp" and cell.size == 1_000_000)
    assert cell.bytes == 12_000_000
    for threads in (1, 2):
        for statement in COPY.statements(cell, operands.inputs(cell), threads):
            source, target = statement.names["source"], statement.names["target"]
            assert source.nbytes + target.nbytes == cell.bytes
            source[:] = threads
            target[:] = 0
            statement.seconds(1)
            assert (target == threads).all()


class Clockwork:
    """A statement whose repetitions take a known time, every third sample ten times as long."""

    def __init__(self, name, seconds, log):
        self.name, self.each, self.log = name, seconds, log

    def seconds(self, number):
        self.log.append(self.name)
        return number * self.each * (10 if self.log.count(self.name) % 3 == 0 else 1)


def test_medians_of_interleaved_samples():
    log = []
    slow, fast, other, far = (
        Clockwork(name, each, log) for name, each in (("slow", 2e-2), ("fast", 1e-2), ("other", 1.5e-2), ("far", 1.0))
    )
    measured = timing.measure({"a": [slow, fast], "b": [other], "c": [far]}, timing.Effort(0.5, 3, 9))
    # 0.5 s pay for ten rounds of twice 25 ms, of which nine are allowed; what is far behind keeps its first sample.
    assert measured == {"a": (1e-2, 9), "b": (1.5e-2, 9), "c": (1.0, 1)}
    # All but the slowest run twice before, so that the first run may pay for memory.
    assert log[:7] == ["slow", "slow", "fast", "fast", "other", "other", "far"]
    rounds = log[7:]
    # Each sample follows a run to warm up.
    assert rounds[::2] == rounds[1::2]
    assert all(set(rounds[i : i + 4]) == {"fast", "other"} for i in range(0, len(rounds), 4))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A folder with the result of a small run."""
    folder = tmp_path_factory.mktemp("report")
    result = invoke("--no-compile", "--only", "silu.v* float32 100 *thread", "--output", str(folder))
    assert result.exit_code == 0, result.output
    return folder


def invoke(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_a_run_writes_data_page_and_figure(report):
    found = data.read(report / page.DATA)
    outcomes = results.outcomes(found)
    assert {o.cell.variant for o in outcomes} == {"value", "vjp", "value_and_derivative"}
    assert {o.cell.out for o in outcomes} == {False, True}
    for outcome in outcomes:
        assert outcome.cell in ALL
        assert all(0 < seconds < 1 for seconds in outcome.seconds.values())
        assert outcome.best in {peer.label for peer in PEERS}
        assert outcome.ratio == outcome.seconds[outcome.best] / outcome.ours
    assert found["parts"][cells.ONE]["threads"] == 1
    text = (report / page.PAGE).read_text()
    assert "`silu.value_and_derivative`" in text and str(report) not in text
    assert (report / page.FIGURE).read_text().startswith("<?xml")


def test_a_second_run_completes_the_first(report, tmp_path):
    folder = tmp_path / "report"
    shutil.copytree(report, folder)
    before = {data.key(record): record for record in data.read(folder / page.DATA)["cells"]}
    result = invoke("--no-compile", "--only", "relu.value float32 100 out= one thread", "--output", str(folder))
    assert result.exit_code == 0, result.output
    after = {data.key(record): record for record in data.read(folder / page.DATA)["cells"]}
    assert after.keys() - before.keys() == {"relu.value float32 100 out= one thread"}
    assert all(after[key] == record for key, record in before.items())


def test_data_of_another_machine_are_not_completed(report, tmp_path):
    found = data.read(report / page.DATA)
    found["machine"]["processor"] = "another"
    path = tmp_path / page.DATA
    path.write_text(json.dumps(found))
    result = invoke("--only", "relu.value", "--output", str(tmp_path))
    assert result.exit_code == 1 and "differ in processor" in result.output
    assert json.loads(path.read_text()) == found


def test_stale_pages_are_found(report, tmp_path):
    folder = tmp_path / "report"
    shutil.copytree(report, folder)
    check = ("--check", "--output", str(folder))
    assert invoke(*check).exit_code == 0
    (folder / page.PAGE).write_text((folder / page.PAGE).read_text().replace("silu", "gelu", 1))
    assert invoke(*check).exit_code == 1
    assert invoke("--page", "--output", str(folder)).exit_code == 0
    assert invoke(*check).exit_code == 0
    (folder / page.FIGURE).unlink()
    assert invoke(*check).exit_code == 1


def test_without_data_there_is_nothing_to_check(tmp_path):
    result = invoke("--check", "--output", str(tmp_path))
    assert result.exit_code == 1 and "stale" in result.output


def test_an_unknown_cell_is_refused(tmp_path):
    result = invoke("--only", "no such cell", "--output", str(tmp_path))
    assert result.exit_code == 1 and "--list" in result.output
    assert not list(tmp_path.iterdir())


def test_a_worker_that_dies_is_reported(monkeypatch):
    monkeypatch.setattr(run.sys, "executable", shutil.which("false"))
    facts, records, failures = run.run(ALL[:1], timing.QUICK, [], lambda cell: None)
    assert not facts and not records
    assert "ended with code 1" in failures[cells.ONE]


def test_ratios_below_one_are_bold_and_listed():
    cell = ALL[0]
    ahead = results.Outcome(cell, {OURS.label: 1e-6, "torch": 2e-6, "jax": 3e-6})
    behind = results.Outcome(cell._replace(out=True), {OURS.label: 4e-6, "torch": 2e-6, "copy": 1e-6})
    assert (ahead.best, ahead.ratio, behind.ratio, behind.share) == ("torch", 2.0, 0.5, 0.25)
    assert results.summary([ahead, behind]) == (2, 1, pytest.approx(1.0))
    summary, ratios, *rest = tables.tables([ahead, behind])
    assert summary.rows[0][2:4] == ["1 of 2", "1.00"]
    assert ratios.rows[0][1] == "2.00 / **0.50 torch**"
    assert rest[-1].rows[0][1:] == ["0.50", "torch", "2", "4"]


def test_axis_0_is_compared_with_the_last_axis():
    last = next(
        cell for cell in ALL if cell.curve == "softmax.value" and cell.shape == (1024, 1024) and cell.axis == -1
    )
    alone = last._replace(function="hardmax", axis=0)  # nothing to compare it with
    found = [
        results.Outcome(cell, {OURS.label: seconds, "torch": 1e-6})
        for cell, seconds in ((last, 2e-6), (last._replace(axis=0), 3e-6), (alone, 5e-6))
    ]
    (table,) = [table for table in tables.tables(found) if table.title == "Along axis 0"]
    assert table.rows == [["`softmax.value`", "1.50"]]
    assert "1,024 x 1,024 float32" in table.note


def test_a_peer_that_fails_is_reported_and_the_others_measured(monkeypatch):
    peer = PEERS[0]
    monkeypatch.setattr(peer.load(), "statements", lambda *_: [Statement("y = 1 / 0", {})])
    cell = next(cell for cell in ALL if cell.curve == "silu.value" and cell.part == cells.ONE)
    result = worker.measured(cell, 1, timing.QUICK, [peer.label], None)
    assert set(result["seconds"]) == {OURS.label}
    assert result["absent"] == {peer.label: "ZeroDivisionError: division by zero"}


def test_a_peer_far_behind_is_left_out_only_where_it_takes_long():
    cell = next(cell for cell in ALL if cell.curve == "silu.value" and cell.size == 10_000)
    before = {"cell": cell, "seconds": {OURS.label: 1e-5, "near": 3e-5, "far": 1e-4}, "absent": {"gone": "so"}}
    larger, largest = cell._replace(shape=(100_000,)), cell._replace(shape=(30_000_000,))
    assert not worker.hopeless("far", larger, before)
    assert worker.hopeless("far", largest, before)
    assert not worker.hopeless("near", largest, before)


@pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("objdump"), reason="reads x86-64 instructions")
@pytest.mark.parametrize("record", catalogue.ACTIVATIONS.values(), ids=lambda record: record.name)
def test_cycles_are_beside_the_loop_of_the_kernel(record):
    """A kernel under another name would have no count, or that of what calls it."""
    for variant, register in itertools.product(cycles.VARIANTS, cycles.REGISTERS.values()):
        counts = cycles.instructions_of(cycles.operation_of(record), variant, register)
        assert counts["operations"] >= (4 if record.exact else 20), (variant, register)
