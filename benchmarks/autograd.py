"""softfloor.torch beside torch itself, eager and compiled: forward alone, forward and backward, and what is saved.

    python -m benchmarks.autograd [--quick] [--only NAME] [--output FOLDER]

Writes autograd.json, from which `python -m benchmarks --page` makes a section of the page. With --only, what was
measured before in the same folder is kept and completed. Each number of threads runs in a process of its own, in which
the contenders take turns, as in the rest of the benchmark.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from statistics import geometric_mean
from typing import Any, NamedTuple

from softfloor import catalogue, formula

from . import data, machine, operands, timing, worker
from .cells import ALL, ONE, ROWS, Cell, comparable
from .statement import Absent, Statement

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "autograd.json"
OURS, EAGER, COMPILED = "softfloor.torch", "torch", "torch.compile"
PASSES = ("forward", "forward + backward")
DTYPES = ("float32", "bfloat16")
SIZES, QUICK_SIZES = (10_000, 100_000, 1_000_000, 10_000_000), (100_000,)
QUICK_SHAPES = ((1024, 1024),)
#: What must be at least twice as fast as eager torch, forward and backward, from so many elements on.
TWICE, TWICE_FROM = ("silu", "gelu", "softmax", "softmax_cross_entropy", "swiglu"), 1_000_000


class Case(NamedTuple):
    """What is measured: a function, forward alone or with its backward pass, on logits of a shape, rows last."""

    part: str
    function: str
    passes: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def key(self) -> str:
        """What ``--only`` looks in: ``gelu forward + backward float32 100000 one thread``."""
        return f"{self.function} {self.passes} {self.dtype} {'x'.join(map(str, self.shape))} {self.part}"

    @property
    def cell(self) -> Cell:
        """The cell of the rest of the benchmark that has the same operands."""
        elementwise = self.function in catalogue.ACTIVATIONS
        return Cell(self.part, self.function, "value", self.dtype, self.shape, None if elementwise else -1, False)


def cases(quick: bool = False) -> Iterator[Case]:
    """Every case that softfloor.torch and torch both have."""
    import softfloor.torch as st

    for part in (ONE, ALL):
        for name, record in catalogue.RECORDS.items():
            if not hasattr(st, name) or (isinstance(record, catalogue.Rows) and not comparable(record)):
                continue
            try:
                theirs(name)
            except Absent:
                continue
            elementwise = name in catalogue.ACTIVATIONS
            rows = QUICK_SHAPES if quick else [shape for shape, axis in ROWS if axis == -1]
            shapes = [(size,) for size in (QUICK_SIZES if quick else SIZES)] if elementwise else rows
            for passes in PASSES:
                for dtype in DTYPES[: 1 if quick else 2]:
                    for shape in shapes:
                        yield Case(part, name, passes, dtype, shape)


def theirs(name: str) -> Callable[..., Any]:
    """torch's own function, rows along the last dimension; raises Absent if it has none."""
    import torch

    from .peers.torch import LOSSES, function

    if name in LOSSES:
        found: Callable[..., Any] = getattr(torch.nn.functional, LOSSES[name])
        return found
    if name in catalogue.GATES and (softcaps := catalogue.GATES[name].softcaps):
        caps, xp = [parameter.default for parameter in softcaps], formula.torch()
        return lambda gate, up: catalogue.gates.softcapped(xp, gate, up, *caps)
    if name in catalogue.GATES:
        activation = function(catalogue.GATES[name].activation)
        return lambda gate, up: activation(gate) * up
    if name in catalogue.ROWS:
        if name == "softmin":
            return lambda z: torch.softmax(-z, -1)
        if not hasattr(torch, name):
            raise Absent
        return lambda z: getattr(torch, name)(z, -1)
    return function(name)


