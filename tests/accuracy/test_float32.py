"""Every float32: error below 1 ulp, NaN only for NaN, monotone, odd, the same bits on every instruction set.

Parameters stand at their defaults, which have kernels of their own. Run with
``pytest -m exhaustive``: some minutes per function on two cores.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import softfloor as sf
import sweeps
from softfloor import catalogue

MEASURED = json.loads((Path(__file__).parents[2] / "docs" / "accuracy.json").read_text())["float32"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", list(catalogue.ACTIVATIONS))
def test_every_float32(name):
    # The baseline without FMA hardware takes hours; its bits are held to the same golden digests by samples.
    sets = [s for s in sf.cpu.available() if s != "x86_64"] or list(sf.cpu.available())
    found = sweeps.sweep_float32(name, tuple(sets))
    assert {curve: worst for curve, worst in found.worst.items() if not worst.error < 1} == {}
    assert found.nan_mismatches == []
    assert found.decreases == []
    assert found.odd_mismatches == []
    assert found.instruction_set_mismatches == []
    golden = {curve: MEASURED[f"{name}.{curve}.float32"]["all bits"] for curve in sweeps.CURVES}
    assert {curve: digest.hex()[:16] for curve, digest in found.digests.items()} == golden


@pytest.mark.parametrize("name", list(catalogue.ACTIVATIONS))
def test_a_thin_sample_of_every_exponent(name):
    """The same measurement on every 509th chunk, for the quick run; all exponents of both signs are among them."""
    found = sweeps.sweep_chunks(name, sf.cpu.available()[:1], range(0, sweeps.CHUNKS, 509))
    assert {curve: worst for curve, worst in found.worst.items() if not worst.error < 1} == {}
    assert (found.nan_mismatches, found.decreases, found.odd_mismatches) == ([], [], [])


def test_the_sweep_sees_errors(monkeypatch):
    """A sweep that could not fail would prove nothing: give it one that is wrong in each way."""
    honest = sweeps.evaluate

    def broken(function, curve):
        def evaluation(x):
            y = honest(function, curve)(x)
            return np.where((x > 1) & (x.view(np.uint32) % 5 == 0), np.nextafter(y, np.float32(-2)), y)

        return evaluation

    monkeypatch.setattr(sweeps, "evaluate", broken)
    one = 0x3F80_0000 // sweeps.CHUNK
    found = sweeps.sweep_chunks("tanh", sf.cpu.available()[:1], range(one, one + 2))
    assert found.worst["value"].error > 1
    assert found.decreases
    assert found.odd_mismatches
