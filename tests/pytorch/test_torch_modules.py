"""softfloor.torch.nn and replace_activations: drop-in for torch's classes."""

import copy
import pickle
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="softfloor.torch is tested where PyTorch is installed")

import softfloor.torch as st  # noqa: E402
from softfloor.torch.gates import GATED_MODULES, GatedModule  # noqa: E402
from softfloor.torch.loss_modules import LOSS_MODULES  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of its compiler

#: Those of which one must say where the gate is have tests of their own.
GATE_TO_BE_SAID = {name for name, kind in GATED_MODULES.items() if issubclass(kind, GatedModule)}
NAMES = [name for name in st.nn.__all__ if name not in LOSS_MODULES and name not in GATE_TO_BE_SAID]
SHARED = [name for name in NAMES if hasattr(torch.nn, name)]


def arguments(name):
    """Constructor arguments that matter to a class."""
    return {
        "GELU": [{}, {"approximate": "tanh"}],
        "SiLU": [{}, {"inplace": True}],
        "ReLU": [{}, {"inplace": True}],
    }.get(name, [{}])


@pytest.mark.filterwarnings("ignore:Implicit dimension choice:UserWarning")
@pytest.mark.parametrize("name", SHARED)
def test_a_module_is_what_torch_has_under_its_name(name):
    x = torch.linspace(-4, 4, 50).reshape(5, 10)
    for keywords in arguments(name):
        ours, theirs = getattr(st.nn, name)(**keywords), getattr(torch.nn, name)(**keywords)
        torch.testing.assert_close(ours(x.clone()), theirs(x.clone()))
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        if keywords:
            assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", NAMES)
def test_modules_pickle_copy_and_compile(name):
    module, x = getattr(st.nn, name)(), torch.randn(3, 4)
    expected = module(x)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert type(other) is type(module)
        assert torch.equal(other(x), expected)
    assert torch.equal(torch.compile(module, fullgraph=True, backend="aot_eager")(x), expected)
    assert module.to("meta")(x.to("meta")).shape == expected.shape


def test_in_place_modules():
    x = torch.randn(5)
    expected = st.relu(x)
    assert st.nn.ReLU(inplace=True)(x) is x
    assert torch.equal(x, expected)


def test_a_parameter_that_is_learned():
    module = st.nn.SiLU(beta=torch.nn.Parameter(torch.tensor(1.5)))
    assert list(module.state_dict()) == ["beta"]
    module(torch.randn(10)).sum().backward()
    assert module.beta.grad is not None
    assert repr(st.nn.SiLU(beta=2.0)) == "SiLU(beta=2.0)"


def test_constructors_refuse_what_they_do_not_know():
    with pytest.raises(ValueError, match="approximate must be 'none' or 'tanh'; got 'erf'"):
        st.nn.GELU(approximate="erf")
    with pytest.raises(
        TypeError, match=r"SiLU\(\) got an unexpected keyword argument 'alpha'; allowed are inplace, beta"
    ):
        st.nn.SiLU(alpha=1.0)
    with pytest.raises(AttributeError, match="has no 'Gelu'"):
        st.nn.Gelu  # noqa: B018


class Derived(torch.nn.GELU):
    pass


def model():
    shared = torch.nn.SiLU()
    hooked = torch.nn.Tanh()
    hooked.register_forward_hook(lambda *_: None)
    return torch.nn.ModuleDict(
        {
            "gelu": torch.nn.GELU(approximate="tanh"),
            "inner": torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Linear(3, 3)),
            "first": shared,
            "second": shared,
            "derived": Derived(),
            "hooked": hooked,
            "rows": torch.nn.Softmax(dim=1),
            "unknown": torch.nn.Hardshrink(),
            "layer": torch.nn.TransformerEncoderLayer(4, 2, activation="gelu"),
        }
    )


def test_replace_activations():
    given = model().eval()
    weights = {name: value.clone() for name, value in given.state_dict().items()}
    report = st.replace_activations(given)
    assert [change.path for change in report.changed] == ["gelu", "inner.0", "first", "second", "rows"]
    assert type(given["gelu"]) is st.nn.GELU
    assert given["gelu"].approximate == "tanh"
    assert given["inner"][0].inplace
    assert not given["inner"][0].training
    assert given["first"] is given["second"]
    reasons = {change.path: change.reason for change in report.left}
    assert "derived from torch's" in reasons["derived"]
    assert "hooks" in reasons["hooked"]
    assert "no such function" in reasons["unknown"]
    assert "softfloor.torch.gelu" in reasons["layer"]
    assert "attention" in reasons["layer.self_attn"]
    assert len(reasons) == 5
    given.load_state_dict(weights)
    assert "changed gelu: GELU(approximate='tanh')" in str(report)
    assert not st.replace_activations(given).changed


def test_replacing_a_model_that_is_an_activation_or_nothing():
    report = st.replace_activations(torch.nn.GELU())
    assert not report.changed
    assert "the model itself" in str(report)
    assert str(st.replace_activations(torch.nn.Linear(2, 2))) == "no activation modules found"
    with pytest.raises(TypeError, match=r"takes a torch.nn.Module; got list"):
        st.replace_activations([])


def test_a_replaced_model_trains_alike():
    torch.manual_seed(0)
    plain = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.GELU(), torch.nn.Linear(16, 1), torch.nn.Tanh())
    swapped = copy.deepcopy(plain)
    st.replace_activations(swapped)
    x, y = torch.randn(32, 4), torch.randn(32, 1)
    for each in (plain, swapped):
        optimiser = torch.optim.SGD(each.parameters(), lr=0.1)
        for _ in range(5):
            optimiser.zero_grad()
            torch.nn.functional.mse_loss(each(x), y).backward()
            optimiser.step()
    for ours, theirs in zip(swapped.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_without_torch_the_error_says_how_to_install_it():
    program = "import sys; sys.modules['torch'] = None; import softfloor.torch"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode
    assert "pip install 'softfloor[torch]'" in result.stderr.splitlines()[-1]
