"""Calls of every elementwise function: keywords, broadcasting and dtypes mean what they mean for any NumPy ufunc."""

import numpy as np
import pytest

import softfloor as sf
from cases import (
    CASES,
    DTYPES,
    NUMPY_DTYPES,
    assert_all_same_bits,
    assert_same_bits,
    bfloat16,
    every_activation,
    every_case,
    every_dtype,
    every_numpy_dtype,
    operands_of,
)

INTEGERS = np.typecodes["AllInteger"] + "?"
parametric = [case for case in CASES if case.function.parameters]
every_parametric_case = pytest.mark.parametrize("case", parametric, ids=lambda case: case.name)


@every_case
@every_dtype
def test_out(case, dtype):
    operands = operands_of(case, dtype, 300)
    expected = case(*operands)
    outputs = tuple(np.empty_like(operands[0]) for _ in expected)
    assert all(a is b for a, b in zip(case(*operands, out=outputs), outputs, strict=True))
    assert_all_same_bits(outputs, expected)
    if case.outputs == 1:
        (output,) = outputs
        output.fill(0)
        assert case.function(*operands[: len(case.function.operands)], out=output) is output


@every_case
@every_dtype
def test_positional_out(case, dtype):
    count = len(case.function.operands)
    operands = operands_of(case, dtype, 300)[:count]
    expected = case(*operands)
    outputs = tuple(np.empty_like(operands[0]) for _ in expected)
    case.function(*operands, *outputs)
    assert_all_same_bits(outputs, expected)


@every_case
@every_dtype
def test_an_output_may_be_an_operand(case, dtype):
    for position in range(case.inputs):
        for output in range(case.outputs):
            operands = operands_of(case, dtype, 3000)
            expected = case(*operands)
            outputs = [None] * case.outputs
            outputs[output] = operands[position]
            case(*operands, out=tuple(outputs))
            assert_same_bits(operands[position], expected[output])


@every_case
def test_one_of_two_outputs_may_be_left_to_numpy(case):
    if case.outputs != 2:
        pytest.skip("one output")
    operands = operands_of(case, np.float32, 100)
    expected = case(*operands)
    own = np.empty(100, np.float32)
    first, second = case(*operands, out=(own, None))
    assert first is own
    assert_all_same_bits((first, second), expected)


@every_case
@every_dtype
def test_where(case, dtype):
    operands = operands_of(case, dtype, 1000)
    mask = np.random.default_rng(1).random(1000) < 0.4
    expected = case(*operands)
    outputs = tuple(np.full(1000, 7, dtype) for _ in expected)
    case(*operands, out=outputs, where=mask)
    for output, value in zip(outputs, expected, strict=True):
        assert_same_bits(output[mask], value[mask])
        assert (output[~mask] == 7).all()
    # out=None: yes, the rest is meant to be uninitialised (NumPy 2.4 warns otherwise).
    free = case(*operands, where=mask, out=None if case.outputs == 1 else (None,) * case.outputs)
    assert_all_same_bits(tuple(f[mask] for f in free), tuple(e[mask] for e in expected))


@every_case
@every_dtype
def test_keeps_dtype(case, dtype):
    ones = np.ones(3, dtype)
    given = (ones,) * len(case.function.operands)
    assert all(output.dtype == dtype for output in case(*given))
    assert all(output.dtype == dtype for output in case(*(a[0] for a in given)))
    assert all(output.dtype == dtype for output in case(*(a[:0] for a in given)))


@every_case
@pytest.mark.parametrize("code", INTEGERS)
def test_integers_promote_as_in_exp(case, code):
    ones = np.ones(3, code)
    given = (ones,) * len(case.function.operands)
    expected = np.exp(ones).dtype
    assert all(output.dtype == expected for output in case(*given))
    assert_all_same_bits(case(*given), case(*(a.astype(expected) for a in given)))


@every_case
def test_python_numbers_and_lists(case):
    count = len(case.function.operands)
    array = case(*(np.array([1.0, -2.0]),) * count)
    assert_all_same_bits(case(*([1.0, -2.0],) * count), array)
    assert_all_same_bits(case(*((1, -2),) * count), array)
    for scalar in (1.0, 1, True):
        values = case(*(scalar,) * count)
        assert all(isinstance(value, np.floating) for value in values)
        assert [float(v) for v in values] == pytest.approx([float(a[0]) for a in array], rel=1e-3)
    assert_all_same_bits(case(*(1.0,) * count), tuple(a[0] for a in array))


@every_parametric_case
@every_dtype
def test_a_python_number_as_parameter_keeps_dtype(case, dtype):
    operands = operands_of(case, dtype, 50)[: len(case.function.operands)]
    for value in (2, 1.5):
        expected = case(*operands, *(np.full(50, value, dtype) for _ in case.function.parameters))
        assert_all_same_bits(case(*operands, *(value for _ in case.function.parameters)), expected)


@every_parametric_case
@every_dtype
def test_the_default_parameter(case, dtype):
    operands = operands_of(case, dtype, 50)[: len(case.function.operands)]
    defaults = [np.full(50, value, dtype) for value in case.function.parameters.values()]
    assert_all_same_bits(case(*operands), case(*operands, *defaults))


