"""softfloor.torch: gated units have the bits of the NumPy side, save their operands alone, have every derivative."""

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="softfloor.torch is tested where PyTorch is installed")

import softfloor as sf  # noqa: E402
import softfloor.torch as st  # noqa: E402
from softfloor.catalogue import ACTIVATIONS, GATES  # noqa: E402
from softfloor.torch.gate_operators import PACKED_VALUE, PACKED_VJP, VALUE, VJP  # noqa: E402
from softfloor.torch.gates import GATED_MODULES, GatedModule  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of its forward mode and compiler

UNITS = {
    **{name: getattr(st, name) for name in GATES},
    "gated(tanh)": st.gated("tanh", limit=0.8, clamp="after"),
    **{name: unit for name, unit in st.gated_presets.items() if name != "plain"},
}
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
PACKINGS = [
    (layout, gate, dim) for layout in ("split", "interleaved") for gate in ("first", "last") for dim in (-1, 0, 1)
]
every_unit = pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)


def samples(*shape, dtype=torch.float64, seed=7):
    values = torch.from_numpy(np.random.default_rng(seed).normal(scale=3, size=shape))
    # Away from the kink of relu and from the limits, where one-sided differences would mislead gradcheck.
    for kink in (0.0, 7.0, -7.0, np.arctanh(0.8), 0.8, -0.8):
        values = torch.where((values - kink).abs() < 0.05, values + 0.2, values)
    return values.to(dtype)


def as_array(tensor):
    tensor = tensor.detach().contiguous()
    return (
        tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16) if tensor.dtype is torch.bfloat16 else tensor.numpy()
    )


def assert_same_bits(tensor, array):
    np.testing.assert_array_equal(as_array(tensor).astype(np.float64), np.asarray(array).astype(np.float64))


@every_unit
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_bits(unit, dtype):
    gate, up, cotangent = samples(3, 4, 6, dtype=dtype).unbind()
    for g, u, c in (
        (gate, up, cotangent),
        (gate.t(), up.t(), cotangent.t()),
        (gate[:, ::2], up[:, ::2], cotangent[:, ::2]),
    ):
        assert_same_bits(unit(g, u), unit.unit(as_array(g), as_array(u)))
        expected = unit.unit.vjp(*map(as_array, (g, u, c)))
        leaves = [t.clone().requires_grad_() for t in (g, u)]
        for one, other in zip(torch.autograd.grad(unit(*leaves), leaves, c), expected, strict=True):
            assert_same_bits(one, other)
        for one, other in zip(unit.vjp(g, u, c), expected, strict=True):
            assert_same_bits(one, other)


@every_unit
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_bits_of_packed_operands(unit, dtype):
    for layout, gate, dim in PACKINGS:
        x = samples(4, 6, 2, dtype=dtype)
        options = {"layout": layout, "gate": gate}
        y = unit.packed(x, dim, **options)
        assert y.is_contiguous()
        assert_same_bits(y, unit.unit.packed(as_array(x), axis=dim, **options))
        for leaf in (
            x.clone().requires_grad_(),
            x.clone().permute(2, 0, 1).contiguous().permute(1, 2, 0).requires_grad_(),
        ):
            cotangent = samples(*y.shape, dtype=dtype, seed=2)
            (dx,) = torch.autograd.grad(unit.packed(leaf, dim, **options), leaf, cotangent)
            assert dx.stride() == leaf.stride()
            assert_same_bits(dx, unit.unit.packed.vjp(as_array(x), as_array(cotangent), axis=dim, **options))


@every_unit
def test_gradcheck_of_both_orders_and_modes(unit):
    gate, up = (t.requires_grad_() for t in samples(2, 3, 4).unbind())
    assert torch.autograd.gradcheck(unit, (gate, up), check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(unit, (gate, up), check_fwd_over_rev=True, check_rev_over_rev=True)
    x = samples(3, 4).requires_grad_()
    for layout in ("split", "interleaved"):

        def packed(x, layout=layout):
            return unit.packed(x, layout=layout, gate="last")

        assert torch.autograd.gradcheck(packed, x, check_forward_ad=True, check_batched_grad=True)
        assert torch.autograd.gradgradcheck(packed, x, check_fwd_over_rev=True, check_rev_over_rev=True)


@every_unit
def test_transforms(unit):
    gate, up = samples(2, 3, 4).unbind()

    def total(gate, up):
        return unit(gate, up).sum()

    dgate, dup = unit.vjp(gate, up, torch.ones_like(gate))
    for one, other in zip(torch.func.grad(total, (0, 1))(gate, up), (dgate, dup), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    torch.testing.assert_close(torch.func.vmap(unit, (1, 0), 1)(gate, up.t()), unit(gate, up), rtol=0, atol=0)
    torch.testing.assert_close(torch.func.vmap(unit, (0, None))(gate, up[0]), unit(gate, up[0]), rtol=0, atol=0)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(total))(gate, up), dgate, rtol=0, atol=0)
    tangents = (torch.ones_like(gate), 2 * torch.ones_like(up))
    torch.testing.assert_close(torch.func.jvp(unit, (gate, up), tangents)[1], dgate + 2 * dup, rtol=0, atol=0)
    hessian = torch.func.hessian(total, (0, 1))(gate[0], up[0])
    torch.testing.assert_close(hessian[0][1], hessian[1][0])

    def packed(x):
        return unit.packed(x, gate="first", layout="split")

    x = torch.cat([gate, up], -1)
    torch.testing.assert_close(torch.func.vmap(packed, 1, 1)(x.unflatten(1, (1, 8))), packed(x)[:, None])
    torch.testing.assert_close(
        torch.func.vmap(torch.func.grad(lambda x: packed(x).sum()))(x), torch.cat([dgate, dup], -1)
    )


