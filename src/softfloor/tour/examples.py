"""The worked examples of the notes: code that runs, and what it gives."""

from __future__ import annotations

from typing import Any

import numpy as np

import softfloor as sf

from .results import Example

LSTM_CODE = """\
gates = x @ W + h @ U + b
i, f, o = (sf.sigmoid(gates[name]) for name in ("input", "forget", "output"))
candidate = sf.tanh(gates["candidate"])
c_next = f * c + i * candidate
h_next = o * sf.tanh(c_next)"""

ATTENTION_CODE = """\
scores = queries @ keys.T / np.sqrt(keys.shape[-1])
weights = sf.softmax(scores, where=np.tri(len(scores), dtype=bool))
context = weights @ values

padded = np.tri(len(scores), dtype=bool)
padded[0] = False            # nothing is left for the first word
weights = sf.softmax(scores, where=padded)
dscores = sf.softmax.vjp(weights, dcontext @ values.T)"""

CROSS_ENTROPY_CODE = """\
loss, dz = sf.softmax_cross_entropy.value_and_grad(z, y, reduction="none")
y_hat = sf.softmax(z)        # dz is y_hat - y"""

SOFTMAX_CODE = """\
Z = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
sf.softmax(Z, axis=-1)"""

_GATES = ("input", "forget", "output")


def all_examples(seed: int) -> dict[str, Example]:
    """The examples by name: lstm, attention, cross_entropy, softmax."""
    generator = np.random.default_rng(seed)
    return {
        "lstm": _lstm(generator),
        "attention": _attention(generator),
        "cross_entropy": _cross_entropy(),
        "softmax": _softmax(),
    }


def _cell(pre_gates: dict[str, Any], c: Any) -> tuple[Any, Any, dict[str, Any]]:
    """One step of a cell, from what reaches its gates: next output, next state, and the gates."""
    gates = {name: sf.sigmoid(pre_gates[name]) for name in _GATES}
    c_next = gates["forget"] * c + gates["input"] * sf.tanh(pre_gates["candidate"])
    return gates["output"] * sf.tanh(c_next), c_next, gates


def _lstm(generator: np.random.Generator) -> Example:
    units, features = 4, 3
    x, h, c = (generator.standard_normal(n).astype(np.float32) for n in (features, units, units))
    pre_gates = {}
    for name in (*_GATES, "candidate"):
        from_input, from_output = (
            generator.standard_normal((features, units)),
            generator.standard_normal((units, units)),
        )
        pre_gates[name] = (x @ from_input + h @ from_output).astype(np.float32)
    h_next, c_next, gates = _cell(pre_gates, c)
    # A remembering cell: float32 sigmoid gives exactly 1 and exactly 0 this far out, so the state passes bit for bit.
    shut = {name: np.full(units, -110, np.float32) for name in _GATES}
    kept = _cell(pre_gates | shut | {"forget": np.full(units, 20, np.float32)}, c)[1]
    cleared = _cell(pre_gates | shut, c)[1]
    header = ("", *(f"unit {k + 1}" for k in range(units)))
    rows = [(f"{name} gate", *_numbers(gate)) for name, gate in gates.items()]
    rows += [("state before", *_numbers(c)), ("state after", *_numbers(c_next)), ("output", *_numbers(h_next))]
    rows += [("state, gates forced to 1 and 0", *_numbers(kept)), ("state, all gates forced to 0", *_numbers(cleared))]
    return Example(
        (1,),
        "A step of an LSTM cell",
        "Three gates between 0 (nothing passes) and 1 (all passes) decide what a cell takes in, keeps and shows. "
        "Forced wide open, the forget gate hands the state on bit for bit; shut, it clears it.",
        LSTM_CODE,
        (("One step, float32", header, tuple(rows)),),
        {
            "smallest gate": float(min(gate.min() for gate in gates.values())),
            "largest gate": float(max(gate.max() for gate in gates.values())),
            "state changed by an open forget gate": float(np.abs(kept - c).max()),
            "state left by a shut forget gate": float(np.abs(cleared).max()),
        },
    )


