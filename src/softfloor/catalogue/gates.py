"""Gated units: an activation of one operand times another."""

from .record import Gate

swiglu = Gate(
    name="swiglu",
    title="Swish-gated linear unit",
    summary="silu(gate) * up, rounded once.",
    activation="silu",
    references=("N. Shazeer, GLU Variants Improve Transformer, 2020.",),
)

RECORDS = (swiglu,)
