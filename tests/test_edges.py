"""Limits, signed zeros, kinks, NaN, symmetry, and no NumPy warning whatever comes in."""

import ctypes
import itertools
import platform
import sys

import numpy as np
import pytest

import softfloor as sf
from cases import (
    CASES,
    DTYPES,
    UNSIGNED,
    assert_same_bits,
    bfloat16,
    edges,
    every_activation,
    every_case,
    every_dtype,
    every_half,
    is_nan,
    numbers,
)

EVERYTHING = {"value": lambda activation: activation, "derivative": lambda activation: activation.derivative}
every_curve = pytest.mark.parametrize("curve", EVERYTHING)


@every_activation
@every_curve
@every_dtype
def test_limits(activation, curve, dtype):
    facts = getattr(activation.info, curve)
    at_infinity = EVERYTHING[curve](activation)(np.array([-np.inf, np.inf], dtype))
    assert_same_bits(at_infinity, np.array([float(limit) for limit in facts.limits], dtype))


@every_activation
@every_curve
@pytest.mark.parametrize("dtype", DTYPES[:2], ids=["float16", "bfloat16"])
def test_nan_only_for_nan(activation, curve, dtype):
    x = every_half(dtype)
    np.testing.assert_array_equal(np.isnan(EVERYTHING[curve](activation)(x)), is_nan(x))


@every_activation
@every_curve
@every_dtype
def test_nan_only_for_nan_elsewhere(activation, curve, dtype):
    x = numbers(dtype, 200_000)
    np.testing.assert_array_equal(np.isnan(EVERYTHING[curve](activation)(x)), is_nan(x))


@every_activation
@every_dtype
def test_signed_zero_is_kept(activation, dtype):
    """A function whose value at 0 is 0 has f(-0.0) = -0.0."""
    zeros = np.array([0.0, -0.0], dtype)
    value = activation(zeros)
    if value[0] == 0:
        assert_same_bits(value, zeros)
    else:
        assert_same_bits(value[:1], value[1:])
    assert_same_bits(activation.derivative(zeros[:1]), activation.derivative(zeros[1:]))


def test_some_functions_keep_signed_zero():
    kept = {name for name in sf.catalogue.ACTIVATIONS if sf.get(name)(-0.0) == 0}
    assert kept >= {"relu", "gelu", "gelu_tanh", "silu", "tanh"}


@every_activation
@every_dtype
def test_kinks(activation, dtype):
    for kink in activation.info.kinks:
        at = dtype(float(kink.x))
        assert_same_bits(activation.derivative(at), dtype(float(kink.stated)))
        assert_same_bits(activation.derivative(-at), dtype(float(kink.stated)))
        for towards, slope in ((-np.inf, kink.left), (np.inf, kink.right)):
            beside = dtype(np.nextafter(np.float64(at), towards)) if dtype is np.float64 else next_to(at, towards)
            assert_same_bits(activation.derivative(beside), dtype(float(slope)))


def next_to(x, towards):
    """The nearest number of x's dtype in a direction; for a kink at 0 the smallest subnormal."""
    assert x == 0, "write the general case when a kink elsewhere needs it"
    return np.copysign(edges(type(x))[1], np.array(towards, type(x)))


@every_activation
@every_dtype
def test_symmetry(activation, dtype):
    x = numbers(dtype, 100_000)
    x = x[~is_nan(x)]
    if activation.info.symmetry == "odd":
        assert_same_bits(activation(-x), -activation(x))
        assert_same_bits(activation.derivative(-x), activation.derivative(x))
    elif activation.info.symmetry == "complement":
        assert_same_bits(activation.derivative(-x), activation.derivative(x))
    else:
        assert (activation.derivative(-x) != activation.derivative(x)).any()


@every_activation
@every_curve
@pytest.mark.parametrize("dtype", DTYPES[:2], ids=["float16", "bfloat16"])
def test_range(activation, curve, dtype):
    """No computed value leaves the closed range by more than its ends' own rounding."""
    stated = getattr(activation.info, curve).range
    value = EVERYTHING[curve](activation)(every_half(dtype))
    value = value[~is_nan(value)]
    assert value.min() >= dtype(float(stated.low))
    assert value.max() <= dtype(float(stated.high))