def statements(case: Case) -> dict[str, Statement]:
    """By contender, forward with no gradient wanted, or forward and backward."""
    import torch

    import softfloor.torch as st

    from .peers.torch import tensor

    torch._dynamo.reset()
    eager = theirs(case.function)
    functions = {
        OURS: getattr(st, case.function),
        EAGER: eager,
        COMPILED: torch.compile(lambda *given: eager(*given), fullgraph=True),
    }
    names = {name: tensor(array) for name, array in operands.inputs(case.cell).items()}
    given = ", ".join(names)
    text, within = f"y = f({given})", torch.no_grad
    if case.passes == PASSES[1]:
        leaves = [name for name in names if name != "labels"]
        for name in leaves:
            names[name] = names[name].clone().requires_grad_()
        value = eager(*names.values())
        cotangent = torch.ones_like(value).normal_() if value.ndim else None
        text = f"y = grad(f({given}), ({', '.join(leaves)},), cotangent)"
        names |= {"cotangent": cotangent, "grad": torch.autograd.grad}
        within = torch.enable_grad
    return {label: Statement(text, {**names, "f": function}, within) for label, function in functions.items()}


def saved_bytes(statement: Statement) -> dict[str, int]:
    """What a backward pass is kept waiting with: all of it, and what is no operand and exists for it alone."""
    import torch

    names = statement.names
    known = {value.data_ptr() for value in names.values() if isinstance(value, torch.Tensor)}
    saved: dict[int, int] = {}

    def note(tensor: Any) -> Any:
        saved[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    forward = statement.text.partition("f(")[2].partition(")")[0].split(", ")
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = names["f"](*(names[name] for name in forward))
    known.add(result.data_ptr())
    return {"all": sum(saved.values()), "new": sum(size for place, size in saved.items() if place not in known)}


def measure_part(part: str, keys: list[str], quick: bool) -> None:
    """In a process of its own: prints one JSON line per case."""
    import torch

    import softfloor as sf

    if part != ALL:
        worker.pin()
    threads = len(os.sched_getaffinity(0)) if part == ALL and hasattr(os, "sched_getaffinity") else 1
    torch.set_num_threads(threads)
    sf.threads.set(threads)
    warnings.simplefilter("ignore")
    for case in cases(quick):
        if case.part != part or case.key not in keys:
            continue
        contenders = statements(case)
        saved = {}
        if case.passes == PASSES[1]:
            saved = {label: saved_bytes(statement) for label, statement in contenders.items()}
        for statement in contenders.values():
            statement.seconds(1)
        effort = timing.QUICK if quick else timing.FULL
        times = timing.measure({label: [s] for label, s in contenders.items()}, effort, 1e-3 if threads > 1 else 0.0)
        seconds = {label: float(f"{found.seconds:.4g}") for label, found in times.items()}
        print(json.dumps({"case": case._asdict(), "seconds": seconds, "saved bytes": saved}), flush=True)


def run(chosen: list[Case], quick: bool) -> list[dict[str, Any]]:
    records = []
    for part in dict.fromkeys(case.part for case in chosen):
        request = json.dumps([case.key for case in chosen if case.part == part])
        command = [sys.executable, "-m", "benchmarks.autograd", "--part", part, *(["--quick"] if quick else [])]
        environment = {**os.environ, **machine.environment(part)}
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.write(request)
            process.stdin.close()
            for line in process.stdout:
                records.append(json.loads(line))
                print(key(records[-1]), records[-1]["seconds"], flush=True)
        if process.returncode:
            raise SystemExit(f"the process of {part} ended with code {process.returncode}")
    return records


def key(record: dict[str, Any]) -> str:
    return case_of(record).key


def case_of(record: dict[str, Any]) -> Case:
    return Case(**{**record["case"], "shape": tuple(record["case"]["shape"])})


# ---------------------------------------------- the section of docs/performance.md
def markdown(found: dict[str, Any]) -> str:
    records = found["cases"]
    versions = ", ".join(f"{label} {text}" for label, text in found["versions"].items())
    text = (
        "## softfloor.torch beside torch\n\nWritten by `python -m benchmarks.autograd`. Each function on the same "
        "tensors, forward with no gradient wanted, and forward with the backward pass (`torch.autograd.grad`); "
        f"contenders take turns in one process. {versions}.\n\n{summary(records)}"
    )
    for part in dict.fromkeys(record["case"]["part"] for record in records):
        for dtype in DTYPES:
            for wanted in (True, False):
                members = [
                    record
                    for record in records
                    if (record["case"]["part"], record["case"]["dtype"]) == (part, dtype)
                    and (record["case"]["function"] in catalogue.ACTIVATIONS) == wanted
                ]
                if members:
                    text += f"\n### softfloor.torch, {part}, {dtype}{'' if wanted else ', rows and gates'}\n\n"
                    text += "Time of torch eager / torch.compile over ours; below 1 in bold.\n\n" + ratios(members)
    return text + "\n### What is saved for the backward pass\n\n" + saved(records)


def ratio(record: dict[str, Any], label: str) -> float:
    return float(record["seconds"][label] / record["seconds"][OURS])


def summary(records: list[dict[str, Any]]) -> str:
    rows = []
    for passes in PASSES:
        for label in (EAGER, COMPILED):
            every = [ratio(record, label) for record in records if record["case"]["passes"] == passes]
            if every:
                ahead = sum(value >= 1 for value in every)
                rows.append([passes, label, f"{ahead} of {len(every)}", f"{geometric_mean(every):.2f}"])
    text = markdown_table(["", "beside", "ratio at least 1", "geometric mean"], rows)
    large = [
        record
        for record in records
        if record["case"]["passes"] == PASSES[1]
        and record["case"]["function"] in TWICE
        and prod(record["case"]["shape"]) >= TWICE_FROM
    ]
    if large:
        twice = sum(ratio(record, EAGER) >= 2 for record in large)
        text += (
            f"\nForward and backward of {', '.join(TWICE)} at {TWICE_FROM:,} elements and more: at least twice as fast "
            f"as eager torch in {twice} of {len(large)} cells.\n"
        )
    return text


def ratios(records: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(tuple(record["case"]["shape"]) for record in records))
    lines: dict[str, dict[tuple[int, ...], str]] = {}
    for record in records:
        case = case_of(record)
        both = [ratio_text(ratio(record, label)) for label in (EAGER, COMPILED)]
        lines.setdefault(f"`{case.function}`, {case.passes}", {})[case.shape] = " / ".join(both)
    names = [" x ".join(f"{n:,}" for n in shape) for shape in columns]
    rows = [[line, *(found.get(shape, "") for shape in columns)] for line, found in lines.items()]
    return markdown_table(["", *names], rows)


def ratio_text(value: float) -> str:
    return f"{value:.2f}" if value >= 1 else f"**{value:.2f}**"


def saved(records: list[dict[str, Any]]) -> str:
    """Bytes per element of the first operand, at the largest size of each function."""
    largest: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        if record["saved bytes"]:
            largest[record["case"]["function"], record["case"]["dtype"]] = record
    rows = []
    for (function, dtype), record in largest.items():
        size = prod(record["case"]["shape"])
        rows.append([f"`{function}`", dtype])
        for label in (OURS, EAGER, COMPILED):
            each = record["saved bytes"][label]
            rows[-1].append(f"{each['all'] / size:.3g} ({each['new'] / size:.3g})")
    note = (
        "Bytes per element, as `torch.autograd.graph.saved_tensors_hooks` sees them, each tensor once; in brackets "
        "what is neither an operand nor the result, and exists for the backward pass alone.\n\n"
    )
    return note + markdown_table(["", "dtype", OURS, EAGER, COMPILED], rows)


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one size of each function, float32")
    parser.add_argument("--only", help="only cases with this in their name, such as 'gelu*backward*float32'")
    parser.add_argument("--output", type=Path, default=OUTPUT.parent, help="the folder to write into")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        measure_part(arguments.part, json.load(sys.stdin), arguments.quick)
        return
    chosen = [case for case in cases(arguments.quick) if fnmatch.fnmatchcase(case.key, f"*{arguments.only or ''}*")]
    if not chosen:
        parser.error(f"no case has {arguments.only!r} in its name")
    path = arguments.output / OUTPUT.name
    records = {key(record): record for record in run(chosen, arguments.quick)}
    if arguments.only and path.exists():
        records = {key(record): record for record in json.loads(path.read_text())["cases"]} | records
    versions = {name: text for name, text in machine.describe()["versions"].items() if name in ("softfloor", "torch")}
    lines = ",\n".join(f"  {json.dumps(record)}" for record in records.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    data.write_text(path, f'{{\n "versions": {json.dumps(versions)},\n "cases": [\n{lines}\n ]\n}}\n')


if __name__ == "__main__":
    main()
