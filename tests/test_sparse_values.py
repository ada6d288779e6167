"""Values and gradients of sparsemax and entmax15 against MPFR, on ordinary and nasty rows."""

import gmpy2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exact_sparse
import softfloor as sf
from cases import DTYPES, edges, every_dtype
from exact_rows import worst_excess
from softfloor import catalogue, formula
from test_rows_values import rows

NAMES = ("sparsemax", "entmax15")
every_name = pytest.mark.parametrize("name", NAMES)
#: Below, entries are differences of numbers that are equal in pairs of float64: the error stays below n 2^-26 of this.
FLOORS = {"sparsemax": 2.0**-78, "entmax15": 2.0**-156}


def excess(name, z, temperature=1.0):
    """How far a row breaks the promise of 2 ulp + n 2^-26 (p + floor); at most 0."""
    exact = exact_sparse.FUNCTIONS[name](z, temperature)
    return worst_excess(sf.get(name)(z, temperature=temperature), exact, [p + FLOORS[name] for p in exact])


def close_rows(dtype, n):
    """Rows with many entries in the support, and entries next to the threshold."""
    random = np.random.default_rng(n)
    tiny = float(edges(dtype)[1])
    kinds = {
        "uniform": random.uniform(0, 1, n),
        "small": random.normal(0, 0.01, n),
        "nothing but zeros and a one": np.where(np.arange(n) == n // 2, 1.0, 0.0),
        "one subnormal apart": np.where(np.arange(n) == n // 2, 1.0, tiny * (np.arange(n) % 3)),
        "around the threshold": np.where(np.arange(n) % 2 == 0, 1.0, 1 - 2 / max(2, n) + 1e-3 * random.normal(0, 1, n)),
        "a slope": np.linspace(-1, 1, n),
        "powers": -(2.0 ** -(np.arange(n) % 40)),
    }
    return {kind: row.astype(dtype) for kind, row in kinds.items()}


@every_name
@every_dtype
@pytest.mark.parametrize("n", [1, 2, 3, 16, 17, 64, 65, 300])
def test_values(name, dtype, n):
    for kind, z in {**rows(dtype, n), **close_rows(dtype, n)}.items():
        assert excess(name, z) <= 0, kind
        computed, exact = sf.get(name)(z), exact_sparse.FUNCTIONS[name](z)
        vanishes = gmpy2.mpfr(float(edges(dtype)[1])) / 2
        for value, p in zip(computed, exact, strict=True):
            assert (value != 0) == (p > vanishes) or p + abs(value) < FLOORS[name], kind


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_an_entry_that_a_double_cannot_tell_from_the_threshold(dtype):
    z = np.array([1, 2.0**-70, 0]).astype(dtype)
    assert sf.sparsemax(z).tolist() == [1, 2.0**-71, 0]


@every_name
@every_dtype
@pytest.mark.parametrize("temperature", [1e-300, 0.01, 0.3, 1.7, 1e3, 1e300, 5e-324, np.finfo(float).max])
def test_temperature(name, dtype, temperature):
    for kind, z in {**rows(dtype, 17), **close_rows(dtype, 17)}.items():
        assert excess(name, z, temperature) <= 0, kind


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_values_of_any_row(data):
    dtype = data.draw(st.sampled_from(DTYPES))
    width = np.dtype(dtype).itemsize * 8
    ordinary = st.floats(-3, 3, width=32).map(dtype)
    anything = st.integers(0, 2**width - 1).map(lambda bits: np.array(bits, f"u{width // 8}").view(dtype)[()])
    z = np.array(data.draw(st.lists(ordinary | anything, min_size=1, max_size=40)), dtype)
    with np.errstate(invalid="ignore"):
        z[~np.isfinite(z)] = -np.inf
    if (z == -np.inf).all():
        z[0] = 0
    temperature = data.draw(st.sampled_from([1.0, 0.1, 7.0]))
    for name in NAMES:
        assert excess(name, z, temperature) <= 0


@every_name
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_long_rows(name, dtype):
    """A support of all entries and one of few, n = 100,000."""
    random = np.random.default_rng(0)
    for z in (random.normal(0, 1e-6, 100_000), random.normal(0, 3, 100_000), np.zeros(100_000)):
        row = z.astype(dtype)
        assert excess(name, row) <= 0


@every_name
def test_the_threshold_is_found_in_few_passes_on_adverse_rows(name):
    """Each entry just beyond the threshold of those above it: a method that drops one per pass would take minutes."""
    n, total = 200_000, 1.0
    depths = np.zeros(n)
    for k in range(2, n):
        depths[k] = total / (k - 1) * (1 + 1e-9)
        total += depths[k]
    p = sf.get(name)(-depths)
    assert p.sum() == pytest.approx(1, rel=1e-12)


@every_name
@every_dtype
@pytest.mark.parametrize("n", [1, 2, 16, 17, 300])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_vjp(name, dtype, n, temperature):
    """The vjps are functions of the output that they are given: exact in it, whatever it is."""
    formula.mpfr(200)
    c = np.random.default_rng(1).normal(0, 1, n).astype(dtype)
    for kind, z in {**rows(dtype, n), **close_rows(dtype, n)}.items():
        p = sf.get(name)(z, temperature=temperature)
        exact_t = gmpy2.mpfr(temperature)
        exact_p, exact_c = [gmpy2.mpfr(float(v)) for v in p], [gmpy2.mpfr(float(v)) for v in c]
        s = [gmpy2.sqrt(v) if name == "entmax15" else gmpy2.mpfr(v != 0) for v in exact_p]
        total = gmpy2.fsum(s)
        mean = gmpy2.fsum(a * b for a, b in zip(s, exact_c, strict=True)) / total
        sizes = gmpy2.fsum(a * abs(b) for a, b in zip(s, exact_c, strict=True)) / total
        truth = [a * (b - mean) / exact_t for a, b in zip(s, exact_c, strict=True)]
        bound = [a * (abs(b) + sizes) / exact_t for a, b in zip(s, exact_c, strict=True)]
        computed = sf.get(name).vjp(p, c, temperature=temperature)
        assert worst_excess(computed, truth, bound) <= 0, kind
        assert (computed[p == 0] == 0).all()


@every_name
def test_the_truth_is_the_catalogue_s_formula(name):
    z = np.random.default_rng(0).normal(0, 1, 9)
    plain = catalogue.ROWS[name].formula(formula.mpfr(exact_sparse.PRECISION), exact_sparse.numbers(z))
    for a, b in zip(plain, exact_sparse.FUNCTIONS[name](z), strict=True):
        assert abs(a - b) <= gmpy2.exp2(-exact_sparse.PRECISION + 10)


@every_name
def test_jacobians_are_derivatives(name):
    """Against differences of the formula in MPFR."""
    xp = formula.mpfr(exact_sparse.PRECISION)
    step = gmpy2.exp2(-200)
    for seed in range(5):
        z = np.random.default_rng(seed).normal(0, 1, 6)
        columns = []
        for j in range(6):
            pair = []
            for sign in (1, -1):
                moved = exact_sparse.numbers(z)
                moved[j] += sign * step
                pair.append(catalogue.ROWS[name].formula(xp, moved))
            columns.append([float((a - b) / (2 * step)) for a, b in zip(*pair, strict=True)])
        np.testing.assert_allclose(sf.get(name).jacobian(z), np.array(columns).T, rtol=1e-13, atol=1e-15)
