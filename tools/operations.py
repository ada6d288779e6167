"""Write the header that lists every operation of the catalogue for ``csrc/isa/kernels.cpp``; run by the build.

python tools/operations.py OUTPUT
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def operations_header() -> str:
    sys.path.insert(0, str(ROOT / "src" / "softfloor"))
    import catalogue
    from catalogue.record import Activation, Gate, Rows, struct_name

    elementwise, rows = [], []

    def macro(kind: str, name: str, activation: Activation, *arguments: object) -> str:
        """A line for ``csrc/isa/kernels.cpp``, which has room for one parameter per function."""
        assert len(activation.parameters) <= 1, f"{activation.name}: more than one parameter is not built yet"
        defaults = [repr(float(parameter.default)) for parameter in activation.parameters]
        suffix = "_OF_PARAMETER" if defaults and kind != "PARAMETER_DERIVATIVE" else ""
        return f"{kind}{suffix}({', '.join(map(str, [name, struct_name(activation.name), *arguments, *defaults]))})"

    for record in catalogue.RECORDS.values():
        if isinstance(record, Activation):
            elementwise.append(macro("ACTIVATION", record.name, record))
            elementwise += [
                macro("PARAMETER_DERIVATIVE", record.name, record, name) for name in record.parameter_slopes
            ]
        elif isinstance(record, Gate) and record.softcaps:  # the others are units of their activation
            elementwise.append(f"SOFTCAPPED({record.name}, {', '.join(repr(p.default) for p in record.softcaps)})")
        elif isinstance(record, Rows):
            rows += [
                f'ROWS({record.name}, "{k.variant}", {k.struct}, "{k.signature}", "{k.types}")' for k in record.kernels
            ]
    includes = [f'#include "ops/{header.name}"' for header in sorted((ROOT / "csrc" / "ops").glob("*.hpp"))]
    return "\n".join(
        [
            "// Written by tools/operations.py from the catalogue; not to be edited.",
            "#pragma once",
            *includes,
            "#define SOFTFLOOR_ELEMENTWISE " + " ".join(elementwise),
            "#define SOFTFLOOR_ROWS " + " ".join(rows),
            "",
        ]
    )


if __name__ == "__main__":
    output, text = Path(sys.argv[1]), operations_header()
    if not output.exists() or output.read_text() != text:  # an unchanged file spares the build all that depends on it
        output.write_text(text)
