"""The claims about relu: rows 8, 9, 10 and 17."""

from __future__ import annotations

import itertools

import numpy as np

import softfloor as sf

from .results import Evidence, Finding

_TINY = np.finfo(np.float32).smallest_subnormal


def row_8(evidence: Evidence) -> Finding:
    positive = np.array([_TINY, 1e-3, 1, 100, np.finfo(np.float32).max], np.float32)
    x = np.concatenate([-positive, positive])
    maximum = bool(np.array_equal(sf.relu(x), np.maximum(0, x)))
    below, at_zero = sf.relu.derivative(-positive), float(sf.relu.derivative(0.0))
    above = sf.relu.derivative(positive)
    constant = np.ptp(np.concatenate([below, above])) == 0
    return Finding(
        as_written=bool(maximum and constant),
        corrected=bool(maximum and np.all(above == 1) and np.all(below == 0) and at_zero == 0),
        numbers={
            "derivative for x > 0, smallest": float(above.min()),
            "derivative for x > 0, largest": float(above.max()),
            "derivative for x < 0": float(below.max()),
            "derivative at 0, as stated": at_zero,
        },
        notes_version="the gradient of relu is constant regardless of x",
        right_version="it is constant, 1, for x > 0, and 0 for x < 0; at 0, where there is none, softfloor states 0",
    )


def row_9(evidence: Evidence) -> Finding:
    points = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0)
    sigmoid = [float(sf.sigmoid.derivative(x)) for x in points]
    relu = [float(sf.relu.derivative(x)) for x in points[1:]]
    falls = all(a > b for a, b in itertools.pairwise(sigmoid)) and sigmoid[-1] < 1e-30
    depth = evidence.depth
    deepest = max(depth["relu"].first_layer)
    kept = depth["relu"].first_layer[deepest] > 1e6 * depth["sigmoid"].first_layer[deepest]
    return Finding(
        as_written=falls and set(relu) == {1.0} and kept,
        numbers={
            **{f"sigmoid'({x:g})": y for x, y in zip(points, sigmoid, strict=True)},
            "relu' at all of these but 0": relu[0],
            **{
                f"gradient through {d} layers, {name}": depth[name].first_layer[d]
                for d in sorted(depth["relu"].first_layer)
                for name in ("sigmoid", "relu")
            },
        },
        remark="Through many layers the factors multiply: compare the first layer's gradient with the last one's.",
    )


def row_10(evidence: Evidence) -> Finding:
    x = -np.geomspace(1e-3, 80, 200, dtype=np.float32)
    smallest = float(sf.sigmoid.derivative(x).min())
    largest = float(np.abs(sf.relu.derivative(x)).max())
    numbers = {"smallest sigmoid' on [-80, 0)": smallest, "largest relu' on [-80, 0)": largest}
    for label, runs in (("usual step", evidence.training), ("large step", evidence.hot_training)):
        for name, training in runs.items():
            numbers[f"dead units, {label}, {name}"] = sum(training.dead_units)
    some = next(iter(evidence.hot_training.values()))
    numbers["units watched"] = some.hidden_units * len(some.dead_units)
    return Finding(
        as_written=smallest > 0 and largest == 0,
        numbers=numbers,
        remark="That such updates are wrong is an interpretation. The zero has a price: a unit that is negative for "
        "every image gets no gradient, and never recovers.",
    )


def row_17(evidence: Evidence) -> Finding:
    x = np.concatenate([np.linspace(-5, 5, 2001), [-_TINY, _TINY]])
    slopes = sf.relu.derivative(x)
    step = bool(np.array_equal(slopes, np.where(x > 0, 1.0, 0.0)))
    return Finding(
        as_written=step and set(slopes.tolist()) == {0.0, 1.0},
        numbers={
            "different slopes found": len(set(slopes.tolist())),
            "slope just below 0": float(sf.relu.derivative(-_TINY)),
            "slope at 0, by convention": float(sf.relu.derivative(0.0)),
            "slope just above 0": float(sf.relu.derivative(_TINY)),
        },
    )
