"""Measure every promise and write docs/accuracy.md.

    python tools/accuracy.py PART...     measure float32, half, float64, rows or peers into docs/accuracy.json
    python tools/accuracy.py             render docs/accuracy.md from docs/accuracy.json
    python tools/accuracy.py --check     fail if the page is not what the data gives, or the data describe other bits

float64 takes 10^7 inputs per curve by default (--count), about a minute each on two cores; float32 takes all 2^32.
--only measures one function again, and in float64 one curve of it, if asked to (silu.derivative). Each result carries
the digest of the bits that it was measured on (tools/golden.py).
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import accuracy_page
import golden
import mpfr_samples
import peers
import row_samples
import softfloor as sf
import sweeps
from softfloor import catalogue

ROOT = Path(__file__).resolve().parents[1]
DATA, PAGE, WORST = (
    ROOT / "docs" / "accuracy.json",
    ROOT / "docs" / "accuracy.md",
    ROOT / "tests" / "accuracy" / "worst.json",
)


def measure_float32(names: list[str], count: int, only: str) -> dict:
    del count, only
    sets = [name for name in sf.cpu.available() if name != "x86_64"] or list(sf.cpu.available())
    result = {}
    for name in names:
        sweep = sweeps.sweep_float32(name, tuple(sets))
        for curve, worst in sweep.worst.items():
            digest = sweep.digests[curve].hex()[:16]
            key = f"{name}.{curve}.float32"
            result[key] = {"error": worst.error, "x": worst.x.hex(), "count": 2**32, "all bits": digest}
            print(key, result[key], flush=True)
    return result


def measure_half(names: list[str], count: int, only: str) -> dict:
    del count, only
    result = {}
    for name in names:
        record = catalogue.ACTIVATIONS[name]
        for curve in ("value", "derivative") if record.parameters else mpfr_samples.curves(record):
            for dtype in ("float16", "bfloat16"):
                wrong = mpfr_samples.wrongly_rounded(name, curve, dtype)
                inputs = int(mpfr_samples.half_inputs(dtype).size)
                result[f"{name}.{curve}.{dtype}"] = {"wrong": len(wrong), "count": inputs}
        print(name, flush=True)
    return result


def measure_float64(names: list[str], count: int, only: str) -> dict:
    """All curves, or the one named ``only``."""
    result, remembered = {}, json.loads(WORST.read_text()) if WORST.exists() else {}
    for name in names:
        record = catalogue.ACTIVATIONS[name]
        for dtype in ("float32", "float64") if record.parameters else ("float64",):
            for curve in [only] if only else mpfr_samples.curves(record):
                total = mpfr_samples.Sample()
                for part in mpfr_samples.sample(name, curve, dtype, count):
                    total.merge(part)
                error, inputs = total.worst[0]
                key = f"{name}.{curve}.{dtype}"
                result[key] = {"error": error, "x": [value.hex() for value in inputs], "count": total.count}
                remembered[key] = [[value.hex() for value in row] for _, row in total.worst]
                print(key, result[key], flush=True)
    WORST.write_text(json.dumps(remembered, indent=0) + "\n")
    return result


def measure_rows(names: list[str], count: int, only: str) -> dict:
    del names, count, only
    return row_samples.measure()


def measure_peers(names: list[str], count: int, only: str) -> dict:
    del names, count, only
    return peers.measure()


PARTS = {
    "float32": measure_float32,
    "half": measure_half,
    "float64": measure_float64,
    "rows": measure_rows,
    "peers": measure_peers,
}


def bits_of(key: str) -> str:
    """The digest of what a result describes: a curve in a dtype, a row function, or (peers) all float32 curves."""
    digests = json.loads(golden.FILE.read_text())
    name, _, dtype = key.partition(".")
    if key in peers.MEASURED:
        kept = [k for k in sorted(digests) if k.endswith((".float32", ".float32.default"))]
    elif key in digests:
        kept = [k for k in (key, f"{key}.default") if k in digests]
    else:
        kept = [k for k in sorted(digests) if k.startswith(f"{name}.{dtype.partition('.')[0]}.")]
    if len(kept) == 1:
        return digests[kept[0]]
    return golden.digest(np.frombuffer(" ".join(digests[k] for k in kept).encode(), np.uint8))


def stale_results(data: dict) -> list[str]:
    """Results that describe other bits than today's, and functions that a part does not know."""
    stale = [f"{part} {key}" for part in data for key, r in data[part].items() if r["bits"] != bits_of(key)]
    for name in catalogue.ACTIVATIONS:
        for part in ("float32", "half", "float64"):
            if not any(key.startswith(f"{name}.") for key in data.get(part, {})):
                stale.append(f"{part} {name}")
    return stale + [part for part in PARTS if part not in data]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--only", default="", metavar="NAME[.CURVE]", help="measure one function, or one curve of it")
    parser.add_argument("--count", type=int, default=10**7, help="inputs per float64 curve (default: %(default)s)")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(unknown)}; parts: {', '.join(PARTS)}")
    data = json.loads(DATA.read_text()) if DATA.exists() else {}
    if arguments.check:
        if stale := stale_results(data):
            sys.exit(f"docs/accuracy.json does not describe today's bits; measure again: {', '.join(stale)}")
        if PAGE.read_text() != accuracy_page.render(data):
            sys.exit("docs/accuracy.md is stale: python tools/accuracy.py")
        return
    name, _, curve = arguments.only.partition(".")
    if name and (
        name not in catalogue.ACTIVATIONS or curve not in ("", *mpfr_samples.curves(catalogue.ACTIVATIONS[name]))
    ):
        parser.error(f"unknown curve {arguments.only}; functions: {', '.join(catalogue.ACTIVATIONS)}")
    names = [name] if name else list(catalogue.ACTIVATIONS)
    for part in arguments.parts:
        results = PARTS[part](names, arguments.count, curve)
        data.setdefault(part, {}).update({key: {**r, "bits": bits_of(key)} for key, r in results.items()})
        DATA.write_text(json.dumps(data, indent=1) + "\n")
    PAGE.write_text(accuracy_page.render(data))


if __name__ == "__main__":
    main()
