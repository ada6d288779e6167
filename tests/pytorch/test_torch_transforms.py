"""softfloor.torch: transforms over one another, for one function of each kind."""

import pytest

torch = pytest.importorskip("torch", reason="softfloor.torch is tested where PyTorch is installed")

import softfloor.torch as st  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch's own, of its forward mode
    pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node:UserWarning"),  # torch's own, of linearize
]

DRAWN = torch.Generator().manual_seed(7)


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=DRAWN)


LABELS = torch.tensor([0, 2, -100])
Z, UP, TARGETS = drawn(3, 6), drawn(3, 6), drawn(3, 6).softmax(-1)
BETA, WEIGHT, BIAS = torch.tensor(1.3, dtype=torch.float64), drawn(5, 6), drawn(5)
#: Functions and their operands.
CASES = {
    "gelu": (st.gelu, (Z,)),
    "relu": (st.relu, (Z,)),
    "silu(beta)": (lambda x, beta: st.silu(x, beta=beta), (Z, BETA)),
    "swiglu": (st.swiglu, (Z, UP)),
    "split": (lambda x: st.swiglu.packed(x, gate="last"), (Z,)),
    "interleaved": (lambda x: st.swiglu.packed(x, 1, gate="first", layout="interleaved"), (Z,)),
    "interleaved rows": (lambda x: st.swiglu.packed(x, 0, gate="first", layout="interleaved"), (drawn(4, 3),)),
    "softmax": (st.softmax, (Z,)),
    "log_softmax": (lambda z: st.log_softmax(z, temperature=0.7), (Z,)),
    "logsumexp": (st.logsumexp, (Z,)),
    "entmax15": (st.entmax15, (Z,)),
    "cross-entropy": (lambda z: st.softmax_cross_entropy(z, LABELS, ignore_index=-100), (Z,)),
    "cross-entropy of rows": (
        lambda z: st.softmax_cross_entropy(z, LABELS, ignore_index=-100, z_loss=0.1, reduction="none"),
        (Z,),
    ),
    "probabilities": (st.softmax_cross_entropy, (Z, TARGETS)),
    "sigmoid cross-entropy": (st.sigmoid_cross_entropy, (Z, TARGETS)),
    "nll": (lambda q: st.nll(q, LABELS, ignore_index=-100), (Z,)),
    "linear": (lambda h, w, b: st.linear_cross_entropy(h, w, torch.tensor([0, 2, 4]), b), (Z, WEIGHT, BIAS)),
}
every_case = pytest.mark.parametrize("case", CASES)


def tangents_of(operands, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple([torch.randn(t.shape, dtype=t.dtype, generator=generator) for t in operands])


@every_case
def test_linearize(case):
    function, operands = CASES[case]
    value, push = torch.func.linearize(function, *operands)
    assert torch.equal(value, function(*operands))
    several = [tangents_of(operands, seed) for seed in range(3)]
    expected = [torch.func.jvp(function, operands, tangents)[1] for tangents in several]
    for tangents, tangent in zip(several, expected, strict=True):
        torch.testing.assert_close(push(*tangents), tangent)
    batch = [torch.stack(one) for one in zip(*several, strict=True)]
    torch.testing.assert_close(torch.func.vmap(push)(*batch), torch.stack(expected))


@every_case
def test_linearize_a_gradient(case):
    function, operands = CASES[case]
    gradient = torch.func.grad(lambda *given: function(*given).sin().sum(), tuple(range(len(operands))))
    tangents = tangents_of(operands)
    _, push = torch.func.linearize(gradient, *operands)
    torch.testing.assert_close(push(*tangents), torch.func.jvp(gradient, operands, tangents)[1])


@every_case
def test_every_order_of_modes_gives_the_same_second_derivatives(case):
    function, operands = CASES[case]
    places = tuple(range(len(operands)))

    def total(*given):
        return function(*given).sin().sum()

    expected = torch.autograd.functional.hessian(total, operands)
    forward, reverse = torch.func.jacfwd, torch.func.jacrev
    for outer, inner in ((forward, forward), (forward, reverse), (reverse, forward), (reverse, reverse)):
        found = outer(inner(total, argnums=places), argnums=places)(*operands)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("case", ("gelu", "silu(beta)", "swiglu", "log_softmax", "cross-entropy"))
def test_third_derivatives_in_forward_mode_alone(case):
    function, operands = CASES[case]
    of_first, others = operands[0][:, 0], operands[1:]

    def total(first):
        return function(torch.cat([first[:, None], operands[0][:, 1:]], 1), *others).sin().sum()

    forward, reverse = torch.func.jacfwd, torch.func.jacrev
    found = forward(forward(forward(total)))(of_first)
    torch.testing.assert_close(found, reverse(reverse(reverse(total)))(of_first))


@every_case
@pytest.mark.parametrize("strategy", ("forward-mode", "reverse-mode"))
def test_vectorized_jacobians(case, strategy):
    function, operands = CASES[case]
    jacobian = torch.autograd.functional.jacobian
    found = jacobian(function, operands, vectorize=True, strategy=strategy)
    torch.testing.assert_close(found, jacobian(function, operands))


@pytest.mark.parametrize("case", [case for case in CASES if case != "linear"])  # whose rule nests a vmap
def test_vmap_of_a_graph(case):
    function, operands = CASES[case]
    graph = torch.fx.experimental.proxy_tensor.make_fx(function)(*operands)
    batch = [torch.stack([operand, operand / 2]) for operand in operands]
    expected = torch.stack([function(*[one[k] for one in batch]) for k in range(2)])
    torch.testing.assert_close(torch.func.vmap(graph)(*batch), expected)


@every_case
def test_forward_mode_of_tensors_that_are_not_plain(case):
    """Tangents of abstract tensors, which stand for other devices here, come through."""
    function, operands = CASES[case]
    abstract = [operand.to("meta") for operand in operands]
    if case in ("cross-entropy", "cross-entropy of rows", "nll", "linear"):  # labels would have to move as well
        labels = torch.empty(3, dtype=torch.int64, device="meta")
        if case == "linear":
            function = lambda h, w, b: st.linear_cross_entropy(h, w, labels, b)  # noqa: E731
        else:
            loss = st.nll if case == "nll" else st.softmax_cross_entropy
            function = lambda z: loss(z, labels)  # noqa: E731
    with torch.autograd.forward_ad.dual_level():
        duals = [torch.autograd.forward_ad.make_dual(one, torch.empty_like(one)) for one in abstract]
        result = function(*duals)
        tangent = torch.autograd.forward_ad.unpack_dual(result).tangent
    assert tangent is not None
    assert tangent.shape == result.shape
