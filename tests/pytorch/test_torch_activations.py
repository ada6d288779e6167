"""softfloor.torch: elementwise functions have the bits of the NumPy side, and every kind of derivative."""

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="softfloor.torch is tested where PyTorch is installed")

import softfloor as sf  # noqa: E402
import softfloor.torch as st  # noqa: E402
from softfloor.catalogue import ACTIVATIONS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of its forward mode and compiler

NAMES = sorted(ACTIVATIONS)
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
EDGES = [0.0, -0.0, 1e-40, -1e-40, 1.0, -1.0, 30.0, -30.0, 1e38, -1e38, np.inf, -np.inf, np.nan]


def samples(dtype=torch.float64, shape=(4, 6)):
    values = torch.from_numpy(np.random.default_rng(7).normal(scale=2, size=shape)).to(dtype)
    # Away from kinks, where one-sided differences would mislead gradcheck.
    return torch.where(values.abs() < 0.1, values + 0.3, values)


def as_array(tensor):
    if tensor.dtype is torch.bfloat16:
        return tensor.detach().contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.detach().numpy()


def assert_same_bits(tensor, array):
    given, expected = as_array(tensor).astype(np.float64), np.asarray(array).astype(np.float64)
    np.testing.assert_array_equal(given, expected)
    np.testing.assert_array_equal(np.signbit(given[given == 0]), np.signbit(expected[expected == 0]))


def layouts(dtype):
    base = torch.cat([samples(dtype, (6 * 8 - len(EDGES),)), torch.tensor(EDGES).to(dtype)])
    cube = base.reshape(2, 4, 2, 3)
    return {
        "contiguous": base.reshape(6, 8),
        "transposed": base.reshape(6, 8).t(),
        "strided": base.reshape(6, 8)[:, ::2],
        "channels last": cube.to(memory_format=torch.channels_last),
        "expanded": base[:5, None].expand(5, 3),
        "no dimensions": base[3],
        "empty": base.reshape(6, 8)[:0],
        "needs gradient": base.clone().requires_grad_(),
        "parameter": torch.nn.Parameter(base),
        "view that needs gradient": base.clone().requires_grad_()[3:9],
    }


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_bits_and_memory_format(name, dtype):
    for layout, x in layouts(dtype).items():
        y = getattr(st, name)(x)
        assert y.dtype == dtype, layout
        assert_same_bits(y, getattr(sf, name)(as_array(x)))
        assert y.stride() == torch.empty_like(x).stride(), layout
        assert y.requires_grad == x.requires_grad, layout
        assert_same_bits(getattr(st, name).derivative(x), getattr(sf, name).derivative(as_array(x)))


@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_the_vjp(name):
    x = torch.cat([samples(torch.float32).ravel(), torch.tensor(EDGES)]).requires_grad_()
    cotangent = samples(torch.float32, x.shape)
    (gradient,) = torch.autograd.grad(getattr(st, name)(x), x, cotangent)
    assert_same_bits(gradient, getattr(sf, name).vjp(as_array(x), cotangent.numpy()))


@pytest.mark.parametrize("name", NAMES)
def test_gradcheck_of_both_orders_and_modes(name):
    function, x = getattr(st, name), samples().requires_grad_()
    assert torch.autograd.gradcheck(function, x, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(function, x, check_fwd_over_rev=True, check_rev_over_rev=True)


@pytest.mark.parametrize("name", NAMES)
def test_transforms(name):
    function, x = getattr(st, name), samples()

    def total(x):
        return function(x).sum()

    derivative = function.derivative(x)
    torch.testing.assert_close(torch.func.grad(total)(x), derivative, rtol=0, atol=0)
    torch.testing.assert_close(torch.func.vmap(function, 1, 1)(x), function(x), rtol=0, atol=0)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(total))(x), derivative, rtol=0, atol=0)
    torch.testing.assert_close(torch.func.jvp(function, (x,), (torch.ones_like(x),))[1], derivative, rtol=0, atol=0)
    row = x[0]
    torch.testing.assert_close(torch.func.jacrev(function)(row), torch.diag(function.derivative(row)))
    torch.testing.assert_close(torch.func.jacfwd(function)(row), torch.diag(function.derivative(row)))
    bend = torch.func.vmap(torch.func.grad(torch.func.grad(function)))(row)
    torch.testing.assert_close(torch.func.hessian(total)(row), torch.diag(bend))
    jacobian = torch.autograd.functional.jacobian
    torch.testing.assert_close(
        jacobian(function, row, vectorize=True, strategy="forward-mode"), torch.diag(derivative[0])
    )


