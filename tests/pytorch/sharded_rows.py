"""What each of several processes runs in test_torch_distributed.py: rows of which each has some classes."""

import sys
import warnings
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor, init_device_mesh

import softfloor.torch as st

#: Classes; the last process holds fewer.
CLASSES = 7
#: How far a result may be from that of whole rows, relative and absolute; gradients eight times as far.
TOLERANCE = {torch.float64: 1e-14, torch.float32: 2.5e-7, torch.bfloat16: 8e-3}


def logits(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    z = 3 * torch.randn(shape, generator=generator, dtype=torch.float64)
    z[0, 0], z[0, 1] = -torch.inf, 80.0
    if shape[0] > 2:
        z[1], z[2, 2] = -torch.inf, torch.inf
    return z.to(dtype)


def check(ours, whole, times=1):
    tolerance = times * TOLERANCE[whole.dtype]
    torch.testing.assert_close(ours, whole, rtol=tolerance, atol=tolerance, equal_nan=True)


def gradient(loss, z):
    cotangent = torch.linspace(-2, 1, loss.numel(), dtype=torch.float64).reshape(loss.shape).to(loss.dtype)
    if isinstance(loss, DTensor):
        cotangent = distribute_tensor(cotangent, loss.device_mesh, loss.placements)
    return torch.autograd.grad(loss, z, cotangent)[0]


OPTIONS = (
    {},
    {"ignore_index": -100},
    {
        "ignore_index": -100,
        "weight": torch.linspace(0, 2, CLASSES),
        "label_smoothing": 0.1,
        "z_loss": 0.01,
        "softcap": 9.0,
    },
)


def vocab_parallel(rank, size):
    lengths = [CLASSES - 2 * (size - 1), *[2] * (size - 1)]
    for reduction in ("mean", "sum", "none"):
        for dtype in TOLERANCE:
            for options in OPTIONS:
                for dim, begins in ((-1, lengths), (0, [0, CLASSES, *[0] * size][:size])):
                    shape = (5, CLASSES) if dim else (CLASSES, 5)
                    z = logits(shape, dtype)
                    labels = torch.tensor([1, 0, 6, 3, -100 if "ignore_index" in options else 5])
                    whole = z.clone().requires_grad_()
                    expected = st.softmax_cross_entropy(whole, labels, dim, reduction=reduction, **options)
                    part = z.split(begins, dim)[rank].clone().requires_grad_()
                    loss = st.vocab_parallel_cross_entropy(part, labels, dim, reduction=reduction, **options)
                    assert loss.dtype is dtype
                    check(loss, expected)
                    check(gradient(loss, part), gradient(expected, whole).split(begins, dim)[rank], 8)


def refused():
    z = torch.zeros(2, CLASSES)
    for call, kind in (
        (lambda: st.vocab_parallel_cross_entropy(z, torch.tensor([0, 99])), IndexError),
        (lambda: st.vocab_parallel_cross_entropy(z, torch.tensor([0.0, 1.0])), TypeError),
        (lambda: st.vocab_parallel_cross_entropy(z, torch.tensor([0])), ValueError),
    ):
        try:
            call()
        except kind:
            continue
        raise AssertionError(kind)


def dtensors(mesh):
    placements = [(Shard(2),), (Shard(0),), (Replicate(),), (Shard(1),)] if mesh.ndim == 1 else [(Shard(0), Shard(2))]
    for placement in placements:
        for dtype in TOLERANCE:
            z = logits((4, 3, CLASSES), dtype)
            for name in ("softmax", "log_softmax", "logsumexp", "softmin", "entmax15", "gelu"):
                function = getattr(st, name)
                keywords = {} if name == "gelu" else {"temperature": 0.5}
                whole = z.clone().requires_grad_()
                part = distribute_tensor(z, mesh, placement).requires_grad_()
                expected, result = function(whole, **keywords), function(part, **keywords)
                check(result.full_tensor(), expected)
                check(gradient(result, part).full_tensor(), gradient(expected, whole), 8)
            mixed = torch.softmax(z.double().nan_to_num(0, 0, 0), -1).to(dtype)
            for labels, options in ((torch.arange(12).reshape(4, 3) % CLASSES, OPTIONS[2]), (mixed, {"z_loss": 0.1})):
                for reduction in ("mean", "sum", "none"):
                    whole = z.clone().requires_grad_()
                    part = distribute_tensor(z, mesh, placement).requires_grad_()
                    expected = st.softmax_cross_entropy(whole, labels, reduction=reduction, **options)
                    slopes = gradient(expected, whole)
                    for given in (labels, distribute_tensor(labels, mesh, [Replicate()] * mesh.ndim)):
                        loss = st.softmax_cross_entropy(part, given, reduction=reduction, **options)
                        check(loss.full_tensor(), expected)
                        check(gradient(loss, part).full_tensor(), slopes, 8)


def main(store, rank, size):
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=size, timeout=timedelta(seconds=60)
    )
    vocab_parallel(rank, size)
    refused()
    dtensors(init_device_mesh("cpu", (size,)))
    dtensors(init_device_mesh("cpu", (1, size)))
    dist.destroy_process_group()
    print("equal")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
