"""Measure the speed of values and derivatives beside what people use today; writes docs/speed.json.

    python tools/speed.py

float32, 100,000 elements in cache, one thread, output allocated by the call as users do. Everything runs in one
process, in turn, so that a noisy machine disturbs all alike; medians. For correctness see docs/accuracy.md.
"""

import importlib
import json
import os
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import numpy as np

import peers
import softfloor as sf
from softfloor import catalogue

FILE = Path(__file__).resolve().parents[1] / "docs" / "speed.json"
ELEMENTS, ROUNDS = 100_000, 41


def main() -> None:
    sf.threads.set(1)
    contenders = {"softfloor": {f"{name}.value": sf.get(name) for name in catalogue.ACTIVATIONS}}
    contenders["softfloor"] |= {f"{name}.derivative": sf.get(name).derivative for name in catalogue.ACTIVATIONS}
    versions = {"softfloor": version("softfloor")}
    for label, (package, make) in peers.PEERS.items():
        try:
            importlib.import_module(package)
        except ImportError:
            print(f"{label} is not installed")
            continue
        contenders[label], versions[label] = make(), version(package)
    x = np.random.default_rng(0).normal(size=ELEMENTS).astype(np.float32) * 3
    curves = list(contenders["softfloor"])
    result: dict[str, dict[str, float]] = {label: {} for label in contenders}
    for curve in curves:
        times: dict[str, list[float]] = {label: [] for label, table in contenders.items() if curve in table}
        for turn in range(ROUNDS + 3):
            for label, measured in times.items():
                function = contenders[label][curve]
                start = time.perf_counter()
                function(x)
                if turn >= 3:  # the first turns warm caches and compilers
                    measured.append(time.perf_counter() - start)
        for label, measured in times.items():
            result[label][curve] = median(measured) / ELEMENTS * 1e9
        print(curve, {label: round(result[label][curve], 3) for label in times})
    data = {"elements": ELEMENTS, "instruction set": sf.cpu.current(), "versions": versions, "ns per element": result}
    FILE.write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
