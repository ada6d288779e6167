"""The machine and the libraries, as the page describes them; and the environment that a part runs in."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from .cells import ALL, AVX2, ONE
from .peers import OURS, PEERS

#: GNU OpenMP's waiting threads give up their core after so many turns, a fraction of a millisecond, and not after many
#: milliseconds: else the threads of one library would slow the next one down. softfloor and torch are treated alike.
_SPIN = "10000"


def describe() -> dict[str, Any]:
    """What a reader needs to compare machines; no names of hosts or folders."""
    versions = {}
    for peer in (OURS, *PEERS):
        try:
            versions[peer.label] = peer.version()
        except ModuleNotFoundError:
            versions[peer.label] = "absent"
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory in GB": _memory(),
        "system": f"{platform.system()} {platform.machine()}, C library {' '.join(platform.libc_ver())}",
        "Python": platform.python_version(),
        "versions": versions,
    }


def processor() -> str:
    """Its name, with the numbers that tell models of one name apart."""
    facts: dict[str, str] = {}
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    numbers = ", ".join(f"{name} {facts[name]}" for name in ("cpu family", "model", "stepping") if name in facts)
    name = facts.get("model name") or platform.processor() or "unknown"
    return f"{name} ({numbers})" if numbers else name


def _memory() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
    except (AttributeError, ValueError, OSError):
        return None


def environment(part: str) -> dict[str, str]:
    """The environment variables that a part adds to those of the user."""
    one = {
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    }
    if part == ALL:
        return {"GOMP_SPINCOUNT": _SPIN}
    if part == AVX2:
        one["XLA_FLAGS"] += " --xla_cpu_max_isa=AVX2"
        return {
            **one,
            "SOFTFLOOR_CPU": "v3",
            "ATEN_CPU_CAPABILITY": "avx2",
            "NPY_DISABLE_CPU_FEATURES": " ".join(_avx512_of_numpy()),
        }
    assert part == ONE
    return one


def _features_of_numpy() -> list[str]:
    """The groups of instructions beyond its baseline that NumPy has code for and this process uses, the least first."""
    found: list[str] = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return found


def _avx512_of_numpy() -> list[str]:
    return [name for name in _features_of_numpy() if name.startswith("AVX512") or name == "X86_V4"]


def instruction_sets() -> dict[str, str]:
    """What the libraries that tell run on, in this process."""
    import softfloor as sf

    found = {"softfloor": sf.cpu.current()}
    try:
        import torch

        found["torch"] = torch.backends.cpu.get_cpu_capability()
    except ImportError:
        pass
    found["NumPy"] = ["baseline", *_features_of_numpy()][-1]
    return found
