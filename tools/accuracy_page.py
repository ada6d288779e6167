"""docs/accuracy.md from the measured data; no number here is typed."""

from peers import MEASURED
from softfloor import catalogue

HEAD = """# Accuracy

Written by `python tools/accuracy.py` from `docs/accuracy.json`, which the same program measured; not to be edited.

`error = |computed - exact| / ulp(exact)`, the final rounding included; `ulp` is the spacing of the result's format at
the exact value, in subnormal units below the normal range. A correctly rounded result has an error of at most 0.5.
"""


def number(value: float) -> str:
    return f"{value:.4f}" if value < 1000 else f"{value:.1e}"


def point(text: str) -> str:
    value = float.fromhex(text)
    return f"{value:.9g} (`{text}`)"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def float32(results: dict) -> str:
    rows = [[f"`{key}`", "< 1", number(r["error"]), point(r["x"]), f"{r['count']:,}"] for key, r in results.items()]
    text = (
        "\n## float32\n\nEvery input, parameters at their defaults, on AVX-512 and AVX2 with equal bits; the float64 "
        "kernels stand for the exact value.\n\n"
    )
    return text + table(["curve", "promise", "worst error", "at x", "inputs"], rows)


def half(results: dict) -> str:
    rows = [[f"`{key}`", "0 wrongly rounded", str(r["wrong"]), f"{r['count']:,}"] for key, r in results.items()]
    text = (
        "\n## float16 and bfloat16\n\nEvery input, against MPFR rounded once; functions with parameters at their "
        "defaults.\n\n"
    )
    return text + table(["curve", "promise", "wrongly rounded", "inputs"], rows)


def float64(results: dict) -> str:
    rows = [
        [f"`{key}`", "< 1.5", number(r["error"]), ", ".join(point(x) for x in r["x"]), f"{r['count']:,}"]
        for key, r in results.items()
    ]
    text = (
        "\n## float64, and float32 with parameters\n\nAgainst MPFR on inputs that crowd landmarks, the ends of the "
        "range and the seams of the kernels; parameters over a grid, given behind x.\n\n"
    )
    return text + table(["curve", "promise", "worst error", "at", "inputs"], rows)


def rows(results: dict) -> str:
    body = [
        [f"`{name}`", dtype, f"{int(length):,}", number(r["error"]), f"{100 * r['share']:.0f} %"]
        for (name, dtype, length), r in ((key.rsplit(".", 2), r) for key, r in results.items())
    ]
    text = "\n## The softmax family\n\nAgainst MPFR on rows of many kinds. The promise is 2 ulp + n 2^-26 relative.\n\n"
    return text + table(
        ["function", "dtype", "row length n", "worst error in ulp", "largest share of the promise"], body
    )


def peers(results: dict) -> str:
    ours = results["softfloor"]
    labels = [label for label in MEASURED if label in results]
    body = []
    for name in catalogue.ACTIVATIONS:
        for curve in ("value", "derivative"):
            cells = [results[label]["curves"].get(f"{name}.{curve}") for label in labels]
            body.append([f"`{name}.{curve}`", *(cell_text(cell) for cell in cells)])
    versions = ", ".join(f"{label} {results[label]['version']}" for label in labels)
    text = (
        f"\n## Beside what people use today\n\nfloat32, {ours['count']:,} inputs of all exponents (finite), worst "
        "error in ulp; in brackets the share of the inputs that are off by 1 ulp or more, and how many results were "
        "NaN or inf where a number exists. "
        f"10^7 means no correct digit. Versions: {versions}.\n\n"
    )
    return text + table(["curve", *labels], body)


def cell_text(cell: dict | None) -> str:
    if cell is None:
        return "absent"
    broken = f", {cell['not a number']:,} not numbers" if cell["not a number"] else ""
    return f"{number(cell['error'])} ({100 * cell['share above 1 ulp']:.2g} %{broken})"


SECTIONS = {"float32": float32, "half": half, "float64": float64, "rows": rows, "peers": peers}


def render(data: dict) -> str:
    return HEAD + "".join(section(data[name]) for name, section in SECTIONS.items() if name in data)