@pytest.mark.parametrize("name", NAMES)
def test_second_derivatives_end_in_the_tails(name):
    for dtype in (torch.float32, torch.float64):
        x = torch.tensor([-1e30, -1e9, -200.0, 200.0, 1e9, 1e30, -np.inf, np.inf], dtype=dtype, requires_grad=True)
        (gradient,) = torch.autograd.grad(getattr(st, name)(x).sum(), x, create_graph=True)
        (bend,) = torch.autograd.grad(gradient.sum(), x)
        assert (bend.abs() < 1e-30).all()


@pytest.mark.parametrize("name", NAMES)
def test_compile_and_export(name):
    function, x = getattr(st, name), samples(torch.float32)

    class Model(torch.nn.Module):
        def forward(self, x):
            return function(x) * 2

    leaf = x.clone().requires_grad_()
    result = torch.compile(Model(), fullgraph=True, backend="aot_eager")(leaf)
    assert torch.equal(result, function(x) * 2)
    (gradient,) = torch.autograd.grad(result.sum(), leaf)
    assert torch.equal(gradient, function.vjp(x, torch.full_like(x, 2.0)))
    exported = torch.export.export(Model(), (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    assert torch.equal(exported.module()(x[:3]), function(x[:3]) * 2)
    assert torch.equal(torch.fx.symbolic_trace(Model())(x), function(x) * 2)


@pytest.mark.parametrize("name", NAMES)
def test_opcheck(name):
    record, x = ACTIVATIONS[name], samples(torch.float32)
    parameters = [parameter.default for parameter in record.parameters]
    ops = torch.ops.softfloor
    for leaf in (x, x.clone().requires_grad_(), x.t()):
        torch.library.opcheck(getattr(ops, name).default, (leaf, *parameters))
        torch.library.opcheck(getattr(ops, f"{name}_vjp").default, (leaf, x.reshape(leaf.shape), *parameters))


def test_opcheck_of_parameters_that_are_tensors():
    x, beta = samples(torch.float32).requires_grad_(), torch.rand(4, 6, requires_grad=True)
    torch.library.opcheck(torch.ops.softfloor.silu.tensors, (x, beta))
    torch.library.opcheck(torch.ops.softfloor.silu_vjp.tensors, (x, torch.ones(4, 6), beta))


def test_compiled_by_inductor():
    x = samples(torch.float32).requires_grad_()
    result = torch.compile(lambda x: st.silu(st.gelu(x) + 1, beta=1.5), fullgraph=True)(x)
    (gradient,) = torch.autograd.grad(result.sum(), x)
    (expected,) = torch.autograd.grad(st.silu(st.gelu(x) + 1, beta=1.5).sum(), x)
    assert torch.equal(gradient, expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_formula_of_other_devices(name, dtype):
    """The path of CUDA and its like, run here: the formula and its slope, with the limits at infinity."""
    function = getattr(st, name)
    parameters = tuple(function.parameters.values())
    x = torch.cat([samples(dtype, (500,)), torch.tensor(EDGES).to(dtype)])
    value = function._value.formula(x, *parameters)
    assert value.dtype == dtype
    torch.testing.assert_close(value, function(x), equal_nan=True)
    derivative = function._vjp.formula(x, torch.ones_like(x), *parameters)
    torch.testing.assert_close(derivative, function.derivative(x), equal_nan=True)


@pytest.mark.filterwarnings("ignore:Your compiler for AOTAutograd:UserWarning")
def test_meta_tensors_and_other_devices_that_are_compiled():
    from torch._dynamo.testing import AotEagerAndRecordGraphs

    x = torch.empty(2, 3, device="meta", requires_grad=True)
    assert st.gelu(x).shape == (2, 3)
    backend = AotEagerAndRecordGraphs()
    torch.compile(st.gelu, fullgraph=True, backend=backend)(x).sum().backward()
    for graph, verb in ((backend.fw_graphs[0], "erfc"), (backend.bw_graphs[0], "exp")):
        assert verb in graph.code  # the formula itself, to be fused
        assert "softfloor" not in graph.code
    assert "erfc" in backend.bw_graphs[0].code  # the slope of the record, not what autograd makes of the formula


@pytest.mark.parametrize("name", NAMES)
def test_other_devices_compiled_without_gradients(name):
    x = torch.empty(2, 3, device="meta")
    assert torch.compile(getattr(st, name), fullgraph=True, backend="aot_eager")(x).shape == (2, 3)


@pytest.mark.parametrize("name", NAMES)
def test_in_place(name):
    function, x = getattr(st, name), samples(torch.float32)
    for given in (x.clone(), x.clone().t()):
        expected, version = function(given), given._version
        assert function(given, inplace=True) is given
        assert torch.equal(given, expected)
        assert given._version > version  # so that autograd notices if a backward pass still needed what was there
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(leaf * 2, inplace=True).sum(), leaf)
    torch.testing.assert_close(gradient, 2 * function.derivative(2 * x))
    with pytest.raises(RuntimeError, match="single memory location"):
        function(torch.zeros(1).expand(3), inplace=True)
    with torch.no_grad():
        saved = leaf * 2
    saved.requires_grad_()
    total = function(saved).sum()
    with torch.no_grad():
        function(saved, inplace=True)
    if ACTIVATIONS[name].saved_for_backward == "x":
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            total.backward()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_tensors_that_are_negated_lazily(name, dtype):
    """Those with torch's negative bit, such as ``z.conj().imag``, hold minus their numbers."""
    function, x = getattr(st, name), samples(dtype)
    for lazy, plain in ((torch._neg_view(x.clone()), -x), (torch._neg_view(x.clone())[:, ::2], -x[:, ::2])):
        assert lazy.is_neg()
        expected = function(plain)
        assert torch.equal(function(lazy), expected)
        assert torch.equal(function.vjp(lazy, lazy), function.vjp(plain, plain))
        leaf = lazy.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(function(leaf), leaf, lazy)
        assert torch.equal(gradient, function.vjp(plain, plain))
        assert function(lazy, inplace=True) is lazy
        assert torch.equal(lazy, expected)


def test_saved_memory_is_one_tensor_that_exists_anyway():
    for name in NAMES:
        saved = []
        x = samples(torch.float32).requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.data_ptr()) or t, lambda t: t):  # noqa: B023
            y = getattr(st, name)(x)
        assert saved == [(y if ACTIVATIONS[name].saved_for_backward == "y" else x).data_ptr()]


