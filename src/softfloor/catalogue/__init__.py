"""The declarative place: one record per function, one module per family (mirrors ``csrc/ops``).

A new module in this folder is found by itself; its public records are those named in its ``RECORDS``.
"""

from __future__ import annotations

import importlib
import pkgutil

from . import gates
from .record import Activation, Gate, Parameter, Record, Rows

FAMILIES: dict[str, tuple[Record, ...]] = {
    module.name: importlib.import_module(f"{__name__}.{module.name}").RECORDS
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name)
    if module.name != "record"
}

RECORDS: dict[str, Record] = {record.name: record for records in FAMILIES.values() for record in records}
ACTIVATIONS: dict[str, Activation] = {name: r for name, r in RECORDS.items() if isinstance(r, Activation)}
GATES: dict[str, Gate] = {name: r for name, r in RECORDS.items() if isinstance(r, Gate)}
ROWS: dict[str, Rows] = {name: r for name, r in RECORDS.items() if isinstance(r, Rows)}


def gate_parameters(record: Gate) -> tuple[Parameter, ...]:
    """The keyword parameters of a gated unit."""
    return record.softcaps or (*ACTIVATIONS[record.activation].parameters, gates.LIMIT, gates.OFFSET)
