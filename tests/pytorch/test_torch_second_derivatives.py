"""softfloor.torch: second derivatives at infinity and far out are their limits, in both modes and in checkpoints."""

import functools

import pytest

torch = pytest.importorskip("torch", reason="softfloor.torch is tested where PyTorch is installed")

import softfloor.torch as st  # noqa: E402
from softfloor.catalogue import GATES  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of its forward mode

INF = float("inf")
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
FAR = [1e5, -1e5, 1e20, -1e20, 1e200, -1e200, INF, -INF]
UNITS = {**{name: getattr(st, name) for name in GATES}, "gated(tanh)": st.gated("tanh")}
LINEAR_IN_UP = {name: unit for name, unit in UNITS.items() if not unit.record.softcaps}


def far_operands(dtype):
    gate, up = torch.cartesian_prod(torch.tensor(FAR).double(), torch.tensor([2.0, -1.0, 0.0]).double()).unbind(1)
    return gate.to(dtype), up.to(dtype)


def slopes_far_out(unit, gate):
    """Of the activation, where it is saturated."""
    by_one, _ = unit.vjp(gate, torch.ones_like(gate), torch.ones_like(gate))
    return by_one - unit.vjp(gate, torch.zeros_like(gate), torch.ones_like(gate))[0]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("unit", LINEAR_IN_UP.values(), ids=LINEAR_IN_UP)
def test_gated_units_far_out(unit, dtype):
    """The mixed derivative is the slope of the activation, that in the gate alone is 0."""
    gate, up = far_operands(dtype)
    slope = slopes_far_out(unit, gate)
    nothing, one = torch.zeros_like(gate), torch.ones_like(gate)

    def gradients(gate, up):
        return torch.func.grad(lambda gate, up: unit(gate, up).sum(), (0, 1))(gate, up)

    for tangents, expected in (((one, nothing), (nothing, slope)), ((nothing, one), (slope, nothing))):
        _, found = torch.func.jvp(gradients, (gate, up), tangents)
        _, pull = torch.func.vjp(gradients, gate, up)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
        torch.testing.assert_close(pull(tangents), expected, rtol=0, atol=0)
    for layout in ("split", "interleaved"):
        x = torch.cat([gate, up]) if layout == "split" else torch.stack([gate, up], 1).flatten()
        gradient = torch.func.grad(lambda x: unit.packed(x, gate="first", layout=layout).sum())  # noqa: B023
        _, found = torch.func.jvp(gradient, (x,), (torch.ones_like(x),))
        assert torch.equal(found, (torch.cat([slope, slope]) if layout == "split" else slope.repeat_interleave(2)))


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_nan_stays_and_spreads_to_no_other_element(unit):
    gate = torch.tensor([INF, float("nan"), 1.0], dtype=torch.float64, requires_grad=True)
    up = torch.tensor([2.0, 2.0, 2.0], dtype=torch.float64)
    (first,) = torch.autograd.grad(unit(gate, up).sum(), gate, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), gate)
    assert second.isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("beta", (1.5, -1.0, 0.25))
def test_learned_parameters_far_out(beta, dtype):
    x = torch.tensor([*FAR, 1e3, -1e3, 3e4, -3e4]).to(dtype)
    betas = torch.full_like(x, beta)

    def gradients(x, beta):
        return torch.func.grad(lambda x, beta: st.silu(x, beta=beta).sum(), (0, 1))(x, beta)

    one = torch.ones_like(x)
    _, found = torch.func.jvp(gradients, (x, betas), (one, one))
    _, pull = torch.func.vjp(gradients, x, betas)
    for second in (*found, *pull((one, one))):
        assert (second.abs().double() < 1e-25).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("beta", (1.0, 1.5, -1.0, 1e-3))
def test_learned_parameters_on_other_devices(beta, dtype):
    """The formula has the digits of the kernel, and its limits far out."""
    x = torch.tensor([0.0, 1.0, -30.0, 1e4, -6e4, *FAR, float("nan")]).to(dtype)
    betas = torch.full_like(x, beta)
    _, vjp = st.silu._learnable
    ours, theirs = vjp.formula(x, torch.ones_like(x), betas), vjp.kernel(x, torch.ones_like(x), betas)
    torch.testing.assert_close(ours, theirs, equal_nan=True)


CHECKPOINTED = {
    "gelu": st.gelu,
    "silu(beta)": lambda x: st.silu(x, beta=x.mean()),
    "swiglu": lambda x: st.swiglu(x, x),
    "split": functools.partial(st.swiglu.packed, gate="first"),
    "interleaved": functools.partial(st.swiglu.packed, gate="first", layout="interleaved"),
    "log_softmax": st.log_softmax,
    "cross-entropy": lambda z: st.softmax_cross_entropy(z, torch.tensor([0, 1, 5])),
    "module": torch.nn.Sequential(st.nn.SiLU(), st.nn.SwiGLU(gate="last"), st.nn.LogSoftmax(-1)),
}


@pytest.mark.parametrize("case", CHECKPOINTED)
def test_a_checkpoint_around_a_gradient(case):
    """What a rule saved may be unpacked once only."""
    function = CHECKPOINTED[case]

    def penalty(x):
        (gradient,) = torch.autograd.grad(function(x).sin().sum(), x, create_graph=True)
        return gradient.square().sum()

    x = torch.randn(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(7)).requires_grad_()
    (expected,) = torch.autograd.grad(penalty(x), x)
    (found,) = torch.autograd.grad(torch.utils.checkpoint.checkpoint(penalty, x, use_reentrant=False), x)
    torch.testing.assert_close(found, expected)
