"""Compute every coefficient of the C++ core with mpmath and write ``csrc/math/coefficients.hpp``.

    python tools/coefficients.py [--check]

Polynomials interpolate at Chebyshev nodes, which is within a small factor of the best approximation; the measured
relative error stands in the comment above each array. ``--check`` compares with the file instead of writing it.
"""

import argparse
import dataclasses
import functools
import sys
from collections.abc import Callable

import mpmath
from mpmath import mpf

import expansions
import octaves
import records
from fitting import (
    error_in_bits,
    evaluate,
    float32,
    hexadecimal,
    interpolate,
    minimax,
    rational,
    rounded_one_by_one,
)

HEADER = records.ROOT / "csrc" / "math" / "coefficients.hpp"


def pair(x):
    high = float(x)
    return f"Pair{{{hexadecimal(high)}, {hexadecimal(x - mpf(high))}}}"


def array(name, coefficients):
    body = ",\n    ".join(hexadecimal(c) for c in coefficients)
    return f"constexpr double {name}[] = {{\n    {body}}};"


def float_array(name, coefficients):
    body = ",\n    ".join(f"{hexadecimal(c)}f" for c in coefficients)
    return f"constexpr float {name}[] = {{\n    {body}}};"


# ------------------------------------------------------------------------------------------------------------- sections
def exponential():
    ln2 = mpmath.log(2)
    half = ln2 / 2 * mpf("1.001")  # the reduced argument may pass ln(2)/2 by the rounding of its multiple

    def quotient(power):
        def q(r):
            return sum(r ** (j - power) / mpmath.factorial(j) for j in range(power, 60))

        return q

    lines = []
    for name, power, degree in (("exp_double", 2, 5), ("exp_pair", 3, 9)):
        c = interpolate(quotient(power), -half, half, degree)
        error = error_in_bits(
            lambda r, c=c, p=power: (evaluate(c, r) - quotient(p)(r)) * r**p / mpmath.exp(r), -half, half
        )
        lines += [
            f"// (e^r - sum of r^j/j!, j < {power}) / r^{power} on |r| <= ln(2)/2: error of e^r {error}",
            array(name, c),
        ]
    return lines


def exponential_of_rows():
    """float32 throughout, with the coefficients' own rounding in the measured error."""
    ln2 = mpmath.log(2)
    high = mpf(round(float(ln2) * 2**15)) / 2**15
    # The multiple of ln 2 is chosen by float32 arithmetic on arguments down to -133: it may pass the half by 133 2^-24.
    half = ln2 / 2 * mpf("1.0001")

    def quotient(r):
        return sum(r ** (j - 2) / mpmath.factorial(j) for j in range(2, 40))

    c = [float32(x) for x in minimax(quotient, lambda r: r * r / mpmath.exp(r), -half, half, 4)]
    error = error_in_bits(lambda r: (evaluate(c, r) - quotient(r)) * r**2 / mpmath.exp(r), -half, half)
    return [
        "// ln 2 = ln2_grid + ln2_rest, ln2_grid a multiple of 2^-15.",
        f"constexpr float ln2_grid = {hexadecimal(high)}f;",
        f"constexpr float ln2_rest = {hexadecimal(float32(ln2 - high))}f;",
        f"// (e^r - 1 - r) / r^2 on |r| <= ln(2)/2: error of e^r {error}",
        float_array("exp_float", c),
    ]