@every_unit
@pytest.mark.parametrize("dtype", (torch.bfloat16, torch.float32), ids=str)
def test_opcheck(unit, dtype):
    gate, up, cotangent = (t.requires_grad_() for t in samples(3, 4, 6, dtype=dtype).unbind())
    tail, packing = unit._defaults, (1, True, False)
    x, short = samples(4, 6, dtype=dtype).requires_grad_(), samples(4, 3, dtype=dtype).requires_grad_()
    for op, arguments in (
        (VALUE, (gate, up, *tail)),
        (VJP, (gate, up, cotangent, *tail)),
        (PACKED_VALUE, (x, *packing, *tail)),
        (PACKED_VJP, (x, short, *packing, *tail)),
    ):
        torch.library.opcheck(op.op, arguments)


@every_unit
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_formula_of_other_devices(unit, dtype):
    gate, up, cotangent = samples(3, 4, 6, dtype=dtype).unbind()
    tolerance = {"rtol": 0.02, "atol": 0.02} if dtype.itemsize == 2 else {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(VALUE.formula(gate, up, *unit._defaults), unit(gate, up), **tolerance)
    for one, other in zip(
        VJP.formula(gate, up, cotangent, *unit._defaults), unit.vjp(gate, up, cotangent), strict=True
    ):
        torch.testing.assert_close(one, other, **tolerance)
    x, short = samples(4, 6, dtype=dtype), samples(4, 3, dtype=dtype)
    for interleaved in (False, True):
        packing = 1, interleaved, True
        torch.testing.assert_close(
            PACKED_VALUE.formula(x, *packing, *unit._defaults), PACKED_VALUE(x, *packing, *unit._defaults), **tolerance
        )
        torch.testing.assert_close(
            PACKED_VJP.formula(x, short, *packing, *unit._defaults),
            PACKED_VJP(x, short, *packing, *unit._defaults),
            **tolerance,
        )


@every_unit
def test_compile(unit):
    gate, up = (t.clone().requires_grad_() for t in samples(2, 3, 4, dtype=torch.float32).unbind())

    def loss(gate, up):
        both = torch.cat([gate, up], -1)
        return unit(gate, up).sum() + unit.packed(both, gate="first", layout="split").square().sum()

    expected = torch.autograd.grad(loss(gate, up), (gate, up))
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(gate, up), loss(gate, up), rtol=0, atol=0)
    for one, other in zip(torch.autograd.grad(compiled(gate, up), (gate, up)), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("settings", [{"limit": 0.5}, {"limit": 0.5, "clamp": "after"}, {"beta": 1.5, "offset": 1.0}])
def test_compile_with_settings(settings):
    x = samples(1, 4, 6, dtype=torch.float32)[0]
    for function in (
        lambda x: st.swiglu(x, x, **settings),
        lambda x: st.swiglu.packed(x, gate="first", **settings),
        st.nn.SwiGLU(gate="first", **settings),
    ):
        compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(x), function(x), rtol=0, atol=0)
    exported = torch.export.export(st.nn.SwiGLU(gate="first", **settings), (x,), strict=True)
    torch.testing.assert_close(exported.module()(x), st.swiglu.packed(x, gate="first", **settings), rtol=0, atol=0)


def test_only_the_operands_are_saved():
    """Primus PR 1051: 22 GB less for saving the two halves alone. The views of a packed operand share its memory."""
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        gate, up = (t.requires_grad_() for t in samples(2, 3, 4).unbind())
        st.gated_presets["gpt-oss"](gate, up)
        assert [t.data_ptr() for t in saved] == [gate.data_ptr(), up.data_ptr()]
        saved.clear()
        x = samples(3, 4).requires_grad_()
        st.gated_presets["gpt-oss"].packed(x)
        assert [t.data_ptr() for t in saved] == [x.data_ptr()]


