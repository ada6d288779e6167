"""Measure every promise and write docs/accuracy.md.

    python tools/accuracy.py PART...     measure float32, half, float64, rows or peers into docs/accuracy.json
    python tools/accuracy.py             render docs/accuracy.md from docs/accuracy.json
    python tools/accuracy.py --check     fail if the page is not what the data gives, or the data describe other bits

float64 takes 10^7 inputs per curve by default (--count), about an hour on two cores; float32 takes all 2^32.
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


def measure_float32(count: int) -> dict:
    del count
    sets = [name for name in sf.cpu.available() if name in ("v4", "v3", "generic")] or list(sf.cpu.available())
    result = {}
    for name, record in catalogue.ACTIVATIONS.items():
        if record.parameters:
            continue
        sweep = sweeps.sweep_float32(name, tuple(sets))
        for curve, worst in sweep.worst.items():
            digest = sweep.digests[curve].hex()[:16]
            result[f"{name}.{curve}"] = {"error": worst.error, "x": worst.x.hex(), "count": 2**32, "bits": digest}
        print(name, {curve: worst.error for curve, worst in sweep.worst.items()}, flush=True)
    return result


def measure_half(count: int) -> dict:
    del count
    result = {}
    for name, record in catalogue.ACTIVATIONS.items():
        for curve in ("value", "derivative") if record.parameters else mpfr_samples.curves(record):
            for dtype in ("float16", "bfloat16"):
                wrong = mpfr_samples.wrongly_rounded(name, curve, dtype)
                result[f"{name}.{curve}.{dtype}"] = {
                    "wrong": len(wrong),
                    "count": int(mpfr_samples.half_inputs(dtype).size),
                }
        print(name, flush=True)
    return result


def measure_float64(count: int) -> dict:
    result, remembered = {}, {}
    for name, record in catalogue.ACTIVATIONS.items():
        for dtype in ("float32", "float64") if record.parameters else ("float64",):
            for curve in mpfr_samples.curves(record):
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


PARTS = {
    "float32": measure_float32,
    "half": measure_half,
    "float64": measure_float64,
    "rows": row_samples.measure,
    "peers": peers.measure,
}


def described_bits() -> str:
    return golden.digest(np.frombuffer(golden.FILE.read_bytes(), np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--count", type=int, default=10**7, help="inputs per float64 curve (default: %(default)s)")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    data = json.loads(DATA.read_text()) if DATA.exists() else {}
    if arguments.check:
        stale = [part for part in PARTS if part not in data or data[part]["bits"] != described_bits()]
        if stale:
            sys.exit(f"docs/accuracy.json does not describe today's bits: python tools/accuracy.py {' '.join(stale)}")
        if PAGE.read_text() != accuracy_page.render(data):
            sys.exit("docs/accuracy.md is stale: python tools/accuracy.py")
        return
    for part in arguments.parts:
        data[part] = {"bits": described_bits(), "results": PARTS[part](arguments.count)}
        DATA.write_text(json.dumps(data, indent=1) + "\n")
    PAGE.write_text(accuracy_page.render(data))


if __name__ == "__main__":
    main()