def normal_tail():
    def ratio(t):
        return mpmath.erfc(t / mpmath.sqrt(2)) * mpmath.exp(t * t / 2)

    end, count = mpf("14.5"), 90
    nodes = [end * ((1 - mpmath.cos(mpmath.pi * (i + mpf(1) / 2) / count)) / 2) ** mpf("1.6") for i in range(count)]
    top, bottom = rational(ratio, (5, 6), nodes)
    error = error_in_bits(lambda t: evaluate(top, t) / evaluate(bottom, t) / ratio(t) - 1, mpf(0), end, 801)
    lines = [
        f"// e^(t^2/2) erfc(t/sqrt 2) on [0, 14.5]: relative error {error}",
        array("tail_numerator", top),
        array("tail_denominator", bottom),
    ]

    bits, degree = 4, 9
    rows, worst = [], mpf(0)
    index = 0
    while True:
        octave, step = divmod(index, 2**bits)
        width = mpf(2) ** (octave - bits)
        low = 2**octave + step * width - 1
        if low > 56:
            break
        centre = low + width / 2
        c = interpolate(lambda h, centre=centre: ratio(centre + h), -width / 2, width / 2, degree)
        for i in range(9):
            h = width * (mpf(i) / 8 - mpf(1) / 2)
            worst = max(worst, abs(evaluate(c, h) / ratio(centre + h) - 1))
        rows.append([float(c[0]), c[0] - mpf(float(c[0])), *c[1:]])
        index += 1
    columns = zip(*rows, strict=True)  # one column after another: the vectoriser gathers only by a plain index
    table = ",\n    ".join("{" + ", ".join(hexadecimal(c) for c in column) + "}" for column in columns)
    lines += [
        f"// The same in 1 + t, {2**bits} intervals per octave, as powers of the distance from the middle; the",
        f"// constant term in two parts. Relative error 2^{float(mpmath.log(worst, 2)):.1f}",
        f"constexpr int tail_table_bits = {bits};",
        f"constexpr int tail_table_rows = {len(rows)};",
        f"constexpr int tail_table_columns = {degree + 2};",
        f"constexpr double tail_table[tail_table_columns][tail_table_rows] = {{\n    {table}}};",
    ]
    return lines


def slopes_with_a_zero():
    """Name, zero x0, and the slope at x0 + h divided by h."""
    for record in records.catalogue.ACTIVATIONS.values():
        for zero in record.facts.derivative.zeros:
            slope = functools.partial(records.slope, record)
            x0 = mpmath.findroot(slope, (mpf(zero), mpf(zero) + mpf("1e-20")))
            yield record.name, x0, lambda h, x0=x0, slope=slope: slope(x0 + h) / h


def zeros_of_slopes():
    radius = mpf(1) / 8
    short_degree, long_degree = 5, 11  # odd: no interpolation node at the zero itself
    lines = [
        "// A slope near its zero x0, divided by x - x0, on |x - x0| <= zero_radius.",
        f"constexpr double zero_radius = {hexadecimal(radius)};",
        "struct Zero {",
        "    Pair position;",
        f"    double short_polynomial[{short_degree + 1}];  // for results up to float32",
        "    Pair constant_term;          // for float64: constant_term + h long_polynomial(h)",
        f"    double long_polynomial[{long_degree}];",
        "};",
    ]
    for name, x0, quotient in slopes_with_a_zero():
        short = interpolate(quotient, -radius, radius, short_degree)
        long = interpolate(quotient, -radius, radius, long_degree)
        errors = [
            error_in_bits(lambda h, c=c, q=quotient: evaluate(c, h) / q(h) - 1, -radius, radius, 200)
            for c in (short, long)
        ]
        lines += [
            f"// {name}': relative errors {errors[0]} and {errors[1]}",
            f"constexpr Zero {name}_zero = {{",
            f"    {pair(x0)},",
            "    {" + ", ".join(hexadecimal(c) for c in short) + "},",
            f"    {pair(long[0])},",
            "    {" + ", ".join(hexadecimal(c) for c in long[1:]) + "}};",
        ]
    return lines


@dataclasses.dataclass(frozen=True)
class Format:
    """A format in which math/compensated.hpp computes, and how long its polynomials are."""

    name: str
    round: Callable[[mpf], float]
    suffix: str
    digits: int
    ln2_bits: int  # of the high part where its multiples are to be exact
    exponential: int  # degree
    tail_end: mpf  # of the rational for gelu's tail
    tail: tuple[int, int]  # its degrees
    #: Radius and degree around the zero of a slope. Outside, the slope has to keep its digits though it cancels: those
    #: of silu and gelu_tanh do, because their exponentials are most exact near there (with 1/32, silu' came to 1.01 ulp
    #: at the rim in float32). A function that nobody has looked at gets the widest.
    zeros: dict[str, tuple[mpf, int]]
    any_zero: tuple[mpf, int]

    def number(self, x):
        return hexadecimal(self.round(x)) + self.suffix

    def parts(self, x, count):
        for _ in range(count):
            part = self.round(x)
            yield part
            x -= part

    def sum(self, x):
        return "{" + ", ".join(self.number(part) for part in self.parts(x, 2)) + "}"

    def member(self, name, coefficients):
        body = ",\n        ".join(map(self.number, coefficients))
        return f"    static constexpr {self.name} {name}[] = {{\n        {body}}};"


