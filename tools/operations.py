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
    for record in catalogue.RECORDS.values():
        struct = struct_name(record.name)
        if isinstance(record, Activation):
            elementwise.append(f"ACTIVATION({record.name}, {struct}, {len(record.parameters)})")
            elementwise += [f"PARAMETER_DERIVATIVE({record.name}, {struct}, {name})" for name in record.parameter_slopes]
        elif isinstance(record, Gate):
            parameters = len(catalogue.ACTIVATIONS[record.activation].parameters)
            elementwise.append(f"GATE({record.name}, {struct_name(record.activation)}, {parameters})")
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
