"""The claims about softmax and its loss: rows 3 to 7."""

from __future__ import annotations

from typing import Any

import numpy as np

import softfloor as sf

from .exact import numbers
from .results import COMPARED, Evidence, Finding

_LOGITS = (0.5, -1.0, 2.0, 0.0)


def row_3(evidence: Evidence) -> Finding:
    z = np.linspace(-6, 6, 7)
    p = sf.softmax(z)
    inside = bool(np.all((p > 0) & (p < 1)))
    total = abs(float(p.sum()) - 1)
    unit = bool(np.array_equal(p, sf.softmax(z, temperature=1.0)))
    entropies = {t: _entropy(sf.softmax(z, temperature=t)) for t in (0.5, 1.0, 2.0)}
    return Finding(
        as_written=inside and total < 1e-15 and unit,
        numbers={
            "sum differs from 1 by": total,
            "smallest entry": float(p.min()),
            "largest entry": float(p.max()),
            **{f"entropy at temperature {t:g} (nats)": entropy for t, entropy in entropies.items()},
        },
        remark="The standard softmax is the one of temperature 1; a lower one sharpens, a higher one flattens.",
    )


def _entropy(p: np.ndarray) -> float:
    return float(-np.sum(p * np.log(p)))


def row_4(evidence: Evidence) -> Finding:
    trained = [evidence.training[name] for name in COMPARED]
    attention = evidence.examples["attention"].numbers
    sums = max(training.probability_error for training in trained)
    # Guessing would be right for one digit in ten.
    classifies = all(training.mean_accuracy > 0.5 for training in trained)
    normalises = attention["row sums differ from 1 by"] < 1e-6 and attention["largest masked weight"] == 0
    return Finding(
        as_written=classifies and sums < 1e-6 and normalises,
        numbers={
            **{f"digits told right, {training.activation}": training.mean_accuracy for training in trained},
            "classifier rows differ from 1 by": sums,
            "attention rows differ from 1 by": attention["row sums differ from 1 by"],
            "largest masked attention weight": attention["largest masked weight"],
        },
        remark="Both uses are among the worked examples.",
    )


def row_5(evidence: Evidence) -> Finding:
    mp = numbers()
    z = [mp.mpf(v) for v in _LOGITS]
    label = 2
    total = mp.fsum(mp.exp(v) for v in z)
    written = -mp.log(mp.exp(z[label]) / total)
    loss, gradient = sf.softmax_cross_entropy.value_and_grad(np.array(_LOGITS), label)
    step = mp.mpf("1e-25")

    def loss_at(k: int, shift: Any) -> Any:
        moved = [v + (shift if j == k else 0) for j, v in enumerate(z)]
        return mp.log(mp.fsum(mp.exp(v) for v in moved)) - moved[label]

    slopes = [(loss_at(k, step) - loss_at(k, -step)) / (2 * step) for k in range(len(z))]
    difference = max(abs(float(g - s)) for g, s in zip(map(mp.mpf, map(float, gradient)), slopes, strict=True))
    example = evidence.examples["cross_entropy"].numbers
    return Finding(
        as_written=abs(float(written) - float(loss)) < 1e-14 and difference < 1e-14,
        numbers={
            "loss as the notes write it": float(written),
            "loss, sf": float(loss),
            "gradient y_hat - y differs from differences of the loss by": difference,
            **example,
        },
        notes_version="the notes stop at the loss",
        right_version="its gradient in z is y_hat - y",
        remark="Computed as logsumexp(z) - z[label]; the logarithm of a softmax overflows for large logits.",
    )


def row_6(evidence: Evidence) -> Finding:
    mp = numbers()
    z = [mp.mpf(v) for v in _LOGITS]
    size = len(z)
    step = mp.mpf("1e-25")

    def softmax(logits: list[Any]) -> list[Any]:
        powers = [mp.exp(v) for v in logits]
        return [power / mp.fsum(powers) for power in powers]

    def moved(j: int, shift: Any) -> list[Any]:
        return softmax([v + (shift if k == j else 0) for k, v in enumerate(z)])

    columns = [
        [(up - down) / (2 * step) for up, down in zip(moved(j, step), moved(j, -step), strict=True)]
        for j in range(size)
    ]
    numerical = np.array([[float(columns[j][i]) for j in range(size)] for i in range(size)])
    y = np.array([float(v) for v in softmax(z)])
    same = np.eye(size, dtype=bool)
    written = np.where(same, y[:, None] * (y[None, :] - 1), np.outer(y, y))
    right = np.where(same, y[:, None] * (1 - y[None, :]), -np.outer(y, y))
    errors = {
        name: float(np.abs(matrix - numerical).max())
        for name, matrix in (("written", written), ("right", right), ("sf", sf.softmax.jacobian(np.array(_LOGITS))))
    }
    return Finding(
        as_written=errors["written"] < 1e-14,
        corrected=errors["right"] < 1e-14 and errors["sf"] < 1e-14,
        numbers={
            "numerical dy_1/dz_1": float(numerical[0, 0]),
            "dy_1/dz_1 by the notes": float(written[0, 0]),
            "numerical dy_1/dz_2": float(numerical[0, 1]),
            "dy_1/dz_2 by the notes": float(written[0, 1]),
            "notes differ from the numerical Jacobian by": errors["written"],
            "corrected formula differs by": errors["right"],
            "sf.softmax.jacobian differs by": errors["sf"],
            "sum of both signs": float(np.abs(written + numerical).max()),
        },
        notes_version="y_i (y_j - 1) if i = j, y_i y_j otherwise",
        right_version="y_i (1 - y_j) if i = j, -y_i y_j otherwise: diag(y) - y y^T; the sign is wrong in both branches",
    )


def row_7(evidence: Evidence) -> Finding:
    found = evidence.examples["softmax"].numbers
    mp = numbers()
    total = mp.fsum(mp.exp(k) for k in (1, 2, 3))
    true = [float(mp.exp(k) / total) for k in (1, 2, 3)]
    printed = (0.0900, 0.2447, 0.6652)
    ours = [found[name] for name in ("first", "second", "third")]
    values = all(abs(a - b) < 5e-5 for a, b in zip(ours, printed, strict=True))
    values = (
        values and all(abs(a - b) < 1e-15 for a, b in zip(ours, true, strict=True)) and found["rows differ by"] == 0
    )
    expansion = abs(found["middle term as written"] - ours[1]) < 5e-5
    return Finding(
        as_written=values and expansion,
        corrected=values and found["corrected row differs by"] < 1e-15,
        numbers=found,
        notes_version="third row, middle term: exp(7) / (exp(8) + exp(8) + exp(9))",
        right_version="exp(8) / (exp(7) + exp(8) + exp(9)); two misprints, in numerator and denominator",
        remark="The printed values are right, and equal in all rows because softmax ignores a shift.",
    )