FLOAT = Format(
    "float", float32, "f", 24, 24, 5, mpf("13.2"), (4, 5),
    {"silu": (mpf(1) / 16, 4), "gelu_tanh": (mpf(1) / 16, 4), "gelu": (mpf(1) / 4, 6)}, (mpf(1) / 2, 9),
)  # fmt: skip
DOUBLE = Format(
    "double", float, "", 53, 42, 10, mpf("8.2"), (9, 10),
    {"silu": (mpf(1) / 16, 9), "gelu_tanh": (mpf(1) / 16, 9), "gelu": (mpf(3) / 8, 15)}, (mpf(1) / 2, 19),
)  # fmt: skip


def compensated():
    """What math/compensated.hpp and the compensated texts of ops/ use."""
    lines = [
        f"constexpr float tail_slope = {hexadecimal(TAIL_SLOPE)}f;",
        "// A slope next to its zero, as a polynomial in the distance h from the number that is nearest to the",
        "// zero, for |h| < radius: value + h (slope + h polynomial(h)).",
        "template <class Real, int count> struct CompensatedZero {",
        "    Real radius, nearest, value;",
        "    Sum<Real> slope;",
        "    Real polynomial[count];",
        "};",
        "// Constants and polynomials in a format.",
        "template <class Real> struct In;",
    ]
    for form in (FLOAT, DOUBLE):
        lines += [f"template <> struct In<{form.name}> {{", *compensated_exponential(form)]
        lines += [*compensated_tail(form), *compensated_zeros(form), "};"]
    return lines


def compensated_exponential(form):
    half = mpmath.log(2) / 2 * mpf("1.001")

    def quotient(r):
        return sum(r ** (j - 2) / mpmath.factorial(j) for j in range(2, 60))

    short = mpmath.nint(mpmath.log(2) * 2**form.ln2_bits) / 2**form.ln2_bits
    q = [form.round(c) for c in interpolate(quotient, -half, half, form.exponential)]
    error = error_in_bits(lambda r: (evaluate(q, r) - quotient(r)) * r**2 / mpmath.exp(r), -half, half)
    return [
        f"    static constexpr {form.name} log2_e = {form.number(1 / mpmath.log(2))};",
        f"    static constexpr Sum<{form.name}> ln2 = {form.sum(mpmath.log(2))};",
        f"    // The same with {form.ln2_bits} bits in the high part"
        f"{': its product with an 11-bit integer is exact' if form.ln2_bits == 42 else ''}.",
        f"    static constexpr Sum<{form.name}> ln2_short = "
        f"{{{form.number(short)}, {form.number(mpmath.log(2) - short)}}};",
        f"    // (e^r - 1 - r) / r^2 on |r| <= ln(2)/2, coefficients rounded: error of e^r {error}",
        form.member("exponential", q),
    ]


# 1/R(t) = 1 + alpha t - t k(t) with alpha its slope at infinity: k is positive and falls like 1/t, so that it has a
# rational of positive coefficients N/M. With a instead of alpha, 1/R = 1 + a t + t ((alpha - a) M - N)/M. The last
# term is smallest beside the whole for a near 17/16.
TAIL_SLOPE = mpf(17) / 16


