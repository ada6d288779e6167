"""Losses and softmaxes of logits whose classes lie in several processes: plain tensors in a group, and DTensors."""

from __future__ import annotations

from typing import Any

import torch

from ..loss_options import LossOptions
from .loss_formulas import Options, divisor_of, reduced, rows_of
from .loss_options import Reduction, check_reduction, class_dimension, class_labels, logits_of
from .operators import is_distributed


def vocab_parallel_cross_entropy(
    z: torch.Tensor,
    labels: torch.Tensor,
    dim: int = -1,
    *,
    group: Any = None,
    weight: torch.Tensor | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
) -> torch.Tensor:
    """softmax_cross_entropy of logits whose classes are split over the processes of a group, as in tensor parallelism.

    Formula: that of `softmax_cross_entropy`, over the classes of all processes. Each process holds some of them, those
    of rank 0 first; they tell each other a maximum and a few sums per row, and never their logits.

    Parameters
    ----------
    z : Tensor
        The logits of this process's classes, of any shape, these classes along ``dim``. The other dimensions are the
        same everywhere; the number of classes here may differ, and be 0.
    labels : Tensor
        Class labels, counted over all processes, of the shape of z without ``dim``: the same everywhere.
    dim : int, default -1
        The dimension of the classes.
    group : ProcessGroup, optional
        The processes; all of them if not given.
    weight : Tensor, optional
        A weight per class, for the classes of all processes.
    ignore_index, label_smoothing, z_loss, softcap, reduction
        As for `softmax_cross_entropy`.

    Returns
    -------
    loss : Tensor
        Of the dtype of z, the same in every process. The backward pass gives each the gradient of its own logits and
        needs no further communication; there is no derivative of it.

    Raises
    ------
    IndexError
        If a label lies outside the classes of all processes and is not ``ignore_index``, on CPU.
    RuntimeError
        If `torch.distributed` is not initialised.
    TypeError, ValueError
        As for `softmax_cross_entropy`.

    Notes
    -----
    Computed in float64 on CPU, else in float32 at least. Each process must make the call, with the same options.

    References
    ----------
    .. [1] M. Shoeybi et al., Megatron-LM: Training Multi-Billion Parameter Language Models Using Model Parallelism,
       2019.

    Examples
    --------
    One process that holds all classes; with more of them each passes its own.

    >>> import torch, softfloor.torch as st
    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> st.vocab_parallel_cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]))
    tensor(1.3863)
    >>> torch.distributed.destroy_process_group()
    """
    name = "vocab_parallel_cross_entropy"
    check_reduction(name, reduction)
    logits = logits_of(name, "z", z)
    position = class_dimension(name, logits, dim)
    given = LossOptions(name, None, ignore_index, label_smoothing, z_loss, softcap)
    targets = class_labels(name, labels, rows_of(logits, position))
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        raise RuntimeError(f"{name}(): torch.distributed is not initialised; call init_process_group first")
    from . import sharded

    shard = sharded.Shard(group, logits.shape[position], logits.device)
    _check_labels(name, targets, shard.all, given.ignore_index)
    options = options_of(position, given, reduction)
    losses = sharded.cross_entropy(logits.movedim(position, -1), targets, weight, options._replace(dim=-1), shard)
    return reduced(losses, reduction, divisor_of(targets, weight, options))  # type: ignore[no-any-return]


def options_of(dim: int, given: LossOptions, reduction: str) -> Options:
    """Checked options as operators take them: no softcap is None."""
    cap = None if given.softcap == float("inf") else given.softcap
    return Options(dim, given.ignore_index, given.label_smoothing, given.z_loss, cap, reduction)


def _check_labels(name: str, labels: Any, classes: int, ignore_index: int | None) -> None:
    from ..losses import check_class_labels

    if labels.is_cpu:
        check_class_labels(name, labels.numpy(), classes, ignore_index)


