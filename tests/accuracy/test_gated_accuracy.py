"""Gated units with all their parameters against MPFR: error below 1.5 ulp, for values and cotangents."""

import gmpy2
import numpy as np
import pytest
from test_products import operands, worst_error

import mpfr_samples
import softfloor as sf
from softfloor import catalogue
from softfloor.catalogue import gates
from ulp import FORMATS, dtype_of, ulp_error

LIMITS, OFFSETS = (0.0, 0.5, 1.0, 7.0, 10.0, 1e4, np.inf), (0.0, 1.0, -0.75, 1e-3)
SOFTCAPS = (0.5, 1.0, 4.0, 25.0, 1e3, np.inf)
every_dtype = pytest.mark.parametrize("dtype", FORMATS)


def spread(choices: tuple[float, ...], count: int, seed: int, dtype: str) -> np.ndarray:
    """Settings, one per element, in the dtype that units take them in."""
    return np.random.default_rng(seed).choice(choices, count).astype(np.float64 if dtype == "float64" else np.float32)


def holds(dtype, unit, inputs, parameters, value, slopes):
    """The worst errors of value, dgate and dup; inputs are gate, up, cotangent."""
    gate, up, cotangent = inputs
    columns = list(parameters.values())
    dgate, dup = unit.vjp(gate, up, cotangent, **parameters)
    in_gate, in_up = slopes

    def times(slope):
        return lambda xp, g, u, c, *p: c * slope(xp, g, u, *p)

    yield "value", worst_error(unit(gate, up, **parameters), dtype, [gate, up, *columns], value)
    yield "dgate", worst_error(dgate, dtype, [*inputs, *columns], times(in_gate))
    yield "dup", worst_error(dup, dtype, [*inputs, *columns], times(in_up))


@every_dtype
@pytest.mark.parametrize("clamp", ("before", "after"))
@pytest.mark.parametrize("name", catalogue.ACTIVATIONS)
def test_clamped_units(name, clamp, dtype):
    record = catalogue.ACTIVATIONS[name]
    inputs = operands(name, dtype, 3)
    count = inputs[0].size
    parameters = {p.name: spread(mpfr_samples.PARAMETER_GRID[:-2], count, 1, dtype) for p in record.parameters}
    parameters |= {"limit": spread(LIMITS, count, 2, dtype), "offset": spread(OFFSETS, count, 3, dtype)}
    unit = sf.gated(name, clamp=clamp)
    if clamp == "after" and not record.exact:  # an activated gate next to the limit counts as either side of this kink
        own = [parameters[p.name].astype(np.float64) for p in record.parameters]
        keywords = dict(zip((p.name for p in record.parameters), own, strict=True))
        activated, limit = (
            sf.get(name)(inputs[0].astype(np.float64), **keywords),
            parameters["limit"].astype(np.float64),
        )
        with np.errstate(invalid="ignore"):
            clear = ~(np.abs(activated - limit) <= 2.0**-31 * limit)
        assert clear.mean() > 0.5
        inputs = [array[clear] for array in inputs]
        parameters = {key: array[clear] for key, array in parameters.items()}
    value, slopes = gates.clamped(record, clamp), gates.clamped_slopes(record, clamp)
    for part, error in holds(dtype, unit, inputs, parameters, value, slopes):
        assert error < 1.5, part


@every_dtype
@pytest.mark.parametrize("name", catalogue.ACTIVATIONS)
def test_plain_units(name, dtype):
    record = catalogue.ACTIVATIONS[name]
    unit = sf.gated(name)
    inputs = operands(name, dtype, 3)
    defaults = list(unit.parameters.values())
    value, slopes = gates.clamped(record), gates.clamped_slopes(record)

    def at_defaults(function):
        return lambda xp, *given: function(xp, *given, *defaults)

    for part, error in holds(dtype, unit, inputs, {}, at_defaults(value), tuple(map(at_defaults, slopes))):
        assert error < 1.5, part


