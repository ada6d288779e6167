"""Write the type stub of the package from the catalogue, so that editors and mypy know each function's operands.

python tools/stubs.py            write src/softfloor/__init__.pyi
python tools/stubs.py --check    exit 1 if that file is not what would be written
"""

from __future__ import annotations

import sys
from pathlib import Path

import softfloor
from softfloor import catalogue
from softfloor.catalogue.record import Gate, Parameter, struct_name

STUB = Path(__file__).resolve().parents[1] / "src" / "softfloor" / "__init__.pyi"

HEAD = """\
# Written by tools/stubs.py from the catalogue; not to be edited.
from typing import Any, Literal, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import catalogue as catalogue
from . import cpu as cpu
from . import memory as memory
from . import threads as threads
from .activation import Activation as Activation
from .activation import Function as Function
"""

TYPES = """
__version__: str

class _SupportsArrayUfunc(Protocol):
    def __array_ufunc__(self, ufunc: Any, method: Any, *inputs: Any, **keywords: Any) -> Any: ...

# What NumPy makes an array of, and what takes part in ufuncs by itself (Dask, xarray, pandas).
_Operand = ArrayLike | _SupportsArrayUfunc
_Float = TypeVar("_Float", bound=np.floating[Any])
"""

TAIL = """
def functions() -> tuple[str, ...]: ...
def get(name: str) -> Any: ...
"""


#: What the name of a class of functions says of how many results they have.
MANY = {1: "", 2: "Pair", 3: "Triple"}


def camel(words: tuple[str, ...]) -> str:
    return "".join(map(struct_name, words))


def call(operands: tuple[str, ...], parameters: tuple[Parameter, ...], outputs: int, options: str = "") -> str:
    """Two overloads of a call: arrays of one float dtype keep it; anything else is for NumPy to decide."""
    first, *others = operands
    same_dtype = [f"{first}: NDArray[_Float]", *(f"{name}: NDArray[_Float] | float" for name in others), "/"]
    extra = [options] if options else []
    if parameters:
        same_dtype += ["*", *(f"{p.name}: float = {default(p)}" for p in parameters), *extra]
    output = "NDArray[Any] | None"
    some_outputs = f"tuple[{', '.join([output] * outputs)}] | None"
    anything = [
        *(f"{name}: _Operand" for name in operands),
        *(f"output{k + 1 if outputs > 1 else ''}: {output} = None" for k in range(outputs)),
        "/",
        "*",
        *(f"{p.name}: _Operand = {default(p)}" for p in parameters),
        *extra,
        f"out: {'NDArray[Any] | ' if outputs == 1 else ''}{some_outputs} = None",
        "where: _Operand = True",
        "dtype: DTypeLike | None = None",
        'casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind"',
        'order: Literal["K", "A", "C", "F"] = "K"',
        "subok: bool = True",
        "signature: Any = None",
    ]
    kept = "NDArray[_Float]" if outputs == 1 else f"tuple[{', '.join(['NDArray[_Float]'] * outputs)}]"
    return overload(same_dtype, kept) + overload(anything, "Any")


def default(parameter: Parameter) -> str:
    return "..." if parameter.default == float("inf") else repr(parameter.default)


def overload(arguments: list[str], result: str) -> str:
    lines = "".join(f"        {argument},\n" for argument in ["self", *arguments])
    return f"    @overload\n    def __call__(\n{lines}    ) -> {result}: ...\n"


class Stub:
    """The text so far, and the classes already in it."""

    def __init__(self) -> None:
        self.classes: dict[str, str] = {}

    def function(
        self, operands: tuple[str, ...], parameters: tuple[Parameter, ...], outputs: int = 1, options: str = ""
    ) -> str:
        """The name of a class of functions with these operands."""
        name = f"_Function{camel(operands)}{camel(tuple(p.name for p in parameters))}{MANY[outputs]}"
        self.classes[name] = f"class {name}(Function):\n{call(operands, parameters, outputs, options)}"
        return name

    def activation(self, parameters: tuple[Parameter, ...]) -> str:
        name = f"_Activation{camel(tuple(p.name for p in parameters))}"
        if name not in self.classes:
            members = {
                "derivative": self.function(("x",), parameters),
                "value_and_derivative": self.function(("x",), parameters, 2),
                "vjp": self.function(("x", "cotangent"), parameters),
            }
            self.classes[name] = self.with_members(name, "Activation", members, call(("x",), parameters, 1))
        return name

    def gate(self, record: Gate) -> str:
        parameters = catalogue.gate_parameters(record)
        options = "" if record.softcaps else 'clamp: Literal["before", "after"] = "before"'
        name = f"_GatedUnit{camel(tuple(p.name for p in parameters))}"
        if name not in self.classes:
            operands = ("gate", "up", "cotangent")
            members = {
                "vjp": self.function(operands, parameters, 2, options),
                "value_and_vjp": self.function(operands, parameters, 3, options),
            }
            own_call = call(("gate", "up"), parameters, 1, options)
            self.classes[name] = self.with_members(name, "GatedUnit", members, own_call)
        return name

    @staticmethod
    def with_members(name: str, base: str, members: dict[str, str], own_call: str) -> str:
        attributes = "".join(f"    {member}: {kind}\n" for member, kind in members.items())
        return f"class {name}({base}):\n{attributes}{own_call}"


def text() -> str:
    """The whole stub."""
    stub, variables = Stub(), []
    for name, record in catalogue.ACTIVATIONS.items():
        variables.append(f'{name}: {stub.activation(record.parameters)}\n"""{record.summary}"""\n')
    for name, gate in catalogue.GATES.items():
        variables.append(f'{name}: {stub.gate(gate)}\n"""{gate.summary}"""\n')
    modules = [(".gates", name) for name in ("GatedUnit", "gated", "gated_presets")]
    modules += sorted((type(softfloor.get(name)).__module__.removeprefix("softfloor"), name) for name in catalogue.ROWS)
    rows = "".join(f"from {module} import {name} as {name}\n" for module, name in sorted(modules))
    return HEAD + rows + TYPES + "\n" + "\n".join(stub.classes.values()) + "\n" + "".join(variables) + TAIL


def main() -> int:
    if "--check" in sys.argv[1:]:
        if not STUB.exists() or STUB.read_text() != text():
            print(f"{STUB.name} does not match the catalogue; run: python tools/stubs.py", file=sys.stderr)
            return 1
        return 0
    STUB.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
