"""Gated units as families of models publish them, and what tells them apart."""

import math

import numpy as np
import pytest

import softfloor as sf


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


# What the families publish, as plainly as it can be written, in float64.
def gpt_oss(gate, up):
    gate, up = np.minimum(gate, 7.0), np.clip(up, -7.0, 7.0)
    return gate * sigmoid(1.702 * gate) * (up + 1)


def glm_5(gate, up):
    gate, up = np.minimum(gate, 10.0), np.clip(up, -10.0, 10.0)
    return gate * sigmoid(gate) * up


def ling_3(gate, up):
    return np.minimum(gate * sigmoid(gate), 7.0) * np.clip(up, -7.0, 7.0)


def kimi_k3(gate, up):
    return 4 * np.tanh(gate / 4) * sigmoid(gate) * 25 * np.tanh(up / 25)


PUBLISHED = {
    "plain": lambda gate, up: gate * sigmoid(gate) * up,
    "gpt-oss": gpt_oss,
    "glm-5": glm_5,
    "ling-3": ling_3,
    "kimi-k3": kimi_k3,
}


@pytest.mark.parametrize("family", sf.gated_presets)
def test_presets_are_the_published_formulas(family):
    unit, formula = sf.gated_presets[family], PUBLISHED[family]
    random = np.random.default_rng(0)
    gate, up, cotangent = random.normal(0, 8, (3, 20_000))
    np.testing.assert_allclose(unit(gate, up), formula(gate, up), rtol=3e-14)
    # Gradients against differences, away from the kinks.
    h = 1e-6
    dgate, dup = unit.vjp(gate, up, cotangent)
    limit = unit.parameters.get("limit", math.inf)
    activated = sf.get(unit.activation)(gate)
    smooth = np.minimum(abs(abs(up) - limit), np.minimum(abs(gate - limit), abs(activated - limit))) > 1e-4
    in_gate = (formula(gate + h, up) - formula(gate - h, up)) / (2 * h) * cotangent
    in_up = (formula(gate, up + h) - formula(gate, up - h)) / (2 * h) * cotangent
    np.testing.assert_allclose(dgate[smooth], in_gate[smooth], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(dup[smooth], in_up[smooth], rtol=1e-6, atol=1e-6)


def test_presets_are_a_mapping():
    assert set(sf.gated_presets) == set(PUBLISHED)
    assert len(sf.gated_presets) == len(PUBLISHED)
    assert sf.gated_presets["plain"].with_settings(layout=None, gate=None) is sf.swiglu
    with pytest.raises(KeyError, match=r"'llama'.*gpt-oss"):
        sf.gated_presets["llama"]
    assert all(family in repr(sf.gated_presets) for family in PUBLISHED)


def test_what_is_printed_tells_units_apart():
    signatures = [unit.signature() for unit in sf.gated_presets.values()]
    assert len(set(signatures)) == len(signatures)
    assert "limit=7.0, offset=0.0, clamp='after'" in repr(sf.swiglu.with_settings(limit=7, clamp="after"))
    assert "layout='interleaved', gate='last'" in repr(sf.glu.with_settings(layout="interleaved", gate="last"))
    assert repr(sf.glu) == "<softfloor gated unit glu(gate, up, *, limit=inf, offset=0.0, out=None, ...)>"


def test_gate_10_up_3_limit_7():
    """A forgotten clamp, or one in the wrong place, is another function (omlx PR 2571, llama.cpp PR 27930)."""
    presets = {name: float(unit(10.0, 3.0)) for name, unit in sf.gated_presets.items()}
    assert presets["plain"] == pytest.approx(29.99864, abs=1e-5)
    assert presets["gpt-oss"] == pytest.approx(7 / (1 + math.exp(-1.702 * 7)) * 4, rel=1e-14)
    assert presets["ling-3"] == 21.0
    assert round(presets["gpt-oss"], 3) == 28.0
    assert float(sf.swiglu(10.0, 3.0, limit=7.0)) == pytest.approx(21 / (1 + math.exp(-7)), rel=1e-14)
