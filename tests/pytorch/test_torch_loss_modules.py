"""The losses of softfloor.torch.nn compute what torch's own do, for every choice of a constructor."""

import copy
import inspect
import itertools
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="softfloor.torch is tested where PyTorch is installed")

import softfloor.torch as st  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of its compiler

#: Shapes of logits, the classes first if alone, else in dimension 1: sentences, images.
SHAPES = ((4,), (3, 4), (2, 4, 5), (2, 4, 3, 2))
REDUCTIONS = ("mean", "sum", "none")


def numbers(shape, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(scale=2, size=shape))


def labels_for(shape):
    outer = shape[:0] if len(shape) == 1 else (shape[0], *shape[2:])
    labels = torch.from_numpy(np.array(np.random.default_rng(4).integers(0, 4, size=outer)))
    if labels.ndim:
        labels.view(-1)[1] = -100
    return labels


def compare(name, keywords, z, target):
    """Value and gradients of ours and of torch's, float64, with a cotangent that is not one."""
    found = []
    for module in (getattr(st.nn, name)(**keywords), getattr(torch.nn, name)(**keywords)):
        leaves = [z.clone().requires_grad_()]
        if target.is_floating_point():
            leaves.append(target.clone().requires_grad_())
        loss = module(leaves[0], *(leaves[1:] or [target]))
        gradients = torch.autograd.grad(loss, leaves, numbers(loss.shape, 3))
        alone = torch.autograd.grad(module(leaves[0], target), leaves[0], numbers(loss.shape, 3))
        found.append((loss.detach(), *gradients, *alone))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_classes(shape, reduction):
    z, labels, weight = numbers(shape, 1), labels_for(shape), torch.tensor([0.5, 1.0, 0.0, 2.0]).double()
    dim = 0 if len(shape) == 1 else 1
    mixed = torch.softmax(numbers(shape, 2), dim)
    for weights, smoothing, ignored in itertools.product((None, weight), (0.0, 0.1), (-100, 2)):
        keywords = {"weight": weights, "reduction": reduction}
        kept = torch.where(labels == -100, 1, labels) if ignored == 2 else labels
        nothing_counts = reduction == "mean" and kept.ndim == 0 and (kept == ignored or weights is not None)
        if not nothing_counts:
            compare("CrossEntropyLoss", {**keywords, "ignore_index": ignored, "label_smoothing": smoothing}, z, kept)
            compare("NLLLoss", {**keywords, "ignore_index": ignored}, torch.log_softmax(z, dim), kept)
        compare("CrossEntropyLoss", {**keywords, "label_smoothing": smoothing}, z, mixed)


@pytest.mark.parametrize("shape", (*SHAPES, ()), ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_yes_or_no(shape, reduction):
    z, target = numbers(shape, 1), torch.sigmoid(numbers(shape, 2))
    last = numbers(shape[-1:], 3).abs()
    for pos_weight, weight in itertools.product((None, last), (None, torch.tensor(0.5).double())):
        compare("BCEWithLogitsLoss", {"pos_weight": pos_weight, "weight": weight, "reduction": reduction}, z, target)


@pytest.mark.skipif(not hasattr(torch.nn, "LinearCrossEntropyLoss"), reason="torch has the class from 2.13 on")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("bias", (True, False))
def test_linear(reduction, bias):
    weight = torch.tensor([0.5, 1.0, 0.0, 2.0]).double()
    mixed = torch.softmax(numbers((3, 4), 2), 1)
    cases = [
        ({}, labels_for((3, 4))),
        ({"ignore_index": 2}, torch.tensor([0, 2, 1])),
        ({"weight": weight, "label_smoothing": 0.1}, labels_for((3, 4))),
        ({"out_features": (2,)}, labels_for((3, 4, 2))),
        ({}, mixed),
    ]
    for keywords, target in cases:
        found = []
        for namespace in (st.nn, torch.nn):
            torch.manual_seed(1)
            module = namespace.LinearCrossEntropyLoss(
                5, 4, bias=bias, reduction=reduction, dtype=torch.float64, **keywords
            )
            x = numbers((3, 5), 1).requires_grad_()
            loss = module(x, target)
            parameters = list(module.parameters())
            found.append((loss.detach(), *torch.autograd.grad(loss, [x, *parameters], numbers(loss.shape, 3))))
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


def test_where_nothing_counts_the_mean_is_zero():
    z = torch.randn(2, 3, requires_grad=True)
    loss = st.nn.CrossEntropyLoss()(z, torch.tensor([-100, -100]))
    loss.backward()
    assert loss == 0
    assert not z.grad.any()


@pytest.mark.parametrize("name", ("CrossEntropyLoss", "NLLLoss", "BCEWithLogitsLoss"))
def test_a_module_is_torchs_with_another_forward(name):
    ours, theirs = getattr(st.nn, name), getattr(torch.nn, name)
    assert inspect.signature(ours) == inspect.signature(theirs)
    weight = torch.rand(4)
    module, original = ours(weight), theirs(weight)
    assert isinstance(module, theirs)
    assert module.state_dict().keys() == original.state_dict().keys()
    assert repr(module) == repr(original)
    z, target = torch.log_softmax(torch.randn(3, 4), 1), torch.rand(3, 4)
    target = target if name == "BCEWithLogitsLoss" else torch.tensor([0, 1, 2])
    expected = module(z, target)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert type(other) is ours
        assert torch.equal(other(z, target), expected)
    assert torch.equal(torch.compile(module, fullgraph=True, backend="aot_eager")(z, target), expected)
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
        assert ours(size_average=False).reduction == "sum"


def test_errors_are_torchs_kinds():
    z, labels = torch.randn(3, 4), torch.tensor([0, 1, 9])
    for name in ("CrossEntropyLoss", "NLLLoss"):
        for module in (getattr(st.nn, name)(), getattr(torch.nn, name)()):
            with pytest.raises(IndexError):
                module(z, labels)
            with pytest.raises(ValueError, match=r"shape|size"):
                module(z, labels[:2])
    with pytest.raises(RuntimeError, match="ignore_index=2 is for class labels"):
        st.nn.CrossEntropyLoss(ignore_index=2)(z, torch.softmax(z, 1))


def test_a_model_trains_alike():
    torch.manual_seed(0)
    plain = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 5))
    swapped = copy.deepcopy(plain)
    x, y = torch.randn(32, 4), torch.randint(0, 5, (32,))
    for model, loss in ((plain, torch.nn.CrossEntropyLoss()), (swapped, st.nn.CrossEntropyLoss())):
        optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
        for _ in range(10):
            optimiser.zero_grad()
            loss(model(x), y).backward()
            optimiser.step()
    for ours, theirs in zip(swapped.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
