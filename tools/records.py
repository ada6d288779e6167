"""Formulas of catalogue records in mpmath, and the precision of all that is computed with it."""

import sys
from pathlib import Path

import mpmath
from mpmath import mp, mpf

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src" / "softfloor")]
import catalogue  # noqa: E402

mp.prec = 300


class MpmathNamespace:
    exp, log, erfc, tanh, cosh, sqrt, pi = (
        mpmath.exp,
        mpmath.log,
        mpmath.erfc,
        mpmath.tanh,
        mpmath.cosh,
        mpmath.sqrt,
        mpmath.pi,
    )
    decimal = mpf

    @staticmethod
    def sigmoid(x):
        return 1 / (1 + mpmath.exp(-x))

    @staticmethod
    def where(condition, yes, no):
        return yes if condition else no


def twice_inner(x):
    """The argument v of gelu_tanh(x) = x sigmoid(v)."""
    return catalogue.gelu.twice_inner(MpmathNamespace, x)


def defaults(record):
    return [mpf(p.default) for p in record.parameters]


def value(record, x):
    return record.formula(MpmathNamespace, x, *defaults(record))


def slope(record, x):
    return record.slope(MpmathNamespace, x, *defaults(record))


def softplus(z):
    """log(1 + e^z): the sigmoid's cross-entropy for a label of 0."""
    (loss,) = catalogue.ROWS["sigmoid_cross_entropy"].formula(MpmathNamespace, [z], [mpf(0)])
    return loss


__all__ = ["ROOT", "catalogue", "slope", "softplus", "twice_inner", "value"]
