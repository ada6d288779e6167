"""The same float32 measurement of what people use today: textbook NumPy, SciPy, torch, jax, ONNX Runtime.

What they call is defined once, for speed and accuracy alike, in benchmarks/peers. Peers that are not installed are left
out; the page says which versions were measured.
"""

import warnings

import numpy as np

import repository  # noqa: F401  (finds benchmarks)
import softfloor as sf
from benchmarks.cells import ONE, Cell
from benchmarks.peers import DOORS, OURS, PEERS, Absent, Peer
from softfloor import catalogue
from ulp import ulp_errors

#: Every 2399th bit pattern (a prime): 1.8 million float32 of all exponents.
STRIDE = 2399


def float32_sample() -> np.ndarray:
    x = np.arange(0, 2**32, STRIDE, dtype=np.uint64).astype(np.uint32).view(np.float32)
    return x[np.isfinite(x)]


#: By label, ours first, and its doors beside the libraries that they are for. torch.compile is no library of its own.
MEASURED = {
    one.label: one
    for peer in (OURS, *PEERS)
    if peer.module != "torch_compile"
    for one in (peer, *DOORS.get(peer.label, ()))
}


def evaluated(peer: Peer, name: str, curve: str, x: np.ndarray) -> np.ndarray | None:
    """A value or derivative as people compute it; None where the library has no such function."""
    cell = Cell(ONE, name, curve, "float32", x.shape, None, out=False)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return peer.statements(cell, {"x": x}, threads=1)[0].result()[0]
    except Absent:
        return None


def measure() -> dict:
    """Worst error in ulp, and the share of the inputs with an error above 1, per peer and curve; ours first."""
    x = float32_sample()
    exact = {}
    for name in catalogue.ACTIVATIONS:
        function = sf.get(name)
        exact[f"{name}.value"], exact[f"{name}.derivative"] = function.value_and_derivative(x.astype(np.float64))
    result = {}
    for label, peer in MEASURED.items():
        try:
            peer.load()
        except Absent as error:
            print(f"{label} {error}", flush=True)
            continue
        curves = {}
        for key in exact:
            computed = evaluated(peer, *key.split("."), x)
            if computed is None:
                continue
            with np.errstate(all="ignore"):
                errors = ulp_errors(computed, exact[key])
            errors = np.where(np.isnan(errors), np.inf, errors)
            worst = int(np.argmax(errors))
            wrong = float(np.mean(errors >= 1))
            finite = errors[np.isfinite(errors)]
            curves[key] = {
                "error": float(finite.max(initial=0.0)),
                "not a number": int(np.size(errors) - np.size(finite)),
                "x": float(x[worst]).hex(),
                "share above 1 ulp": wrong,
            }
        result[label] = {"version": peer.version(), "count": int(x.size), "curves": curves}
        print(label, flush=True)
    return result
