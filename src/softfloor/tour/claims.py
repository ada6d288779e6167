"""What the notes say, row by row, and the check that tries it.

A verdict is never written down: it follows from what a check computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import floor_claims, gelu_claims, relu_claims, sigmoid_claims, softmax_claims
from .exact import precision
from .results import Evidence, Finding, Tried


@dataclass(frozen=True)
class Claim:
    """A statement of the notes, how to try it, and with how many digits to show what was found."""

    row: int
    statement: str
    check: Callable[[Evidence], Finding]
    digits: int = 6

    def tried(self, evidence: Evidence) -> Tried:
        """Try it; the truth is taken at 50 digits."""
        with precision():
            return Tried(self.row, self.statement, self.check(evidence), self.digits)


CLAIMS = (
    Claim(1, "sigmoid is e^x / (e^x + 1) = 1 / (1 + e^-x), maps to (0, 1), and gates an LSTM", sigmoid_claims.row_1),
    Claim(2, "sigmoid' = sigmoid (1 - sigmoid), derived in eight steps", sigmoid_claims.row_2),
    Claim(3, "standard softmax maps n numbers into (0, 1)^n", softmax_claims.row_3),
    Claim(4, "softmax ends classifiers and normalises attention", softmax_claims.row_4),
    Claim(5, "the loss of softmax and a one-hot label is -y^T log y_hat", softmax_claims.row_5),
    Claim(6, "the Jacobian of softmax", softmax_claims.row_6),
    Claim(7, "softmax of [[1,2,3],[4,5,6],[7,8,9]] has three equal rows", softmax_claims.row_7, 12),
    Claim(8, "relu is max(0, x), with a constant gradient", relu_claims.row_8),
    Claim(9, "far to the right the gradient of sigmoid goes to 0, that of relu stays", relu_claims.row_9),
    Claim(10, "for x < 0 sigmoid still has a positive gradient, relu none", relu_claims.row_10),
    Claim(11, "GELU(x) = x/2 (1 + erf(x / sqrt 2)), erf by its integral", gelu_claims.row_11),
    Claim(12, "the Python listing computes GELU", gelu_claims.row_12, 9),
    Claim(13, "x sigmoid(beta x) is SwiGLU", gelu_claims.row_13),
    Claim(14, "the Python listing computes silu", gelu_claims.row_14),
    Claim(15, "for x < 0 GELU and SiLU have non-zero values and continuous derivatives", gelu_claims.row_15),
    Claim(16, "their minimum is a soft floor, an implicit regulariser", floor_claims.row_16, 15),
    Claim(17, "the derivative of relu is a step, 0 or 1", relu_claims.row_17),
    Claim(18, "silu' has one zero in (-2, 0)", floor_claims.row_18, 15),
    Claim(19, "silu' is smooth at 0 and overshoots in (-4, -2) and (2, 4)", floor_claims.row_19, 15),
    Claim(20, "silu amplifies errors that cross 0, and far from 0 acts like relu", floor_claims.row_20, 9),
    Claim(21, "tanh x has two forms as a quotient of exponentials", sigmoid_claims.row_21),
    Claim(22, "tanh maps to (-1, 1), and is good against vanishing gradients", sigmoid_claims.row_22),
    Claim(23, "tanh' = 1 - tanh^2, derived", sigmoid_claims.row_23),
    Claim(24, "figure: relu and its smooth variants on one axis", floor_claims.row_24),
    Claim(25, "figure: functions beside their derivatives", floor_claims.row_25),
)
