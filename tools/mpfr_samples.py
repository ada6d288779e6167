"""Hold functions to MPFR: correctly rounded half precision, and float64 on inputs that crowd the awkward places."""

import heapq
import multiprocessing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import gmpy2
import numpy as np

import softfloor as sf
from softfloor import catalogue, formula
from ulp import FORMATS, dtype_of, ulp_error

PRECISION = 170  # enough for 53 bits after losing 54 next to a zero, and 60 to tell errors apart
KEPT = 20  # worst inputs that are remembered per curve

#: Values at which functions with parameters are held to their promise.
PARAMETER_GRID = (-3.0, -1.0, -0.1, 0.0, 1e-3, 0.5, 1.0, 1.5, 1.702, 10.0, 1e3, 1e30)

Input = tuple[float, ...]


@dataclass
class Sample:
    """The worst inputs of one curve, (error, (x, parameters...)), largest error first, and how many were tried."""

    count: int = 0
    worst: list[tuple[float, Input]] = field(default_factory=list)

    def merge(self, other: "Sample") -> None:
        self.count += other.count
        self.worst = heapq.nlargest(KEPT, {*self.worst, *other.worst})


def curves(record: catalogue.Activation) -> dict[str, formula.Formula]:
    """Formula of the value, the derivative, and the derivative in each parameter."""
    parameters = {f"{name}_derivative": slope for name, slope in record.parameter_slopes.items()}
    return {"value": record.formula, "derivative": record.slope, **parameters}


def evaluate(name: str, curve: str, x: np.ndarray, *parameters: np.ndarray | float) -> np.ndarray:
    """A curve of a function by its name."""
    function = sf.get(name)
    keywords = dict(zip(function.parameters, parameters, strict=False))
    if curve == "value":
        return function(x, **keywords)
    if curve == "derivative":
        return function.derivative(x, **keywords)
    return function.parameter_derivative(x, curve.removesuffix("_derivative"), **keywords)


# ---- half precision
def half_inputs(dtype: str) -> np.ndarray:
    """Every finite float16 or bfloat16."""
    x = np.arange(1 << 16, dtype=np.uint16).view(dtype_of(dtype))
    with np.errstate(invalid="ignore"):  # ml_dtypes minds signalling NaNs
        return x[np.isfinite(x)]


def rounded_correctly(exact: Iterable[gmpy2.mpfr], dtype: str) -> np.ndarray:
    """MPFR numbers rounded once, to nearest even, to float16 or bfloat16."""
    precision, smallest = FORMATS[dtype]

    def rounded(value: gmpy2.mpfr) -> float:
        if not gmpy2.is_finite(value) or value == 0:
            return float(value)
        unit = gmpy2.exp2(max(gmpy2.get_exp(value) - 1, smallest) - precision + 1)
        return float(gmpy2.copy_sign(gmpy2.rint(value / unit) * unit, value))

    with np.errstate(over="ignore"):  # beyond the largest number is inf
        return np.array([rounded(value) for value in exact]).astype(dtype_of(dtype))


def wrongly_rounded(name: str, curve: str, dtype: str) -> list[tuple[float, float, float]]:
    """Every (input, computed, exact rounded once) that differs, over all finite inputs, at the default parameters.

    A result of zero must have the sign of the exact value; beyond the exponents of MPFR itself that is the limit's.
    """
    record = catalogue.ACTIVATIONS[name]
    namespace = formula.mpfr(PRECISION)
    parameters = [gmpy2.mpfr(parameter.default) for parameter in record.parameters]
    x = half_inputs(dtype)
    function = curves(record)[curve]
    exact = [gmpy2.mpfr(function(namespace, gmpy2.mpfr(float(value)), *parameters)) for value in x]
    expected, computed = rounded_correctly(exact, dtype), evaluate(name, curve, x)
    if computed.dtype != x.dtype:
        raise AssertionError(f"{name} {curve} of {dtype} has dtype {computed.dtype}")
    limits = (record.facts.value if curve == "value" else record.facts.derivative).limits
    for i in np.flatnonzero([value == 0 for value in exact]):
        if abs(float(x[i])) > 1e4:
            expected[i] = x.dtype.type(float(limits[int(x[i] > 0)]))
    differs = expected.view(np.uint16) != computed.view(np.uint16)
    return [(float(x[i]), float(computed[i]), float(expected[i])) for i in np.flatnonzero(differs)]


