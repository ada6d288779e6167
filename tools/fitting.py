"""Approximations by polynomials and rationals, in mpmath."""

import mpmath
import numpy as np
from mpmath import mp, mpf


def float32(x):
    return float(np.float32(float(x)))


def hexadecimal(x):
    return float(x).hex()  # float() rounds an mpf to nearest


def chebyshev_nodes(low, high, count):
    middle, half = (mpf(low) + high) / 2, (mpf(high) - low) / 2
    return [middle + half * mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * count)) for i in range(count)]


def interpolate(function, low, high, degree):
    nodes = chebyshev_nodes(low, high, degree + 1)
    matrix = mp.matrix([[x**j for j in range(degree + 1)] for x in nodes])
    return list(mpmath.lu_solve(matrix, mp.matrix([function(x) for x in nodes])))


def evaluate(coefficients, x):
    return mpmath.polyval(coefficients[::-1], x)


def error_in_bits(error, low, high, count=301):
    worst = max(abs(error(low + (high - low) * mpf(i) / (count - 1))) for i in range(count))
    return f"2^{float(mpmath.log(worst, 2)):.1f}"


def rational(function, degrees, nodes, rounds=14):
    """Weighted least squares for (1 + a1 x + ...)/(1 + b1 x + ...), linearised (Sanathanan and Koerner) and reweighted
    towards equal relative errors (Lawson)."""
    n, m = degrees
    values = [function(x) for x in nodes]
    denominators, weights = [mpf(1)] * len(nodes), [mpf(1)] * len(nodes)
    best = None
    for step in range(rounds):
        rows, right = [], []
        for x, f, d, w in zip(nodes, values, denominators, weights, strict=True):
            scale = mpmath.sqrt(w) / (f * d)
            rows.append([scale * x**j for j in range(1, n + 1)] + [-scale * f * x**j for j in range(1, m + 1)])
            right.append(scale * (f - 1))
        solution = mpmath.qr_solve(mp.matrix(rows), mp.matrix(right))[0]
        top = [mpf(1), *solution[:n]]
        bottom = [mpf(1), *solution[n:]]
        denominators = [evaluate(bottom, x) for x in nodes]
        errors = [abs(evaluate(top, x) / d / f - 1) for x, d, f in zip(nodes, denominators, values, strict=True)]
        if best is None or max(errors) < best[0]:
            best = max(errors), top, bottom
        if step > 2:
            total = sum(w * e for w, e in zip(weights, errors, strict=True))
            weights = [w * e / total * len(nodes) for w, e in zip(weights, errors, strict=True)]
    return best[1], best[2]


def minimax(function, weight, low, high, degree, rounds=12):
    """The polynomial whose largest error times weight is smallest, by Remez' exchange on a grid."""
    grid = [low + (high - low) * mpf(i) / 2000 for i in range(2001)]
    points = sorted(chebyshev_nodes(low, high, degree + 2))
    for _ in range(rounds):
        rows = [[x**j for j in range(degree + 1)] + [(-1) ** i / weight(x)] for i, x in enumerate(points)]
        solution = list(mpmath.lu_solve(mp.matrix(rows), mp.matrix([function(x) for x in points])))
        coefficients = solution[:-1]
        errors = [(evaluate(coefficients, x) - function(x)) * weight(x) for x in grid]
        # The next points: the largest error between two changes of its sign.
        points, largest = [], 0
        for i in range(len(grid)):
            if i and (errors[i] > 0) != (errors[i - 1] > 0):
                points.append(grid[largest])
                largest = i
            largest = max(largest, i, key=lambda k: abs(errors[k]))
        points.append(grid[largest])
        if len(points) != degree + 2:
            raise ArithmeticError(f"the error changes its sign {len(points) - 1} times, not {degree + 1}")
    return coefficients


def rounded_one_by_one(function, low, high, degree, round_to, weight=lambda h: 1):
    """Rounded coefficients of c1 h + ... + c_degree h^degree by weighted least squares.

    Those not yet rounded are fitted again after each rounding, so that they take up its error.
    """
    nodes = chebyshev_nodes(low, high, 4 * degree)
    weights = [weight(h) for h in nodes]
    rest, rounded = [w * function(h) for w, h in zip(weights, nodes, strict=True)], []
    while len(rounded) < degree:
        first = len(rounded) + 1
        matrix = mp.matrix([[w * h**j for j in range(first, degree + 1)] for w, h in zip(weights, nodes, strict=True)])
        rounded.append(round_to(mpmath.qr_solve(matrix, mp.matrix(rest))[0][0]))
        rest = [r - w * rounded[-1] * h**first for r, w, h in zip(rest, weights, nodes, strict=True)]
    return rounded
