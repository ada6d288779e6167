"""Every fact of the catalogue against its formula at 50 digits, and every slope against its formula's derivative."""

import itertools

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from softfloor import catalogue, formula
from softfloor.catalogue.record import Interval, Kink

DIGITS = 50
CLOSE = mpf(10) ** -47
ACTIVATIONS = list(catalogue.ACTIVATIONS.values())
every_record = pytest.mark.parametrize("record", ACTIVATIONS, ids=lambda record: record.name)
CURVES = {"value": lambda record: record.formula, "derivative": lambda record: record.slope}
every_curve = pytest.mark.parametrize("curve", CURVES)

#: Where functions are sampled: dense around 0, out to where all of them have reached their limits.
GRID = sorted(
    {float(s * x) for s in (-1, 1) for x in np.concatenate([np.linspace(0, 12, 241), np.geomspace(1e-6, 60, 60)])}
)


@pytest.fixture(autouse=True)
def working_precision():
    with mpmath.workdps(DIGITS + 10):
        yield


def at(record, function):
    """A formula as a function of x alone, at the default parameters, in mpmath numbers."""
    xp = formula.mpmath(DIGITS)
    defaults = [mpf(parameter.default) for parameter in record.parameters]
    return lambda x: mpmath.mpmathify(function(xp, mpf(x), *defaults))


def smooth_at(record, x):
    return all(mpf(kink.x) != x for kink in record.facts.kinks)


@every_record
def test_slope_is_the_derivative_of_the_formula(record):
    value, slope = at(record, record.formula), at(record, record.slope)
    for x in GRID[::5]:
        if smooth_at(record, x):
            with mpmath.workdps(3 * DIGITS):  # a difference of nearby values loses half of the digits
                expected = mpmath.diff(value, mpf(x))
            assert abs(slope(x) - expected) <= CLOSE * max(1, abs(expected)), x


@every_record
@pytest.mark.parametrize("setting", [-2.5, 0, 0.3, 4])
def test_parameter_slopes(record, setting):
    xp = formula.mpmath(DIGITS)
    for position, parameter in enumerate(record.parameters):
        for x in GRID[::7]:
            settings = [mpf(p.default) for p in record.parameters]
            settings[position] = mpf(setting)

            def along_x(t, settings=settings):
                return record.formula(xp, t, *settings)

            def along_parameter(t, x=x, settings=settings, position=position):
                return record.formula(xp, mpf(x), *settings[:position], t, *settings[position + 1 :])

            with mpmath.workdps(3 * DIGITS):
                by_x, by_parameter = mpmath.diff(along_x, mpf(x)), mpmath.diff(along_parameter, mpf(setting))
            given = record.parameter_slopes[parameter.name](xp, mpf(x), *settings)
            assert abs(record.slope(xp, mpf(x), *settings) - by_x) <= CLOSE * max(1, abs(by_x))
            assert abs(given - by_parameter) <= CLOSE * max(1, abs(by_parameter))


def test_every_parameter_has_its_slope():
    for record in ACTIVATIONS:
        assert list(record.parameter_slopes) == [parameter.name for parameter in record.parameters]


@every_record
def test_sympy_s_derivative_is_the_slope(record):
    sympy = pytest.importorskip("sympy")
    x = sympy.Symbol("x", real=True)
    parameters = [sympy.Symbol(parameter.name, real=True) for parameter in record.parameters]
    xp = formula.sympy()
    value = record.formula(xp, x, *parameters)
    pairs = [(sympy.diff(value, x), record.slope(xp, x, *parameters))]
    pairs += [
        (sympy.diff(value, symbol), record.parameter_slopes[symbol.name](xp, x, *parameters)) for symbol in parameters
    ]
    for by_sympy, given in pairs:
        for point in (sympy.Rational(k, 7) for k in (-61, -30, -9, -5, -1, 1, 3, 8, 20, 44)):
            for setting in (sympy.Rational(1, 3), 1, -2) if parameters else (1,):
                where = {x: point, **dict.fromkeys(parameters, setting)}
                assert abs(sympy.N((by_sympy - given).subs(where), 30)) < sympy.Float("1e-28")


@every_record
@every_curve
def test_limits(record, curve):
    function, facts = at(record, CURVES[curve](record)), getattr(record.facts, curve)
    with mpmath.workdps(500):
        for sign, limit in zip((-1, 1), facts.limits, strict=True):
            x = sign * mpf(1000)  # near enough to tell the side, and far away below to tell the limit
            value = function(x)
            if limit.endswith("inf"):
                assert mpmath.sign(value) == (-1 if limit[0] == "-" else 1)
                assert abs(value) > 900
                assert abs(function(2 * x)) > abs(value)
            else:
                assert abs(function(sign * mpf(10) ** 60) - mpf(limit)) <= CLOSE
                if mpf(limit) == 0:  # the sign of a zero is the side from which it is approached
                    assert value < 0 if limit[0] == "-" else value >= 0