@every_case
@every_dtype
def test_no_warning(case, dtype):
    values = edges(dtype)
    with np.errstate(all="raise"):
        if case.inputs <= 3:
            grid = np.meshgrid(*(values,) * case.inputs, indexing="ij")
        else:
            some = values[[0, 1, 5, 12, 13, 14, 15, 16, 20, 27, 28]]
            grid = np.meshgrid(*(some,) * case.inputs, indexing="ij")
        case(*grid)
        case(*(a[..., ::-1] for a in grid))
        x = numbers(dtype, 20_000)
        case(*(x for _ in range(case.inputs)))
        for scalars in itertools.islice(zip(*(values,) * case.inputs, strict=True), 40):
            case(*scalars)


@pytest.mark.parametrize("dtype", DTYPES[:2], ids=["float16", "bfloat16"])
def test_no_warning_over_all_halves(dtype):
    with np.errstate(all="raise"):
        for case in CASES:
            case(*(every_half(dtype) for _ in range(case.inputs)))


@every_case
@every_dtype
def test_no_warning_for_signalling_nan(case, dtype):
    """Merely comparing such a NaN raises a flag; as a whole operand, or one number for the whole call."""
    infinity = np.array([np.inf], dtype).view(UNSIGNED[np.dtype(dtype).itemsize])
    signalling = (infinity + infinity.dtype.type(1)).view(dtype)
    with np.errstate(all="raise"):
        for position in range(case.inputs):
            for count in (1, 2, 100):
                operands = [np.ones(count, dtype) for _ in range(case.inputs)]
                operands[position] = np.broadcast_to(signalling, count)
                case(*operands)
                operands[position] = signalling.repeat(count)
                case(*operands)


def test_no_warning_from_conversion():
    """An input of another dtype is NumPy's to convert; what is ours stays quiet."""
    with np.errstate(all="raise"):
        sf.gelu(np.array([1e300, -1e300, 5e-324]))
        sf.silu(np.array([1, 2], np.int8), beta=np.array([1e300, -1e300]))


class FloatingPoint:
    """The C library's view of this thread's floating-point environment."""

    library = ctypes.CDLL(None)
    every_exception = 0x3D if platform.machine() in ("x86_64", "AMD64") else 0x1F
    upward = 0x800 if platform.machine() in ("x86_64", "AMD64") else 0x400000

    def __enter__(self):
        self.before = ctypes.create_string_buffer(64)
        self.library.fegetenv(self.before)
        return self

    def __exit__(self, *error):
        self.library.fesetenv(self.before)


needs_glibc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the environment through glibc")


@needs_glibc
@every_case
@every_dtype
def test_flags_stay_down(case, dtype):
    """The inputs raise every flag there is in a plain computation; none is up after the call."""
    operands = tuple(numbers(dtype, 2000, seed=position) for position in range(case.inputs))
    with FloatingPoint() as environment:
        environment.library.feclearexcept(environment.every_exception)
        case(*operands)
        assert environment.library.fetestexcept(environment.every_exception) == 0


@needs_glibc
@every_case
@every_dtype
def test_rounding_mode_of_the_caller_does_not_matter(case, dtype):
    operands = tuple(numbers(dtype, 2000, seed=position) for position in range(case.inputs))
    expected = case(*operands)
    with FloatingPoint() as environment:
        assert environment.library.fesetround(environment.upward) == 0
        result = case(*operands)
        mode = environment.library.fegetround()
    assert mode == environment.upward
    for one, other in zip(result, expected, strict=True):
        assert_same_bits(one, other)


@needs_glibc
@pytest.mark.skipif(platform.machine() != "x86_64", reason="changes the x86 control register")
@pytest.mark.parametrize("dtype", (bfloat16, np.float32, np.float64), ids=["bfloat16", "float32", "float64"])
def test_flush_to_zero_of_the_caller_does_not_matter(dtype):
    """Some libraries leave the processor flushing subnormals to zero; ours appear all the same."""
    x = edges(dtype)
    expected = [case(*(x for _ in range(case.inputs))) for case in CASES]
    results = []
    with FloatingPoint() as environment:
        state = (ctypes.c_uint32 * 16)()
        environment.library.fegetenv(state)
        state[7] |= 0x8040  # MXCSR: flush to zero, denormals are zero
        environment.library.fesetenv(state)
        results = [case(*(x for _ in range(case.inputs))) for case in CASES]
    for result, wanted in zip(results, expected, strict=True):
        for one, other in zip(result, wanted, strict=True):
            assert_same_bits(one, other)
