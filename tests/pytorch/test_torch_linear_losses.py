"""softfloor.torch.linear_cross_entropy: the NumPy side's losses and gradients, on tensors and in every mode."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="softfloor.torch is tested where PyTorch is installed")

import softfloor as sf  # noqa: E402
import softfloor.torch as st  # noqa: E402
from softfloor.torch.arrays import array_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of its forward mode and compiler

REDUCTIONS = ("mean", "sum", "none")
#: All rows at once, one at a time, two at a time.
SCRATCHES = (10**6, 1, 100)
LABELS = torch.tensor([[0, 1, -100], [2, 3, 4]])


def operands(dtype=torch.float64, bias=True):
    rng = np.random.default_rng(2)
    shapes = [(2, 3, 4), (5, 4), (5,)][: 2 + bias]
    return [torch.from_numpy(rng.normal(size=shape)).to(dtype).requires_grad_() for shape in shapes]


def loss_of(*tensors, **keywords):
    hidden, weight, *bias = tensors
    return st.linear_cross_entropy(hidden, weight, LABELS, *bias, ignore_index=-100, **keywords)


@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16, torch.float32, torch.float64), ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_numpy_side_computes_it(dtype, reduction):
    for given in (operands(dtype), operands(dtype, bias=False)):
        loss = loss_of(*given, reduction=reduction)
        hidden, weight, *bias = [array_of(tensor) for tensor in given]
        expected, gradients = sf.linear_cross_entropy.value_and_grad(
            hidden, weight, LABELS.numpy(), *bias, reduction=reduction, ignore_index=-100
        )
        np.testing.assert_array_equal(array_of(loss), expected)
        assert loss.dtype is (torch.float64 if dtype is torch.float64 else torch.float32)
        for ours, theirs in zip(torch.autograd.grad(loss.sum(), given), gradients, strict=True):
            assert ours.dtype is dtype
            np.testing.assert_array_equal(array_of(ours).astype(np.float64), theirs.astype(np.float64))


@pytest.mark.parametrize("scratch_bytes", SCRATCHES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("bias", (True, False))
def test_derivatives(reduction, scratch_bytes, bias):
    given = operands(bias=bias)

    def function(*tensors):
        return loss_of(*tensors, reduction=reduction, scratch_bytes=scratch_bytes)

    logits = torch.nn.functional.linear(*given).movedim(-1, 1)
    expected = torch.nn.functional.cross_entropy(logits, LABELS, reduction=reduction)
    torch.testing.assert_close(function(*given), expected)
    assert torch.autograd.gradcheck(function, given, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(function, given, check_fwd_over_rev=True)


@pytest.mark.parametrize("scratch_bytes", SCRATCHES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_formula_of_other_devices(reduction, scratch_bytes):
    hidden, weight, bias = [tensor.detach() for tensor in operands()]
    value, both = st.linear_cross_entropy._value, st.linear_cross_entropy._value_and_grad
    for offset in (None, bias):
        args = (hidden, weight, LABELS, offset, -100, reduction, scratch_bytes)
        loss = value.kernel(*args)
        torch.testing.assert_close(value.formula(*args), loss)
        for wanted in ([True, True, offset is not None], [True, False, False], [False, True, False]):
            one = torch.ones_like(loss)
            pairs = [*zip(both.formula(*args, wanted)[1:], both.kernel(*args, wanted)[1:], strict=True)]
            pairs += zip(
                value.vjp.formula(*args[:4], one, *args[4:], wanted),
                value.vjp.kernel(*args[:4], one, *args[4:], wanted),
                strict=True,
            )
            for ours, theirs in pairs:
                torch.testing.assert_close(ours, theirs)


def test_transforms():
    hidden, weight, bias = [tensor.detach() for tensor in operands()]

    def loss(hidden, labels, weight=weight):
        return st.linear_cross_entropy(hidden, weight, labels, bias, ignore_index=-100)

    per_sample = torch.func.vmap(torch.func.grad(loss))(hidden, LABELS)
    by_weight = torch.func.vmap(torch.func.grad(loss, argnums=2), (0, 0, None))(hidden, LABELS, weight)
    for k in range(2):
        torch.testing.assert_close(per_sample[k], torch.func.grad(loss)(hidden[k], LABELS[k]))
        torch.testing.assert_close(by_weight[k], torch.func.grad(loss, argnums=2)(hidden[k], LABELS[k], weight))
    torch.testing.assert_close(torch.func.vmap(loss)(hidden, LABELS)[1], loss(hidden[1], LABELS[1]))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_compile_export_and_opcheck(reduction):
    given = operands()

    class Model(torch.nn.Module):
        def forward(self, *tensors):
            return loss_of(*tensors, reduction=reduction)

    model, one = Model(), torch.ones(LABELS.shape if reduction == "none" else ()).double()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    pairs = zip(
        torch.autograd.grad(compiled(*given), given, one), torch.autograd.grad(model(*given), given, one), strict=True
    )
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs)
    plain = tuple(tensor.detach() for tensor in given)
    assert torch.equal(torch.export.export(model, plain).module()(*plain), model(*plain))
    ops, (hidden, weight, bias) = torch.ops.softfloor, given
    args, wanted = (hidden, weight, LABELS, bias, -100, reduction, 100), [True, False, True]
    torch.library.opcheck(ops.linear_cross_entropy.default, args)
    torch.library.opcheck(ops.linear_cross_entropy_vjp.default, (*args[:4], one, *args[4:], wanted))
    if reduction != "none":  # then there is no one gradient to make
        args = (hidden, weight.detach(), *args[2:])
        torch.library.opcheck(ops.linear_cross_entropy_value_and_grad.default, (*args, wanted))


def test_no_logits_are_saved():
    given, saved = operands(), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.shape) or t, lambda t: t):
        loss_of(*given)
    assert set(saved) == {LABELS.shape, *(tensor.shape for tensor in given)}


def test_only_gradients_that_are_wanted_are_made():
    hidden, weight, bias = operands()
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
        loss = loss_of(hidden, weight.detach(), bias.detach())
    assert saved[-2:] == [0, 0]
    (gradient,) = torch.autograd.grad(loss, hidden)
    assert not gradient[0, 2].any()


def test_small_abstract_tensors():
    empty = torch.zeros(0, 4, requires_grad=True)
    loss = st.linear_cross_entropy(empty, torch.ones(5, 4), torch.zeros(0, dtype=torch.int64))
    assert loss == 0
    assert torch.autograd.grad(loss, empty)[0].shape == (0, 4)
    assert st.linear_cross_entropy(torch.ones(4), torch.ones(5, 4), torch.tensor(1)).shape == ()
    hidden, weight = (torch.empty(shape, device="meta", requires_grad=True) for shape in ((3, 4), (5, 4)))
    loss = st.linear_cross_entropy(hidden, weight, torch.zeros(3, dtype=torch.int64, device="meta"))
    assert [gradient.shape for gradient in torch.autograd.grad(loss, (hidden, weight))] == [(3, 4), (5, 4)]


H, W, Y = torch.zeros(3, 4), torch.zeros(5, 4), torch.tensor([0, 1, 2])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: st.linear_cross_entropy(H, W.T, Y), ValueError, r"got \(3, 4\) and \(4, 5\)"),
        (lambda: st.linear_cross_entropy(H, W, Y[:2]), ValueError, r"labels have shape \(2,\); class labels need \(3"),
        (lambda: st.linear_cross_entropy(H, W, Y, H[0]), ValueError, r"bias must have shape \(5,\); got \(4,\)"),
        (lambda: st.linear_cross_entropy(H, W, Y + 3), IndexError, "label 5 at position 2"),
        (lambda: st.linear_cross_entropy(H, W, H[:, 0]), TypeError, "class labels must be integers; got dtype torch.f"),
        (lambda: st.linear_cross_entropy(H.int(), W, Y), TypeError, "'hidden' has dtype torch.int32"),
        (
            lambda: st.linear_cross_entropy(H, W, Y, scratch_bytes=0),
            ValueError,
            "scratch_bytes must be positive; got 0",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