@every_parametric_case
@pytest.mark.parametrize("parameter_dtype", NUMPY_DTYPES)
@every_numpy_dtype
def test_parameters_promote_and_broadcast_like_operands(case, dtype, parameter_dtype):
    operands = tuple(a.reshape(1, 5) for a in operands_of(case, dtype, 5)[: len(case.function.operands)])
    parameters = tuple(np.array([[0.5], [1.25], [-3.0]], parameter_dtype) for _ in case.function.parameters)
    # Parameters of gated units are float32 beside half precision, which leaves that as it is.
    stays = case.function.wide and (dtype, parameter_dtype) == (np.float16, np.float32)
    common = np.dtype(dtype) if stays else np.result_type(dtype, parameter_dtype)
    result = case(*operands, *parameters)
    assert all(r.dtype == common and r.shape == (3, 5) for r in result)
    assert_all_same_bits(
        result, case(*(np.broadcast_to(a.astype(common), (3, 5)).copy() for a in (*operands, *parameters)))
    )


@every_case
@every_dtype
def test_broadcasting(case, dtype):
    shapes = [(4, 1, 3), (1, 5, 1), (3,), (), (5, 1), (1,)]
    operands = tuple(
        a[: int(np.prod(shape))].reshape(shape)
        for a, shape in zip(operands_of(case, dtype, 12), shapes[: case.inputs], strict=True)
    )
    full = np.broadcast_shapes(*(a.shape for a in operands))
    expected = case(*(np.ascontiguousarray(np.broadcast_to(a, full)) for a in operands))
    assert_all_same_bits(case(*operands), expected)


@every_case
@every_numpy_dtype
def test_dtype_keyword(case, dtype):
    operands = tuple(np.array([-1.5, 0.25, 2.0]) + position for position in range(case.inputs))
    expected = case(*(a.astype(dtype) for a in operands))
    assert_all_same_bits(case(*operands, dtype=dtype), expected)


@every_case
@pytest.mark.parametrize("source", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_dtype_keyword_bfloat16(case, source):
    operands = tuple(np.array([-1.5, 0.25, 2.0], source) + source(position) for position in range(case.inputs))
    expected = case(*(a.astype(bfloat16) for a in operands))
    assert_all_same_bits(case(*operands, dtype=bfloat16), expected)


@every_case
@every_dtype
def test_zero_dimensions_and_nothing(case, dtype):
    operands = operands_of(case, dtype, 3)
    expected = case(*operands)
    assert_all_same_bits(case(*(a[0] for a in operands)), tuple(e[0] for e in expected))
    arrays = case(*(np.array(a[0], dtype) for a in operands))
    assert all(isinstance(value, dtype) for value in arrays)
    outputs = tuple(np.empty((), dtype) for _ in expected)
    case(*(a[0] for a in operands), out=outputs)
    assert_all_same_bits(outputs, tuple(e[0] for e in expected))
    for shape in ((0,), (3, 0, 2)):
        assert all(r.shape == shape and r.dtype == dtype for r in case(*(np.empty(shape, dtype) for _ in operands)))


@every_activation
@every_dtype
def test_the_functions_of_an_activation_agree(activation, dtype):
    """What shares a formula shares its bits: the pair with its parts, and a cotangent of 1 with the derivative."""
    x = np.concatenate([operands_of(case, dtype, 4000)[0] for case in CASES[:3]])
    value, slope = activation.value_and_derivative(x)
    assert_same_bits(value, activation(x))
    assert_same_bits(slope, activation.derivative(x))
    assert_same_bits(activation.vjp(x, np.ones_like(x)), slope)
    assert_same_bits(activation.vjp(x, np.full_like(x, -1)), -slope)


@every_activation
@every_dtype
@pytest.mark.parametrize("place", [0, 1])
def test_either_of_two_outputs_takes_the_operand_s_place(activation, dtype, place):
    """In blocks too: 512 elements and more."""
    x = operands_of(CASES[0], dtype, 1300)[0]
    expected = activation.value_and_derivative(x)
    outputs = [np.empty_like(x), np.empty_like(x)]
    outputs[place] = x
    activation.value_and_derivative(x, out=tuple(outputs))
    assert_all_same_bits(outputs, expected)


@pytest.mark.parametrize("name", [name for name, record in sf.catalogue.GATES.items() if not record.softcaps])
@every_dtype
def test_a_gate_agrees_with_its_activation(name, dtype):
    gate, activation = sf.get(name), sf.get(sf.catalogue.GATES[name].activation)
    x = operands_of(CASES[0], dtype, 4000)[0]
    one = np.ones_like(x)
    value, (dgate, dup) = gate(x, one), gate.vjp(x, one, one)
    assert_same_bits(dgate, activation.derivative(x))
    assert_same_bits(dup, value)
    # A subnormal gate has all its digits in a unit, which may round a result to the other side.
    tiny = (np.abs(x) < 1e-300) & (np.dtype(dtype) == np.float64)
    assert_same_bits(value[~tiny], activation(x)[~tiny])
    np.testing.assert_array_max_ulp(value[tiny].astype(np.float64), activation(x)[tiny].astype(np.float64), 1)


@every_case
def test_other_ufunc_keywords(case):
    operands = tuple(np.asfortranarray(a.reshape(4, 5)) for a in operands_of(case, np.float32, 20))
    assert all(r.flags.f_contiguous for r in case(*operands))
    assert all(r.flags.c_contiguous for r in case(*operands, order="C"))
    with pytest.raises(TypeError, match="casting"):
        case(*(np.ones(3, np.int64) for _ in operands), casting="no")


def test_the_ufunc_itself():
    for case in CASES:
        assert isinstance(case.function.ufunc, np.ufunc)
        assert case.function.ufunc.__name__ == case.name
        operands = operands_of(case, np.float64, 100)
        result = case.function.ufunc(*operands)
        assert_all_same_bits(result if isinstance(result, tuple) else (result,), case(*operands))
