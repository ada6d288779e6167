"""Cycles per vector of the float32 kernels beside what their instructions need at least; writes docs/cycles.json.

python -m benchmarks.cycles

The bound counts the instructions of the kernel's loop per vector, as the extension module has them, against what the
processor starts per cycle, which a program in C measures (ports.c, with the clock). Loads, stores and register copies
run beside them and do not count. Needs objdump (binutils) and a C compiler.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import softfloor as sf
from softfloor import _core, catalogue
from softfloor.catalogue.record import Activation, struct_name

from . import machine

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "cycles.json"
VARIANTS = {"value": "Value", "derivative": "Derivative", "value_and_derivative": "ValueAndDerivative", "vjp": "Vjp"}
REGISTERS = {"v4": "zmm", "v3": "ymm"}
SOURCE = Path(__file__).with_name("ports.c")


@dataclass(frozen=True)
class Ports:
    """What starts per cycle, of vectors of one width; but cycles per division of floats."""

    #: Of all kinds, in the mixture that goes fastest: no other is known to need less.
    operations: float
    multiplications: float
    multiplications_and_additions: float
    division: float


_MULTIPLY = re.compile(r"^v(?:fn?m(?:add|sub)\d*|mul|div)ps$")
_ADD = re.compile(r"^v(?:add|sub)ps$")
_FREE = re.compile(r"^v(?:mov|broadcast|pbroadcast)")


def _number(match: re.Match[str]) -> str:
    """A number among template arguments, of which older demanglers give the bits."""
    (number,) = struct.unpack(">d", bytes.fromhex(match[1]))
    return str(number)


@cache
def _bodies() -> dict[str, list[list[str]]]:
    command = ["objdump", "--disassemble", "--demangle", "--no-show-raw-insn", _core.__file__]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    bodies: dict[str, list[list[str]]] = {}
    current: list[str] | None = None
    for line in text.splitlines():
        header = re.fullmatch(r"[0-9a-f]+ <(.*)>:", line)
        if header:
            # Of kernels with a loop for two vectors side by side and one for four: the former.
            match = re.match(
                r".*?softfloor::.*?::(?:run|run_wide|compute_covered)<(.*?)(?:, 2ul)?>\(void const\* const\*", header[1]
            )
            current = [] if match else None
            if match:
                name = match[1].replace("softfloor::", "").replace("(anonymous namespace)::", "")
                name = re.sub(r"\(double\)\[(\w{16})\]", _number, name)
                bodies.setdefault(name, []).append(current)  # type: ignore[arg-type]
        elif current is not None and line.strip():
            current.append(line)
    return bodies


def _loops(body: list[str]) -> list[list[str]]:
    """The instructions of each loop without loops inside: from the target of a backward jump to the jump."""
    addresses = [int(line.split(":")[0], 16) for line in body]
    position = {address: i for i, address in enumerate(addresses)}
    found = []
    for i, line in enumerate(body):
        jump = re.search(r"\tj\w+\s+([0-9a-f]+)", line)
        if jump and (start := position.get(int(jump[1], 16), i + 1)) <= i:
            found.append((start, i))
    inner = [(a, b) for a, b in found if not any(a <= c and d < b for c, d in found)]
    return [[line.split("\t", 1)[1] for line in body[a : b + 1] if "\t" in line] for a, b in inner]


def _vectors(loop: list[str], register: str, outputs: int) -> int:
    """How many vectors a loop takes at once, by what it stores beside the stack."""
    stores = [line for line in loop if re.match(rf"vmov\w+\s+%{register}\d+,[^%]*\(%(?!rsp|rbp)", line)]
    return max(1, len(stores) // outputs)


def instructions(kernel: str, register: str, outputs: int) -> dict[str, float] | None:
    """Counts per vector of the loop that computes in 32-bit floats only: it has no 64-bit arithmetic.

    Of such loops, those count that take the most vectors side by side, and none that only looks for the largest number;
    if there are two, that for numbers near 0, as are those that are measured: it has the shorter tables.
    """
    found: list[tuple[int, dict[str, float]]] = []
    for body in _bodies().get(kernel, []):
        text = "\n".join(body)
        if f"%{register}" not in text or (register != "zmm" and "%zmm" in text):
            continue
        for loop in _loops(body):
            vector = [line for line in loop if f"%{register}" in line]
            names = [line.split()[0] for line in vector if not _FREE.match(line.split()[0])]
            if not names or any(name.endswith("pd") for name in names):
                continue
            vectors = _vectors(loop, register, outputs)
            counts = {
                "operations": round(len(names) / vectors, 1),
                "multiplications": sum(bool(_MULTIPLY.match(name)) for name in names) / vectors,
                "additions": sum(bool(_ADD.match(name)) for name in names) / vectors,
                "divisions": names.count("vdivps") / vectors,
            }
            found.append((vectors, counts))
    most = max((counts["operations"] for _, counts in found), default=0.0)
    found = [(vectors, counts) for vectors, counts in found if counts["operations"] > most / 4]
    widest = max((vectors for vectors, _ in found), default=0)
    return min((counts for vectors, counts in found if vectors == widest), key=lambda c: c["operations"], default=None)


def instructions_of(operation: str, variant: str, register: str) -> dict[str, float] | None:
    """Those of a variant's loop; value and slope may have one each."""
    outputs = 2 if variant == "value_and_derivative" else 1
    counts = instructions(f"{VARIANTS[variant]}<{operation}, 0>, float", register, outputs)
    if counts is None and outputs == 2:
        parts = [instructions_of(operation, part, register) for part in ("value", "derivative")]
        if parts[0] and parts[1]:
            return {key: parts[0][key] + parts[1][key] for key in parts[0]}
    return counts


