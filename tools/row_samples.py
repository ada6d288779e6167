"""Hold the softmax family to MPFR, row by row."""

import gmpy2
import numpy as np

import softfloor as sf
from softfloor import catalogue, formula
from ulp import FORMATS, dtype_of, ulp_error

PRECISION = 170
LENGTHS = (3, 100, 10_000, 1_000_000)
VALUES = ("softmax", "log_softmax", "logsumexp")


def rows(dtype: str, length: int, count: int) -> np.ndarray:
    """Rows of very different kinds: a normal spread, a wide one, one entry far above, a large common offset, ties."""
    random = np.random.default_rng([length, *dtype.encode()])
    kinds = [
        random.normal(size=length) * 3,
        random.normal(size=length) * 30,
        np.concatenate([[40.0], random.normal(size=length - 1)]),
        random.normal(size=length) + 10_000,
        np.repeat(1.0, length),
        random.uniform(-80, 0, length),
    ]
    return np.array(kinds[:count]).astype(dtype_of(dtype))


def allowed(exact: gmpy2.mpfr, length: int, dtype: str) -> float:
    """The promise, 2 ulp + n 2^-26 relative, in ulp of the exact value."""
    precision, smallest = FORMATS[dtype]
    if exact == 0:
        return 2.0
    ulp = gmpy2.exp2(max(gmpy2.get_exp(exact) - 1, smallest) - precision + 1)
    return 2.0 + length * 2.0**-26 * float(abs(exact) / ulp)


def row_errors(name: str, row: np.ndarray, positions: np.ndarray) -> list[tuple[float, float]]:
    """(error, allowed error) of a function of the softmax family at some positions of one row."""
    namespace = formula.mpfr(PRECISION)
    dtype = row.dtype.name
    numbers = [gmpy2.mpfr(value) for value in row.astype(np.float64).tolist()]
    log_total = namespace.log(sum(map(namespace.exp, numbers)))
    computed = np.atleast_1d(sf.get(name)(row)).astype(np.float64)
    if name == "logsumexp":
        return [(ulp_error(computed[0], log_total, dtype), allowed(log_total, row.size, dtype))]
    finish = namespace.exp if name == "softmax" else gmpy2.mpfr
    exact = {int(i): finish(numbers[i] - log_total) for i in positions}
    return [(ulp_error(computed[i], value, dtype), allowed(value, row.size, dtype)) for i, value in exact.items()]


def measure() -> dict:
    """The largest error in ulp, and the largest share of the allowed error, per function, dtype and row length."""
    assert set(VALUES) <= set(catalogue.ROWS)
    result = {}
    for name in VALUES:
        for dtype in FORMATS:
            for length in LENGTHS:
                pairs = []
                for row in rows(dtype, length, 6 if length < 10**6 else 2):
                    random = np.random.default_rng(length)
                    positions = np.unique(np.concatenate([[int(np.argmax(row))], random.integers(0, length, 300)]))
                    pairs += row_errors(name, row, positions)
                error, share = max(e for e, _ in pairs), max(e / a for e, a in pairs)
                result[f"{name}.{dtype}.{length}"] = {"error": error, "share": share, "count": len(pairs)}
        print(name, flush=True)
    return result