# ---------------------------------------------- DTensor
class _Placed:
    """A DTensor with its rows last, and where its dimensions lie; classes are cut along one dimension of the mesh."""

    def __init__(self, z: Any, dims: list[int]) -> None:
        from torch.distributed.tensor import Replicate

        self.mesh, self.dims = z.device_mesh, dims
        cut = [k for k, placement in enumerate(z.placements) if placement.is_shard() and placement.dim in dims]
        # Sums in waiting, and a row that is cut twice or has several dimensions, are put together first.
        self.cut = cut[0] if cut and len(dims) == 1 else None
        self.placements: list[Any] = [
            Replicate() if placement.is_partial() or (k in cut and k != self.cut) else placement
            for k, placement in enumerate(z.placements)
        ]
        self.z = z.redistribute(self.mesh, self.placements)
        self.local = self.z.to_local()

    def shard(self) -> Any:
        from .sharded import Shard

        return Shard(self.mesh.get_group(self.cut), self.local.shape[self.dims[0]], self.local.device)

    def restored(self, local: Any) -> Any:
        """A result of the shape of z."""
        return self._distributed(local, self.placements, self.z.shape)

    def restored_rows(self, local: Any) -> Any:
        """A result with a number per row."""
        shape = [length for k, length in enumerate(self.z.shape) if k not in self.dims]
        return self._distributed(local, self.row_placements(), torch.Size(shape))

    def row_placements(self) -> list[Any]:
        from torch.distributed.tensor import Replicate, Shard

        placements: list[Any] = []
        for placement in self.placements:
            if not placement.is_shard() or placement.dim in self.dims:
                placements.append(Replicate())
            else:
                placements.append(Shard(placement.dim - sum(dim < placement.dim for dim in self.dims)))
        return placements

    def of_rows(self, values: Any, placements: Any) -> Any:
        """The part here of a tensor that is the same everywhere, or of a DTensor."""
        from torch.distributed.tensor import DTensor, Replicate

        if not is_distributed(values):
            values = DTensor.from_local(values, self.mesh, [Replicate()] * self.mesh.ndim, run_check=False)
        return values.redistribute(self.mesh, placements).to_local()

    def _distributed(self, local: Any, placements: Any, shape: Any) -> Any:
        from torch.distributed.tensor import DTensor

        stride = torch.empty(shape, device="meta").stride()
        return DTensor.from_local(local, self.mesh, placements, run_check=False, shape=shape, stride=stride)


def elementwise(function: Any, x: Any, **parameters: Any) -> Any:
    """A function of single entries: every process has what it needs."""
    placed = _Placed(x, [])
    return placed.restored(function(placed.local, **parameters))


def along(function: Any, z: Any, dims: list[int], temperature: float) -> Any:
    """A function of the softmax family, ``function`` of local rows that are not cut, by name of those that are."""
    from . import sharded

    placed = _Placed(z, dims)
    restore = placed.restored_rows if function.name == "logsumexp" else placed.restored
    if placed.cut is None:
        return restore(function(placed.local, dims, temperature))
    if not hasattr(sharded, function.name):  # what needs the rows themselves
        from torch.distributed.tensor import Replicate

        return along(function, z.redistribute(placements=[Replicate()] * z.device_mesh.ndim), dims, temperature)
    rows = placed.local.movedim(dims[0], -1) / temperature
    result = getattr(sharded, function.name)(rows, placed.shard())
    return restore(result if function.name == "logsumexp" else result.movedim(-1, dims[0]))


def softmax_cross_entropy(function: Any, z: Any, labels: Any, weight: Any, options: Options) -> Any:
    """``function`` is the operator for rows that are not cut."""
    from . import sharded

    placed = _Placed(z, [options.dim])
    probabilities = labels.is_floating_point()
    here = placed.of_rows(labels, placed.placements if probabilities else placed.row_placements())
    per_row = options._replace(reduction="none")
    if placed.cut is None:
        losses = function(placed.local, here, weight, *per_row)
    else:
        shard = placed.shard()
        rows = placed.local.movedim(options.dim, -1)
        if probabilities:
            here = here.movedim(options.dim, -1)
        else:
            _check_labels(function.name, here, shard.all, options.ignore_index)
        losses = sharded.cross_entropy(rows, here, weight, per_row._replace(dim=-1), shard)
    losses = placed.restored_rows(losses)
    if options.reduction == "none":
        return losses
    from torch.distributed.tensor import Replicate

    everywhere = [Replicate()] * placed.mesh.ndim
    whole = losses.redistribute(placements=everywhere)
    targets = labels.redistribute(placements=everywhere).to_local() if is_distributed(labels) else labels
    divisor = divisor_of(targets, weight, options) if options.reduction == "mean" else 1
    total = reduced(whole.to_local(), options.reduction, divisor)
    return placed._distributed(total, everywhere, torch.Size(()))