def _attention(generator: np.random.Generator) -> Example:
    words = ("the", "floor", "is", "soft")
    queries, keys, values = (generator.standard_normal((len(words), 8)).astype(np.float32) for _ in range(3))
    scores = queries @ keys.T / np.sqrt(np.float32(keys.shape[-1]))
    weights = sf.softmax(scores, where=np.tri(len(words), dtype=bool))
    context = weights @ values
    padded = np.tri(len(words), dtype=bool)
    padded[0] = False
    safe = sf.softmax(scores, where=padded)
    slopes = sf.softmax.vjp(safe, generator.standard_normal(context.shape).astype(np.float32) @ values.T)
    with np.errstate(all="ignore"):
        absent = np.where(padded, scores, -np.inf)
        powers = np.exp(absent - absent.max(axis=-1, keepdims=True))
        textbook = powers / powers.sum(axis=-1, keepdims=True)
    tables = (
        (
            "Weights: how much each word looks at itself and those before it",
            ("", *words),
            tuple((word, *_numbers(row)) for word, row in zip(words, weights, strict=True)),
        ),
        (
            "The first word is padding: a fully masked row",
            ("", *words),
            (
                ("softmax", *_numbers(safe[0])),
                ("its gradient in the scores", *_numbers(slopes[0])),
                ("textbook: scores of -inf", *_numbers(textbook[0])),
                (f"softmax, {words[1]}", *_numbers(safe[1])),
            ),
        ),
    )
    return Example(
        (4,),
        "Attention weights",
        "Scaled dot products of queries and keys, turned into weights by softmax. The mask leaves out what comes "
        "later: masked entries get exactly 0. A row with nothing left gets zeros and passes no gradient; the NaN of "
        "the textbook would spread to every weight of the model.",
        ATTENTION_CODE,
        tables,
        {
            "row sums differ from 1 by": float(np.abs(weights.sum(axis=-1, dtype=np.float64) - 1).max()),
            "largest masked weight": float(np.abs(np.triu(weights, 1)).max()),
            "largest weight of a fully masked row": float(np.abs(safe[0]).max()),
            "largest gradient of a fully masked row": float(np.abs(slopes[0]).max()),
            "NaN of the textbook in that row": int(np.isnan(textbook[0]).sum()),
            "norm of the context": float(np.linalg.norm(context)),
        },
    )


def _cross_entropy() -> Example:
    z = np.array([[2.0, 1.0, -1.0], [0.0, 200.0, 0.0]], np.float32)
    labels = np.array([0, 2])
    one_hot = np.eye(3, dtype=np.float32)[labels]
    loss, gradient = sf.softmax_cross_entropy.value_and_grad(z, labels, reduction="none")
    expected = sf.softmax(z) - one_hot
    with np.errstate(all="ignore"):
        powers = np.exp(z)
        naive = -np.sum(one_hot * np.log(powers / powers.sum(axis=-1, keepdims=True)), axis=-1)
    rows = tuple(
        (_row(z[k]), _row(one_hot[k]), f"{loss[k]:.7g}", f"{naive[k]:.7g}", _row(gradient[k])) for k in range(len(z))
    )
    return Example(
        (5,),
        "Cross-entropy through log-sum-exp, and its gradient",
        "The loss of a row is logsumexp(z) - z[label]. Taking the logarithm of a softmax instead overflows in the "
        "second row. The notes stop before the gradient: in z it is softmax(z) minus the one-hot label.",
        CROSS_ENTROPY_CODE,
        (("float32", ("logits z", "label y", "loss", "-log(softmax), textbook", "gradient in z"), rows),),
        {
            "loss of the first row": float(loss[0]),
            "loss of the second row": float(loss[1]),
            "textbook loss of the second row": float(naive[1]),
            "gradient differs from y_hat - y by": float(np.abs(gradient - expected).max()),
        },
    )


def _softmax() -> Example:
    matrix = np.arange(1.0, 10.0).reshape(3, 3)
    p = sf.softmax(matrix, axis=-1)
    e7, e8, e9 = np.exp([7.0, 8.0, 9.0])
    written = np.array([e7 / (e7 + e8 + e9), e7 / (e8 + e8 + e9), e9 / (e7 + e8 + e9)])
    right = np.array([e7, e8, e9]) / (e7 + e8 + e9)
    values = tuple((_row(matrix[k], 1), *(f"{v:.13g}" for v in p[k])) for k in range(3))
    ways = ("e^7 / (e^7+e^8+e^9)", "e^7 / (e^8+e^8+e^9)", "e^9 / (e^7+e^8+e^9)")
    fixed = ("e^7 / (e^7+e^8+e^9)", "e^8 / (e^7+e^8+e^9)", "e^9 / (e^7+e^8+e^9)")
    expansion = tuple((str(k + 1), ways[k], f"{written[k]:.4f}", fixed[k], f"{right[k]:.4f}") for k in range(3))
    return Example(
        (7,),
        "Softmax of a matrix",
        "The three rows differ by a shift, which softmax does not see, so they give the same numbers. The expansion "
        "that the notes write for the third row has two misprints in its middle term.",
        SOFTMAX_CODE,
        (
            ("sf.softmax(Z, axis=-1)", ("row of Z", "first", "second", "third"), values),
            (
                "Third row, as the notes expand it and as it must read",
                ("term", "notes", "gives", "right", "gives"),
                expansion,
            ),
        ),
        {
            "first": float(p[0, 0]),
            "second": float(p[0, 1]),
            "third": float(p[0, 2]),
            "rows differ by": float(np.ptp(p, axis=0).max()),
            "middle term as written": float(written[1]),
            "middle term corrected": float(right[1]),
            "corrected row differs by": float(np.abs(right - p[2]).max()),
        },
    )


def _numbers(array: Any) -> tuple[str, ...]:
    return tuple(f"{float(v) + 0.0:.4f}" for v in array)


def _row(array: Any, digits: int = 4) -> str:
    return "[" + ", ".join(f"{float(v) + 0.0:.{digits}g}" for v in array) + "]"
