"""Draw docs/accuracy.svg, the figure of the README, from docs/accuracy.json.

python tools/figures.py [--check]
"""

import argparse
import json
import sys

import repository  # finds benchmarks
from benchmarks.figure import COLOURS, bars

DOCS = repository.ROOT / "docs"
FIGURE = DOCS / "accuracy.svg"


def accuracy_figure(data: dict) -> str:
    results = data["peers"]
    curves = [f"{n}.{c}" for n in ("sigmoid", "tanh", "silu", "gelu", "gelu_tanh") for c in ("value", "derivative")]
    errors = {
        label: {curve: max(cell["error"], 0.3) for curve, cell in result["curves"].items()}
        for label, result in results.items()
        if label in COLOURS  # the front doors are softfloor once more
    }
    return bars(
        errors, curves, "worst error [ulp]", "float32: worst error over inputs of all exponents (dotted: 1 ulp)", True
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail if the figure is missing")
    check = parser.parse_args().check
    if not check:
        FIGURE.write_text(accuracy_figure(json.loads((DOCS / "accuracy.json").read_text())))
    elif not FIGURE.exists():
        # The drawing of an SVG differs between Matplotlib versions, its data do not.
        sys.exit(f"{FIGURE.name} is missing: run python tools/figures.py")
