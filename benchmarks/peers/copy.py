"""The floor: np.copyto of as many bytes as a cell must read and write at least, by as many threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

from ..cells import Cell
from ..statement import Absent, Arrays, Statement

#: Below this size the cache holds everything, and a copy says nothing about the memory.
FROM_ELEMENTS = 1_000_000


@lru_cache(maxsize=1)
def _buffers(size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones(size, np.uint8), np.ones(size, np.uint8)


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


def statements(cell: Cell, arrays: Arrays, threads: int) -> list[Statement]:
    del arrays  # buffers of its own
    if cell.size < FROM_ELEMENTS:
        raise Absent
    source, target = _buffers(cell.bytes // 2)  # half is read, half is written
    names = {"copyto": np.copyto, "source": source, "target": target}
    found = [Statement("copyto(target, source); y = target", names)]
    if threads > 1:
        parts = (np.array_split(target, threads), np.array_split(source, threads))
        many = {**names, "map": _pool(threads).map, "targets": parts[0], "sources": parts[1]}
        found.append(Statement("list(map(copyto, targets, sources)); y = target", many))
    return found
