"""Tables of eight numbers, which kernels look up in a register, by octaves or half octaves (csrc/math/tails.hpp)."""

import dataclasses
from collections.abc import Callable

import mpmath
import numpy as np
from mpmath import mpf

import expansions
import records
from expansions import point_near, table
from fitting import error_in_bits, evaluate, float32, hexadecimal, interpolate, minimax

EIGHT = 8


def tanh():
    """Tables of eight, by the low three bits of the exponent of |x|: of which 4 is that of 1/8, 7 that of 1."""
    degree, end = 8, mpf(73) / 8  # tanh is 1 from 9.01 on
    #: Bounds, and where the point of an octave is looked for: at the upper end, or near it, where the slope falls fast.
    octaves = {5: (0.25, 0.5, 0.36), 6: (0.5, 1, 0.7), 7: (1, 2, 1.5), 0: (2, 4, 4), 1: (4, 8, 7), 2: (8, end, 8.6)}

    # |x| + |x| p(|x|) with an even p of its own, below 1/4.
    def relative(square):
        return (mpmath.tanh(mpmath.sqrt(square)) / mpmath.sqrt(square) - 1) / square

    points, values, slopes = [mpf(0)] * 8, [mpf(0)] * 8, [[mpf(0)] * (degree + 1) for _ in range(8)]
    slopes[4][2::2] = interpolate(relative, mpf(0), mpf(1) / 16, degree // 2 - 1)
    worst = mpf(0)
    for index, (low, high, wanted) in octaves.items():
        point = points[index] = point_near(wanted, mpmath.tanh)
        values[index] = mpmath.tanh(point)

        def slope(h, point=point):
            return (mpmath.tanh(point + h) - mpmath.tanh(point)) / h if h else mpmath.sech(point) ** 2

        def weight(h, point=point):
            return abs(h) / mpmath.tanh(point + h)

        slopes[index] = minimax(slope, weight, low - point, high - point, degree)

        rounded = [mpf(float32(c)) for c in slopes[index]]
        grid = [low - point + (high - low) * mpf(i) / 199 for i in range(200)]
        worst = max(worst, *(abs(evaluate(rounded, h) - slope(h)) * weight(h) for h in grid))
    slopes[3], points[3], values[3] = slopes[2], points[2], values[2]  # 16 and more: not met

    rows = ",\n    ".join(table(piece[k] for piece in slopes) for k in range(degree + 1))
    bits = f"2^{float(mpmath.log(worst, 2)):.1f}"
    return [
        f"// tanh |x| by octaves: relative error {bits} where the value at the point is exact",
        f"constexpr float tanh_end = {hexadecimal(float32(end))}f, tanh_octave_0 = 0.125f;",
        f"constexpr Eight<float> tanh_points = {table(points)};",
        f"constexpr Eight<float> tanh_values = {table(values)};",
        f"constexpr Eight<float> tanh_slopes[{degree + 1}] = {{\n    {rows}}};",
    ]


def exponential():
    """2^(-j/8) as floats, what their logarithms exceed, and e^-r between them."""
    step = mpmath.log(2) / EIGHT
    high = mpf(round(float(step) * 2**17)) / 2**17
    powers = [float32(mpf(2) ** (mpf(-j) / EIGHT)) for j in range(EIGHT)]
    offsets = [j * step + mpmath.log(mpf(power)) for j, power in enumerate(powers)]
    # k = 8 n + j, shifted by 20, takes n off the exponent, and j off the three bits below it, where it is added here.
    bits = [int(np.float32(power).view(np.int32)) + (j << 20) for j, power in enumerate(powers)]
    half = step / 2 * mpf("1.001")

    def quotient(r):
        return sum((-1) ** j * r ** (j - 2) / mpmath.factorial(j) for j in range(2, 30))

    c = [float32(x) for x in interpolate(quotient, -half, half, 2)]
    error = error_in_bits(lambda r: (evaluate(c, r) - quotient(r)) * r**2 / mpmath.exp(-r), -half, half)
    return [
        "// 2^(-j/8): their bits plus j 2^20, and their logarithms plus j ln(2)/8.",
        f"constexpr Eight<int32_t> eighth_bits = {{{', '.join(map(hex, bits))}}};",
        f"constexpr Eight<float> eighth_offsets = {table(offsets)};",
        "// -ln(2)/8, its high part of few digits.",
        f"constexpr float eighths_per_one = {hexadecimal(float32(1 / step))}f;",
        f"constexpr Sum<float> minus_eighth = {{{hexadecimal(-high)}f, {hexadecimal(float32(high - step))}f}};",
        f"// (e^-r - 1 + r) / r^2 on |r| <= ln(2)/16: error of e^-r {error}",
        f"constexpr float exp_eighth[] = {table(c)};",
    ]


@dataclasses.dataclass(frozen=True)
class Tail:
    """f(-t) = e^-exponent(t) S(t) for t >= 0, with a polynomial for S in each half octave of shift + t."""

    name: str
    function: Callable[[mpf], mpf]
    exponent: Callable[[mpf], mpf]
    shift: float  # 2^k or 1.5 2^k: where the first of eight pieces begins, at t = 0
    end: float  # of the last piece, which may be longer than half an octave
    cap: float  # t beyond is taken for it: the tail has rounded to zero, or S is constant
    degree: int
    zeros: tuple[mpf, ...] = ()  # of the factor

    def factor(self, t):
        return self.function(-t) * mpmath.exp(self.exponent(t))

    def edges(self):
        """Where pieces begin, in shift + t, and where the half octave of the last one ends."""
        edges = [mpf(self.shift)]
        for _ in range(EIGHT):
            power = mpf(2) ** int(mpmath.floor(mpmath.log(edges[-1], 2)))
            edges.append(power * 3 / 2 if edges[-1] < power * 3 / 2 else 2 * power)
        return edges

    def lines(self):
        edges = self.edges()
        pieces = [None] * EIGHT
        for number, edge in enumerate(edges[:EIGHT]):
            high = mpf(self.end) if number == EIGHT - 1 else edges[number + 1] - edges[0]
            index = int(np.float32(float(edge)).view(np.int32) >> 22) % EIGHT
            pieces[index] = expansions.expand(self.factor, edge - edges[0], high, self.degree, self.zeros)
        # Beyond the half octave of the last piece, its index has to be kept.
        last = edges[-2] if self.end > edges[-1] - edges[0] else mpf(0)
        return [
            f"// {self.name.replace('_', ' ')} up to {self.end}: relative error {expansions.largest_error(pieces)}",
            f"constexpr Tail<{self.degree - 1}> {self.name} = {{",
            f"    {hexadecimal(self.shift)}f, {hexadecimal(last)}f, {hexadecimal(self.cap)}f,",
            *expansions.lines(pieces, "line_and_square", expansions.RAISED_FACTOR),
            "};",
        ]


def tails():
    gelu, gelu_tanh = map(records.catalogue.ACTIVATIONS.get, ("gelu", "gelu_tanh"))

    def gaussian(t):
        return t * t / 2

    def value(record, *shape):
        return Tail(f"{record.name}_tail", lambda x: -records.value(record, x), *shape)

    def slope(record, *shape):
        zeros = tuple(-mpf(zero) for zero in record.facts.derivative.zeros)
        return Tail(f"{record.name}_slope_tail", lambda x: records.slope(record, x), *shape, zeros)

    every = [
        value(gelu, gaussian, 0.75, 13.4, 15, 8),
        slope(gelu, gaussian, 0.5, 13.4, 15, 8),
        value(gelu_tanh, records.twice_inner, 0.5, 11, 11, 8),
        slope(gelu_tanh, records.twice_inner, 0.5, 11, 11, 8),
    ]
    lines = [
        "// f(-t) = e^-q(t) S(t), t >= 0, with S in half octaves of shift + t (math/tails.hpp). last: where the last",
        "// piece begins, if it is longer. t beyond cap is taken for it.",
        "template <int count> struct Tail {",
        "    float shift, last, cap;",
        "    Expansions<8, count> factor;",
        "};",
    ]
    for tail in every:
        lines += tail.lines()
    return lines