def test_what_is_saved_in_place_of_x_has_the_same_slope():
    for name in NAMES:
        if ACTIVATIONS[name].saved_for_backward == "y":
            x = np.random.default_rng(3).normal(size=1000)
            function = getattr(sf, name)
            np.testing.assert_array_equal(function.derivative(function(x)), function.derivative(x))


def test_parameters():
    x = samples().requires_grad_()
    assert_same_bits(st.silu(x, beta=1.5), sf.silu(as_array(x), beta=1.5))
    beta = torch.tensor([0.5, 1.0, 1.5, 2.0, -1.0, 0.0], dtype=torch.float64, requires_grad=True)

    def silu(x, beta):
        return st.silu(x, beta=beta)

    assert_same_bits(silu(x, beta), sf.silu(as_array(x), beta=beta.detach().numpy()))
    assert torch.autograd.gradcheck(silu, (x, beta), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(silu, (x, beta))
    per_row = torch.func.vmap(torch.func.grad(lambda x, b: silu(x, b).sum(), argnums=1), (0, None))(x.detach(), beta)
    (whole,) = torch.autograd.grad(silu(x, beta).sum(), beta)
    torch.testing.assert_close(per_row.sum(0), whole)


def test_grad_modes():
    x = samples(torch.float32).requires_grad_()
    with torch.inference_mode():
        assert st.gelu(x).is_inference()
    with torch.no_grad():
        assert not st.gelu(x).requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert st.gelu(x).dtype is torch.float32  # as torch's own: the dtype of x
        assert st.gelu(torch.nn.functional.linear(x, torch.ones(6, 6))).dtype is torch.bfloat16


def test_tracing_and_checkpoints_see_the_op():
    x = samples(torch.float32)
    made = torch.fx.experimental.proxy_tensor.make_fx(st.gelu)(x)
    assert "softfloor.gelu" in made.code
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(torch.utils.checkpoint.checkpoint(st.gelu, leaf, use_reentrant=False).sum(), leaf)
    assert torch.equal(gradient, st.gelu.derivative(x))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: st.gelu([1.0]), r"gelu\(\): argument 'x' must be Tensor, not list"),
        (lambda: st.gelu(torch.tensor([1])), r"gelu\(\): 'x' has dtype torch.int64; allowed are torch.float16"),
        (lambda: st.gelu(torch.tensor([1j])), r"'x' has dtype torch.complex64"),
        (
            lambda: st.gelu(torch.ones(2), beta=1.0),
            r"gelu\(\) got an unexpected keyword argument 'beta'; parameters: none",
        ),
        (lambda: st.silu(torch.ones(2), alpha=1.0), r"unexpected keyword argument 'alpha'; parameters: beta"),
        (lambda: st.silu.vjp(torch.ones(2), torch.ones(2), beta=torch.ones(2)), "parameters must be numbers"),
        (lambda: st.silu(torch.ones(2), beta="1"), "beta must be a number or a Tensor; got '1'"),
    ],
)
def test_errors(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_shapes_that_do_not_broadcast():
    with pytest.raises(RuntimeError, match=r"silu\(\): shapes \(2,\) of x and \(3,\) of beta do not broadcast"):
        st.silu(torch.ones(2), beta=torch.ones(3))
    with pytest.raises(RuntimeError, match=r"gelu\(\): cotangent has shape \(3,\), which does not broadcast to \(2,\)"):
        st.gelu.vjp(torch.ones(2), torch.ones(3))
