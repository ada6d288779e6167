"""The claims about sigmoid and tanh: rows 1, 2, 21, 22 and 23."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import softfloor as sf

from .exact import AGREE, first_float32, numbers, relative, slope, value, worst_ulps
from .results import Evidence, Finding

_POINTS = (-30.5, -3.0, -0.75, 0.25, 1.0, 4.0, 20.0)


def row_1(evidence: Evidence) -> Finding:
    mp = numbers()
    points = (-700, -40, -1, 0, 1, 40, 700)
    with mp.workdps(400):
        first = [mp.exp(x) / (mp.exp(x) + 1) for x in points]
        second = [1 / (1 + mp.exp(-x)) for x in points]
        apart = max(relative(a, b) for a, b in zip(first, second, strict=True))
        inside = all(0 < y < 1 for y in second)
    error = worst_ulps(sf.sigmoid(np.array(points, np.float64)), second)
    ones = first_float32(lambda x: sf.sigmoid(x) == 1, 10, 30)
    zeros = -first_float32(lambda x: sf.sigmoid(-x) == 0, 80, 200)
    lstm = evidence.examples["lstm"].numbers
    gates = lstm["smallest gate"] > 0 and lstm["largest gate"] < 1
    passes = lstm["state changed by an open forget gate"] == 0 == lstm["state left by a shut forget gate"]
    return Finding(
        as_written=apart < AGREE and inside and error < 1.5 and gates and passes,
        numbers={
            "the two forms differ by (relative)": apart,
            "worst error of sf.sigmoid here (ulp)": error,
            "float32 sigmoid is exactly 1 from x": ones,
            "float32 sigmoid is exactly 0 up to x": zeros,
            **lstm,
        },
        remark="The open interval is that of real numbers: rounded to float32, sigmoid reaches both of its ends.",
    )


def row_2(evidence: Evidence) -> Finding:
    mp = numbers()
    steps: tuple[Callable[[Any], Any], ...] = (
        lambda x: mp.diff(lambda t: 1 / (1 + mp.exp(-t)), x),
        lambda x: mp.diff(lambda t: (1 + mp.exp(-t)) ** -1, x),
        lambda x: -((1 + mp.exp(-x)) ** -2) * -mp.exp(-x),
        lambda x: mp.exp(-x) / (1 + mp.exp(-x)) ** 2,
        lambda x: mp.exp(-x) / (1 + mp.exp(-x)) * (1 / (1 + mp.exp(-x))),
        lambda x: ((mp.exp(-x) + 1) - 1) / (1 + mp.exp(-x)) * (1 / (1 + mp.exp(-x))),
        lambda x: ((mp.exp(-x) + 1) / (1 + mp.exp(-x)) - 1 / (1 + mp.exp(-x))) * (1 / (1 + mp.exp(-x))),
        lambda x: (1 - 1 / (1 + mp.exp(-x))) * (1 / (1 + mp.exp(-x))),
        lambda x: value("sigmoid", x) * (1 - value("sigmoid", x)),
    )
    # The first two steps are differentiated numerically, which costs half of the digits.
    apart = max(relative(step(mp.mpf(x)), slope("sigmoid", x)) for step in steps for x in _POINTS)
    far = 40.0
    naive = 1 / (1 + np.exp(-far))
    return Finding(
        as_written=apart < 1e-20,
        numbers={
            "expressions compared": len(steps),
            "largest difference between them (relative)": apart,
            "sigmoid'(40), sf": float(sf.sigmoid.derivative(far)),
            "sigmoid'(40), s * (1 - s) in float64": float(naive * (1 - naive)),
            "relative error at 40, sf": relative(float(sf.sigmoid.derivative(far)), slope("sigmoid", far)),
            "relative error at 40, s * (1 - s)": relative(float(naive * (1 - naive)), slope("sigmoid", far)),
        },
        remark="Computed as sigmoid(x) sigmoid(-x): in 1 - sigmoid(x) every digit cancels once x is large.",
    )


def row_21(evidence: Evidence) -> Finding:
    mp = numbers()
    written = [mp.exp(2 * mp.mpf(x) - 1) / mp.exp(2 * mp.mpf(x) + 1) for x in _POINTS]
    right = [(mp.exp(2 * mp.mpf(x)) - 1) / (mp.exp(2 * mp.mpf(x)) + 1) for x in _POINTS]
    second = [(mp.exp(x) - mp.exp(-x)) / (mp.exp(x) + mp.exp(-x)) for x in map(mp.mpf, _POINTS)]
    true = [mp.tanh(x) for x in _POINTS]

    def worst(candidates: list[Any]) -> float:
        return max(relative(a, b) for a, b in zip(candidates, true, strict=True))

    return Finding(
        as_written=worst(written) < 1e-30,
        corrected=worst(right) < 1e-30 and worst(second) < 1e-30,
        numbers={
            "first expression as written, smallest": float(min(written)),
            "first expression as written, largest": float(max(written)),
            "e^-2": float(mp.exp(-2)),
            "corrected expression differs from tanh by (relative)": worst(right),
            "second expression differs from tanh by (relative)": worst(second),
            "worst error of sf.tanh here (ulp)": worst_ulps(sf.tanh(np.array(_POINTS)), true),
        },
        notes_version="tanh x = e^(2x-1) / e^(2x+1)",
        right_version="tanh x = (e^(2x) - 1) / (e^(2x) + 1); as written the quotient is the constant e^-2",
    )


def row_22(evidence: Evidence) -> Finding:
    points = np.linspace(-9, 9, 1801)
    in_range = bool(np.all(np.abs(sf.tanh(points)) < 1)) and float(sf.tanh(-1.0)) < 0 < float(sf.tanh(1.0))
    steepest, steepest_sigmoid = float(sf.tanh.derivative(0.0)), float(sf.sigmoid.derivative(0.0))
    far = float(sf.tanh.derivative(10.0))
    depths = sorted(evidence.depth["tanh"].first_layer)
    through = {name: evidence.depth[name].first_layer for name in ("tanh", "sigmoid", "relu")}
    keeps_more = all(through["tanh"][d] > 1e3 * through["sigmoid"][d] for d in depths)
    spread = evidence.depth["tanh"].spread_biases[depths[-1]]
    does_not_vanish = far > 1e-3 and spread > 1e-3
    return Finding(
        as_written=in_range and keeps_more and does_not_vanish,
        corrected=in_range and keeps_more and steepest > steepest_sigmoid,
        numbers={
            "tanh'(0)": steepest,
            "sigmoid'(0)": steepest_sigmoid,
            "tanh'(10)": far,
            **{f"gradient through {d} layers, {name}": through[name][d] for d in depths for name in through},
            f"gradient through {depths[-1]} layers with spread biases, tanh": spread,
        },
        notes_version="tanh is a good activation function for tackling vanishing gradients",
        right_version="tanh loses far less gradient than sigmoid, for its slope at 0 is 1 and not 1/4; "
        "yet its slope too goes to 0 on both sides",
        remark="The range holds: (-1, 1), both signs.",
    )


def row_23(evidence: Evidence) -> Finding:
    mp = numbers()
    steps: tuple[Callable[[Any], Any], ...] = (
        lambda x: mp.diff(lambda t: (mp.exp(t) - mp.exp(-t)) / (mp.exp(t) + mp.exp(-t)), x),
        lambda x: ((mp.exp(x) + mp.exp(-x)) ** 2 - (mp.exp(x) - mp.exp(-x)) ** 2) / (mp.exp(x) + mp.exp(-x)) ** 2,
        lambda x: 1 - (mp.exp(x) - mp.exp(-x)) ** 2 / (mp.exp(x) + mp.exp(-x)) ** 2,
        lambda x: 1 - mp.tanh(x) ** 2,
    )
    points = (-6.0, -0.75, 0.25, 1.0, 4.0)
    apart = max(relative(step(mp.mpf(x)), slope("tanh", x)) for step in steps for x in points)
    far = 20.0
    return Finding(
        as_written=apart < 1e-20,
        numbers={
            "expressions compared": len(steps),
            "largest difference between them (relative)": apart,
            "tanh'(20), sf": float(sf.tanh.derivative(far)),
            "tanh'(20), 1 - tanh^2 in float64": float(1 - np.tanh(far) ** 2),
            "relative error at 20, sf": relative(float(sf.tanh.derivative(far)), slope("tanh", far)),
            "relative error at 20, 1 - tanh^2": relative(float(1 - np.tanh(far) ** 2), slope("tanh", far)),
        },
        remark="Computed as 1 / cosh(x)^2: in 1 - tanh(x)^2 every digit cancels once x is large.",
    )
