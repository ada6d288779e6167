"""Gated units: an activation of one operand times another; what families of models make of them."""

from __future__ import annotations

from typing import Any, Literal

from .record import Activation, Formula, Gate, Parameter, Preset

_SHAZEER = "N. Shazeer, GLU Variants Improve Transformer, 2020."

#: Parameters of every unit but those with soft limits, after those of its activation.
LIMIT = Parameter(
    "limit",
    float("inf"),
    "Clamps the gate from above, or with clamp='after' the activated gate, and up from both sides; below 0 gives NaN.",
)
OFFSET = Parameter("offset", 0.0, "Added to up once that is clamped.")

glu = Gate(
    name="glu",
    title="Gated linear unit",
    summary="sigmoid(gate) * up, rounded once.",
    activation="sigmoid",
    references=(
        "Y. N. Dauphin, A. Fan, M. Auli, D. Grangier, Language Modeling with Gated Convolutional Networks, 2016.",
    ),
)
swiglu = Gate(
    name="swiglu",
    title="Swish-gated linear unit",
    summary="silu(gate) * up, rounded once.",
    activation="silu",
    references=(_SHAZEER,),
)
geglu = Gate(
    name="geglu",
    title="GELU-gated linear unit",
    summary="gelu(gate) * up, rounded once.",
    activation="gelu",
    references=(_SHAZEER,),
)
geglu_tanh = Gate(
    name="geglu_tanh",
    title="GELU-gated linear unit, tanh approximation",
    summary="gelu_tanh(gate) * up, rounded once: the GEGLU of Liger-Kernel, QuACK and TransformerEngine.",
    activation="gelu_tanh",
    references=(_SHAZEER,),
)
reglu = Gate(
    name="reglu",
    title="ReLU-gated linear unit",
    summary="relu(gate) * up, rounded once.",
    activation="relu",
    references=(_SHAZEER,),
)
situglu = Gate(
    name="situglu",
    title="Sigmoid-tanh-gated linear unit (SiTU-GLU)",
    summary="softcap(gate) sigmoid(gate) softcap(up), softcap(x) = c tanh(x/c), rounded once: SwiGLU with soft limits.",
    activation="silu",
    softcaps=(
        Parameter("gate_softcap", 4.0, "Soft limit of the gate, above 0; infinity for none."),
        Parameter("up_softcap", 25.0, "Soft limit of up, above 0; infinity for none."),
    ),
    references=("Moonshot AI, Kimi K3, 2026; SiTUGLU of NVIDIA TransformerEngine, with beta1 and beta2.",),
)

RECORDS = (glu, swiglu, geglu, geglu_tanh, reglu, situglu)

PRESETS = (
    Preset("plain", "swiglu", {}, "Llama, Qwen, Mistral and most others: silu(gate) * up (Shazeer, 2020)."),
    Preset(
        "gpt-oss",
        "swiglu",
        {"beta": 1.702, "limit": 7.0, "offset": 1.0},
        "OpenAI gpt-oss, swiglu(x, alpha=1.702, limit=7.0) of its reference model, 2025.",
        layout="interleaved",
    ),
    Preset(
        "glm-5",
        "swiglu",
        {"limit": 10.0},
        "GLM-5 and DeepSeek V4, swiglu_limit = 10: clamped before silu, 2026.",
    ),
    Preset(
        "ling-3",
        "swiglu",
        {"limit": 7.0},
        "Ling 3 and Step 3.5, SwigluStepAndMul of vLLM, limit = 7: clamped after silu, 2026.",
        clamp="after",
    ),
    Preset(
        "kimi-k3",
        "situglu",
        {"gate_softcap": 4.0, "up_softcap": 25.0},
        "Kimi K3, SiTUGLU of TransformerEngine with beta1 = 4 and beta2 = 25, 2026.",
    ),
)


def _activated(activation: Activation, clamp: str, xp: Any, gate: Any, own: Any, limit: Any) -> Any:
    if clamp == "before":
        return activation.formula(xp, xp.where(gate > limit, limit, gate), *own)
    value = activation.formula(xp, gate, *own)
    return xp.where(value > limit, limit, value)


def _kept(xp: Any, up: Any, limit: Any, offset: Any) -> Any:
    return xp.where(up > limit, limit, xp.where(up < -limit, -limit, up)) + offset


def clamped(activation: Activation, clamp: Literal["before", "after"] = "before") -> Formula:
    """The unit of an activation: ``formula(xp, gate, up, *parameters of the activation, limit, offset)``."""

    def formula(xp: Any, gate: Any, up: Any, *parameters: Any) -> Any:
        *own, limit, offset = parameters
        return _activated(activation, clamp, xp, gate, own, limit) * _kept(xp, up, limit, offset)

    return formula


def clamped_slopes(activation: Activation, clamp: Literal["before", "after"] = "before") -> tuple[Formula, Formula]:
    """The derivatives of the unit of an activation, in the gate and in up. At a limit they are those inside."""

    def in_gate(xp: Any, gate: Any, up: Any, *parameters: Any) -> Any:
        *own, limit, offset = parameters
        measured = gate if clamp == "before" else activation.formula(xp, gate, *own)
        return xp.where(measured > limit, 0, activation.slope(xp, gate, *own)) * _kept(xp, up, limit, offset)

    def in_up(xp: Any, gate: Any, up: Any, *parameters: Any) -> Any:
        *own, limit, _ = parameters
        inside = _activated(activation, clamp, xp, gate, own, limit)
        return xp.where(up > limit, 0, xp.where(up < -limit, 0, inside))

    return in_gate, in_up


def _softcap(xp: Any, x: Any, cap: Any) -> Any:
    """c tanh(x / c), which is x where c is infinite."""
    if isinstance(cap, float):
        return x if cap == float("inf") else cap * xp.tanh(x / cap)
    return xp.where(cap > 3e38, x, cap * xp.tanh(x / cap))


def _softcap_slope(xp: Any, x: Any, cap: Any) -> Any:
    return 1 / xp.cosh(x / cap) ** 2


def softcapped(xp: Any, gate: Any, up: Any, gate_softcap: Any, up_softcap: Any) -> Any:
    """The formula of a unit with soft limits."""
    return _softcap(xp, gate, gate_softcap) * xp.sigmoid(gate) * _softcap(xp, up, up_softcap)


def _softcapped_in_gate(xp: Any, gate: Any, up: Any, gate_softcap: Any, up_softcap: Any) -> Any:
    bend = _softcap_slope(xp, gate, gate_softcap) + _softcap(xp, gate, gate_softcap) * xp.sigmoid(-gate)
    return xp.sigmoid(gate) * bend * _softcap(xp, up, up_softcap)


def _softcapped_in_up(xp: Any, gate: Any, up: Any, gate_softcap: Any, up_softcap: Any) -> Any:
    return _softcap(xp, gate, gate_softcap) * xp.sigmoid(gate) * _softcap_slope(xp, up, up_softcap)


softcapped_slopes: tuple[Formula, Formula] = (_softcapped_in_gate, _softcapped_in_up)