EXPONENTS = {"float16": (-24, 15), "bfloat16": (-130, 126), "float32": (-145, 126), "float64": (-1070, 1022)}


@every_dtype
@pytest.mark.parametrize("name", catalogue.ACTIVATIONS)
def test_factors_of_all_sizes(name, dtype):
    """One of up and cotangent may be subnormal and the other huge: none may lose digits on the way to the product."""
    unit, record = sf.gated(name), catalogue.ACTIVATIONS[name]
    defaults = list(unit.parameters.values())
    inputs = operands(name, dtype, 3, EXPONENTS[dtype])
    up, cotangent = (array.astype(np.float64) for array in inputs[1:])
    with np.errstate(over="ignore", under="ignore"):
        keep = np.abs(up * cotangent) < 1e300  # beyond, tails of float64 have no promise
    inputs = [array[keep] for array in inputs]
    exact = (gates.clamped(record), *gates.clamped_slopes(record))
    exact = [lambda xp, *given, function=function: function(xp, *given, *defaults) for function in exact]
    with np.errstate(over="ignore"):
        for part, error in holds(dtype, unit, inputs, {}, exact[0], tuple(exact[1:])):
            assert error < 1.5, part


@every_dtype
@pytest.mark.parametrize("name", [name for name, record in catalogue.GATES.items() if record.softcaps])
def test_softcapped_units(name, dtype):
    inputs = operands("silu", dtype, 3)
    parameters = {
        p.name: spread(SOFTCAPS[:-1], inputs[0].size, k, dtype) for k, p in enumerate(catalogue.GATES[name].softcaps)
    }
    # Next to the zero of the derivative in the gate float64 has no promise in ulp.
    with np.errstate(all="ignore"):
        dgate, _ = sf.get(name).vjp(inputs[0], np.ones(1, inputs[0].dtype), 1, **parameters)
    keep = np.abs(dgate.astype(np.float64)) > 2e-2 * np.abs(1 / (1 + np.exp(-inputs[0].astype(np.float64))))
    if dtype == "float64":
        inputs = [array[keep] for array in inputs]
        parameters = {p: array[keep] for p, array in parameters.items()}
    assert keep.mean() > 0.5
    for part, error in holds(dtype, sf.get(name), inputs, parameters, gates.softcapped, gates.softcapped_slopes):
        assert error < 1.5, part


def test_softcapped_derivative_next_to_its_zero():
    """float64: an absolute bound, 2^-58 of the terms whose difference it is (up = cotangent = 1)."""
    x = -1.2 + np.linspace(-0.1, 0.1, 2001)
    dgate, _ = sf.situglu.vjp(x, 25.0, 1.0, up_softcap=np.inf)
    xp = mpfr_samples.formula.mpfr(mpfr_samples.PRECISION)
    for number, computed in zip(x.tolist(), dgate.tolist(), strict=True):
        g = gmpy2.mpfr(number)
        term = xp.sigmoid(g) / xp.cosh(g / 4) ** 2 * 25
        exact = 25 * xp.sigmoid(g) * (1 / xp.cosh(g / 4) ** 2 + 4 * xp.tanh(g / 4) * xp.sigmoid(-g))
        assert abs(computed - exact) <= abs(exact) * 2**-53 + term * 2**-58


def test_half_precision_is_rounded_once():
    """On a grid, where many products lie next to the middle of two results: another rounding would show."""
    grid = [a.ravel() for a in np.meshgrid(np.linspace(-20, 20, 401), np.linspace(-3, 3, 31))]
    for name in catalogue.GATES:
        for dtype in ("float16", "bfloat16"):
            narrow = [a.astype(dtype_of(dtype)) for a in grid]
            exact = map(gmpy2.mpfr, sf.get(name)(*(a.astype(np.float64) for a in narrow)).tolist())
            computed = sf.get(name)(*narrow).astype(np.float64)
            assert max(ulp_error(value, truth, dtype) for value, truth in zip(computed, exact, strict=True)) < 0.50001
