"""Measure float32 functions over every input; what the tests assert and docs/accuracy.md prints.

The chain of trust: MPFR holds the float64 kernels (mpfr_samples.py), which are far more accurate than a float32 needs
and so stand for the exact value here.
"""

import hashlib
import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import softfloor as sf
from ulp import ulp_errors

CHUNK = 1 << 15
CHUNKS = (1 << 32) // CHUNK
CURVES = ("value", "derivative")


@dataclass
class Worst:
    """The largest error seen and the input that had it; merging keeps the larger."""

    error: float = 0.0
    x: float = 0.0
    parameters: tuple[float, ...] = ()

    def update(self, errors: np.ndarray, x: np.ndarray, parameters: tuple[float, ...] = ()) -> None:
        largest = errors.max(initial=0.0)
        if not largest <= self.error:  # nan counts as larger than anything
            index = int(np.argmax(errors))
            self.error, self.x, self.parameters = float(largest), float(x[index]), parameters

    def merge(self, other: "Worst") -> None:
        if not other.error <= self.error:
            self.error, self.x, self.parameters = other.error, other.x, other.parameters


@dataclass
class Sweep:
    """What a sweep over float32 found; every list must be empty for the promises to hold."""

    worst: dict[str, Worst] = field(default_factory=lambda: {curve: Worst() for curve in CURVES})
    nan_mismatches: list[float] = field(default_factory=list)
    decreases: list[float] = field(default_factory=list)
    odd_mismatches: list[float] = field(default_factory=list)
    instruction_set_mismatches: list[tuple[str, float]] = field(default_factory=list)
    digests: dict[str, bytes] = field(default_factory=dict)


def evaluate(function: sf.Activation, curve: str) -> Callable[..., np.ndarray]:
    return function if curve == "value" else function.derivative


def float32_inputs(chunk: int, before: int = 0) -> np.ndarray:
    """The float32 whose bit patterns are chunk * CHUNK ..., with as many patterns in front as asked for."""
    start = chunk * CHUNK
    return np.arange(start - min(before, start), start + CHUNK, dtype=np.uint32).view(np.float32)


def sweep_chunks(name: str, instruction_sets: tuple[str, ...], chunks: range) -> Sweep:
    function = sf.get(name)
    found = Sweep()
    monotone = len(function.info.rising) == 1 and not function.info.falling
    hashes = {curve: hashlib.sha256() for curve in CURVES}
    sf.threads.set(1)
    for chunk in chunks:
        x = float32_inputs(chunk)
        nan = np.isnan(x)
        has_nan = bool(nan.any())
        number = ~nan if has_nan else slice(None)
        with np.errstate(invalid="ignore"):  # a signalling NaN among the inputs
            wide = x.astype(np.float64)
        exact = dict(zip(CURVES, function.value_and_derivative(wide), strict=True))
        for curve in CURVES:
            with sf.cpu.use(instruction_sets[0]):
                y = evaluate(function, curve)(x)
            if has_nan:
                found.nan_mismatches += x[np.isnan(y) != nan][:3].tolist()
            found.worst[curve].update(ulp_errors(y[number], exact[curve][number]), x[number])
            for other in instruction_sets[1:]:
                with sf.cpu.use(other):
                    differs = evaluate(function, curve)(x).view(np.uint32) != y.view(np.uint32)
                if differs.any():
                    found.instruction_set_mismatches.append((other, float(x[np.argmax(differs)])))
            bits = y.view(np.uint64)
            hashes[curve].update(np.bitwise_xor.reduce(bits).tobytes() + np.add.reduce(bits).tobytes())
            if curve == "value" and not has_nan:
                if monotone:
                    edge = function(float32_inputs(chunk, 1)[:1]) if chunk % (CHUNKS // 2) else y[:1]
                    rises = np.diff(np.concatenate([edge, y])) * np.sign(x[-1])
                    found.decreases += x[rises < 0][:3].tolist()
                if function.info.symmetry == "odd":
                    mirrored = evaluate(function, curve)(-x)
                    found.odd_mismatches += x[mirrored.view(np.uint32) != (-y).view(np.uint32)][:3].tolist()
    found.digests = {curve: value.digest() for curve, value in hashes.items()}
    return found


def sweep_float32(
    name: str, instruction_sets: tuple[str, ...], pieces: int = 64, processes: int | None = None
) -> Sweep:
    """Value and derivative of a function at its default parameters over all 2^32 float32, on several instruction sets.

    The first instruction set is measured; the others must return its bits. ``digests`` does not depend on
    ``processes``.
    """
    total = Sweep()
    tasks = [(name, instruction_sets, range(i * CHUNKS // pieces, (i + 1) * CHUNKS // pieces)) for i in range(pieces)]
    digests: dict[str, list[bytes]] = {curve: [] for curve in CURVES}
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for part in pool.starmap(sweep_chunks, tasks, chunksize=1):
            for curve in CURVES:
                total.worst[curve].merge(part.worst[curve])
                digests[curve].append(part.digests[curve])
            for kind in ("nan_mismatches", "decreases", "odd_mismatches", "instruction_set_mismatches"):
                getattr(total, kind).extend(getattr(part, kind))
    total.digests = {curve: hashlib.sha256(b"".join(digests[curve])).digest() for curve in CURVES}
    return total
