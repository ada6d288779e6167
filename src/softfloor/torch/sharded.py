"""Rows of logits that several processes share: each holds some of the classes.

What the processes tell each other is one maximum and a few sums per row. They compute in float64 on CPU, elsewhere in
float32 at least. Rows lie along the last dimension.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist

from .loss_formulas import Options, Problem, SoftmaxRows, Whole, precise


class Shard(Whole):
    """The classes of this process: those of the processes before it in the group come before them."""

    def __init__(self, group: Any, count: int, device: Any) -> None:
        self.group = group
        counts = torch.zeros(dist.get_world_size(group), dtype=torch.int64, device=device)
        rank = dist.get_rank(group)
        counts[rank] = count
        self._reduce(counts, dist.ReduceOp.SUM)
        self.offset, self.count, self.all = int(counts[:rank].sum()), count, int(counts.sum())

    def _reduce(self, values: Any, operation: Any) -> Any:
        dist.all_reduce(values, operation, group=self.group)
        return values

    def tops(self, z: Any) -> Any:
        lowest = z.new_full((*z.shape[:-1], 1), -torch.inf)
        return self._reduce(torch.cat([lowest, z], -1).amax(-1, keepdim=True), dist.ReduceOp.MAX)

    def total(self, values: Any) -> Any:
        return self._reduce(values.contiguous(), dist.ReduceOp.SUM)

    def classes(self, z: Any) -> int:
        return self.all

    def part(self, per_class: Any) -> Any:
        return per_class.narrow(0, self.offset, self.count)

    def picked(self, values: Any, labels: Any) -> Any:
        here, local = self._local(labels)
        if self.count == 0:
            return self.total(values.new_zeros(labels.shape))
        return self.total(torch.where(here, values.gather(-1, local), 0))

    def replaced(self, values: Any, labels: Any, entries: Any) -> Any:
        here, local = self._local(labels)
        if self.count == 0:
            return values
        return values.scatter(-1, local, torch.where(here, entries, values.gather(-1, local)))

    def _local(self, labels: Any) -> tuple[Any, Any]:
        """Which labels are among the classes of this process, and where."""
        local = labels - self.offset
        here = (local >= 0) & (local < self.count)
        return here, torch.where(here, local, 0)


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Any, shard: Shard) -> Any:
        p = SoftmaxRows(precise(z), shard).probabilities().to(z.dtype)
        ctx.shard = shard
        ctx.save_for_backward(p)
        return p

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, cotangent: Any) -> Any:
        (p,) = map(precise, ctx.saved_tensors)
        upstream = precise(cotangent)
        return (p * (upstream - ctx.shard.total((p * upstream).sum(-1, keepdim=True)))).to(cotangent.dtype), None


class _LogSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Any, shard: Shard) -> Any:
        rows = SoftmaxRows(precise(z), shard)
        q = (rows.below - rows.log_total).to(z.dtype)
        ctx.shard = shard
        ctx.save_for_backward(q)
        return q

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, cotangent: Any) -> Any:
        (q,) = map(precise, ctx.saved_tensors)
        upstream = torch.where(q == -torch.inf, 0, precise(cotangent))  # of entries that took no part
        return (upstream - torch.exp(q) * ctx.shard.total(upstream.sum(-1, keepdim=True))).to(cotangent.dtype), None


class _Logsumexp(torch.autograd.Function):
    """Along the last dimension, which keeps length 1."""

    @staticmethod
    def forward(ctx: Any, z: Any, shard: Shard) -> Any:
        rows = SoftmaxRows(precise(z), shard)
        ctx.save_for_backward(rows.probabilities().to(z.dtype))
        return rows.logsumexp.to(z.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, cotangent: Any) -> Any:
        return ctx.saved_tensors[0] * cotangent, None


class _CrossEntropy(torch.autograd.Function):
    """The losses of the rows. Their gradient is made on the way: the backward pass waits for no other process."""

    @staticmethod
    def forward(ctx: Any, z: Any, labels: Any, weight: Any, options: Options, shard: Shard) -> Any:
        problem = Problem(precise(z), precise(labels) if labels.is_floating_point() else labels, weight, options, shard)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(problem.gradient().to(z.dtype))
        return problem.losses().to(z.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, cotangent: Any) -> Any:
        return ctx.saved_tensors[0] * cotangent.unsqueeze(-1), None, None, None, None


def softmax(z: Any, shard: Shard) -> Any:
    return _Softmax.apply(z, shard)


def softmin(z: Any, shard: Shard) -> Any:
    return softmax(-z, shard)


def log_softmax(z: Any, shard: Shard) -> Any:
    return _LogSoftmax.apply(z, shard)


def logsumexp(z: Any, shard: Shard) -> Any:
    return _Logsumexp.apply(z, shard).squeeze(-1)


def cross_entropy(z: Any, labels: Any, weight: Any, options: Options, shard: Shard) -> Any:
    return _CrossEntropy.apply(z, labels, weight, options, shard)
