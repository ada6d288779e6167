"""Compute the coefficients of erfc for jax with mpmath and write ``src/softfloor/jax/erfc_coefficients.py``.

    python tools/erfc_coefficients.py [--check]

The form is that of `coefficients`: interpolation at Chebyshev nodes, the measured error in a comment.
"""

import argparse
import sys
from pathlib import Path

import mpmath
from mpmath import mpf

from fitting import error_in_bits, evaluate, interpolate
from records import ROOT

MODULE = ROOT / "src" / "softfloor" / "jax" / "erfc_coefficients.py"

#: Where the map of [0, inf) onto [-1, 1) has its 0. Of 1.5, 2, 2.5, 3, 3.75 and 4.5 it needs the fewest terms.
MIDDLE = mpf(5) / 2
DEGREES = {"float32": 12, "float64": 25}
END = mpf(30)  # e^(-u^2) is 0 in float64 beyond


def scaled_tail(s):
    """(1 + 2 u) e^(u^2) erfc(u) where s = (u - middle) / (u + middle): near 1 everywhere."""
    u = MIDDLE * (1 + s) / (1 - s)
    return (1 + 2 * u) * mpmath.exp(u * u) * mpmath.erfc(u)


def text():
    high = (END - MIDDLE) / (END + MIDDLE)
    tables = []
    for dtype, degree in DEGREES.items():
        c = interpolate(scaled_tail, mpf(-1), high, degree)
        error = error_in_bits(lambda s, c=c: evaluate(c, s) / scaled_tail(s) - 1, mpf(-1), high)
        head = float(c[0]) if dtype == "float64" else float(mpf(int(mpmath.nint(c[0] * 2**23))) / 2**23)
        numbers = [head, float(c[0] - mpf(head)), *map(float, c[1:])]
        body = "".join(f"        {number!r},\n" for number in numbers)
        tables.append(f'    # relative error {error}\n    "{dtype}": (\n{body}    ),\n')
    return f'''"""Written by tools/erfc_coefficients.py; not to be edited.

(1 + 2 u) e^(u^2) erfc(u) for 0 <= u <= {int(END)}, as powers of (u - MIDDLE) / (u + MIDDLE);
the constant term in two parts.
"""

MIDDLE = {float(MIDDLE)!r}

TAIL = {{
{"".join(tables)}}}
'''


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail if the file differs from what would be written")
    if parser.parse_args().check:
        sys.exit(0 if MODULE.read_text() == text() else f"{MODULE.name} is stale: run python {Path(__file__).name}")
    MODULE.write_text(text())
