"""float64, and functions with parameters: error below 1.5 ulp against MPFR.

tools/accuracy.py tries 10^7 inputs per curve and keeps the worst in worst.json; here a fresh sample and those.
"""

import json

import numpy as np
import pytest

import golden
import mpfr_samples
from softfloor import catalogue

WORST = json.loads(golden.FILE.with_name("worst.json").read_text())
CURVES = [
    (name, curve, dtype)
    for name, record in catalogue.ACTIVATIONS.items()
    for dtype in (("float32", "float64") if record.parameters else ("float64",))
    for curve in mpfr_samples.curves(record)
]
BOUND = 1.5


@pytest.mark.parametrize(("name", "curve", "dtype"), CURVES)
def test_fresh_sample(name, curve, dtype):
    (sample,) = mpfr_samples.sample(name, curve, dtype, 20_000, seed=20261123, processes=0)
    error, inputs = sample.worst[0]
    assert error < BOUND, [x.hex() for x in inputs]


@pytest.mark.parametrize(("name", "curve", "dtype"), CURVES)
def test_worst_known_inputs(name, curve, dtype):
    key = f"{name}.{curve}.{dtype}"
    assert key in WORST, f"not measured yet: python tools/accuracy.py float64 --only {name}"
    inputs = np.array([[float.fromhex(x) for x in row] for row in WORST[key]])
    assert mpfr_samples.mpfr_errors(name, curve, dtype, inputs).max() < BOUND


def test_inputs_crowd_the_landmarks():
    for name in catalogue.ACTIVATIONS:
        x = mpfr_samples.float64_inputs(name, 40_000, seed=1)
        for point in mpfr_samples.landmarks(name):
            assert (np.abs(x - point) <= 1e-12 * max(abs(point), 1e-300)).sum() >= 10
