"""softmax_cross_entropy and nll in torch operations: what other devices run, and what higher derivatives come from.

The policies are those of the NumPy side. Entries of -inf take no part, ``+inf`` entries share the mass, NaN spreads to
its row only, ignored rows give zeros whatever they hold, a row of -inf alone has loss inf and gradient 0. float16 and
bfloat16 are computed in float32.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch


class Options(NamedTuple):
    """What `softmax_cross_entropy` takes beside its tensors, in the order of its operators."""

    dim: int
    ignore_index: int | None
    label_smoothing: float
    z_loss: float
    softcap: float | None
    reduction: str


def rows_of(z: Any, dim: int) -> tuple[int, ...]:
    """The shape of z without that dimension."""
    return (*z.shape[:dim], *z.shape[dim + 1 :])


def wide(tensor: Any) -> Any:
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def precise(tensor: Any) -> Any:
    """In float64, which CPUs have; elsewhere in float32 at least."""
    return tensor.double() if tensor.device.type in ("cpu", "meta") else wide(tensor)


def times(charge: Any, cost: Any) -> Any:
    """What is not charged costs nothing, even where its cost is infinite; NaN stays."""
    return charge * torch.where((charge == 0) & cost.isinf(), 0, cost)


def divisor_of(labels: Any, weight: Any, options: Any, batched: bool = False) -> Any:
    """What the mean divides by: the weights of class labels if there are any, else the rows that count."""
    if labels.is_floating_point():
        shape = labels.shape[1:] if batched else labels.shape
        return math.prod(shape) / max(1, shape[options.dim - batched])
    kept = torch.ones_like(labels, dtype=torch.bool) if options.ignore_index is None else labels != options.ignore_index
    safe = torch.where(kept, labels, 0)
    return total_of(kept if weight is None else torch.where(kept, precise(weight)[safe], 0), batched)


def total_of(values: Any, batched: bool) -> Any:
    """The sum, or that of each sample of a batch."""
    return values.unsqueeze(-1).flatten(1).sum(1) if batched else values.sum()


def divided(values: Any, divisor: Any) -> Any:
    """values / divisor, and 0 where the divisor is 0."""
    if not isinstance(divisor, torch.Tensor):
        return values / divisor if divisor else torch.zeros_like(values)
    return torch.where(divisor == 0, 0, values / torch.where(divisor == 0, 1, divisor).to(values.dtype))


def reduced(losses: Any, reduction: str, divisor: Any, batched: bool = False) -> Any:
    if reduction == "none":
        return losses
    total = total_of(losses, batched)
    return divided(total, divisor) if reduction == "mean" else total


def capped(z: Any, softcap: float | None) -> Any:
    """softcap tanh(z / softcap); -inf, of a class that takes no part, stays."""
    return z if softcap is None else torch.where(z == -torch.inf, -torch.inf, softcap * torch.tanh(z / softcap))


class Whole:
    """Rows that are not cut; `softfloor.torch.sharded.Shard` is the part of rows that several processes share."""

    def tops(self, z: Any) -> Any:
        """The maxima of the rows."""
        return z.amax(-1, keepdim=True)

    def total(self, values: Any) -> Any:
        """The sum over the processes."""
        return values

    def classes(self, z: Any) -> int:
        return z.shape[-1]  # type: ignore[no-any-return]

    def part(self, per_class: Any) -> Any:
        """Of one number per class those of the classes that are here."""
        return per_class

    def picked(self, values: Any, labels: Any) -> Any:
        """The entry of each label."""
        return values.gather(-1, labels)

    def replaced(self, values: Any, labels: Any, entries: Any) -> Any:
        """The values with others at the labels."""
        return values.scatter(-1, labels, entries)


class SoftmaxRows:
    """Rows of logits along the last dimension, beside their maxima, which count as constants.

    ``below`` is z - maximum, ``terms`` its exponential; ``tops`` adds up those of the maxima and ``others`` the rest:
    apart, so that the logarithm of their sum keeps its digits near 0, and one minus a probability near 1.
    """

    def __init__(self, z: Any, shard: Whole) -> None:
        top = shard.tops(z.detach())
        below = z - torch.where(top.isinf(), 0, top)
        self.below = torch.where(top == torch.inf, torch.where(z == torch.inf, 0, -torch.inf), below)
        self.terms = torch.exp(self.below)
        self.largest = self.below == 0
        self.tops = shard.total(torch.where(self.largest, self.terms, 0).sum(-1, keepdim=True))
        self.others = shard.total(torch.where(self.largest, 0, self.terms).sum(-1, keepdim=True))
        self.empty = top == -torch.inf
        tops = torch.where(self.tops == 0, 1, self.tops)
        self.log_total = torch.log(tops) + torch.log1p(self.others / tops)
        self.total = torch.where(self.empty, 1, self.tops + self.others)
        self.logsumexp = top + self.log_total

    def probabilities(self) -> Any:
        return self.terms / self.total

    def complements(self) -> Any:
        """1 - probabilities: of an entry with nearly all the mass the sum of the others."""
        rest = torch.where(self.largest, self.tops - self.terms + self.others, self.total - self.terms)
        return torch.where(self.empty, 1, rest / self.total)


class Problem:
    """The operands in working precision, rows last."""

    def __init__(self, z: Any, labels: Any, weight: Any, options: Options, shard: Whole) -> None:
        self.options, self.shard = options, shard
        self.weight = None if weight is None else wide(weight).to(wide(z).dtype)
        self.logits = wide(z).movedim(options.dim, -1)
        self.kept: Any = None
        self.labels: Any = None
        if labels.is_floating_point():
            self.charges = wide(labels).movedim(options.dim, -1)
        else:
            if options.ignore_index is not None:
                self.kept = (labels != options.ignore_index).unsqueeze(-1)
                self.logits = torch.where(self.kept, self.logits, 0)
                labels = torch.where(self.kept[..., 0], labels, 0)
            self.labels = labels.unsqueeze(-1)
        self.smooth = options.label_smoothing / max(1, shard.classes(self.logits))
        self.rows = SoftmaxRows(capped(self.logits, options.softcap), shard)

    def charge(self) -> Any:
        """What the class of each label is charged, of class labels."""
        share = 1 - self.options.label_smoothing
        if self.weight is None:
            return torch.full_like(self.rows.tops, share)
        return share * self.weight[self.labels]

    def spread(self) -> Any:
        """What is charged for each class: all of the probabilities, or the smoothing of class labels."""
        spread = self.smooth if self.labels is not None else (1 - self.options.label_smoothing) * self.charges
        spread = spread + (self.smooth if self.labels is None and self.smooth else 0)
        if not isinstance(spread, torch.Tensor):
            spread = torch.full_like(self.logits, spread)
        return spread if self.weight is None else spread * self.shard.part(self.weight)

    def losses(self) -> Any:
        rows, options = self.rows, self.options
        losses = 0.0
        if self.labels is not None:
            cost = rows.log_total - self.shard.picked(rows.below, self.labels)
            losses = times(self.charge(), torch.where(rows.empty, torch.inf, cost))
        if self.labels is None or self.smooth:
            costs = torch.where(rows.empty, torch.inf, rows.log_total - rows.below)
            losses = losses + self.shard.total(times(self.spread(), costs).sum(-1, keepdim=True))
        if options.z_loss:
            losses = losses + options.z_loss * rows.logsumexp**2
        return self._of_kept(losses)[..., 0]

    def gradient(self) -> Any:
        """Of the losses in their rows."""
        rows, options = self.rows, self.options
        p, complements = rows.probabilities(), rows.complements()
        gradient = torch.zeros_like(p)
        if self.labels is not None:
            charge = self.charge()
            at_label = -charge * self.shard.picked(complements, self.labels)
            gradient = self.shard.replaced(charge * p, self.labels, at_label)
        if self.labels is None or self.smooth:
            spread = self.spread()
            charged = self.shard.total(spread.sum(-1, keepdim=True))
            gradient = gradient + p * (charged - spread) - spread * complements
        if options.z_loss:
            gradient = gradient + torch.where(p == 0, 0, 2 * options.z_loss * rows.logsumexp * p)
        gradient = torch.where(rows.empty, 0, gradient)
        if options.softcap is not None:
            small = torch.exp(-2 * (self.logits / options.softcap).abs())
            gradient = gradient * (4 * small / (1 + small) ** 2)
        return self._of_kept(gradient)

    def _of_kept(self, values: Any) -> Any:
        return values if self.kept is None else torch.where(self.kept, values, 0)


def softmax_cross_entropy(z: Any, labels: Any, weight: Any, *options: Any) -> Any:
    given = Options(*options)
    losses = Problem(z, labels, weight, given, Whole()).losses()
    return reduced(losses, given.reduction, divisor_of(labels, weight, given)).to(z.dtype)


def softmax_cross_entropy_vjp(z: Any, labels: Any, weight: Any, cotangent: Any, *options: Any) -> Any:
    given = Options(*options)
    gradient = Problem(z, labels, weight, given, Whole()).gradient()
    scale = wide(cotangent).unsqueeze(-1)
    if given.reduction == "mean":
        scale = divided(scale, divisor_of(labels, weight, given))
    return (gradient * scale).movedim(-1, given.dim).to(z.dtype)


def nll(q: Any, labels: Any, weight: Any, *options: Any) -> Any:
    given = NllOptions(*options)
    weights, safe = _weights(labels, weight, given, wide(q).dtype)
    values = wide(q).movedim(given.dim, -1).gather(-1, safe.unsqueeze(-1)).squeeze(-1)
    losses = torch.where(weights == 0, 0, -weights * values) + 0.0  # no zero is negative
    return reduced(losses, given.reduction, divisor_of(labels, weight, given)).to(q.dtype)


class NllOptions(NamedTuple):
    """What `nll` takes beside its tensors, in the order of its operators."""

    dim: int
    ignore_index: int | None
    reduction: str


def nll_vjp(q: Any, labels: Any, weight: Any, cotangent: Any, *options: Any) -> Any:
    return torch.zeros_like(q).scatter(options[0], *nll_slopes(q, labels, weight, cotangent, *options))


def nll_slopes(q: Any, labels: Any, weight: Any, cotangent: Any, *options: Any) -> tuple[Any, Any]:
    """Where the gradient is not zero, and what it is there."""
    given = NllOptions(*options)
    weights, safe = _weights(labels, weight, given, wide(q).dtype)
    if given.reduction == "mean":
        weights = divided(weights, divisor_of(labels, weight, given))
    slopes = (-weights * wide(cotangent)).to(q.dtype)
    return safe.unsqueeze(given.dim), slopes.unsqueeze(given.dim)


def _weights(labels: Any, weight: Any, options: NllOptions, dtype: Any) -> tuple[Any, Any]:
    """The weight of each label, 0 of those to ignore, and labels that are all in range."""
    kept = torch.ones_like(labels, dtype=torch.bool) if options.ignore_index is None else labels != options.ignore_index
    safe = torch.where(kept, labels, 0)
    weights = kept.to(dtype) if weight is None else torch.where(kept, wide(weight).to(dtype)[safe], 0)
    return weights, safe
