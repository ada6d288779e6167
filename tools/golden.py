"""Digests of the bits that every function returns, in tests/accuracy/golden.json: equal on every machine.

    python tools/golden.py [--write]

Without --write, compares and fails on a difference. Inputs are made of integers alone, so they are the same everywhere.
"""

import argparse
import hashlib
import itertools
import json
import sys
from pathlib import Path

import numpy as np

import softfloor as sf
from softfloor import _core
from softfloor.catalogue import ACTIVATIONS, GATES
from ulp import FORMATS, dtype_of

FILE = Path(__file__).resolve().parents[1] / "tests" / "accuracy" / "golden.json"
WIDTHS = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def inputs(dtype: str, operand: int, count: int = 1 << 16) -> np.ndarray:
    """Half of them any bit pattern (NaN, infinities and subnormal numbers among them), half spread over [-32, 32)."""
    kind = dtype_of(dtype)
    factor = (0x9E3779B97F4A7C15 + 2 * 0x632BE59BD9B4E019 * operand) % 2**64
    index = np.arange(1, count // 2 + 1, dtype=np.uint64) * np.uint64(factor)
    patterns = (index >> np.uint64(64 - 8 * kind.itemsize)).astype(WIDTHS[kind.itemsize]).view(kind)
    spread = ((index >> np.uint64(30)).astype(np.int64) - (1 << 33)) / 2.0**28
    if dtype == "bfloat16":
        spread = spread.astype(np.float32)  # to round twice, as ml_dtypes does before 0.7 and no longer since
    with np.errstate(invalid="ignore"):
        return np.concatenate([patterns, spread.astype(kind)])


def digest(results: object) -> str:
    arrays = results if isinstance(results, tuple) else (results,)
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[:16]


def elementwise_ufuncs() -> dict[str, np.ufunc]:
    return {
        f"{name}.{variant}": _core.make_ufunc(name, variant, name, "")
        for name, variant in _core.kernels()
        if name in ACTIVATIONS and not variant.startswith("gated")
    }


def of_gates(dtype: str) -> dict[str, object]:
    """Results of the unit of each activation: plain, with its activation's parameter, and with all parameters."""
    found: dict[str, object] = {}
    for unit in [sf.gated(name) for name in ACTIVATIONS] + [sf.get(name) for name in GATES if GATES[name].softcaps]:
        for variant, function in (("value", unit), ("vjp", unit.vjp)):
            count = len(function.operands)
            operands = [inputs(dtype, k) for k in range(count)]
            own = {name: inputs(dtype, count + k) for k, name in enumerate(function.parameters)}
            key = f"{unit.name}.{variant}"
            found[f"{key}.default"] = function(*operands)
            if unit.record.softcaps:
                found[key] = function(*operands, **{name: np.abs(array) for name, array in own.items()})
                continue
            limit, offset = np.abs(own.pop("limit")), own.pop("offset")
            found[key] = function(*operands, **own)
            for clamp in ("before", "after"):
                found[f"{key}.{clamp}"] = function(*operands, **own, limit=limit, offset=offset, clamp=clamp)
    return found


def at_defaults(name: str, dtype: str) -> dict[str, object]:
    """Results of a function whose parameters are left out: they have kernels of their own."""
    function, x, cotangent = sf.get(name), inputs(dtype, 0), inputs(dtype, 1)
    return {"value": function(x), "derivative": function.derivative(x), "vjp": function.vjp(x, cotangent)}


def digests() -> dict[str, str]:
    """One per function, variant and dtype."""
    found = {}
    for (name, ufunc), dtype in itertools.product(elementwise_ufuncs().items(), FORMATS):
        found[f"{name}.{dtype}"] = digest(ufunc(*(inputs(dtype, k) for k in range(ufunc.nin))))
    for dtype in FORMATS:
        for key, result in of_gates(dtype).items():
            name, variant, *kind = key.split(".")
            found[".".join([name, variant, dtype, *kind])] = digest(result)
    for (name, record), dtype in itertools.product(ACTIVATIONS.items(), FORMATS):
        if record.parameters:
            results = at_defaults(name, dtype)
            found |= {f"{name}.{variant}.{dtype}.default": digest(result) for variant, result in results.items()}
    for dtype, length in itertools.product(FORMATS, (1, 15, 16, 17, 1000)):
        kind = dtype_of(dtype)
        rows = inputs(dtype, 0, 1 << 13)[-3 * length :].reshape(3, length)
        other = inputs(dtype, 1, 1 << 13)[-3 * length :].reshape(3, length)
        labels, weights = np.arange(3) % length, np.abs(other)
        loss = sf.softmax_cross_entropy
        results = {
            "softmax": sf.softmax(rows, temperature=0.7),
            "softmax.vjp": sf.softmax.vjp(sf.softmax(rows), other),
            "log_softmax": sf.log_softmax(rows),
            "log_softmax.vjp": sf.log_softmax.vjp(sf.log_softmax(rows), other),
            "logsumexp": sf.logsumexp(rows),
            "logsumexp.vjp": sf.logsumexp.vjp(rows, other[:, 0]),
            "softmax_cross_entropy": loss(rows, labels, reduction="none"),
            "softmax_cross_entropy.value_and_grad": loss.value_and_grad(rows, labels),
            "softmax_cross_entropy.probabilities": loss.value_and_grad(rows, weights.astype(kind)),
        }
        options = {"weight": 0.5 + np.arange(length) % 3, "label_smoothing": 0.1, "z_loss": 1e-3}
        for cap, softcap in (("", None), (".capped", 30.0)):
            targets = {"options": labels, "options.probabilities": weights.astype(kind)}
            for kind_of_labels, given in targets.items():
                pair = loss.value_and_grad(rows, given, softcap=softcap, reduction="none", **options)
                results[f"softmax_cross_entropy.{kind_of_labels}{cap}"] = pair
        for name in ("softmin", "sparsemax", "entmax15"):
            function = sf.get(name)
            results[name] = function(rows, temperature=0.7)
            results[f"{name}.vjp"] = function.vjp(function(rows), other)
        results["hardmax"] = sf.hardmax(rows)
        noise = np.random.Generator(np.random.Philox(length))
        results["gumbel_softmax"] = sf.gumbel_softmax(rows, temperature=0.7, rng=noise)
        shares, binary = np.abs(other.astype(np.float64)) % 1, sf.sigmoid_cross_entropy
        shares = np.where(np.isfinite(shares), shares, 0)
        results["sigmoid_cross_entropy"] = binary(rows, shares, pos_weight=2.5, reduction="none")
        results["sigmoid_cross_entropy.value_and_grad"] = binary.value_and_grad(rows, shares, weight=0.75)
        results |= of_states(rows, other)
        found |= {f"{name}.{dtype}.{length}": digest(result) for name, result in results.items()}
    return found


def of_states(rows: np.ndarray, other: np.ndarray) -> dict[str, object]:
    """What chunks of rows are reduced to, and results made of that."""
    lse, loss, softmax = (sf.get(name).gufuncs for name in ("logsumexp", "softmax_cross_entropy", "softmax"))
    summit = lse["summit"](rows)
    state = (*summit, *lse["terms"](rows, *summit, 0.7), 0.7)
    p = sf.softmax(rows)
    sizes = softmax["product_size"](p, other)
    sums = softmax["product_sum"](p, other, sizes[0])
    return {
        "state": state[:-1],
        "state.softmax": softmax["of_state"](rows, *state),
        "state.log_softmax": sf.log_softmax.gufuncs["of_state"](rows, *state),
        "state.logsumexp": lse["of_state"](rows[:, :1], *state),
        "state.logsumexp.vjp": lse["vjp_of_state"](rows, *state, other[:, 0]),
        "state.gradient": loss["gradient_of_state"](rows, *state, 0, 1.0),
        "state.softmax.vjp": softmax["vjp_of_state"](p, other, *sizes, *sums, 1.0),
    }


def differences() -> list[str]:
    expected, found = json.loads(FILE.read_text()), digests()
    return sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="accept today's bits")
    if parser.parse_args().write:
        FILE.write_text(json.dumps(digests(), indent=0) + "\n")
    elif changed := differences():
        sys.exit(f"bits differ from {FILE.name}: {', '.join(changed)}")
