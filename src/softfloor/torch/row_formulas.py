"""Functions along dimensions in torch operations: what other devices run, and what higher derivatives come from.

``value(z, dim, temperature)`` and ``vjp(saved, cotangent, dim, temperature)`` with the policies of the NumPy side:
entries of -inf take no part, a row without entries gives zeros, entries of +inf share the mass, NaN spreads to its row.
"""

from __future__ import annotations

from typing import Any

import torch


def _shifted(z: Any, dim: Any, temperature: float) -> Any:
    """The logits below their maximum, which is 0 then; where +inf is among them, only those entries remain."""
    top = z.amax(dim, keepdim=True) if dim else z
    below = z - torch.where(top.isinf(), 0, top)
    return torch.where(top == torch.inf, torch.where(z == torch.inf, 0, -torch.inf), below) / temperature


def _total(z: Any, dim: Any) -> Any:
    return z.sum(dim, keepdim=True) if dim else z


def softmax(z: Any, dim: Any, temperature: float) -> Any:
    terms = torch.exp(_shifted(z, dim, temperature))
    total = _total(terms, dim)
    return terms / torch.where(total == 0, 1, total)


def softmax_vjp(p: Any, cotangent: Any, dim: Any, temperature: float) -> Any:
    return p * (cotangent - _total(p * cotangent, dim)) / temperature


def log_softmax(z: Any, dim: Any, temperature: float) -> Any:
    below = _shifted(z, dim, temperature)
    total = _total(torch.exp(below), dim)
    return torch.where(total == 0, -torch.inf, below - torch.log(torch.where(total == 0, 1, total)))


def log_softmax_vjp(q: Any, cotangent: Any, dim: Any, temperature: float) -> Any:
    upstream = torch.where(q == -torch.inf, 0, cotangent)  # of entries that took no part
    return (upstream - torch.exp(q) * _total(upstream, dim)) / temperature


def logsumexp(z: Any, dim: Any, temperature: float) -> Any:
    top = z.amax(dim) if dim else z
    total = torch.exp(_shifted(z, dim, temperature)).sum(dim) if dim else torch.ones_like(z)
    return top / temperature + torch.log(torch.where(top.isinf(), 1, total))


def logsumexp_vjp(z: Any, cotangent: Any, dim: Any, temperature: float) -> Any:
    for position in sorted(dim):
        cotangent = cotangent.unsqueeze(position)
    return cotangent * softmax(z, dim, temperature) / temperature


def softmin(z: Any, dim: Any, temperature: float) -> Any:
    return softmax(-z, dim, temperature)


def softmin_vjp(p: Any, cotangent: Any, dim: Any, temperature: float) -> Any:
    return -softmax_vjp(p, cotangent, dim, temperature)


def sparsemax(z: Any, dim: Any, temperature: float) -> Any:
    return _along_one(_sparsemax, _shifted(z, dim, temperature), dim)


def _sparsemax(rows: Any) -> Any:
    ordered, count = rows.sort(-1, descending=True).values, _counting(rows)
    sums = ordered.cumsum(-1)
    support = (1 + count * ordered > sums).sum(-1, keepdim=True).clamp(min=1)
    return (rows - (sums.gather(-1, support - 1) - 1) / support).clamp(min=0)


def sparsemax_vjp(p: Any, cotangent: Any, dim: Any, temperature: float) -> Any:
    support = (p > 0).to(p.dtype)
    mean = _total(cotangent * support, dim) / _total(support, dim).clamp(min=1)
    return support * (cotangent - mean) / temperature + 0 * p  # NaN spreads


def entmax15(z: Any, dim: Any, temperature: float) -> Any:
    return _along_one(_entmax15, _shifted(z, dim, temperature) / 2, dim)


def _entmax15(rows: Any) -> Any:
    ordered, count = rows.sort(-1, descending=True).values, _counting(rows)
    mean, square = ordered.cumsum(-1) / count, (ordered**2).cumsum(-1) / count
    threshold = mean - ((1 - count * (square - mean**2)) / count).clamp(min=0).sqrt()
    support = (threshold <= ordered).sum(-1, keepdim=True).clamp(min=1)
    return (rows - threshold.gather(-1, support - 1)).clamp(min=0) ** 2


def entmax15_vjp(p: Any, cotangent: Any, dim: Any, temperature: float) -> Any:
    root = torch.where(p == 0, 0, torch.where(p == 0, 1, p).sqrt())  # the slope of sqrt at 0 would spoil the next order
    total = _total(root, dim)
    mean = _total(root * cotangent, dim) / torch.where(total == 0, 1, total)
    return root * (cotangent - mean) / temperature


def hardmax(z: Any, dim: Any, temperature: float) -> Any:
    def rows(rows: Any) -> Any:
        first = torch.zeros_like(rows).scatter(-1, rows.argmax(-1, keepdim=True), 1.0)
        top = rows.amax(-1, keepdim=True)
        return torch.where(top.isnan(), torch.nan, torch.where(top == -torch.inf, 0, first))

    return _along_one(rows, z, dim)


def hardmax_vjp(p: Any, cotangent: Any, dim: Any, temperature: float) -> Any:
    return 0 * p


def _counting(rows: Any) -> Any:
    return torch.arange(1, rows.shape[-1] + 1, dtype=rows.dtype, device=rows.device)


def _along_one(function: Any, z: Any, dim: Any) -> Any:
    """A function of rows along the last dimension, applied along several; a row of -inf alone gives zeros."""
    moved = z.movedim(tuple(dim), tuple(range(z.ndim - len(dim), z.ndim)))
    rows = moved.reshape(*moved.shape[: z.ndim - len(dim)], -1)
    nothing = (rows == -torch.inf).all(-1, keepdim=True)
    result = torch.where(nothing, 0, function(torch.where(nothing, 0, rows)))
    return result.reshape(moved.shape).movedim(tuple(range(z.ndim - len(dim), z.ndim)), tuple(dim))
