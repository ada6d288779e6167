"""The claims about soft floor and overshoot of gelu and silu, and the two figures: rows 16, 18, 19, 20, 24 and 25."""

from __future__ import annotations

from typing import Any

import numpy as np

import softfloor as sf

from .exact import numbers, slope, value
from .results import Evidence, Finding

SMOOTH = ("gelu", "gelu_tanh", "silu")


def _zero_of_slope(name: str) -> Any:
    return numbers().findroot(lambda x: slope(name, x), -1)


def row_16(evidence: Evidence) -> Finding:
    found = {}
    floors = True
    for name in SMOOTH:
        where = _zero_of_slope(name)
        least = value(name, where)
        found[f"{name}: minimum"] = float(least)
        found[f"{name}: at x"] = float(where)
        activation = sf.get(name)
        x = np.linspace(-40, 40, 160001)
        floors = floors and float(activation(x).min()) >= np.nextafter(float(least), -1)
        floors = floors and abs(float(activation(float(where))) - float(least)) < 1e-15
        floors = floors and abs(float(activation.derivative(float(where)))) < 1e-15
    where = _zero_of_slope("silu")
    found["silu: value - (x + 1) at the minimum"] = float(abs(value("silu", where) - (where + 1)))
    training = evidence.training
    growth = {name: training[name].growth for name in ("relu", "gelu", "silu")}
    found |= {f"weights after training / before, {name}": factor for name, factor in growth.items()}
    found |= {f"largest weight, {name}": max(training[name].largest_weight) for name in growth}
    starts = len(training["relu"].rms_weight)
    smaller = {
        name: sum(
            ours[1] < theirs[1]
            for ours, theirs in zip(training[name].rms_weight, training["relu"].rms_weight, strict=True)
        )
        for name in ("gelu", "silu")
    }
    found |= {f"starts of {starts} with smaller weights than relu, {name}": count for name, count in smaller.items()}
    regularises = all(count == starts for count in smaller.values())
    return Finding(
        as_written=floors and regularises,
        corrected=floors,
        numbers=found,
        notes_version="the minimum, where the derivative is 0, is a soft floor that keeps weights from growing large",
        right_version="the minimum is there; that it regularises weights is an interpretation"
        + ("" if regularises else ", and this training does not bear it out for both functions"),
        remark="Weights are compared with those of relu from the same starts, in root mean square over all layers.",
    )


def row_18(evidence: Evidence) -> Finding:
    where = float(_zero_of_slope("silu"))
    x = np.linspace(-60, 60, 480001)
    signs = np.sign(sf.silu.derivative(x))
    changes = int(np.count_nonzero(signs[1:] * signs[:-1] < 0) + np.count_nonzero(signs == 0))
    inside = int(np.count_nonzero((signs[1:] * signs[:-1] <= 0) & (x[1:] > -2) & (x[1:] < 0)))
    return Finding(
        as_written=-2 < where < 0 and inside == 1,
        numbers={
            "zero of silu' at x": where,
            "sf.silu.derivative there": float(sf.silu.derivative(where)),
            "sign changes in (-2, 0)": inside,
            "sign changes in (-60, 60)": changes,
        },
        remark="It is the only zero on the whole line." if changes == 1 else "",
    )


def _extremum(name: str, start: float) -> tuple[float, float]:
    """Where the derivative is largest or smallest, near ``start``, and its value there."""
    mp = numbers()
    where = mp.findroot(lambda x: mp.diff(lambda t: slope(name, t), x), start, tol=1e-40)
    return float(where), float(slope(name, where))


def row_19(evidence: Evidence) -> Finding:
    mp = numbers()
    low_x, low = _extremum("silu", -2.4)
    high_x, high = _extremum("silu", 2.4)
    gelu_low_x, gelu_low = _extremum("gelu", -1.4)
    gelu_high_x, gelu_high = _extremum("gelu", 1.4)
    leaves_at = -float(_zero_of_slope("silu"))
    curvature = mp.diff(lambda t: slope("silu", t), 0)
    x = np.linspace(-60, 60, 480001)
    computed = sf.silu.derivative(x)
    outside = x[(computed < 0) | (computed > 1)]
    agrees = abs(float(computed.min()) - low) < 1e-6 and abs(float(computed.max()) - high) < 1e-6
    return Finding(
        as_written=-4 < low_x < -2
        and 2 < high_x < 4
        and low < 0
        and high > 1
        and agrees
        and abs(curvature - 0.5) < 1e-15,
        numbers={
            "silu' smallest": low,
            "at x (smallest)": low_x,
            "silu' largest": high,
            "at x (largest)": high_x,
            "silu' leaves [0, 1] beyond |x| =": leaves_at,
            "the same on a grid of sf": float(np.abs(outside).min(initial=np.inf)),
            "silu'' at 0": float(curvature),
            "gelu' smallest": gelu_low,
            "at x (gelu' smallest)": gelu_low_x,
            "gelu' largest": gelu_high,
            "at x (gelu' largest)": gelu_high_x,
        },
        remark="gelu' overshoots too, nearer to 0 and a little more.",
    )


