"""Time and peak memory of a linear layer's cross-entropy with gradients: softfloor, plain NumPy, PyTorch.

    python benchmarks/linear_cross_entropy.py [--tokens 4096] [--features 1024] [--classes 128000]
        [--threads 1] [--json docs/linear-cross-entropy.json]

Each way runs in a process of its own, so that its peak memory is its own: the largest resident size, less the size
after the operands were made. Times are the best of ``--repeat`` calls; that of all processors together suffers less
from what else the machine does, least with one thread, because BLAS threads that wait burn time. ``products`` are the
bare matrix products of the same sizes into arrays that exist: logits = hidden weight^T, and the two of the gradients.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "linear-cross-entropy.json"


def operands(tokens: int, features: int, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    hidden = random.standard_normal((tokens, features), dtype=np.float32)
    weight = random.standard_normal((classes, features), dtype=np.float32)
    weight *= np.float32(features**-0.5)  # in place: a temporary would already raise the peak
    return hidden, weight, random.integers(0, classes, tokens)


def products(hidden: np.ndarray, weight: np.ndarray, labels: np.ndarray) -> dict[str, Callable[[], object]]:
    logits = np.zeros((len(hidden), len(weight)), np.float32)
    hidden_sums, weight_sums = np.zeros_like(hidden), np.zeros_like(weight)
    return {
        "logits": lambda: np.matmul(hidden, weight.T, out=logits),
        "hidden": lambda: np.matmul(logits, weight, out=hidden_sums),
        "weight": lambda: np.matmul(logits.T, hidden, out=weight_sums),
    }


def softfloor(hidden: np.ndarray, weight: np.ndarray, labels: np.ndarray) -> dict[str, Callable[[], object]]:
    import softfloor as sf

    loss = sf.linear_cross_entropy
    return {
        "value": lambda: loss(hidden, weight, labels),
        "hidden": lambda: loss.value_and_grad(hidden, weight, labels, gradients=("hidden",)),
        "hidden and weight": lambda: loss.value_and_grad(hidden, weight, labels),
    }


def plain(hidden: np.ndarray, weight: np.ndarray, labels: np.ndarray) -> dict[str, Callable[[], object]]:
    """What people write in NumPy, in place where that is easy."""

    def both() -> object:
        logits = hidden @ weight.T
        logits -= logits.max(axis=1, keepdims=True)
        picked = logits[np.arange(len(labels)), labels]
        np.exp(logits, out=logits)
        total = logits.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - picked).mean()
        logits /= total * len(labels)
        logits[np.arange(len(labels)), labels] -= np.float32(1 / len(labels))
        return loss, logits @ weight, logits.T @ hidden

    return {"hidden and weight": both}


def softfloor_torch(hidden: np.ndarray, weight: np.ndarray, labels: np.ndarray) -> dict[str, Callable[[], object]]:
    import softfloor.torch as st

    return _differentiated(st.linear_cross_entropy, hidden, weight, labels)


def torch(hidden: np.ndarray, weight: np.ndarray, labels: np.ndarray) -> dict[str, Callable[[], object]]:
    return _torch(hidden, weight, labels, chunked=False)


def torch_chunked(hidden: np.ndarray, weight: np.ndarray, labels: np.ndarray) -> dict[str, Callable[[], object]]:
    return _torch(hidden, weight, labels, chunked=True)


def _torch(
    hidden: np.ndarray, weight: np.ndarray, labels: np.ndarray, chunked: bool
) -> dict[str, Callable[[], object]]:
    import torch

    options = torch.nn.LinearCrossEntropyOptions() if chunked else None
    loss = functools.partial(torch.nn.functional.linear_cross_entropy, options=options)
    return _differentiated(loss, hidden, weight, labels)


def _differentiated(
    function: Callable[..., Any], hidden: np.ndarray, weight: np.ndarray, labels: np.ndarray
) -> dict[str, Callable[[], object]]:
    import torch

    targets = torch.from_numpy(labels)

    def run(*needed: str) -> object:
        h = torch.from_numpy(hidden).requires_grad_("hidden" in needed)
        w = torch.from_numpy(weight).requires_grad_("weight" in needed)
        loss = function(h, w, targets)
        if needed:
            loss.backward()
        return loss

    return {
        "value": run,
        "hidden": lambda: run("hidden"),
        "hidden and weight": lambda: run("hidden", "weight"),
    }


#: Those of OpenBLAS, MKL, PyTorch and softfloor.
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")

WAYS = {function.__name__: function for function in (products, softfloor, softfloor_torch, plain, torch, torch_chunked)}


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(way: str, job: str, sizes: tuple[int, int, int], repeat: int) -> dict[str, float]:
    """In a process of its own."""
    calls = WAYS[way](*operands(*sizes))
    WAYS[way](*operands(8, 8, 8))[job]()  # imports and thread pools are not what is measured
    before, seconds, processor_seconds = resident_bytes(), [], []
    for _ in range(repeat):
        start, processor_start = time.perf_counter(), time.process_time()
        calls[job]()
        seconds.append(time.perf_counter() - start)
        processor_seconds.append(time.process_time() - processor_start)
    return {
        "seconds": min(seconds),
        "processor_seconds": min(processor_seconds),
        "peak_bytes": peak_bytes() - before,
    }


def markdown(data: dict[str, Any]) -> str:
    """The section of docs/performance.md."""
    sizes = f"{data['tokens']:,} tokens, {data['features']:,} features, {data['classes']:,} classes"
    text = (
        "## Cross-entropy of a linear layer\n\nWritten by `python benchmarks/linear_cross_entropy.py --json "
        f"docs/{OUTPUT.name}`: {sizes}, float32, {data['threads']} thread(s); each way in a process of its own. Where "
        "seconds exceed those of all processors, other programs ran beside it: compare the latter. The bare matrix "
        "products (`products`) are what they are divided by: that of the logits, and one per gradient. Peak memory is "
        "beyond the operands, without the gradients.\n\n| | gradients | seconds | seconds of all processors | "
        "of the bare products | peak MiB |\n| --- | --- | --- | --- | --- | --- |\n"
    )
    bare = {job: one["processor_seconds"] for job, one in data["ways"]["products"].items()}
    gradients = {"hidden": data["tokens"] * data["features"] * 4, "weight": data["classes"] * data["features"] * 4}
    for way, jobs in data["ways"].items():
        for job, one in jobs.items():
            made = [] if way == "products" else [name for name in gradients if name in job]
            needed = bare[job] if way == "products" else bare["logits"] + sum(bare[name] for name in made)
            peak = one["peak_bytes"] - sum(gradients[name] for name in made)
            times = f"{one['seconds']:.2f} | {one['processor_seconds']:.2f} | {one['processor_seconds'] / needed:.2f}"
            text += f"| {way} | {job} | {times} | {peak / 2**20:,.0f} |\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--features", type=int, default=1024)
    parser.add_argument("--classes", type=int, default=128_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=WAYS, help="measure this way; what the file has of the others stays")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = (arguments.tokens, arguments.features, arguments.classes)
    if arguments.one:
        print(json.dumps(measure(*arguments.one, sizes, arguments.repeat)))
        return
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(arguments.threads))}
    results: dict[str, dict[str, dict[str, float]]] = {}
    settings = [f"--{name}={getattr(arguments, name)}" for name in ("tokens", "features", "classes", "repeat")]
    if arguments.only and arguments.json and arguments.json.exists():
        results = json.loads(arguments.json.read_text())["ways"]
    for way in [arguments.only] if arguments.only else WAYS:
        for job in WAYS[way](*operands(2, 2, 2)):
            command = [sys.executable, __file__, *settings, "--one", way, job]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            one = json.loads(done.stdout.splitlines()[-1])
            results.setdefault(way, {})[job] = one
            times = f"{one['seconds']:8.3f} s {one['processor_seconds']:8.3f} s of processors"
            print(f"{way:14} {job:18} {times} {one['peak_bytes'] / 2**20:9.0f} MiB", flush=True)
    report = {"tokens": sizes[0], "features": sizes[1], "classes": sizes[2], "threads": arguments.threads}
    report["ways"] = results
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
