"""Memory in a loop ``y = function(x)``: time, page faults and resident memory, written to docs/memory.json.

python -m benchmarks.memory
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

PAGE_FILE = Path("/proc/self/statm")
OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "memory.json"
MIB = 2**20

#: name -> (what runs in the loop, bytes that may wait for reuse)
WAYS = {
    "softfloor, recycling": ("gelu", 256 * MIB),
    "softfloor, no recycling": ("gelu", 0),
    "softfloor, out=": ("gelu_out", 0),
    "numpy.copyto": ("copy", 0),
}


def resident() -> float:
    """MiB of this process in memory."""
    return int(PAGE_FILE.read_text().split()[1]) * resource.getpagesize() / MIB


def measure(way: str, elements: int, repeats: int) -> dict[str, float]:
    """One way in a fresh process: this function runs there."""
    import numpy as np

    import softfloor as sf

    what, limit = WAYS[way]
    sf.memory.set(limit)
    x = np.random.default_rng(0).normal(size=elements).astype(np.float32)
    out = np.full_like(x, 1) if what != "gelu" else None
    sf.gelu(x[:10_000])
    calls = {
        "gelu": lambda: sf.gelu(x),
        "gelu_out": lambda: sf.gelu(x, out=out),
        "copy": lambda: np.copyto(out, x),
    }
    call = calls[what]
    before, faults = resident(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        y = call()
        times.append(time.perf_counter() - start)
    during = resident()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    del y
    freed = resident()
    time.sleep(sf.memory.report().seconds + 0.5)
    return {
        "nanoseconds per element, median": statistics.median(times) / elements * 1e9,
        "nanoseconds per element, fastest": min(times) / elements * 1e9,
        "page faults per call": faults / repeats,
        "resident MiB before": before,
        "resident MiB during": during,
        "resident MiB, result freed": freed,
        "resident MiB, later": resident(),
    }


def markdown(data: dict[str, dict[str, float]]) -> str:
    """The section of docs/performance.md."""
    columns = list(next(iter(data.values())))
    lines = ["", *columns], ["---"] * (len(columns) + 1)
    rows = [[way, *(f"{measured[column]:.3g}" for column in columns)] for way, measured in data.items()]
    table = "\n".join("| " + " | ".join(line) + " |" for line in (*lines, *rows))
    return (
        "## Memory of `y = sf.gelu(x)` in a loop\n\nWritten by `python -m benchmarks.memory`, each line in a process "
        'of its own; one value of `y` is alive while the next is computed. "Later" is after the time for which freed '
        f"results are kept.\n\n{table}\n"
    )


def main() -> None:
    results = {}
    for elements, repeats in ((1_000_000, 200), (30_000_000, 20)):
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.memory", way, str(elements), str(repeats)]
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            results[f"{elements} float32, {way}"] = measured = json.loads(printed)
            print(f"{elements:>10} {way}")
            for name, value in measured.items():
                print(f"{'':14}{name:36}{value:12.3f}")
    OUTPUT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
    else:
        main()