def row_20(evidence: Evidence) -> Finding:
    mp = numbers()
    bound = 1e-3
    # silu'(-x) = 1 - silu'(x), so the distance from relu' is the same on both sides.
    where = float(mp.findroot(lambda x: slope("silu", x) - 1 - mp.mpf("1e-3"), 9))
    x = np.linspace(0.01, 60, 600001)
    x = np.concatenate([-x[::-1], x])
    distance = np.abs(sf.silu.derivative(x) - sf.relu.derivative(x))
    beyond = float(distance[np.abs(x) > where].max())
    last = float(np.abs(x[distance >= bound]).max())
    return Finding(
        as_written=beyond < bound and abs(last - where) < 1e-3,
        numbers={
            "|silu' - relu'| falls below 1e-3 for good at |x| =": where,
            "the same on a grid of sf": last,
            "largest difference beyond": beyond,
            "largest silu', the amplification": float(sf.silu.derivative(x).max()),
            "difference at |x| = 20": float(np.abs(sf.silu.derivative(20.0) - 1)),
        },
        remark="That silu acts like relu far from 0 is measured here. That crossing 0 amplifies errors is an "
        "interpretation: the factor it can rest on is the largest derivative.",
    )


def _drawn(figure: Any) -> dict[str, tuple[Any, Any]]:
    """The labelled curves of a figure."""
    lines = [line for axes in figure.axes for line in axes.lines if not str(line.get_label()).startswith("_")]
    return {str(line.get_label()): line.get_data() for line in lines}


def _matches(curves: dict[str, tuple[Any, Any]], label: str, function: Any) -> bool:
    """Whether a drawn curve is the function, where it is drawn: a derivative has a gap at its kink."""
    x, y = (np.asarray(values) for values in curves[label])
    there = np.isfinite(y)
    return bool(np.count_nonzero(~there) <= 1 and np.array_equal(y[there], function(x[there])))


def row_24(evidence: Evidence) -> Finding:
    curves = _drawn(evidence.figures["relu_and_variants"])
    right = {name: _matches(curves, name, sf.get(name)) for name in ("relu", "gelu", "silu")}
    return Finding(
        as_written=all(right.values()) and "swiglu" in curves,
        corrected=all(right.values()) and len(sf.swiglu.operands) == 2,
        numbers={
            "curves drawn": len(curves),
            "curves that are sf's to the bit": sum(right.values()),
            "lowest point of the silu curve": float(np.min(curves["silu"][1])),
            "lowest point of the gelu curve": float(np.min(curves["gelu"][1])),
            "numbers that swiglu takes": len(sf.swiglu.operands),
        },
        notes_version='the third curve is labelled "SwiGLU"',
        right_version="it is silu; swiglu takes two numbers and has no curve",
    )


def row_25(evidence: Evidence) -> Finding:
    curves = _drawn(evidence.figures["relu_func_vs_derivative"])
    wanted = {name: sf.get(name) for name in ("relu", "gelu", "silu")}
    wanted |= {f"{name}'": sf.get(name).derivative for name in ("relu", "gelu", "silu")}
    right = {label: _matches(curves, label, function) for label, function in wanted.items()}
    x, slopes = (np.asarray(values) for values in curves["silu'"])
    marks = sum(
        str(line.get_label()) == "_landmark"
        for axes in evidence.figures["relu_func_vs_derivative"].axes
        for line in axes.lines
    )
    return Finding(
        as_written=all(right.values()) and marks > 0,
        numbers={
            "curves drawn": len(curves),
            "curves that are sf's to the bit": sum(right.values()),
            "landmarks marked": marks,
            "silu' overshoots to": float(slopes.max()),
            "at x": float(x[slopes.argmax()]),
        },
        remark="gelu is added; minima, zeros of the derivatives and their overshoot are marked.",
    )
