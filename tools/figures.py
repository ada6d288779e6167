"""Draw the two figures of the README from docs/accuracy.json and docs/speed.json, and docs/performance.md.

python tools/figures.py [--check]
"""

import argparse
import io
import json
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from accuracy_page import table

DOCS = Path(__file__).resolve().parents[1] / "docs"
COLOURS = {
    "softfloor": "#0072b2",
    "textbook NumPy": "#999999",
    "SciPy": "#e69f00",
    "torch": "#d55e00",
    "jax": "#009e73",
    "ONNX Runtime": "#cc79a7",
}


def bars(
    values: dict[str, dict[str, float]], curves: list[str], label: str, title: str, bound: float | None = None
) -> str:
    """Grouped bars, one group per curve, one bar per library, perhaps a dotted line, as SVG with reproducible ids."""
    with mpl.rc_context({"svg.hashsalt": "softfloor", "font.size": 10}):
        figure = Figure(figsize=(10, 3.8), layout="constrained")
        axes = figure.subplots()
        width = 0.8 / len(values)
        for i, (name, cells) in enumerate(values.items()):
            shown = [(j, cells[curve]) for j, curve in enumerate(curves) if curve in cells]
            axes.bar(
                [j + (i - len(values) / 2 + 0.5) * width for j, _ in shown],
                [v for _, v in shown],
                width,
                label=name,
                color=COLOURS[name],
            )
        axes.set_xticks(
            range(len(curves)), [curve.replace(".value", "").replace(".derivative", "'") for curve in curves]
        )
        axes.set_ylabel(label)
        axes.set_title(title, loc="left")
        axes.set_yscale("log")
        if bound is not None:
            axes.axhline(bound, color="black", linewidth=0.8, linestyle=":")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
        axes.legend(ncols=len(values), frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.12))
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": "softfloor tools/figures.py"})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def accuracy_figure(data: dict) -> str:
    results = data["peers"]
    curves = [f"{n}.{c}" for n in ("sigmoid", "tanh", "silu", "gelu", "gelu_tanh") for c in ("value", "derivative")]
    errors = {
        label: {curve: max(cell["error"], 0.3) for curve, cell in result["curves"].items()}
        for label, result in results.items()
    }
    return bars(
        errors, curves, "worst error [ulp]", "float32: worst error over inputs of all exponents (dotted: 1 ulp)", True
    )


def speed_figure(data: dict) -> str:
    curves = [
        f"{n}.{c}" for n in ("relu", "sigmoid", "tanh", "silu", "gelu", "gelu_tanh") for c in ("value", "derivative")
    ]
    title = f"float32, {data['elements']:,} elements in cache, one thread"
    return bars(data["ns per element"], curves, "ns per element", title)


def performance_page(data: dict) -> str:
    labels = list(data["ns per element"])
    rows = []
    for curve, ours in data["ns per element"]["softfloor"].items():
        others = {label: data["ns per element"][label].get(curve) for label in labels[1:]}
        fastest = min((value, label) for label, value in others.items() if value is not None)
        cells = ["absent" if value is None else f"{value:.2f}" for value in others.values()]
        rows.append([f"`{curve}`", f"{ours:.2f}", *cells, f"{fastest[0] / ours:.2f} ({fastest[1]})"])
    versions = ", ".join(f"{label} {text}" for label, text in data["versions"].items())
    return (
        "# Performance\n\nWritten by `python tools/speed.py && python tools/figures.py`; not to be edited.\n\n"
        f"ns per float32 element, {data['elements']:,} elements in cache, one thread, output allocated by the call, "
        f"instruction set {data['instruction set']}; all libraries in one process, in turn; medians. The last column "
        f"is the fastest other library's time over ours: below 1 it is faster than softfloor. Versions: {versions}.\n\n"
        + table(["curve", "softfloor", *labels[1:], "ratio"], rows)
    )


def files() -> dict[Path, str]:
    accuracy, speed = (json.loads((DOCS / name).read_text()) for name in ("accuracy.json", "speed.json"))
    return {
        DOCS / "accuracy.svg": accuracy_figure(accuracy),
        DOCS / "speed.svg": speed_figure(speed),
        DOCS / "performance.md": performance_page(speed),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail if a text differs or a figure is missing")
    check = parser.parse_args().check
    for path, text in files().items():
        if not check:
            path.write_text(text)
        elif not path.exists() or (path.suffix == ".md" and path.read_text() != text):
            # The drawing of an SVG differs between Matplotlib versions, its data do not.
            sys.exit(f"{path.name} is stale: run python tools/figures.py")
