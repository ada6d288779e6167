"""The cross-entropy of logits that do not fit in memory, and their softmax, streamed through a bounded amount of it.

    python examples/larger_than_memory.py                              20 GB through 2 GB
    python examples/larger_than_memory.py --gigabytes 1 --limit 0.4    a smaller try

The logits are made chunk by chunk, as if they were read from a disk; no chunk holds a whole row. Afterwards the largest
resident size of the process is printed, and an error is raised if it passed the limit.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

import dask
import dask.array as da
import numpy as np

import softfloor as sf


def peak_bytes() -> int:
    """The largest resident size of this process; getrusage alone starts with that of the process that started it."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else ()
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=20.0, help="of logits, 10^9 bytes each")
    parser.add_argument("--limit", type=float, default=2.0, help="of resident memory, in 10^9 bytes")
    parser.add_argument("--classes", type=int, default=128_000)
    parser.add_argument("--workers", type=int, default=2, help="threads of Dask")
    arguments = parser.parse_args()

    rows = max(1, int(arguments.gigabytes * 1e9 / 4 / arguments.classes))
    # Chunks that share rows wait for each other in memory: per worker two groups of them, and results beside them.
    group_bytes = arguments.limit * 1e9 / 16 / arguments.workers
    group_rows = max(1, min(rows, int(group_bytes / 4 / arguments.classes)))
    random = da.random.default_rng(0)
    chunks = (group_rows, -(-arguments.classes // 4))
    logits = random.standard_normal((rows, arguments.classes), dtype=np.float32, chunks=chunks)
    labels = np.random.default_rng(1).integers(0, arguments.classes, rows)
    print(f"{logits.nbytes / 1e9:.1f} GB of logits, {rows} x {arguments.classes}, in chunks of {logits.chunksize}")

    start = time.perf_counter()
    with dask.config.set(scheduler="threads", num_workers=arguments.workers):
        # One after the other: asked for both at once, Dask may keep logits for the one until the other has had them.
        loss = sf.softmax_cross_entropy(logits, labels).compute()
        largest = sf.softmax(logits).max().compute()
    peak = peak_bytes()
    print(f"loss {loss:.6f}, largest probability {largest:.3e}, {time.perf_counter() - start:.1f} s")
    print(f"peak resident memory {peak / 1e9:.2f} GB")
    if peak > arguments.limit * 1e9:
        raise SystemExit(f"more than the limit of {arguments.limit} GB")


if __name__ == "__main__":
    main()
