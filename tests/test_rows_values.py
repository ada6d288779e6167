"""Values and gradients of the softmax family against MPFR at 60 digits, on ordinary and nasty rows."""

import gmpy2
import numpy as np
import pytest

import softfloor as sf
import ulp
from cases import every_dtype
from exact_rows import PRECISION, ExactRow, worst_excess
from softfloor import catalogue, formula

LENGTHS = (1, 2, 3, 15, 16, 17, 31, 32, 33, 100, 1000)


def rows(dtype, n):
    """Rows of length n, ordinary and nasty, finite or -inf."""
    random = np.random.default_rng(n)
    huge = {2: 1e4, 4: 1e30, 8: 1e300}[np.dtype(dtype).itemsize]
    normal = random.normal(0, 1, n)
    spread = np.zeros(n)
    spread[n // 2] = -600 if np.dtype(dtype).itemsize > 2 else -15
    kinds = {
        "ordinary": normal,
        "wide": 20 * normal,
        "wider": 300 * normal,
        "equal": np.zeros(n),
        "almost equal": 1e-3 * normal,
        "offset": huge + normal,
        "offset below": -huge + normal,
        "huge spread": huge * np.sign(normal),
        "one far below": spread,
        "one far above": -spread,
        "subnormal": 1e-40 * normal,
        "cancels": np.full(n, -np.log(n)) + 1e-3 * normal,
        "normalised": normal - np.log(np.sum(np.exp(normal))),  # a log-sum-exp of nearly 0
        "some absent": np.where((np.arange(n) % 3 == 1) & (n > 1), -np.inf, normal),
    }
    return {kind: row.astype(dtype) for kind, row in kinds.items()}


@every_dtype
@pytest.mark.parametrize("n", LENGTHS)
def test_values(dtype, n):
    for kind, z in rows(dtype, n).items():
        exact = ExactRow(z)
        assert worst_excess(sf.softmax(z), exact.softmax()) <= 0, kind
        finite = np.isfinite(z)
        logs = [q for q, there in zip(exact.log_softmax(), finite, strict=True) if there]
        assert worst_excess(sf.log_softmax(z)[finite], logs) <= 0, kind
        assert (sf.log_softmax(z)[~finite] == -np.inf).all()
        computed = np.array(sf.logsumexp(z))
        assert worst_excess(computed, [exact.logsumexp()]) <= 0, kind


@pytest.mark.parametrize("temperature", [1.0, 0.7, 3.0])
@pytest.mark.parametrize("n", LENGTHS)
def test_float64_to_its_last_digit(n, temperature):
    """Far within the promise, of which n 2^-26 is most in float64. Not in it: rows whose terms are all subnormal."""
    bounds = {"softmax": 1.6, "log_softmax": 0.6, "logsumexp": 0.6}
    kinds = rows(np.float64, n)
    for kind in ("ordinary", "wide", "almost equal", "one far above", "cancels"):
        exact = ExactRow(kinds[kind], temperature)
        for name, bound in bounds.items():
            computed = np.atleast_1d(sf.get(name)(kinds[kind], temperature=temperature)).tolist()
            truths = getattr(exact, name)()
            errors = map(ulp.ulp_error, computed, truths if isinstance(truths, list) else [truths], ["float64"] * n)
            assert max(errors) < bound, (kind, name)


@every_dtype
@pytest.mark.parametrize("temperature", [0.01, 0.3, 1.7, 1e3])
def test_temperature(dtype, temperature):
    for kind, z in rows(dtype, 17).items():
        exact = ExactRow(z, temperature)
        assert worst_excess(sf.softmax(z, temperature=temperature), exact.softmax()) <= 0, kind
        finite = np.isfinite(z)
        logs = [q for q, there in zip(exact.log_softmax(), finite, strict=True) if there]
        assert worst_excess(sf.log_softmax(z, temperature=temperature)[finite], logs) <= 0, kind
        size = max(abs(exact.maximum), exact.log_of_total)
        lse = np.array(sf.logsumexp(z, temperature=temperature))
        assert worst_excess(lse, [exact.logsumexp()], [size]) <= 0, kind
        gradient = sf.logsumexp.vjp(z, 3, temperature=temperature)
        assert worst_excess(gradient, [3 * p / exact.temperature for p in exact.softmax()]) <= 0, kind


@every_dtype
@pytest.mark.parametrize("n", [1, 2, 16, 17, 1000])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_vjp(dtype, n, temperature):
    """The vjps are functions of the output that they are given: exact in it, whatever it is."""
    c = np.random.default_rng(1).normal(0, 1, n).astype(dtype)
    for kind, z in rows(dtype, n).items():
        formula.mpfr(PRECISION)
        p, q = sf.softmax(z, temperature=temperature), sf.log_softmax(z, temperature=temperature)
        exact_c, exact_t = [gmpy2.mpfr(float(v)) for v in c], gmpy2.mpfr(temperature)
        exact_p = [gmpy2.mpfr(float(v)) for v in p]
        mean = gmpy2.fsum(a * b for a, b in zip(exact_p, exact_c, strict=True))
        sizes = gmpy2.fsum(abs(a * b) for a, b in zip(exact_p, exact_c, strict=True))
        truth = [a * (b - mean) / exact_t for a, b in zip(exact_p, exact_c, strict=True)]
        bound = [a * (abs(b) + sizes) / exact_t for a, b in zip(exact_p, exact_c, strict=True)]
        computed = sf.softmax.vjp(p, c, temperature=temperature)
        assert worst_excess(computed, truth, bound) <= 0, kind

        if not np.isfinite(q).all():
            continue  # entries that take no part: tests/test_rows.py
        total, sizes = gmpy2.fsum(exact_c), gmpy2.fsum(abs(b) for b in exact_c)
        shares = [gmpy2.exp(gmpy2.mpfr(float(v))) for v in q]
        truth = [(b - s * total) / exact_t for b, s in zip(exact_c, shares, strict=True)]
        bound = [(abs(b) + s * sizes) / exact_t for b, s in zip(exact_c, shares, strict=True)]
        computed = sf.log_softmax.vjp(q, c, temperature=temperature)
        assert worst_excess(computed, truth, bound) <= 0, kind


@pytest.mark.parametrize("n", LENGTHS)
def test_float64_softmax_vjp_to_its_last_digit(n):
    """Two roundings, and what the mean lacks as a pair of doubles: little, unless all else is tiny beside one."""
    formula.mpfr(PRECISION)
    c = np.random.default_rng(1).normal(0, 1, n)
    exact_c = [gmpy2.mpfr(v) for v in c.tolist()]
    for kind in ("ordinary", "wide", "almost equal"):
        p = sf.softmax(rows(np.float64, n)[kind])
        exact_p = [gmpy2.mpfr(v) for v in p.tolist()]
        mean = gmpy2.fsum(a * b for a, b in zip(exact_p, exact_c, strict=True))
        truth = [a * (b - mean) for a, b in zip(exact_p, exact_c, strict=True)]
        errors = map(ulp.ulp_error, sf.softmax.vjp(p, c).tolist(), truth, ["float64"] * n)
        assert max(errors) < 1.6, kind


@every_dtype
@pytest.mark.parametrize("n", LENGTHS)
def test_cross_entropy_of_a_class(dtype, n):
    for kind, z in rows(dtype, n).items():
        exact = ExactRow(z)
        for label in {0, n // 2, n - 1, int(np.argmax(z))}:
            if not np.isfinite(z[label]):
                continue
            loss, gradient = sf.softmax_cross_entropy.value_and_grad(z, label)
            assert worst_excess(np.array(loss), [-exact.log_softmax()[label]]) <= 0, kind
            assert worst_excess(gradient, exact.class_gradient(label)) <= 0, kind


@every_dtype
@pytest.mark.parametrize("n", [1, 2, 16, 17, 1000])
def test_cross_entropy_of_probabilities(dtype, n):
    random = np.random.default_rng(n)
    mixture = sf.softmax(random.normal(0, 2, n).astype(dtype))
    for kind, z in rows(dtype, n).items():
        exact = ExactRow(z)
        labels = np.where(np.isfinite(z), mixture, 0).astype(dtype)
        loss, gradient = sf.softmax_cross_entropy.value_and_grad(z, labels)
        assert worst_excess(np.array(loss), [exact.probability_loss(labels)]) <= 0, kind
        truth = exact.probability_gradient(labels)
        sizes = [p + gmpy2.mpfr(float(y)) for p, y in zip(exact.softmax(), labels, strict=True)]
        assert worst_excess(gradient, truth, sizes) <= 0, kind


def test_the_truth_is_the_catalogue_s_formula():
    """The forms above that do not cancel are the plain formulas of the catalogue."""
    z = np.random.default_rng(0).normal(0, 3, 9)
    xp = formula.mpfr(PRECISION)
    numbers = [gmpy2.mpfr(float(v)) for v in z]
    exact = ExactRow(z)
    labels = [gmpy2.mpfr(i) / 36 for i in range(9)]
    pairs = [
        *zip(catalogue.ROWS["softmax"].formula(xp, numbers), exact.softmax(), strict=True),
        *zip(catalogue.ROWS["log_softmax"].formula(xp, numbers), exact.log_softmax(), strict=True),
        (catalogue.ROWS["logsumexp"].formula(xp, numbers), exact.logsumexp()),
        (
            catalogue.ROWS["softmax_cross_entropy"].formula(xp, numbers, labels),
            sum(-y * q for y, q in zip(labels, exact.log_softmax(), strict=True)),
        ),
    ]
    assert all(abs(a - b) <= abs(a) * gmpy2.exp2(-PRECISION + 10) for a, b in pairs)


def test_jacobians_are_derivatives():
    """Against differences of the formula at 60 digits."""
    xp = formula.mpfr(PRECISION)
    step = gmpy2.exp2(-70)
    z = np.random.default_rng(3).normal(0, 2, 6)
    numbers = [gmpy2.mpfr(float(v)) for v in z]

    def differences(function):
        columns = []
        for j in range(len(numbers)):
            ahead, behind = list(numbers), list(numbers)
            ahead[j] += step
            behind[j] -= step
            above, below = function(xp, ahead), function(xp, behind)
            if not isinstance(above, list):
                above, below = [above], [below]
            columns.append([float((a - b) / (2 * step)) for a, b in zip(above, below, strict=True)])
        return np.array(columns).T

    for name in ("softmax", "log_softmax", "logsumexp"):
        jacobian = np.atleast_2d(sf.get(name).jacobian(z))
        np.testing.assert_allclose(jacobian, differences(catalogue.ROWS[name].formula), rtol=1e-14, atol=1e-17)
    for label in range(6):
        one_hot = [int(i == label) for i in range(6)]
        record = catalogue.ROWS["softmax_cross_entropy"]
        truth = differences(lambda xp, row, y=one_hot, f=record.formula: f(xp, row, y))[0]
        np.testing.assert_allclose(sf.softmax_cross_entropy.jacobian(z, label), truth, rtol=1e-14, atol=1e-17)
