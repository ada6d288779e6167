"""softfloor.torch: the softmax family has the bits of the NumPy side, along any dimensions, and its derivatives."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="softfloor.torch is tested where PyTorch is installed")

import softfloor as sf  # noqa: E402
import softfloor.torch as st  # noqa: E402
from softfloor.torch.functions import ROW_FUNCTIONS  # noqa: E402
from softfloor.torch.rows import dimensions  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of its forward mode and compiler

NAMES = sorted(ROW_FUNCTIONS)
DIMS = (-1, 0, 1, (0, 2), None)
#: Entries that take no part, a row without any, two that share the mass, NaN, large ones, equal ones.
EDGES = torch.tensor(
    [
        [1.0, 2.0, -np.inf, 0.0],
        [-np.inf] * 4,
        [np.inf, 1.0, np.inf, -np.inf],
        [np.nan, 1.0, 2.0, 3.0],
        [1e30, 1e30, -1e30, 0.0],
        [5.0] * 4,
    ]
)


def logits(dtype=torch.float64, shape=(3, 4, 5)):
    return torch.from_numpy(np.random.default_rng(5).normal(scale=2, size=shape)).to(dtype)


def of_vjp(name, z, y):
    """What the vjp operator takes."""
    return z if name == "logsumexp" else y


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", (torch.float16, torch.float32, torch.float64), ids=str)
def test_bits_and_memory_format(name, dtype):
    function, numpy_side = getattr(st, name), getattr(sf, name)
    for z in (logits(dtype), logits(dtype).transpose(0, 2), logits(dtype)[:, ::2], logits(dtype).requires_grad_()):
        for dim in DIMS:
            y = function(z, dim)
            np.testing.assert_array_equal(y.detach().numpy(), numpy_side(z.detach().numpy(), axis=dim))
            assert y.dtype is dtype
            if name != "logsumexp":
                assert y.stride() == torch.empty_like(z).stride()


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16(name):
    z = logits(torch.bfloat16)
    torch.testing.assert_close(getattr(st, name)(z).float(), getattr(st, name)(z.float()), rtol=0.01, atol=0.01)
    assert getattr(st, name)(z).dtype is torch.bfloat16


@pytest.mark.parametrize("name", NAMES)
def test_options(name):
    z, mask = logits(), logits() > -1
    keywords = {} if name == "hardmax" else {"temperature": 0.5}
    y = getattr(st, name)(z, 1, where=mask, **keywords)
    expected = getattr(sf, name)(z.numpy(), axis=1, where=mask.numpy(), **keywords)
    np.testing.assert_array_equal(y.numpy(), expected)
    assert getattr(st, name)(z.to(torch.float16), dtype=torch.float32).dtype is torch.float32
    leaf = z.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(getattr(st, name)(leaf, 1, where=mask, **keywords)[..., 0].exp().sum(), leaf)
    assert (gradient[~mask] == 0).all()
    assert gradient.isfinite().all()


def test_keepdim():
    assert st.logsumexp(logits(), (0, 2), True).shape == (1, 4, 1)
    assert st.logsumexp(logits(), None).shape == ()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("temperature", (1.0, 0.5))
def test_formula_of_other_devices(name, temperature):
    function = getattr(st, name)
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        for dim in DIMS:
            z = logits(dtype)
            dims = dimensions(name, z, dim)
            y = function._value(z, dims, 1.0)
            torch.testing.assert_close(function._value.formula(z, dims, 1.0), y)
            cotangent = logits(dtype, y.shape)
            saved = of_vjp(name, z, y)
            product = function._vjp.formula(saved, cotangent, dims, 1.0)
            torch.testing.assert_close(product, function._vjp(saved, cotangent, dims, 1.0))
    if name == "hardmax" and temperature != 1:
        return  # it has no temperature
    y = function._value(EDGES, [1], temperature)
    torch.testing.assert_close(function._value.formula(EDGES, [1], temperature), y, equal_nan=True)
    saved, cotangent = of_vjp(name, EDGES, y), torch.arange(1.0, 1 + y.shape[-1]).expand_as(y)
    product = function._vjp.formula(saved, cotangent, [1], temperature)
    expected = function._vjp(saved, cotangent, [1], temperature)
    torch.testing.assert_close(product, expected, equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
def test_gradcheck_of_both_orders_and_modes(name):
    z = logits(shape=(3, 4)).requires_grad_()
    for dim in (1, 0, None):

        def function(z):
            return getattr(st, name)(z, dim)  # noqa: B023

        assert torch.autograd.gradcheck(function, z, check_forward_ad=True, check_batched_grad=True)
        assert torch.autograd.gradgradcheck(function, z, check_fwd_over_rev=True)


@pytest.mark.parametrize("name", NAMES)
def test_transforms(name):
    function, z = getattr(st, name), logits(shape=(3, 4))
    torch.testing.assert_close(torch.func.vmap(function)(z), function(z), rtol=0, atol=0)
    torch.testing.assert_close(torch.func.vmap(function, 1)(z), function(z.t()), rtol=0, atol=0)
    torch.testing.assert_close(torch.func.jacfwd(function)(z[0]), torch.func.jacrev(function)(z[0]))
    per_row = torch.func.vmap(torch.func.jacrev(function))(z)
    torch.testing.assert_close(per_row[1], torch.func.jacrev(function)(z[1]), rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_compile_export_and_opcheck(name):
    function, z = getattr(st, name), logits(torch.float32)
    leaf = z.clone().requires_grad_()
    result = torch.compile(function, fullgraph=True, backend="aot_eager")(leaf, 0)
    assert torch.equal(result, function(z, 0))
    (gradient,) = torch.autograd.grad(result.square().sum(), leaf)
    (expected,) = torch.autograd.grad(function(leaf, 0).square().sum(), leaf)
    assert torch.equal(gradient, expected)

    class Model(torch.nn.Module):
        def forward(self, z):
            return function(z)

    exported = torch.export.export(Model(), (z,), dynamic_shapes=({0: torch.export.Dim("n")},))
    assert torch.equal(exported.module()(z[:2]), function(z[:2]))
    torch.library.opcheck(function._value.op, (leaf, [1], 1.0))
    saved = of_vjp(name, z, function(z, 1)).clone().requires_grad_()
    torch.library.opcheck(function._vjp.op, (saved, logits(torch.float32, function(z, 1).shape), [1], 1.0))


@pytest.mark.parametrize("name", NAMES)
def test_small_and_abstract_tensors(name):
    function = getattr(st, name)
    assert function(torch.tensor(2.0)).shape == ()
    assert function(torch.empty(0, 3)).shape == getattr(sf, name)(np.empty((0, 3))).shape
    assert function(torch.empty(2, 3, device="meta")).shape == function(torch.zeros(2, 3)).shape


def test_softmax_is_symmetric_under_a_shift_of_large_logits():
    z = torch.tensor([1e4, 1e4 + 8], dtype=torch.float16)
    assert torch.equal(st.softmax(z), st.softmax(z - 10000))


def test_gumbel_softmax():
    z = logits(torch.float32, (1000, 4))
    draws = [st.gumbel_softmax(z, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    torch.testing.assert_close(draws[0].sum(-1), torch.ones(1000))
    leaf = torch.zeros(20000, 3) + torch.tensor([0.0, 1.0, 2.0])
    leaf.requires_grad_()
    hard = st.gumbel_softmax(leaf, hard=True, generator=torch.Generator().manual_seed(3))
    assert set(hard.detach().unique().tolist()) <= {0.0, 1.0}
    torch.testing.assert_close(hard.mean(0).detach(), torch.softmax(leaf[0].detach(), 0), atol=0.02, rtol=0)
    (gradient,) = torch.autograd.grad(hard[:, 0].sum(), leaf)
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_hard_samples_are_not_of_rounded_ones(dtype):
    """At a high temperature entries of the soft sample are equal; a row of nothing has no class."""
    generator = torch.Generator().manual_seed(0)
    shares = st.gumbel_softmax(torch.zeros(20000, 4, dtype=dtype), temperature=1e4, hard=True, generator=generator)
    torch.testing.assert_close(shares.double().mean(0), torch.full((4,), 0.25, dtype=torch.float64), atol=0.02, rtol=0)
    assert not st.gumbel_softmax(torch.full((2, 3), -torch.inf, dtype=dtype), hard=True).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: st.softmax(torch.ones(2, 3), 5), IndexError, r"dimension 5 is out of range: z has shape \(2, 3\)"),
        (lambda: st.softmax(torch.ones(2, 3), (0, 0)), RuntimeError, r"a dimension appears twice in dim=\(0, 0\)"),
        (lambda: st.softmax(torch.ones(2, 3), "x"), TypeError, "dim must be an integer"),
        (lambda: st.softmax([1.0]), TypeError, r"softmax\(\): argument 'z' must be Tensor, not list"),
        (lambda: st.softmax(torch.ones(2), temperature=0), ValueError, "temperature must be positive"),
        (
            lambda: st.softmax(torch.ones(2), where=torch.ones(2)),
            TypeError,
            "where must be a Tensor of booleans.*float32",
        ),
        (lambda: st.softmax(torch.ones(2), where=[True, False]), TypeError, "where must be a Tensor of booleans.*list"),
        (lambda: st.softmax(torch.ones(2), dtype=torch.int32), TypeError, "dtype must be one of .*; got torch.int32"),
        (lambda: st.softmax(torch.ones(2), temperature=torch.ones(())), TypeError, "temperature must be a number"),
        (
            lambda: st.softmax_cross_entropy(torch.ones(1, 2), torch.tensor([0]), z_loss=torch.ones(())),
            TypeError,
            "z_loss must be a number, and gets no gradient",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
