"""Each row of the notes: its verdict, and the numbers that the notes give."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import softfloor as sf
from softfloor.tour import floor_claims, gelu_claims, relu_claims, sigmoid_claims, softmax_claims
from softfloor.tour.claims import CLAIMS, Claim
from softfloor.tour.results import COMPARED, Finding, Verdict

HOLDS, CORRECTED = Verdict.HOLDS, Verdict.CORRECTED

#: Row 16 rests on a training, and has a test of its own.
VERDICTS = {
    1: HOLDS, 2: HOLDS, 3: HOLDS, 4: HOLDS, 5: HOLDS, 6: CORRECTED, 7: CORRECTED, 8: CORRECTED, 9: HOLDS, 10: HOLDS,
    11: HOLDS, 12: CORRECTED, 13: CORRECTED, 14: CORRECTED, 15: HOLDS, 17: HOLDS, 18: HOLDS, 19: HOLDS, 20: HOLDS,
    21: CORRECTED, 22: CORRECTED, 23: HOLDS, 24: CORRECTED, 25: HOLDS,
}  # fmt: skip

#: (row, label, number of the notes, how far the tour's may be from it)
NUMBERS = [
    (1, "float32 sigmoid is exactly 1 from x", 17, 0.5),
    (1, "float32 sigmoid is exactly 0 up to x", -104, 0.1),
    (1, "state changed by an open forget gate", 0, 0),
    (2, "relative error at 40, s * (1 - s)", 1, 0),
    (2, "relative error at 40, sf", 0, 1e-15),
    (3, "sum differs from 1 by", 0, 1e-15),
    (5, "loss of the second row", 200, 0),
    (5, "gradient y_hat - y differs from differences of the loss by", 0, 1e-14),
    (6, "sum of both signs", 0, 1e-15),
    (6, "sf.softmax.jacobian differs by", 0, 1e-15),
    (7, "first", 0.0900305731704, 1e-13),
    (7, "second", 0.244728471055, 1e-12),
    (7, "third", 0.665240955775, 1e-12),
    (7, "middle term as written", math.exp(7) / (2 * math.exp(8) + math.exp(9)), 1e-15),
    (8, "derivative at 0, as stated", 0, 0),
    (8, "derivative for x > 0, smallest", 1, 0),
    (9, "sigmoid'(0)", 0.25, 0),
    (9, "sigmoid'(80)", 0, 1e-34),
    (9, "relu' at all of these but 0", 1, 0),
    (10, "largest relu' on [-80, 0)", 0, 0),
    (11, "relative error at -9, 1 + erf", 1, 0),
    (11, "relative error at -9, sf", 0, 1e-15),
    (12, "largest difference of gelu_tanh and gelu", 4.7324e-4, 5e-9),
    (12, "at x = -+", 2.69894, 5e-6),
    (12, "listing runs as printed (1 yes, 0 no)", 0, 0),
    (12, "'cdf' occurrences in it", 0, 0),
    (13, "operands of silu", 1, 0),
    (13, "operands of swiglu", 2, 0),
    (13, "gate 10, up 3 as plain has it", 29.998638, 1e-6),
    (13, "gate 10, up 3 as gpt-oss has it", 27.999813, 1e-6),
    (13, "gate 10, up 3 as ling-3 has it", 21, 0),
    (14, "float32: exp overflows at x =", -88, 1),
    (14, "float64: exp overflows at x =", -709, 1),
    (14, "silu(-89), float32, listing", 0, 0),
    (15, "jump of the derivatives across 0", 0, 1e-35),
    (16, "gelu: minimum", -0.169971207479904, 1e-15),
    (16, "gelu: at x", -0.751791524693565, 2e-15),
    (16, "gelu_tanh: minimum", -0.170040750571254, 1e-15),
    (16, "gelu_tanh: at x", -0.752461422071016, 1e-15),
    (16, "silu: minimum", -0.278464542761074, 1e-15),
    (16, "silu: at x", -1.278464542761074, 1e-15),
    (16, "silu: value - (x + 1) at the minimum", 0, 1e-45),
    (17, "different slopes found", 2, 0),
    (17, "slope at 0, by convention", 0, 0),
    (18, "zero of silu' at x", -1.278464542761074, 1e-15),
    (18, "sign changes in (-60, 60)", 1, 0),
    (19, "silu' smallest", -0.0998393201288670, 1e-15),
    (19, "at x (smallest)", -2.39935728051547, 1e-14),
    (19, "silu' largest", 1.09983932012887, 1e-14),
    (19, "silu' leaves [0, 1] beyond |x| =", 1.278464542761074, 1e-15),
    (19, "gelu' smallest", -0.128904145185155, 1e-15),
    (19, "at x (gelu' smallest)", -math.sqrt(2), 1e-15),
    (19, "gelu' largest", 1.12890414518515, 1e-14),
    (20, "|silu' - relu'| falls below 1e-3 for good at |x| =", 9.0, 0.05),
    (21, "first expression as written, smallest", 0.1353, 5e-5),
    (21, "first expression as written, largest", 0.1353, 5e-5),
    (22, "tanh'(0)", 1, 0),
    (22, "sigmoid'(0)", 0.25, 0),
    (23, "relative error at 20, 1 - tanh^2", 1, 0),
    (23, "relative error at 20, sf", 0, 1e-15),
    (24, "curves that are sf's to the bit", 3, 0),
    (25, "curves that are sf's to the bit", 6, 0),
    (25, "silu' overshoots to", 1.0998, 1e-4),
]


def test_every_row_of_the_notes_is_a_claim(report):
    assert list(report.claims) == list(range(1, 26)) == [claim.row for claim in CLAIMS]


@pytest.mark.parametrize(("row", "verdict"), VERDICTS.items())
def test_verdict(report, row, verdict):
    tried = report.claims[row]
    assert tried.verdict == verdict
    if verdict == CORRECTED:
        assert tried.finding.notes_version
        assert tried.finding.right_version


@pytest.mark.parametrize(("row", "label", "expected", "tolerance"), NUMBERS)
def test_number(report, row, label, expected, tolerance):
    assert abs(report.claims[row].numbers[label] - expected) <= tolerance


def test_the_gradient_left_out_by_the_notes_is_named(report):
    assert "y_hat - y" in report.claims[5].finding.right_version


def test_the_derivatives_left_empty_by_the_notes_are_named(report):
    finding = report.claims[15].finding
    assert "Phi(x) + x phi(x)" in finding.right_version
    assert "s (1 + beta x (1 - s))" in finding.right_version


def test_regulariser_verdict_follows_from_the_weights(report):
    numbers = report.claims[16].numbers
    smaller = [count for label, count in numbers.items() if "smaller weights than relu" in label]
    assert len(smaller) == 2
    starts = len(report.evidence.training["relu"].rms_weight)
    assert report.claims[16].verdict == (HOLDS if all(count == starts for count in smaller) else CORRECTED)


@pytest.mark.parametrize("depth", [20, 30, 40, 50])
def test_gradient_through_layers(report, depth):
    numbers = report.claims[9].numbers
    assert numbers[f"gradient through {depth} layers, relu"] > 0.05
    assert numbers[f"gradient through {depth} layers, sigmoid"] < 1e-9
    assert report.claims[22].numbers[f"gradient through {depth} layers, tanh"] > 0.05


def test_tanh_vanishes_with_spread_biases(report):
    depth = report.evidence.depth
    assert depth["tanh"].spread_biases[50] < 1e-9
    assert all(depth[name].spread_biases[50] > 1e-4 for name in ("relu", "gelu", "silu"))


def test_dead_units_are_those_of_relu(report):
    numbers = report.claims[10].numbers
    assert numbers["dead units, large step, relu"] > 0
    assert all(numbers[f"dead units, usual step, {name}"] == 0 for name in ("sigmoid", "tanh", "gelu", "silu"))


def test_digits_are_told_apart(report):
    for name in COMPARED:
        floor = 0.5 if name == "sigmoid" else 0.95  # sigmoid is slow, and the quick tour short
        assert report.claims[4].numbers[f"digits told right, {name}"] > floor


def test_a_verdict_needs_a_passing_check():
    claim = Claim(0, "", lambda evidence: Finding(as_written=False, corrected=False, numbers={}))
    assert claim.tried(None).verdict == Verdict.FAILS


def _stand_in(**changes):
    """softfloor with some functions replaced."""
    names = (*sf.functions(), "get", "gated_presets")
    return SimpleNamespace(**{name: getattr(sf, name) for name in names} | changes)


def _wrong(name, **changes):
    """An activation with some of its calls replaced."""
    right = sf.get(name)

    class Wrong:
        derivative = staticmethod(changes.get("derivative", right.derivative))
        __call__ = staticmethod(changes.get("value", right))

    return Wrong()


@pytest.mark.parametrize(
    ("row", "module", "changes"),
    [
        (1, sigmoid_claims, {"sigmoid": lambda x: np.minimum(sf.sigmoid(x), np.float32(0.9))}),
        (3, softmax_claims, {"softmax": lambda z, temperature=1.0: sf.softmax(z, temperature=2.0 * temperature) * 0.9}),
        (6, softmax_claims, {"softmax": SimpleNamespace(jacobian=lambda z: -sf.softmax.jacobian(z))}),
        (8, relu_claims, {"relu": _wrong("relu", derivative=lambda x: (np.asarray(x) >= 0) * 1.0)}),
        (10, relu_claims, {"sigmoid": _wrong("sigmoid", derivative=sf.relu.derivative)}),
        (13, gelu_claims, {"swiglu": _wrong("gelu", value=lambda gate, up: up)}),
        (18, floor_claims, {"silu": _wrong("silu", derivative=sf.tanh.derivative)}),
        (19, floor_claims, {"silu": _wrong("silu", derivative=sf.sigmoid)}),
        (20, floor_claims, {"silu": _wrong("silu", derivative=lambda x: sf.silu.derivative(x, beta=0.5))}),
        (22, sigmoid_claims, {"tanh": _wrong("tanh", derivative=sf.sigmoid.derivative)}),
    ],
)
def test_a_wrong_function_fails(report, monkeypatch, row, module, changes):
    if "swiglu" in changes:
        changes["swiglu"].operands = ("gate", "up")
    monkeypatch.setattr(module, "sf", _stand_in(**changes))
    claim = next(claim for claim in CLAIMS if claim.row == row)
    try:
        verdict = claim.tried(report.evidence).verdict
    except (TypeError, ValueError, AssertionError):
        pytest.fail("the check broke instead of failing")
    assert verdict == Verdict.FAILS