# ---- float64
def landmarks(name: str) -> list[float]:
    """Zeros, extrema and kinks of value and derivative, and where the left tail leaves the float64 range."""
    record = catalogue.ACTIVATIONS[name]
    points = [float(kink.x) for kink in record.facts.kinks]
    for curve in (record.facts.value, record.facts.derivative):
        points += [float(zero) for zero in curve.zeros]
        points += [float(point.x) for point in (curve.minimum, curve.maximum) if point]
    for threshold in (0.0, np.finfo(np.float64).tiny):
        low, high = -1000.0, 0.0
        while high - low > 1e-9:
            middle = (low + high) / 2
            below = abs(evaluate(name, "value", np.float64(middle))) <= threshold
            low, high = (middle, high) if below else (low, middle)
        if threshold < high - low or low > -999:
            points += [low, -low]
    return sorted(set(points))


def float64_inputs(name: str, count: int, seed: int) -> np.ndarray:
    """Inputs that crowd the awkward places: uniform near 0 and far out, all exponents, landmarks at all distances."""
    random = np.random.default_rng([seed, *name.encode()])
    quarter = count // 4
    every_exponent = np.ldexp(random.uniform(1, 2, quarter), random.integers(-1074, 12, quarter)) * random.choice(
        [-1, 1], quarter
    )
    points = np.array(landmarks(name) or [1.0])
    near = random.choice(points, quarter)
    scale = np.maximum(np.abs(near), 2.0**-60)
    near = near + scale * random.choice([-1, 1], quarter) * 2.0 ** random.uniform(-53, 0, quarter)
    # Multiples of ln(2)/2, where the exponential changes its reduction.
    steps = (
        random.integers(-1500, 1500, quarter // 2)
        * (np.log(2) / 2)
        * (1 + random.integers(-40, 40, quarter // 2) * 2.0**-52)
    )
    uniform = random.uniform(-1, 1, count - 3 * quarter + quarter - quarter // 2) * random.choice(
        [10.0, 45.0, 760.0], count - 3 * quarter + quarter - quarter // 2, p=[0.6, 0.3, 0.1]
    )
    return np.concatenate([every_exponent, near, steps, uniform])


def _sample(task: tuple[str, str, str, int, int]) -> Sample:
    name, curve, dtype, count, seed = task
    record = catalogue.ACTIVATIONS[name]
    x = float64_inputs(name, count, seed)
    with np.errstate(over="ignore"):
        x = x.astype(dtype_of(dtype))
    x = x[np.isfinite(x)]
    grids = [np.resize(dtype_of(dtype).type(PARAMETER_GRID), x.size) for _ in record.parameters]
    errors = mpfr_errors(name, curve, dtype, np.column_stack([x, *grids]) if grids else x[:, None])
    order = np.argsort(errors)[-KEPT:]
    return Sample(x.size, [(float(errors[i]), (float(x[i]), *(float(g[i]) for g in grids))) for i in order])


def mpfr_errors(name: str, curve: str, dtype: str, inputs: np.ndarray) -> np.ndarray:
    """Errors in ulp of a curve at rows (x, parameters...)."""
    function = curves(catalogue.ACTIVATIONS[name])[curve]
    namespace = formula.mpfr(PRECISION)
    number = gmpy2.mpfr
    operands = inputs.astype(dtype_of(dtype))
    computed = evaluate(name, curve, *operands.T)
    if computed.dtype != operands.dtype:
        raise AssertionError(f"{name} {curve} of {dtype} has dtype {computed.dtype}")
    return np.array(
        [
            ulp_error(value, number(function(namespace, *map(number, row))), dtype)
            for value, row in zip(computed.tolist(), operands.astype(np.float64).tolist(), strict=True)
        ]
    )


def sample(
    name: str, curve: str, dtype: str, count: int, seed: int = 0, processes: int | None = None
) -> Iterator[Sample]:
    """Samples against MPFR, in pieces as they are ready; merge them. ``processes=0`` stays in this process."""
    piece = 20_000
    tasks = [(name, curve, dtype, min(piece, count - start), seed + start) for start in range(0, count, piece)]
    if processes == 0:
        yield from map(_sample, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(_sample, tasks)