@every_record
@every_curve
def test_range(record, curve):
    """All values lie within; each end is attained if it is closed, approached if it is open."""
    function, facts = at(record, CURVES[curve](record)), getattr(record.facts, curve)
    low, high = mpf(facts.range.low), mpf(facts.range.high)
    kinks = {mpf(kink.x): mpf(kink.stated) for kink in record.facts.kinks}
    points = [*map(mpf, GRID), *(mpf(p.x) for p in (facts.minimum, facts.maximum) if p), mpf(-1000), mpf(1000)]
    with mpmath.workdps(1000):
        values = [function(x) for x in points if curve == "value" or x not in kinks]
    assert all(low - CLOSE <= v <= high + CLOSE for v in values)
    for end, closed in ((low, ("low", "both")), (high, ("high", "both"))):
        nearest = min(abs(v - end) for v in values) if mpmath.isfinite(end) else None
        if facts.range.closed in closed:
            assert nearest <= CLOSE
        elif nearest is None:
            assert max(abs(v) for v in values) > 900
        else:
            assert nearest > 0
            assert min(abs(function(sign * mpf(10) ** 60) - end) for sign in (-1, 1)) <= CLOSE


@every_record
@every_curve
def test_zeros(record, curve):
    """The value is zero at each; between them, and beyond, it never is. Intervals of zeros are not listed."""
    function, facts = at(record, CURVES[curve](record)), getattr(record.facts, curve)
    listed = [mpf(zero) for zero in facts.zeros]
    for zero in listed:
        assert abs(function(zero)) <= CLOSE
    signs = [(x, mpmath.sign(function(x))) for x in map(mpf, GRID) if all(abs(x - zero) > CLOSE for zero in listed)]
    flat = {x for (x, sign), (_, after) in itertools.pairwise(signs) if sign == after == 0}
    for (x, sign), (after, next_sign) in itertools.pairwise(signs):
        if sign != next_sign and x not in flat and after not in flat and 0 not in (sign, next_sign):
            assert any(x < zero < after for zero in listed), f"a sign change between {x} and {after} is not listed"
        if sign == 0 and x not in flat:
            assert any(abs(x - k) < 1 for k in (mpf(kink.x) for kink in record.facts.kinks)), f"{x} is a zero, too"


@every_record
@every_curve
def test_extrema(record, curve):
    """Where the derivative is zero to 45 digits, with the value stated, and no sample lies beyond."""
    own = CURVES[curve](record)
    function, facts = at(record, own), getattr(record.facts, curve)
    samples = [function(x) for x in GRID if curve == "value" or smooth_at(record, x)]
    for point, sign in ((facts.minimum, 1), (facts.maximum, -1)):
        if point is None:
            continue
        x, y = mpf(point.x), mpf(point.y)
        with mpmath.workdps(3 * DIGITS):
            slope = mpmath.diff(function, x)
        assert abs(slope) < mpf(10) ** -45
        assert abs(function(x) - y) <= CLOSE
        assert all(sign * (sample - y) >= -CLOSE for sample in samples)
        assert sign * (function(x + mpf("0.01")) - y) > 0 < sign * (function(x - mpf("0.01")) - y)
    # An extremum that is attained inside and not an end of a flat stretch is listed.
    for found, point in ((min(samples), facts.minimum), (max(samples), facts.maximum)):
        inside = samples.index(found) not in (0, len(samples) - 1)
        if point is None and inside and samples.count(found) == 1:
            beyond = [mpf(limit) for limit in facts.limits]
            assert any(abs(found) <= abs(limit) for limit in beyond), f"{mpmath.nstr(found)} is attained and not listed"


@every_record
def test_kinks(record):
    """One-sided slopes as stated; no kink elsewhere."""
    value, slope = at(record, record.formula), at(record, record.slope)
    for kink in record.facts.kinks:
        x = mpf(kink.x)
        for direction, stated in ((-1, kink.left), (1, kink.right)):
            with mpmath.workdps(3 * DIGITS):
                assert abs(mpmath.diff(value, x, direction=direction) - mpf(stated)) <= CLOSE
        assert kink.left != kink.right
        assert slope(x) == mpf(kink.stated)
    h = mpf("1e-20")
    for x in GRID:
        if smooth_at(record, x):
            assert abs((value(x + h) - value(x)) / h - (value(x) - value(x - h)) / h) < mpf("1e-15")