def operation_of(record: Activation) -> str:
    """Its operation as the names of kernels have it, a parameter at its default."""
    operation = struct_name(record.name)
    return f"AtDefault<{operation}, {float(record.parameters[0].default)}>" if record.parameters else operation


def lower_bound(counts: dict[str, float], ports: Ports) -> float:
    return max(
        counts["operations"] / ports.operations,
        counts["multiplications"] / ports.multiplications,
        (counts["multiplications"] + counts["additions"]) / ports.multiplications_and_additions,
        counts["divisions"] * ports.division,
    )


def nanoseconds_per_element(call: Any, small: int = 4096, large: int = 8192) -> float:
    """From the difference of two sizes that fit the first-level cache: the cost of the call falls out.

    The larger has the numbers of the smaller repeatedly, lest it take a slower text more often, and they take turns.
    """
    numbers = np.random.default_rng(0).normal(size=small).astype(np.float32)
    arrays = [np.resize(numbers, n) for n in (small, large)]
    fastest = [float("inf")] * 2
    for _ in range(3000):
        for k, x in enumerate(arrays):
            start = time.perf_counter_ns()
            call(x)
            fastest[k] = min(fastest[k], time.perf_counter_ns() - start)
    return (fastest[1] - fastest[0]) / (large - small)


def clock_and_ports() -> tuple[float, dict[str, Ports]]:
    """The clock in GHz, and the ports by instruction set; in halves, for timings are not exact."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "ports"
        subprocess.run(["cc", "-O1", SOURCE, "-o", program], check=True)
        clock, *rates = map(float, subprocess.run([program], capture_output=True, text=True, check=True).stdout.split())
    halves = [round(2 * rate) / 2 for rate in rates]
    widths = []
    for k in range(0, len(rates), 4):
        mixed, multiplications, arithmetic, division = halves[k : k + 4]
        widths.append(Ports(max(mixed, arithmetic), multiplications, arithmetic, division))
    return clock, dict(zip(list(REGISTERS)[-len(widths) :], widths, strict=True))


def measure() -> dict[str, Any]:
    sf.threads.set(1)
    clock, ports = clock_and_ports()
    data: dict[str, Any] = {
        "processor": machine.processor(),
        "clock in GHz": round(clock, 2),
        "ports": {name: asdict(each) for name, each in ports.items()},
        "kernels": [],
    }
    for instruction_set, register in REGISTERS.items():
        if instruction_set not in sf.cpu.available():
            continue
        lanes = {"zmm": 16, "ymm": 8}[register]
        for name, record in catalogue.ACTIVATIONS.items():
            assert isinstance(record, Activation)
            function = sf.get(name)
            for variant in VARIANTS:
                counts = instructions_of(operation_of(record), variant, register)
                method = function if variant == "value" else getattr(function, variant)
                outputs = [np.empty(8192, np.float32) for _ in range(2 if variant == "value_and_derivative" else 1)]

                def call(x: np.ndarray, method: Any = method, outputs: Any = outputs, variant: str = variant) -> None:
                    operands = (x, x) if variant == "vjp" else (x,)
                    method(*operands, out=tuple(o[: x.size] for o in outputs))

                with sf.cpu.use(instruction_set):
                    elapsed = nanoseconds_per_element(call)
                data["kernels"].append(
                    {
                        "instruction set": instruction_set,
                        "function": name,
                        "variant": variant,
                        **(counts or {}),
                        "cycles at least": round(lower_bound(counts, ports[instruction_set]), 1) if counts else None,
                        "cycles measured": round(elapsed * clock * lanes, 1),
                    }
                )
                print(data["kernels"][-1], flush=True)
    return data


def markdown(data: dict[str, Any]) -> str:
    """The section of docs/performance.md."""
    ports = "; ".join(
        f"{name}: {p['operations']:g} operations per cycle, {p['multiplications']:g} multiplications, "
        f"{p['multiplications_and_additions']:g} of these and additions, {p['division']:g} cycles per division"
        for name, p in data["ports"].items()
    )
    text = (
        "## Cycles per vector\n\n"
        f"Written by `python -m benchmarks.cycles`, on {data['processor']} at {data['clock in GHz']} GHz. float32 in "
        "the first-level cache, one thread: cycles per vector of 16 (v4) or 8 (v3) elements, beside what the loop's "
        f"instructions need at least, by what this processor starts, measured in the same run ({ports}). What is above "
        "it is waiting: each vector's operations depend on one another, and a processor holds only so many of them at "
        "once.\n\n"
        "| kernel | v4 operations | divisions | at least | measured | v3 at least | measured |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
    )
    by_key = {(k["instruction set"], k["function"], k["variant"]): k for k in data["kernels"]}
    for (instruction_set, function, variant), kernel in by_key.items():
        if instruction_set != "v4":
            continue
        other = by_key.get(("v3", function, variant), {})
        cells = [
            f"`{function}.{variant}`",
            kernel.get("operations"),
            kernel.get("divisions"),
            kernel["cycles at least"],
            kernel["cycles measured"],
            other.get("cycles at least"),
            other.get("cycles measured"),
        ]
        text += "| " + " | ".join("-" if cell is None else str(cell) for cell in cells) + " |\n"
    return text


if __name__ == "__main__":
    OUTPUT.write_text(json.dumps(measure(), indent=1) + "\n")
