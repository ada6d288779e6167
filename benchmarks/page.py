"""docs/performance.md from the measured data; no number of it is typed.

The page is a chain of sections, each from a JSON file of its own in the same folder; a section without its file is left
out. A new section is one line in `SECTIONS`: the file's name, and a function from the data in it to Markdown. What was
tried on the way to the kernels ends the page; that text is written by hand, in tried.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import autograd, cycles, figure, linear_cross_entropy, looked_up, memory, tables
from .results import outcomes

DATA, FIGURE, PAGE = "benchmark.json", "benchmark.svg", "performance.md"

#: The share of the time taken by other programs from which the page warns of it.
BUSY = 0.02

HEAD = """# Performance

Written by `python -m benchmarks --output docs`; not to be edited.
"""


def markdown(table: tables.Table) -> str:
    lines = [table.header, ["---"] * len(table.header), *table.rows]
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"\n### {table.title}\n\n{table.note}\n\n{body}\n"


def benchmark(data: dict[str, Any]) -> str:
    machine, parts = data["machine"], data["parts"]
    versions = ", ".join(f"{label} {text}" for label, text in machine["versions"].items())
    text = (
        "\n## Beside what people use today\n\n"
        "To measure on your machine, in a clone: `pip install '.[bench]' && python -m benchmarks` (about half "
        "an hour; `--quick` takes two minutes, `--only gelu` measures what has that in its name).\n\n"
        f"Measured on {machine['processor']}, {machine['cores']} cores, {machine['memory in GB']} GB, "
        f"{machine['system']}, Python {machine['Python']}. {versions}.\n\n"
        "A cell is one function, variant, dtype, shape, output policy and number of threads. All libraries run in one "
        "process and take turns; the time of each is the median of its turns. A turn begins after a run of the same "
        "call, as in a loop; where several threads run, after 5 ms of it, and once those of the library before have "
        "stopped waiting for work. "
        "Every library is called in its own best way: arrays are its own beforehand, outputs are given where it takes "
        "them (`out=`, donated buffers, bound outputs), torch's slopes come from autograd or its backward kernels, "
        "whichever is faster, and `torch.compile` and `jax.jit` have compiled before. A library that is over 3 times "
        "slower than the fastest, and slow to run, is measured once or left out at larger sizes.\n\n"
    )
    text += "".join(_part(name, facts) for name, facts in parts.items())
    text += "".join(f"- Not measured: {line}.\n" for line in left_out(data))
    text += f"\n![Time per element]({FIGURE})\n"
    return text + "".join(markdown(table) for table in tables.tables(outcomes(data)))


def _part(name: str, facts: dict[str, Any]) -> str:
    sets = ", ".join(f"{label} {text}" for label, text in facts["instruction sets"].items())
    settings = " ".join(f"{k}='{v}'" if " " in v else f"{k}={v}" for k, v in facts["environment"].items())
    pinned = ", pinned to one core" if facts["pinned"] else ""
    # Ratios suffer from a busy machine: long samples are disturbed more often than short ones.
    lost = f"; **{facts['lost']:.0%} of the time went to other programs**" if facts.get("lost", 0) > BUSY else ""
    return f"- **{name}**: {facts['threads']} thread{'s'[: facts['threads'] > 1]}{pinned}; {sets}; `{settings}`{lost}\n"


def left_out(data: dict[str, Any]) -> list[str]:
    """What the tables do not have, and why: failed parts and peers, in words."""
    lines = list(data["choices"])
    lines += [f"{part}: {reason}" for part, reason in data["failures"].items()]
    reasons: dict[tuple[str, str, str], int] = {}
    for record in data["cells"]:
        for label, reason in record["absent"].items():
            key = record["part"], label, reason
            reasons[key] = reasons.get(key, 0) + 1
    lines += [f"{label} in {count} cells ({part}): {reason}" for (part, label, reason), count in reasons.items()]
    return lines


SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    DATA: benchmark,
    cycles.OUTPUT.name: cycles.markdown,
    looked_up.OUTPUT.name: looked_up.markdown,
    memory.OUTPUT.name: memory.markdown,
    linear_cross_entropy.OUTPUT.name: linear_cross_entropy.markdown,
    autograd.OUTPUT.name: autograd.markdown,
}
TRIED = Path(__file__).with_name("tried.md")


def files(folder: Path) -> dict[Path, str]:
    """The generated files of a folder, from the data in it."""
    text, found = HEAD, {}
    for name, section in SECTIONS.items():
        if (folder / name).exists():
            text += "\n" + section(json.loads((folder / name).read_text())).strip() + "\n"
    text += "\n" + TRIED.read_text()
    if (folder / DATA).exists():
        found[folder / FIGURE] = figure.speed(json.loads((folder / DATA).read_text()))
    return {folder / PAGE: text, **found}


def stale(folder: Path) -> list[str]:
    """The names of generated files that are missing, or differ from what the data give."""
    # The drawing of an SVG differs between Matplotlib versions, its data do not.
    return [
        path.name
        for path, text in files(folder).items()
        if not path.exists() or (path.suffix == ".md" and path.read_text() != text)
    ]