def test_gradient_at_the_limit_is_that_of_torchs_clamp():
    gate = torch.tensor([6.0, 7.0, 8.0], dtype=torch.float64, requires_grad=True)
    up = torch.tensor([-7.0, 7.0, -7.5], dtype=torch.float64, requires_grad=True)
    g, u = gate.clamp(max=7.0), up.clamp(-7.0, 7.0)
    plain = g * torch.sigmoid(1.702 * g) * (u + 1)
    ours = st.gated_presets["gpt-oss"](gate, up)
    torch.testing.assert_close(ours, plain)
    for one, other in zip(*(torch.autograd.grad(y.sum(), (gate, up)) for y in (ours, plain)), strict=True):
        torch.testing.assert_close(one, other)


def test_edges_off_the_cpu_kernels():
    """Where activation times up is infinity times zero in a formula, the limit stands, in second derivatives too."""
    gate = torch.tensor([-np.inf, -1e30, 200.0, np.nan], requires_grad=True)
    up = torch.ones(4, requires_grad=True)
    value = VALUE.formula(gate, up, *st.swiglu._defaults)
    assert torch.equal(value.isnan(), torch.tensor([False, False, False, True]))
    (first,) = torch.autograd.grad(st.swiglu(gate[:3], up[:3]).sum(), gate, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), gate)
    assert torch.equal(second, torch.zeros(4))


def test_broadcasting_and_promotion():
    gate, up = samples(3, 1, dtype=torch.bfloat16).requires_grad_(), samples(4, dtype=torch.float32).requires_grad_()
    y = st.geglu(gate, up)
    assert y.shape == (3, 4)
    assert y.dtype is torch.float32
    y.sum().backward()
    assert gate.grad.shape == gate.shape
    assert gate.grad.dtype is torch.bfloat16
    assert up.grad.shape == up.shape


def test_modules():
    x = samples(3, 4, dtype=torch.float32)
    torch.testing.assert_close(st.nn.GLU()(x), torch.nn.GLU()(x))
    for name, kind in GATED_MODULES.items():
        if issubclass(kind, GatedModule):
            with pytest.raises(TypeError, match="must be told which operand is the gate"):
                kind()
            module = kind(gate="first", layout="interleaved")
            assert torch.equal(module(x), kind.function.packed(x, gate="first", layout="interleaved"))
            for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
                assert torch.equal(other(x), module(x))
            assert repr(module) == f"{name}(dim=-1, gate='first', layout='interleaved')"
    module = st.nn.SwiGLU(gate="last", beta=1.702, limit=7.0, offset=1.0)
    assert torch.equal(module(x), st.gated_presets["gpt-oss"].packed(x, layout="split", gate="last"))
    with pytest.raises(TypeError, match="no setting 'alpha'"):
        st.nn.SwiGLU(gate="last", alpha=1.702)
    assert {"SwiGLU", "GEGLU", "GEGLUTanh", "ReGLU", "SiTUGLU", "GLU"} == set(GATED_MODULES)


def test_gated_of_every_activation():
    gate, up = samples(2, 3, 4, dtype=torch.float32).unbind()
    for name in ACTIVATIONS:
        assert_same_bits(st.gated(name)(gate, up), sf.gated(name)(as_array(gate), as_array(up)))
    assert pickle.loads(pickle.dumps(st.gated("tanh", limit=2.0))).unit is sf.gated("tanh", limit=2.0)
    assert set(st.gated_presets) == set(sf.gated_presets)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: st.swiglu(x, 1.0), TypeError, "argument 'up' must be Tensor, not float"),
        (lambda x: st.swiglu(x.long(), x), TypeError, "'gate' has dtype torch.int64"),
        (lambda x: st.swiglu(x, x[:2]), RuntimeError, r"shapes do not broadcast: gate \(4, 6\), up \(2, 6\)"),
        (lambda x: st.swiglu(x, x, limit=-1), ValueError, "must be at least 0"),
        (lambda x: st.swiglu(x, x, alpha=1), TypeError, "no setting 'alpha'"),
        (lambda x: st.swiglu(x, x, limit=x), TypeError, "is not a number"),
        (lambda x: st.swiglu.packed(x), TypeError, "must be told which operand is the gate"),
        (lambda x: st.swiglu.packed(x, gate="left"), ValueError, "gate='left'"),
        (lambda x: st.swiglu.packed(x[:3], 0, gate="first"), ValueError, "size 3 along dimension 0"),
        (lambda x: st.swiglu.packed(x, 2, gate="first"), IndexError, "dimension 2 is out of range"),
    ],
)
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call(samples(4, 6))