def compensated_tail(form):
    alpha, a, end = mpmath.sqrt(mpmath.pi / 2), TAIL_SLOPE, form.tail_end

    def inverse_ratio(t):
        return mpmath.exp(-t * t / 2) / mpmath.erfc(t / mpmath.sqrt(2))

    def k(t):
        return alpha - ((inverse_ratio(t) - 1) / t if t else mpmath.sqrt(2 / mpmath.pi))

    count = 70
    nodes = [end * ((1 - mpmath.cos(mpmath.pi * (i + mpf(1) / 2) / count)) / 2) ** mpf("1.6") for i in range(count)]
    top, bottom = rational(lambda t: k(t) / k(mpf(0)), form.tail, nodes)
    top = [c * k(mpf(0)) for c in top] + [mpf(0)]
    top = [form.round((alpha - a) * m - n) for n, m in zip(top, bottom, strict=True)]
    bottom = [form.round(m) for m in bottom]

    def approximation(t):
        return 1 + a * t + t * evaluate(top, t) / evaluate(bottom, t)

    error = error_in_bits(lambda t: approximation(t) / inverse_ratio(t) - 1, mpf(0), end, 801)
    v1, v2 = map(records.twice_inner, (mpf(1), mpf(2)))
    cubic = (v2 - 2 * v1) / 6
    unit = mpf(2) ** (7 - form.digits)  # the last place of factors from 64 to 128
    short = mpmath.nint((v1 - cubic) / unit) * unit
    of = f"    static constexpr Sum<{form.name}>"
    return [
        f"    // e^(-t^2/2) / erfc(t/sqrt 2) = 1 + tail_slope t + t numerator/denominator on [0, {end}],",
        f"    // coefficients rounded: relative error {error}",
        form.member("tail_numerator", top),
        form.member("tail_denominator", bottom),
        f"{of} inverse_sqrt_two_pi = {form.sum(1 / mpmath.sqrt(2 * mpmath.pi))};",
        "    // gelu_tanh(x) = x sigmoid(x (linear + cubic x^2)); linear less a factor of up to 128 is exact",
        f"{of} gelu_tanh_linear = {{{form.number(short)}, {form.number(v1 - cubic - short)}}};",
        f"{of} gelu_tanh_cubic = {form.sum(cubic)};",
        f"{of} gelu_tanh_three_cubic = {form.sum(3 * cubic)};",
    ]


def compensated_zeros(form):
    lines = []
    for name, x0, quotient in slopes_with_a_zero():
        radius, degree = form.zeros.get(name, form.any_zero)
        lines += compensated_zero(form, name, x0, quotient, radius, degree)
    return lines


def compensated_zero(form, name, x0, quotient, radius, degree):
    """``quotient`` is the slope over the distance from x0, which is the nearest number plus ``beyond``."""
    nearest = mpf(form.round(x0))
    beyond = x0 - nearest
    value = -beyond * quotient(-beyond)

    def rise(h):  # (slope - value) / h, of which h = 0 is no node
        return ((h - beyond) * quotient(h - beyond) - value) / h

    exact = interpolate(rise, -radius, radius, degree | 1)[0]
    slope = sum(form.parts(exact, 2), mpf(0))
    rest = rounded_one_by_one(lambda h: rise(h) - slope, -radius, radius, degree, form.round)
    error = error_in_bits(
        lambda h: (value + h * (slope + h * evaluate(rest, h))) / ((h - beyond) * quotient(h - beyond)) - 1,
        -radius,
        radius,
        200,
    )
    return [
        f"    // {name}': relative error {error}",
        f"    static constexpr CompensatedZero<{form.name}, {degree}> {name}_zero = {{",
        f"        {', '.join(map(form.number, (radius, nearest, value)))},",
        f"        {form.sum(exact)},",
        "        {" + ", ".join(map(form.number, rest)) + "}};",
    ]


def header():
    sections = [
        exponential(),
        exponential_of_rows(),
        octaves.tanh(),
        octaves.exponential(),
        expansions.tables(),
        octaves.tails(),
    ]
    sections += [normal_tail(), zeros_of_slopes(), compensated()]
    body = "\n\n".join("\n".join(section) for section in sections)
    return f"""// Written by tools/coefficients.py; not to be edited. Errors are measured on a grid by the same script.
// clang-format off
#pragma once
#include "lanes.hpp"

namespace softfloor {{
namespace {{
namespace coefficients {{

{body}

}}  // namespace coefficients
}}  // namespace
}}  // namespace softfloor
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail if the file differs from what would be written")
    text = header()
    if parser.parse_args().check:
        sys.exit(0 if HEADER.read_text() == text else f"{HEADER.name} is stale: run python tools/coefficients.py")
    HEADER.write_text(text)
