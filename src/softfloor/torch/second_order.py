"""The derivatives of an elementwise function's vector-Jacobian product, from formulas of the function's slopes.

Entry (i, j) of the matrix of second derivatives is the derivative of slope i in operand j. It is symmetric, and the
slopes come in an order in which those above the diagonal have a limit wherever the formula leaves infinity times zero
in them, which is 0. A sum of products with them must not be mended as a whole: its other terms need not be 0.
"""

from __future__ import annotations

import functools
from typing import Any

import torch

from .loss_formulas import times
from .operators import backwards


def pulled(slopes: Any, operands: Any, cotangent: Any, second: Any, dtype: Any) -> tuple[Any, Any]:
    """The cotangents of the operands and of the cotangent, from those of the products, one per operand.

    ``dtype`` is what they are computed in.
    """
    values, bends = _expanded(slopes, operands, dtype)
    given = [one.to(dtype) for one in second]
    wide = cotangent.to(dtype)
    of_operands = [(wide * _sum_of_products(given, column)).to(cotangent.dtype) for column in bends]
    return of_operands, _sum_of_products(given, values).to(cotangent.dtype)


def pushed(slopes: Any, operands: Any, cotangent: Any, tangents: Any, of_cotangent: Any, dtype: Any) -> tuple[Any, ...]:
    """The tangents of the products, from those of the operands and of the cotangent, which may be None."""
    values, bends = _expanded(slopes, operands, dtype)
    wide = cotangent.to(dtype)
    results = []
    for value, row in zip(values, bends, strict=True):
        terms = [
            wide * bend * tangent.to(dtype) for bend, tangent in zip(row, tangents, strict=True) if tangent is not None
        ]
        if of_cotangent is not None:
            terms.append(times(of_cotangent.to(dtype), value))
        results.append(sum(terms[1:], terms[0]).to(cotangent.dtype))
    return tuple(results)


def _expanded(slopes: Any, operands: Any, dtype: Any) -> tuple[list[Any], list[list[Any]]]:
    """The slopes, and the matrix of second derivatives."""
    wide = [operand.to(dtype) for operand in operands]
    unknown = functools.reduce(torch.logical_or, [operand.isnan() for operand in wide])
    values, rows = [], []
    for slope in slopes:
        value, pull = backwards(slope, *wide)
        values.append(value)
        rows.append([torch.where(bend.isnan() & ~unknown, 0, bend) for bend in pull(torch.ones_like(value))])
    places = range(len(rows))
    return values, [[rows[min(i, j)][max(i, j)] for j in places] for i in places]


def _sum_of_products(factors: Any, values: Any) -> Any:
    first, *others = [times(factor, value) for factor, value in zip(factors, values, strict=True)]
    return sum(others, first)
