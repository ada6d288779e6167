"""Results of half precisions, which are looked up once a function has computed enough of them."""

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from cases import CASES, assert_all_same_bits, assert_same_bits, every_half
from processes import output_of
from softfloor import _core
from test_edges import FloatingPoint, needs_glibc

NEVER, ALWAYS = 2**60, 0
every_half_dtype = pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=lambda dtype: dtype.__name__)
every_unary_case = pytest.mark.parametrize(
    "case", [case for case in CASES if len(case.function.operands) == 1], ids=lambda case: case.name
)
every_activation = pytest.mark.parametrize("name", sf.catalogue.ACTIVATIONS)


class LookedUp:
    """Results are looked up after that many elements."""

    def __init__(self, after):
        self.after = after

    def __enter__(self):
        self.before = _core.set_looked_up(self.after)

    def __exit__(self, *_):
        _core.set_looked_up(self.before)


@pytest.mark.usefixtures("threads_for_small_calls")
@every_unary_case
@every_half_dtype
def test_they_are_those_of_the_kernel(case, dtype):
    """On every input, in any order, length, layout and place, in one thread and in several."""
    x = np.random.default_rng(5).permutation(np.concatenate([every_half(dtype), every_half(dtype)]))
    with LookedUp(NEVER):
        expected = case(x)
    with LookedUp(ALWAYS):
        for count in (1, 2):
            with sf.threads.set(count):
                assert_all_same_bits(case(x), expected)
        for count in (512, 513, 519, 4097):
            assert_all_same_bits(case(x[:count]), [part[:count] for part in expected])
        assert_all_same_bits(case(x[::-3]), [part[::-3] for part in expected])
        outputs = tuple(np.zeros((x.size, 2), dtype)[:, 1] for _ in expected)
        case(x, out=outputs)
        assert_all_same_bits(outputs, expected)
        for place in range(case.outputs):  # over the operand
            own = [np.empty_like(x) for _ in expected]
            own[place][...] = x
            case(own[place], out=tuple(own))
            assert_all_same_bits(own, expected)


@every_activation
@every_half_dtype
def test_a_vjp_from_slopes_that_are_looked_up_is_that_of_its_kernel(name, dtype):
    """Beside every input: all cotangents in turn, ordinary ones, and those that leave bits as they are."""
    random = np.random.default_rng(6)
    vjp, x = sf.get(name).vjp, every_half(dtype)
    ordinary = random.normal(size=x.size).astype(dtype)
    special = np.array([1, -1, 0, np.inf]).astype(dtype)
    for cotangent in (random.permutation(x), random.permutation(x), ordinary, *special):
        c = np.broadcast_to(cotangent, x.shape).copy()
        with LookedUp(NEVER):
            expected = vjp(x, c)
        with LookedUp(ALWAYS):
            assert_same_bits(vjp(x, c), expected)
            assert_same_bits(vjp(x[::-1], c[::-1]), expected[::-1])
            assert_same_bits(vjp(x[:515], c[:515]), expected[:515])
            for place in (x.copy(), c):  # over an operand
                operands = (place, c) if place is not c else (x, place)
                assert_same_bits(vjp(*operands, out=place), expected)


@needs_glibc
def test_finding_the_faster_way_raises_no_flag():
    x = every_half(np.float16)
    with LookedUp(1), FloatingPoint() as environment:
        environment.library.feclearexcept(environment.every_exception)
        for _ in range(70):
            sf.gelu(x), sf.gelu.vjp(x, x)
        assert environment.library.fetestexcept(environment.every_exception) == 0


def test_a_parameter_that_is_no_default_is_computed():
    x = every_half(np.float16)
    with LookedUp(NEVER):
        expected = sf.silu(x, beta=1.702), sf.silu(x)
    with LookedUp(ALWAYS):
        assert_all_same_bits((sf.silu(x, beta=1.702), sf.silu(x, beta=1.0)), expected)


def test_they_are_looked_up_after_enough_of_them():
    """Of no other dtype, and in no short call; callers that come at once make one table."""
    script = """
import numpy as np, softfloor as sf
from concurrent.futures import ThreadPoolExecutor
from softfloor import _core

half = np.full(2**18, 0.5, np.float16)
print(_core.get_looked_up())
for _ in range(9):
    sf.gelu(half.astype(np.float32)), sf.swiglu(half, half), sf.gelu(half[:511])
sf.gelu(half)
print(_core.get_looked_up())
with ThreadPoolExecutor(8) as pool:
    results = list(pool.map(sf.gelu, [half] * 32))
print(_core.get_looked_up(), all((result == sf.gelu(half[:1])).all() for result in results))
"""
    assert output_of(script).split() == ["0", "0", "1", "True"]
