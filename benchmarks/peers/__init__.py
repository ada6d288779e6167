"""What people use today, and softfloor itself: how each computes a cell, in its best way for the output policy.

One module per library, with ``statements(cell, arrays, threads)``: ways to compute a cell from NumPy arrays by operand,
of which the fastest counts; the first is the one that people write. A library that cannot raises `Absent`. Turning the
operands into a library's own arrays, compiling and making sessions belong outside the statement.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from types import ModuleType
from typing import NamedTuple

from ..cells import Cell
from ..statement import Absent, Arrays, Statement

__all__ = ["COPY", "DOORS", "OURS", "PEERS", "Absent", "Peer", "Statement"]


class Peer(NamedTuple):
    """``module`` is in this folder; the version shown is that of ``package``."""

    label: str
    short: str
    package: str
    module: str
    colour: str

    def version(self) -> str:
        return version(self.package)

    def load(self) -> ModuleType:
        """The module; raises Absent if its library cannot be imported."""
        try:
            return importlib.import_module(f"{__name__}.{self.module}")
        except ImportError as error:
            raise Absent(f"cannot be imported ({error})") from error

    def statements(self, cell: Cell, arrays: Arrays, threads: int) -> list[Statement]:
        found: list[Statement] = self.load().statements(cell, arrays, threads)
        return found


OURS = Peer("softfloor", "softfloor", "softfloor", "softfloor", "#0072b2")
COPY = Peer("copy", "copy", "numpy", "copy", "#000000")
PEERS = (
    Peer("textbook NumPy", "NumPy", "numpy", "numpy", "#999999"),
    Peer("SciPy", "SciPy", "scipy", "scipy", "#e69f00"),
    Peer("torch", "torch", "torch", "torch", "#d55e00"),
    Peer("torch.compile", "compile", "torch", "torch_compile", "#f0a07c"),
    Peer("jax", "jax", "jax", "jax", "#009e73"),
    Peer("ONNX Runtime", "ORT", "onnxruntime", "onnxruntime", "#cc79a7"),
)
#: softfloor on the arrays of other libraries, by their labels: what tools/peers.py puts beside them.
DOORS = {
    "torch": (
        Peer("softfloor.torch", "st", "softfloor", "softfloor_torch", "#0072b2"),
        Peer("softfloor.torch, other devices", "formula", "softfloor", "softfloor_torch_formula", "#0072b2"),
    ),
    "jax": (Peer("softfloor.jax", "sj", "softfloor", "softfloor_jax", "#0072b2"),),
}