@every_record
def test_smoothness(record):
    """The number of continuous derivatives: one-sided derivatives agree that far at every kink, and no further."""
    facts, value = record.facts, at(record, record.formula)
    assert (facts.smoothness == 0) == bool(facts.kinks)
    if facts.smoothness:  # the slope has no kink, a higher derivative has one: at 0, where all that we know have it
        facts = facts._replace(kinks=(Kink("0", "", "", ""),))
    if facts.smoothness is None:
        for order in (1, 2, 3, 4):
            with mpmath.workdps(6 * DIGITS):
                sides = [mpmath.diff(value, 0, order, direction=direction) for direction in (-1, 1)]
            assert abs(sides[0] - sides[1]) <= mpf("1e-25")
    else:
        for kink in facts.kinks:
            for order in range(facts.smoothness + 2):
                with mpmath.workdps(6 * DIGITS):
                    sides = [mpmath.diff(value, mpf(kink.x), order, direction=direction) for direction in (-1, 1)]
                assert (abs(sides[0] - sides[1]) <= mpf("1e-25")) == (order <= facts.smoothness)


@every_record
def test_lipschitz(record):
    """The largest absolute slope: no sample is steeper, and the slope reaches or approaches it."""
    constant, slope = mpf(record.facts.lipschitz), at(record, record.slope)
    ends = [record.facts.derivative.minimum, record.facts.derivative.maximum]
    points = [*map(mpf, GRID), *(mpf(end.x) for end in ends if end), mpf(-1000), mpf(1000)]
    steepest = max(abs(slope(x)) for x in points)
    assert abs(steepest - constant) <= CLOSE


@every_record
def test_rising_and_falling(record):
    """The slope has the sign that is stated, strictly, on each interval, and nowhere else."""
    slope = at(record, record.slope)

    def inside(x: mpf, intervals: tuple[Interval, ...]) -> bool:
        return any(mpf(i.low) < x < mpf(i.high) for i in intervals)

    ends = {mpf(end) for i in (*record.facts.rising, *record.facts.falling) for end in (i.low, i.high)}
    nearby = [end + h for end in ends if mpmath.isfinite(end) for h in (mpf("-1e-9"), mpf("1e-9"))]
    for x in [*map(mpf, GRID), *nearby]:
        if x not in ends:
            sign = mpmath.sign(slope(x))
            assert (sign > 0) == inside(x, record.facts.rising), x
            assert (sign < 0) == inside(x, record.facts.falling), x


@every_record
def test_symmetry(record):
    value = at(record, record.formula)
    odd = all(abs(value(-x) + value(x)) <= CLOSE for x in GRID)
    complement = all(abs(value(-x) + value(x) - 1) <= CLOSE for x in GRID)
    assert record.facts.symmetry == ("odd" if odd else "complement" if complement else None)


@every_record
def test_namespaces_agree(record):
    """One text, run by MPFR, mpmath, SymPy and NumPy."""
    gmpy2, sympy = pytest.importorskip("gmpy2"), pytest.importorskip("sympy")
    functions = [record.formula, record.slope, *record.parameter_slopes.values()]
    settings = [parameter.default * 1.25 for parameter in record.parameters]
    for function in functions:
        for x in (-7.5, -1.25, -0.5, 0.5, 2.75, 9.0):
            truth = mpmath.mpmathify(function(formula.mpmath(DIGITS), mpf(x), *map(mpf, settings)))
            by_mpfr = function(formula.mpfr(200), gmpy2.mpfr(x), *map(gmpy2.mpfr, settings))
            assert abs(mpf(str(gmpy2.mpfr(by_mpfr))) - truth) <= CLOSE * max(1, abs(truth))
            by_sympy = function(formula.sympy(), sympy.Rational(x), *map(sympy.Rational, settings))
            assert abs(mpf(str(sympy.N(by_sympy, DIGITS))) - truth) <= CLOSE * max(1, abs(truth))
            by_numpy = function(formula.numpy(), np.array([x]), *settings)
            assert float(by_numpy[0]) == pytest.approx(float(truth), rel=1e-12)


@every_record
def test_numpy_runs_the_formula_on_arrays(record):
    x = np.linspace(-5, 5, 40).reshape(5, 8)
    for function in (record.formula, record.slope):
        assert function(formula.numpy(), x, *(parameter.default for parameter in record.parameters)).shape == x.shape
