"""Tables for registers: functions by polynomials in the distance from a point, by pieces (csrc/math/pieces.hpp)."""

import dataclasses
import itertools
from collections.abc import Callable

import mpmath
import numpy as np
from mpmath import mpf

import records
from fitting import evaluate, float32, hexadecimal, rounded_one_by_one

#: Beside the whole, what a square's term may come to if its rounding errors are not carried.
LARGE = 0.22
#: What falls is computed 2^RAISED times as large; of tails, the factor 2^RAISED_FACTOR times.
RAISED, RAISED_FACTOR = 72, 32


def table(numbers):
    return "{" + ", ".join(f"{hexadecimal(float32(x))}f" for x in numbers) + "}"


def to_nearest_float(x):
    """How far x is from a float, in units of its last place."""
    nearest = np.float32(float(x))
    return abs(x - mpf(float(nearest))) / mpf(float(np.spacing(abs(nearest))))


def point_near(wanted, function):
    """Of the floats from ``wanted`` on, with few digits, that where the function is nearest to a float itself."""
    grid = (mpf(float(np.float32(wanted + 2.0**-17 * k))) for k in range(500))
    return min(grid, key=lambda x: to_nearest_float(function(x)))


@dataclasses.dataclass(frozen=True)
class Piece:
    """The value at a point, in two parts of one sign, and coefficients of the powers of the distance from it."""

    point: mpf
    value: mpf
    rest: mpf
    coefficients: list[mpf]
    beyond: mpf  # the largest share of the terms beyond the slope's
    error: mpf  # the largest relative one


def not_carried(function, point, low, high):
    """How large, beside the function, the terms are whose rounding errors are not carried."""
    value, slope = function(point), mpmath.diff(function, point)

    def share(t):
        linear, whole = slope * (t - point), function(t)
        cancelled = -linear / value > 0.5
        return (abs(whole - value - linear) + cancelled * abs(linear)) / abs(whole)

    return max(share(low + (high - low) * mpf(i) / 16) for i in range(17))


def choose_point(function, low, high, zeros):
    """Where the function is nearly a float; or the float next to its zero, so that digits are kept around it."""
    if low == 0 and to_nearest_float(function(mpf(0))) == 0:
        return mpf(0)
    for zero in zeros:
        if low < zero < high:
            return mpf(float32(zero))
    fractions = (low + (high - low) * mpf(k) / 16 for k in range(1, 16))
    return point_near(float(min(fractions, key=lambda point: not_carried(function, point, low, high))), function)


def expand(function, low, high, degree, zeros=()):
    point = choose_point(function, low, high, zeros)
    value, rest = mpf(float32(function(point))), mpf(0)
    if zeros:
        rest = mpf(float32(function(point) - value))
    if point in map(float32, zeros):
        value, rest = -0.0 if value < 0 else mpf(0), value

    def rise(h):
        return function(point + h) - value - rest

    def weight(h):
        return 1 / abs(function(point + h))

    bounds = low - point, high - point
    c = rounded_one_by_one(rise, *bounds, degree, float32, weight)
    grid = [bounds[0] + (high - low) * mpf(2 * i + 1) / 200 for i in range(100)]
    beyond = max(abs(h * (h * evaluate(c[1:], h))) * weight(h) for h in grid)
    return Piece(point, value, rest, c, beyond, max(abs(h * evaluate(c, h) - rise(h)) * weight(h) for h in grid))


def largest_error(pieces):
    return f"2^{float(mpmath.log(max(piece.error for piece in pieces), 2)):.1f}"


def lines(pieces, carried_if_large, power=0):
    """An initialiser of Expansions, whose results are 2^power times as large."""
    factor = mpf(2) ** power

    def raised(numbers):
        return table(factor * x if x else x for x in numbers)

    slopes, *beyond = zip(*(piece.coefficients for piece in pieces), strict=True)
    has_zero, large = any(piece.rest for piece in pieces), max(piece.beyond for piece in pieces) > LARGE
    carried = carried_if_large if large else "line"
    rows = ",\n      ".join(map(raised, beyond))
    return [
        f"    {{{str(has_zero).lower()}, Carried::{carried},",
        f"     {table(piece.point for piece in pieces)},",
        f"     {raised(piece.value for piece in pieces)},",
        f"     {raised(piece.rest for piece in pieces)},",
        f"     {raised(slopes)},",
        f"     {{{rows}}}}}",
    ]


@dataclasses.dataclass(frozen=True)
class Pieces:
    """f(-t) from 0 to ``end``, in pieces of one length, of which the first is cut in half by 0."""

    name: str
    function: Callable[[mpf], mpf]
    pieces: int
    end: float
    degree: int
    zeros: tuple[mpf, ...] = ()
    power: int = 0  # of two, by which results are larger

    def lines(self):
        length = mpf(self.end) * (1 + mpf(2) ** -20) / (self.pieces - mpf(1) / 2)  # so that the end belongs to the last
        edges = [mpf(0), *(length * (k + mpf(1) / 2) for k in range(self.pieces))]
        pieces = [expand(self.function, low, high, self.degree, self.zeros) for low, high in itertools.pairwise(edges)]
        return [
            f"// {self.name}: relative error {largest_error(pieces)}",
            f"constexpr Pieces<{self.pieces}, {self.degree - 1}> {self.name} = {{",
            f"    {hexadecimal(float32(1 / length))}f, {hexadecimal(self.end)}f,",
            *lines(pieces, "bent_slope", self.power),
            "};",
        ]


def tables():
    activations = records.catalogue.ACTIVATIONS

    def slope(name, *shape):
        record = activations[name]
        zeros = tuple(-mpf(zero) for zero in record.facts.derivative.zeros)
        return Pieces(f"{name}_slope", lambda t: records.slope(record, -t), *shape, zeros, RAISED)

    pieces = [
        slope("sigmoid", 16, 12, 7),
        slope("silu", 8, 10, 9),
        slope("tanh", 16, 10, 9),
        Pieces("sigmoid_tail", lambda t: records.value(activations["sigmoid"], -t), 16, 12, 7),
        Pieces("softplus_tail", lambda t: records.softplus(-t), 16, 12, 7),
    ]
    text = [
        "// A function in pieces (math/pieces.hpp): its value at a point of each, in two parts, its slope there, and",
        "// what the distance's square is multiplied by.",
        "enum class Carried { line, line_and_square, bent_slope };",
        "template <size_t pieces, int count> struct Expansions {",
        "    bool has_zero;",
        "    Carried carried;",
        "    Table<float, pieces> points, values, rests, slopes, beyond[count];",
        "};",
        "// What falls is computed 2^raised times as large, of tails the factor 2^raised_factor times.",
        f"constexpr int raised = {RAISED}, raised_factor = {RAISED_FACTOR};",
        "// f(-t) from 0 to end in pieces of one length; slopes are raised.",
        "template <size_t pieces, int count> struct Pieces {",
        "    float per_unit, end;",
        "    Expansions<pieces, count> expansions;",
        "};",
    ]
    for each in pieces:
        text += each.lines()
    return text
