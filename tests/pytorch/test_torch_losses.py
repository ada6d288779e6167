"""softfloor.torch losses: the bits of the NumPy side, its policies, every kind of derivative."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="softfloor.torch is tested where PyTorch is installed")

import softfloor as sf  # noqa: E402
import softfloor.torch as st  # noqa: E402
from softfloor.torch.arrays import array_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of its forward mode and compiler

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
REDUCTIONS = ("mean", "sum", "none")
CLASSES = 4
WEIGHT = torch.tensor([0.5, 1.0, 0.0, 2.0], dtype=torch.float64)
#: Options of softmax_cross_entropy that change what a row costs.
OPTIONS = (
    {},
    {"weight": WEIGHT},
    {"label_smoothing": 0.1},
    {"z_loss": 0.01},
    {"softcap": 3.0},
    {"weight": WEIGHT, "label_smoothing": 0.2, "z_loss": 0.01, "softcap": 5.0},
)
INF, NAN = np.inf, np.nan
#: Entries that take no part, a row without any, two that share the mass, NaN, large ones, equal ones, near certainty.
EDGES = torch.tensor(
    [
        [1.0, 2.0, -INF, 0.0],
        [-INF] * 4,
        [INF, 1.0, INF, -INF],
        [NAN, 1.0, 2.0, 3.0],
        [1e30, 1e30, -1e30, 0.0],
        [5.0] * 4,
        [60.0, 0.0, 1.0, 2.0],
    ],
    dtype=torch.float64,
)


def logits(dtype=torch.float64, shape=(3, CLASSES), seed=5):
    return torch.from_numpy(np.random.default_rng(seed).normal(scale=2, size=shape)).to(dtype)


def class_labels(shape, ignored=True):
    labels = torch.from_numpy(np.random.default_rng(6).integers(0, CLASSES, size=shape))
    if ignored and labels.ndim:
        labels.view(-1)[0] = -100
    return labels


def probabilities(dtype=torch.float64, shape=(3, CLASSES), dim=-1):
    return torch.softmax(logits(torch.float64, shape, seed=8), dim).to(dtype)


def on_numpy(options):
    return {name: array_of(value) if isinstance(value, torch.Tensor) else value for name, value in options.items()}


def same(tensor, array):
    np.testing.assert_array_equal(array_of(tensor).astype(np.float64), np.asarray(array).astype(np.float64))


def value_and_gradient(function, z, *operands, **keywords):
    leaf = z.detach().requires_grad_()
    loss = function(leaf, *operands, **keywords)
    return loss.detach(), torch.autograd.grad(loss, leaf, torch.ones_like(loss))[0]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dim", (-1, 0, 1))
def test_softmax_cross_entropy_has_the_bits_of_the_numpy_side(dtype, reduction, dim):
    shape = [3, 5, 2]
    shape[dim] = CLASSES
    rows = [length for k, length in enumerate(shape) if k != dim % 3]
    for z in (logits(dtype, shape), logits(dtype, shape[::-1]).permute(2, 1, 0)):
        for options, labels in itertools.product(OPTIONS, (class_labels(rows), probabilities(dtype, shape, dim))):
            ignoring = {} if labels.shape == z.shape else {"ignore_index": -100}
            keywords = {"reduction": reduction, **options, **ignoring}
            loss, gradient = value_and_gradient(st.softmax_cross_entropy, z, labels, dim, **keywords)
            expected = sf.softmax_cross_entropy.value_and_grad(array_of(z), array_of(labels), dim, **on_numpy(keywords))
            same(loss, expected[0])
            same(gradient, expected[1])
            assert loss.dtype is gradient.dtype is dtype
            same(st.softmax_cross_entropy(z, labels, dim, **keywords), expected[0])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_sigmoid_cross_entropy_and_nll_have_the_bits_of_the_numpy_side(dtype, reduction):
    weights = {"pos_weight": WEIGHT, "weight": torch.tensor([[1.0], [0.5], [2.0]])}
    labels = torch.rand(3, CLASSES, generator=torch.Generator().manual_seed(0)).to(dtype)
    for options in ({}, weights):
        for z in (logits(dtype), logits(dtype, (CLASSES, 3)).t()):
            loss, gradient = value_and_gradient(st.sigmoid_cross_entropy, z, labels, reduction=reduction, **options)
            expected = sf.sigmoid_cross_entropy.value_and_grad(
                array_of(z), array_of(labels), reduction=reduction, **on_numpy(options)
            )
            same(loss, expected[0])
            same(gradient, expected[1])
    for options in ({}, {"weight": WEIGHT}):
        q, targets = st.log_softmax(logits(dtype, (3, CLASSES, 2)), 1), class_labels((3, 2))
        keywords = {"ignore_index": -100, "reduction": reduction, **options}
        loss, gradient = value_and_gradient(st.nll, q, targets, 1, **keywords)
        expected = sf.nll.value_and_grad(array_of(q), array_of(targets), 1, **on_numpy(keywords))
        same(loss, expected[0])
        torch.testing.assert_close(gradient.double().numpy(), expected[1].astype(np.float64), rtol=0.01, atol=0)
        if dtype in (torch.float32, torch.float64):
            torch.testing.assert_close(gradient.numpy(), expected[1])


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_formula_of_other_devices(dtype, reduction):
    """The path of CUDA and its like, run here, policies included."""
    z = torch.cat([EDGES, logits(shape=(20, CLASSES))]).to(dtype)
    labels = class_labels((len(z),))
    for column, options in itertools.product(range(CLASSES), OPTIONS):
        chosen = torch.where(labels == -100, -100, torch.full_like(labels, column))
        mixed = (0.75 * torch.nn.functional.one_hot(chosen.clamp(min=0), CLASSES) + 0.25 * torch.eye(4)[0]).to(dtype)
        for targets, ignored in ((chosen, -100), (mixed, None)):
            settings = {"label_smoothing": 0.0, "z_loss": 0.0, "softcap": None, **options}
            weight = settings.pop("weight", None)
            value, vjp = st.softmax_cross_entropy._value, st.softmax_cross_entropy._value.vjp
            operands = (z, targets, weight)
            rest = (1, ignored, settings["label_smoothing"], settings["z_loss"], settings["softcap"], reduction)
            loss = value.kernel(*operands, *rest)
            torch.testing.assert_close(value.formula(*operands, *rest), loss, equal_nan=True)
            cotangent = torch.ones_like(loss)
            torch.testing.assert_close(
                vjp.formula(*operands, cotangent, *rest), vjp.kernel(*operands, cotangent, *rest), equal_nan=True
            )
            if weight is None and targets is chosen and not options and dtype is not torch.float16:
                both = st.softmax_cross_entropy._value_and_grad
                for ours, theirs in zip(
                    both.formula(z, targets, 1, ignored, reduction),
                    both.kernel(z, targets, 1, ignored, reduction),
                    strict=True,
                ):
                    torch.testing.assert_close(ours, theirs, equal_nan=True)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_formulas_of_sigmoid_cross_entropy_and_nll(dtype, reduction):
    z = torch.tensor([0.0, -0.0, 1e-5, 30.0, -30.0, 100.0, -100.0, INF, -INF, NAN]).to(dtype)
    for y in (0.0, 0.25, 1.0):
        for weight in (None, torch.tensor(0.5, dtype=torch.float64)):
            operands, both = (z, torch.full_like(z, y), weight, None), st.sigmoid_cross_entropy._value_and_grad
            for ours, theirs in zip(both.formula(*operands, reduction), both.kernel(*operands, reduction), strict=True):
                torch.testing.assert_close(ours, theirs, equal_nan=True)
    labels, q = class_labels((len(EDGES),)), EDGES.to(dtype)
    for weight in (None, WEIGHT):
        operands, value = (q, labels, weight, 1, -100, reduction), st.nll._value
        torch.testing.assert_close(value.formula(*operands), value.kernel(*operands), equal_nan=True)


def test_a_certain_row_keeps_its_digits():
    """The gradient at the label is minus the mass of the others, not 1 - 1."""
    z = torch.tensor([[60.0, 0.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(st.softmax_cross_entropy(z, torch.tensor([0])), z, create_graph=True)
    torch.testing.assert_close(gradient[0, 0].item(), -np.exp(-60.0), rtol=1e-14, atol=0)
    (bend,) = torch.autograd.grad(gradient[0, 1], z)
    torch.testing.assert_close(bend[0, 1].item(), np.exp(-60.0), rtol=1e-14, atol=0)


def test_an_unlikely_label_keeps_its_digits_in_the_second_derivative():
    """Its gradient is -1 to the last digit; its probability is read off the loss."""
    z = torch.tensor([[0.0, 60.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(st.softmax_cross_entropy(z, torch.tensor([0])), z, create_graph=True)
    (bend,) = torch.autograd.grad(gradient[0, 0], z)
    torch.testing.assert_close(bend[0, 0].item(), np.exp(-60.0), rtol=1e-13, atol=0)


LABELS, IGNORING, MIXED = class_labels((3,), ignored=False), class_labels((3,)), probabilities()
#: Functions of logits, or of logits and probabilities, for a reduction.
CHECKED = {
    "plain": lambda reduction: lambda z: st.softmax_cross_entropy(z, IGNORING, ignore_index=-100, reduction=reduction),
    "columns": lambda reduction: (
        lambda z: st.softmax_cross_entropy(z, torch.tensor([0, 1, 2, 1]), 0, reduction=reduction)
    ),
    "options": lambda reduction: (
        lambda z: st.softmax_cross_entropy(z, IGNORING, ignore_index=-100, reduction=reduction, **OPTIONS[-1])
    ),
    "probabilities": lambda reduction: (
        lambda z, labels=MIXED: st.softmax_cross_entropy(z, labels, reduction=reduction, softcap=3.0)
    ),
    "sigmoid": lambda reduction: (
        lambda z, labels=MIXED: st.sigmoid_cross_entropy(z, labels, pos_weight=WEIGHT, reduction=reduction)
    ),
    "nll": lambda reduction: lambda z: st.nll(z, IGNORING, weight=WEIGHT, ignore_index=-100, reduction=reduction),
}


@pytest.mark.parametrize("case", CHECKED)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradcheck_of_both_orders_and_modes(case, reduction):
    function, z = CHECKED[case](reduction), logits().requires_grad_()
    assert torch.autograd.gradcheck(function, z, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(function, z, check_fwd_over_rev=True, check_rev_over_rev=True)
    if case in ("probabilities", "sigmoid"):
        operands = (z, probabilities().requires_grad_())
        assert torch.autograd.gradcheck(function, operands, check_forward_ad=True, check_batched_grad=True)
        assert torch.autograd.gradgradcheck(function, operands)


@pytest.mark.parametrize("case", CHECKED)
def test_third_derivatives(case):
    function, z = CHECKED[case]("sum"), logits().requires_grad_()

    def second(z):
        (first,) = torch.autograd.grad(function(z), z, create_graph=True)
        if not first.requires_grad:  # nll is linear
            return 0 * z.sum()
        return torch.autograd.grad(first.square().sum(), z, create_graph=True)[0]

    assert torch.autograd.gradcheck(second, z)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_transforms(reduction):
    z, labels = logits(shape=(6, 3, CLASSES)), class_labels((6, 3), ignored=False)
    labels[2, 1] = -100

    def per_sample(z, labels, **keywords):
        return st.softmax_cross_entropy(z, labels, ignore_index=-100, reduction=reduction, **keywords)

    def total(z, labels, **keywords):
        return per_sample(z, labels, **keywords).sum()

    for keywords in ({}, OPTIONS[-1]):
        losses = torch.func.vmap(lambda z, labels: per_sample(z, labels, **keywords))(z, labels)  # noqa: B023
        gradients = torch.func.vmap(torch.func.grad(lambda z, y: total(z, y, **keywords)))(z, labels)  # noqa: B023
        for k in range(6):
            torch.testing.assert_close(losses[k], per_sample(z[k], labels[k], **keywords))
            expected = torch.func.grad(total)(z[k], labels[k], **keywords)
            torch.testing.assert_close(gradients[k], expected)
    weights = torch.rand(2, CLASSES, dtype=torch.float64)
    by_weight = torch.func.vmap(lambda w: per_sample(z[0], labels[0], weight=w))(weights)
    torch.testing.assert_close(by_weight[1], per_sample(z[0], labels[0], weight=weights[1]))
    torch.testing.assert_close(
        torch.func.hessian(total)(z[0], labels[0]),
        torch.autograd.functional.hessian(lambda z: total(z, labels[0]), z[0]),
    )
    y, at = torch.func.jvp(lambda z: per_sample(z, labels[0]), (z[0],), (torch.ones_like(z[0]),))
    torch.testing.assert_close(at, torch.zeros_like(y), atol=1e-15, rtol=0)  # a shift of a row changes nothing


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_transforms_of_sigmoid_cross_entropy_and_nll(reduction):
    z, labels = logits(shape=(5, 3, CLASSES)), probabilities(shape=(5, 3, CLASSES))
    functions = {
        "sigmoid": (lambda z, y: st.sigmoid_cross_entropy(z, y, pos_weight=WEIGHT, reduction=reduction), labels),
        "nll": (lambda z, y: st.nll(z, y, weight=WEIGHT, reduction=reduction), class_labels((5, 3), ignored=False)),
    }
    for function, targets in functions.values():
        batch = torch.func.vmap(function)(z, targets)
        gradients = torch.func.vmap(torch.func.grad(lambda z, y: function(z, y).sum()))(z, targets)  # noqa: B023
        for k in range(5):
            torch.testing.assert_close(batch[k], function(z[k], targets[k]))
            _, expected = value_and_gradient(function, z[k], targets[k])
            torch.testing.assert_close(gradients[k], expected)


@pytest.mark.parametrize("case", CHECKED)
def test_compile_and_export(case):
    function, z = CHECKED[case]("mean"), logits()
    leaf = z.clone().requires_grad_()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(z), function(z))
    for weight in (1.0, 3.0):
        (gradient,) = torch.autograd.grad(compiled(leaf) * weight, leaf)
        (expected,) = torch.autograd.grad(function(leaf) * weight, leaf)
        torch.testing.assert_close(gradient, expected)

    class Model(torch.nn.Module):
        def forward(self, z):
            return function(z)

    exported = torch.export.export(Model(), (z,))
    assert torch.equal(exported.module()(z), function(z))
    assert "softfloor" in torch.fx.experimental.proxy_tensor.make_fx(lambda z: function(z))(z).code


def test_export_with_a_batch_of_any_size():
    class Model(torch.nn.Module):
        def forward(self, z, labels):
            return st.softmax_cross_entropy(z, labels), st.sigmoid_cross_entropy(z[:, 0], labels > 1)

    n = torch.export.Dim("n")
    exported = torch.export.export(Model(), (logits(), class_labels((3,), False)), dynamic_shapes=({0: n}, {0: n}))
    z, labels = logits(shape=(7, CLASSES)), class_labels((7,), False)
    for ours, theirs in zip(exported.module()(z, labels), Model()(z, labels), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_opcheck(reduction):
    ops, check = torch.ops.softfloor, torch.library.opcheck
    z, labels = logits(torch.float32).requires_grad_(), class_labels((3,))
    one = torch.ones((3,) if reduction == "none" else ()).requires_grad_()
    options = (1, -100, 0.1, 0.01, None, reduction)
    check(ops.softmax_cross_entropy.default, (z, labels, WEIGHT, *options))
    check(ops.softmax_cross_entropy_vjp.default, (z, labels, WEIGHT, one, *options))
    check(ops.softmax_cross_entropy_value_and_grad.default, (z, labels, 1, -100, reduction))
    check(ops.nll.default, (z, labels, None, 1, -100, reduction))
    check(ops.nll_vjp.default, (z, labels, None, one, 1, -100, reduction))
    targets = probabilities(torch.float32)
    one = torch.ones(targets.shape if reduction == "none" else ())
    check(ops.sigmoid_cross_entropy.default, (z, targets, None, WEIGHT, reduction))
    check(ops.sigmoid_cross_entropy_vjp.default, (z, targets, None, WEIGHT, one, reduction))
    check(ops.sigmoid_cross_entropy_value_and_grad.default, (z, targets, None, None, reduction))


def saved_tensors(function):
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        function()
    return saved


def test_saved_memory():
    """Of class labels the gradient alone, as large as what torch saves; else the operands, which exist anyway."""
    z, labels = logits(torch.float32, (8, CLASSES)).requires_grad_(), class_labels((8,))
    saved = saved_tensors(lambda: st.softmax_cross_entropy(z, labels, ignore_index=-100))
    assert sorted(tensor.numel() for tensor in saved) == [8, 8, z.numel()]
    assert z.data_ptr() not in {tensor.data_ptr() for tensor in saved}
    saved = saved_tensors(lambda: st.softmax_cross_entropy(z, labels, ignore_index=-100, z_loss=0.1))
    assert {tensor.data_ptr() for tensor in saved} == {z.data_ptr(), labels.data_ptr()}
    saved = saved_tensors(lambda: st.nll(z, labels, ignore_index=-100))
    assert {tensor.data_ptr() for tensor in saved} == {z.data_ptr(), labels.data_ptr()}
    targets = torch.zeros_like(z)
    saved = saved_tensors(lambda: st.sigmoid_cross_entropy(z, targets))
    assert {tensor.data_ptr() for tensor in saved} > {z.data_ptr(), targets.data_ptr()}
    assert len(saved) == 3


@pytest.mark.parametrize("loss", ("softmax", "sigmoid"))
def test_a_graph_that_is_kept_gives_the_same_gradient_again(loss):
    """Whatever becomes of the first gradient: it is no view of what is saved."""
    z, labels = logits(torch.float32).requires_grad_(), class_labels((3,), ignored=False)
    if loss == "softmax":
        total = st.softmax_cross_entropy(z, labels)
    else:
        total = st.sigmoid_cross_entropy(z, probabilities(torch.float32))
    (first,) = torch.autograd.grad(total, z, retain_graph=True)
    expected = first.clone()
    first.zero_()
    total.backward(retain_graph=True)
    total.backward(retain_graph=True)
    torch.testing.assert_close(z.grad, 2 * expected)
    z.grad.zero_()
    (last,) = torch.autograd.grad(total, z)
    assert torch.equal(last, expected)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(total, z)


def test_autocast_computes_losses_in_float32_as_torch_does():
    labels = class_labels((3,), ignored=False)
    for dtype in (torch.float16, torch.bfloat16):
        z = logits(dtype).requires_grad_()
        with torch.autocast("cpu", dtype):
            for loss, theirs in (
                (st.softmax_cross_entropy(z, labels), torch.nn.functional.cross_entropy(z, labels)),
                (st.nll(z, labels), torch.nn.functional.nll_loss(z, labels)),
                (
                    st.sigmoid_cross_entropy(z, torch.ones_like(z)),
                    torch.nn.functional.binary_cross_entropy_with_logits(z, torch.ones_like(z)),
                ),
            ):
                assert loss.dtype is theirs.dtype is torch.float32
                (gradient,) = torch.autograd.grad(loss, z)
                assert gradient.dtype is dtype


def test_small_abstract_and_inference_tensors():
    assert st.softmax_cross_entropy(torch.zeros(4), torch.tensor(1)).shape == ()
    assert st.softmax_cross_entropy(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)) == 0
    nothing = torch.full((3,), -1)
    loss, gradient = value_and_gradient(st.softmax_cross_entropy, torch.zeros(3, 4), nothing, ignore_index=-1)
    assert loss == 0
    assert not gradient.any()
    assert st.sigmoid_cross_entropy(torch.zeros(()), torch.ones(())).shape == ()
    assert st.sigmoid_cross_entropy(torch.zeros(0), torch.zeros(0)) == 0
    assert st.nll(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), reduction="none").shape == (0,)
    meta = torch.empty(3, 4, device="meta", requires_grad=True)
    labels = torch.empty(3, dtype=torch.int64, device="meta")
    for loss in (
        st.softmax_cross_entropy(meta, labels),
        st.nll(meta, labels),
        st.sigmoid_cross_entropy(meta, torch.empty(3, 4, device="meta")),
    ):
        assert loss.shape == ()
        assert torch.autograd.grad(loss, meta)[0].shape == (3, 4)
    with torch.inference_mode():
        assert st.softmax_cross_entropy(logits(), class_labels((3,), False)).is_inference()


@pytest.mark.filterwarnings("ignore:Your compiler for AOTAutograd:UserWarning")
def test_other_devices_are_compiled_to_the_formula():
    from torch._dynamo.testing import AotEagerAndRecordGraphs

    z = torch.empty(3, 4, device="meta", requires_grad=True)
    labels = torch.empty(3, dtype=torch.int64, device="meta")
    backend = AotEagerAndRecordGraphs()
    torch.compile(st.softmax_cross_entropy, fullgraph=True, backend=backend)(z, labels).backward()
    assert "exp" in backend.fw_graphs[0].code
    for graph in (backend.fw_graphs[0], backend.bw_graphs[0]):
        assert "softfloor" not in graph.code
