"""Bad input is one clear error: what was given, what is allowed, and nothing changed."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import softfloor as sf
from cases import CASES, every_activation, every_case

Z = np.array([[0.5, -1.0, 2.0], [3.0, 0.0, -2.5]])
ROW_FUNCTIONS = [sf.softmax, sf.log_softmax, sf.logsumexp]
every_row_function = pytest.mark.parametrize("function", ROW_FUNCTIONS, ids=lambda function: function.name)
UNSUPPORTED = {
    "complex64": np.ones(3, np.complex64),
    "complex128": np.ones(3, np.complex128),
    "object": np.array([1.0, None, 2.0]),
    "<U1": np.array(["a", "b", "c"]),
    "|S1": np.array([b"a", b"b", b"c"]),
    "datetime64[D]": np.array(["2024-01-01"] * 3, "M8[D]"),
    "timedelta64[s]": np.array([1, 2, 3], "m8[s]"),
    "[('x', '<f8')]": np.zeros(3, [("x", "f8")]),
}
if np.dtype(np.longdouble).itemsize > 8:
    UNSUPPORTED[str(np.dtype(np.longdouble))] = np.ones(3, np.longdouble)
every_unsupported = pytest.mark.parametrize(("dtype", "array"), UNSUPPORTED.items(), ids=UNSUPPORTED.keys())


class Unchanged:
    """Checks that arrays hold afterwards what they held before."""

    def __init__(self, *arrays):
        self.arrays, self.before = arrays, [array.tobytes() for array in arrays]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        assert [array.tobytes() for array in self.arrays] == self.before


def run_python(script, **environment):
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_unknown_name():
    for wrong, near in (("gleu", "gelu"), ("softmaxx", "softmax"), ("SILU", "silu"), ("crossentropy", "cross_entropy")):
        with pytest.raises(ValueError, match=near) as caught:
            sf.get(wrong)
        assert repr(wrong) in str(caught.value)
    for wrong in ("qqq", "", 3, []):
        with pytest.raises(ValueError, match="no function is called") as caught:
            sf.get(wrong)
        assert all(name in str(caught.value) for name in sf.functions())
    with pytest.raises(AttributeError):
        sf.gleu  # noqa: B018


@every_case
def test_unknown_keyword(case):
    operands = [np.ones(3) for _ in case.function.operands]
    with Unchanged(*operands), pytest.raises(TypeError, match="no keyword 'betta'") as caught:
        case.function(*operands, betta=2.0)
    message = str(caught.value)
    assert case.name in message
    assert all(word in message for word in ("out", "where", "dtype", *case.function.parameters))
    assert ("did you mean beta?" in message) == ("beta" in case.function.parameters)


@every_case
def test_number_of_operands(case):
    operands = [np.ones(3) for _ in case.function.operands]
    too_many = [*operands, *(np.empty(3) for _ in range(case.outputs + 1))]
    for arguments in ([], operands[:-1], too_many):
        with pytest.raises(TypeError, match=f"got {len(arguments)} positional argument") as caught:
            case.function(*arguments)
        assert all(name in str(caught.value) for name in case.function.operands)
    with pytest.raises(TypeError, match="by position"):
        case.function(**dict.fromkeys(case.function.operands, 1.0))


@every_case
@every_unsupported
def test_unsupported_dtype(case, dtype, array):
    names = [*case.function.operands, *case.function.parameters]
    for position, name in enumerate(names):
        operands = [np.ones(3) for _ in names]
        operands[position] = array
        output = np.full(3, 5.0)
        with Unchanged(output), pytest.raises(TypeError, match=rf"{name} has dtype") as caught:
            case(*operands, out=(output, *(None,) * (case.outputs - 1)))
        assert str(array.dtype) in str(caught.value)
        assert "float16, bfloat16, float32, float64" in str(caught.value)


@every_case
def test_unsupported_scalars(case):
    for scalar in (1j, "text", None, b"bytes", object(), {}):
        with pytest.raises(TypeError, match="has dtype"):
            case(*(scalar for _ in case.function.operands))


@every_row_function
@every_unsupported
def test_unsupported_dtype_rows(function, dtype, array):
    with pytest.raises(TypeError, match="z has dtype") as caught:
        function(array)
    assert str(array.dtype) in str(caught.value)
    output = np.ones(3)
    first = "z" if function is sf.logsumexp else "[pq]"
    with pytest.raises(TypeError, match=f"{first} has dtype"):
        function.vjp(array, output)
    with pytest.raises(TypeError, match="cotangent has dtype"):
        function.vjp(output, array)
    with pytest.raises(TypeError, match="z has dtype"):
        sf.softmax_cross_entropy(array, 0)


@every_case
@pytest.mark.parametrize("dtype", [np.int32, np.complex128, object, "U3", "M8[D]", np.longdouble, "no such type", 3])
def test_requested_dtype(case, dtype):
    if dtype is np.longdouble and np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("long double is float64 here")
    operands = [np.ones(3) for _ in case.function.operands]
    with pytest.raises(TypeError, match="dtype") as caught:
        case.function(*operands, dtype=dtype)
    assert "float16, bfloat16, float32, float64" in str(caught.value)


@every_row_function
@pytest.mark.parametrize("dtype", [np.int32, np.complex128, object, "U3", "M8[D]", "no such type"])
def test_requested_dtype_rows(function, dtype):
    with pytest.raises(TypeError, match="allowed are float16, bfloat16, float32, float64"):
        function(Z, dtype=dtype)


@every_case
def test_bad_outputs(case):
    operands = [np.ones(3) for _ in case.function.operands]
    rest = (None,) * (case.outputs - 1)
    read_only = np.ones(3)
    read_only.flags.writeable = False
    wrong = [
        (np.ones(2), ValueError, r"\(2,\)"),
        (np.ones((3, 3))[:, :0], ValueError, r"\(3,0\)"),
        (np.ones(3, np.int64), TypeError, "int64"),
        (read_only, ValueError, "read-only"),
    ]
    for output, error, message in wrong:
        with Unchanged(*operands), pytest.raises(error, match=message):
            case.function(*operands, out=(output, *rest))
    assert (read_only == 1).all()
    for output in ([0.0] * 3, "out", 3):
        with pytest.raises(TypeError):
            case.function(*operands, out=(output, *rest))
    if case.outputs == 2:
        with pytest.raises((TypeError, ValueError), match="out"):
            case.function(*operands, out=np.ones(3))
        with pytest.raises(ValueError, match="out"):
            case.function(*operands, out=(np.ones(3),))


@every_case
def test_shapes_that_do_not_broadcast(case):
    if case.inputs == 1:
        pytest.skip("one operand")
    operands = [np.ones(3) for _ in range(case.inputs)]
    operands[-1] = np.ones(2)
    with Unchanged(*operands), pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        case(*operands)


@every_case
def test_ragged_lists(case):
    with pytest.raises(ValueError, match="inhomogeneous"):
        case(*([[1.0], [1.0, 2.0]] for _ in case.function.operands))


@every_activation
def test_parameter_derivative(activation):
    for wrong in ("betta", "", None, 3, []):
        with pytest.raises(ValueError, match="has no parameter") as caught:
            activation.parameter_derivative(1.0, wrong)
        assert activation.name in str(caught.value)
        assert repr(wrong) in str(caught.value)
        assert all(name in str(caught.value) for name in activation.parameters)


@every_row_function
def test_axis_out_of_range(function):
    for axis in (2, -3, (0, 2), (5,)):
        with pytest.raises(np.exceptions.AxisError, match="out of bounds for array of dimension 2"):
            function(Z, axis)
        with pytest.raises(np.exceptions.AxisError):
            function.vjp(Z, 1, axis)
    with pytest.raises(np.exceptions.AxisError):
        function(1.0)
    with pytest.raises(np.exceptions.AxisError):
        function.jacobian(Z, 2)
    with pytest.raises(ValueError, match="repeated axis"):
        function(Z, (0, 0))
    for axis in (1.5, "row", (0, "1"), [[0]]):
        with pytest.raises(TypeError, match="axis must be an integer, a tuple of integers or None"):
            function(Z, axis)


def test_axis_of_a_loss():
    for axis in (2, -3):
        with pytest.raises(np.exceptions.AxisError, match="out of bounds for array of dimension 2"):
            sf.softmax_cross_entropy(Z, [0, 1], axis)
    for axis in (None, (0, 1), 0.0, "0"):
        with pytest.raises(TypeError, match="axis must be one integer"):
            sf.softmax_cross_entropy(Z, [0, 1], axis)
    with pytest.raises(np.exceptions.AxisError):
        sf.softmax_cross_entropy(1.0, 0)


@every_row_function
@pytest.mark.parametrize("temperature", [0, -1.0, np.nan, np.inf, -np.inf, 10**400])
def test_temperature_that_is_no_temperature(function, temperature):
    for call in (lambda: function(Z, temperature=temperature), lambda: function.vjp(Z, 1, temperature=temperature)):
        with pytest.raises(ValueError, match=f"temperature must be positive and finite; got {temperature}"):
            call()


@every_row_function
@pytest.mark.parametrize("temperature", ["warm", "2", None, 1j, [1.0, 2.0], np.ones(2)], ids=repr)
def test_temperature_that_is_no_number(function, temperature):
    with pytest.raises(TypeError, match="temperature must be one number; got"):
        function(Z, temperature=temperature)


@every_row_function
def test_where_of_rows(function):
    for mask in ([1, 0, 1], np.ones(3), "yes"):
        with pytest.raises(TypeError, match="where must be boolean"):
            function(Z, where=mask)
    with pytest.raises(ValueError, match="broadcast"):
        function(Z, where=[True, False])


@every_row_function
def test_bad_outputs_of_rows(function):
    shape = function(Z).shape
    read_only = np.ones(shape)
    read_only.flags.writeable = False
    operand = Z.copy()
    with Unchanged(operand, read_only):
        for output, error, message in (
            (np.ones(7), ValueError, r"out has shape \(7,\); the result has shape \(2"),
            (np.ones(shape, np.int64), TypeError, "int64"),
            (read_only, ValueError, "read-only"),
            ([[0.0]], TypeError, "out must be an array; got list"),
            ("out", TypeError, "out must be an array; got str"),
        ):
            with pytest.raises(error, match=message):
                function(operand, out=output)
        everything = np.ones(Z.shape if shape == Z.shape else ())
        everything.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            function(operand, None, out=everything)


@every_row_function
def test_unknown_keyword_of_rows(function):
    with pytest.raises(TypeError, match="temprature"):
        function(Z, temprature=2)


@every_row_function
def test_cotangent_shape(function):
    with pytest.raises(ValueError, match=r"cotangent has shape \(9,\), which does not broadcast to \(2"):
        function.vjp(Z, np.ones(9))


def test_labels_outside():
    z = np.zeros((2, 3, 4))
    labels = np.zeros((2, 3), int)
    for wrong in (4, -1, 10**9, -(10**12)):
        labels[1, 2] = wrong
        for call in (sf.softmax_cross_entropy, sf.softmax_cross_entropy.value_and_grad):
            with (
                Unchanged(z, labels),
                pytest.raises(IndexError, match=rf"label {wrong} at position \(1, 2\).*\[0, 4\)"),
            ):
                call(z, labels)
    with pytest.raises(IndexError, match=r"label 3 at position 1 is outside \[0, 3\)"):
        sf.softmax_cross_entropy(Z, [0, 3])
    with pytest.raises(IndexError, match=r"label 3 is outside \[0, 3\)"):
        sf.softmax_cross_entropy(Z[0], 3)
    with pytest.raises(IndexError, match="18446744073709551615"):
        sf.softmax_cross_entropy(Z, np.array([0, 2**64 - 1], np.uint64))
    with pytest.raises(IndexError, match=r"label 2 at position 0 is outside \[0, 2\)"):
        sf.softmax_cross_entropy(Z, [2, 0, 0], axis=0)


def test_labels_of_the_wrong_kind():
    for wrong in ([0.0, 1.0], [True, False], ["a", "b"], [None, 1]):
        with pytest.raises(TypeError, match="class labels must be integers; got dtype"):
            sf.softmax_cross_entropy(Z, wrong)
    for wrong in (np.ones(3, int), np.ones((2, 1), int), np.ones((3, 2)), 1, np.ones((2, 3, 1))):
        with pytest.raises(
            ValueError, match=r"class labels need \(2,\), probabilities the shape of the logits, \(2, 3\)"
        ):
            sf.softmax_cross_entropy(Z, wrong)
    for wrong in (np.ones((2, 3)) * 1j, np.full((2, 3), "a"), np.full((2, 3), None)):
        with pytest.raises(TypeError, match="labels has dtype"):
            sf.softmax_cross_entropy(Z, wrong)


def test_reductions_and_cotangents_of_a_loss():
    for wrong in ("average", None, "", 3, ["mean"], np.array(["mean", "sum"])):
        with pytest.raises(ValueError, match="reduction must be 'mean', 'sum' or 'none'; got"):
            sf.softmax_cross_entropy(Z, [0, 1], reduction=wrong)
    with pytest.raises(ValueError, match=r"the loss is a scalar; got a cotangent of shape \(2,\)"):
        sf.softmax_cross_entropy.vjp(Z, [0, 1], [1.0, 2.0])
    for shape in ((5,), (3, 2)):
        with pytest.raises(ValueError, match=rf"cotangent has shape {re.escape(str(shape))}, which does not broadcast"):
            sf.softmax_cross_entropy.vjp(Z, [0, 1], np.ones(shape), reduction="none")


@pytest.mark.parametrize("cotangent", [None, 1j, np.array([1j, 2]), "1", object()], ids=str)
def test_cotangents_of_losses_that_are_no_numbers(cotangent):
    for vjp in (
        lambda: sf.softmax_cross_entropy.vjp(Z, [0, 1], cotangent, reduction="none"),
        lambda: sf.sigmoid_cross_entropy.vjp(Z[0, :2], [0, 1], cotangent, reduction="none"),
        lambda: sf.linear_cross_entropy.vjp(Z, Z, [0, 1], cotangent, reduction="none"),
    ):
        with pytest.raises(TypeError, match="cotangent has dtype"):
            vjp()
    dask = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="cotangent has dtype"):
        sf.softmax_cross_entropy.vjp(dask.from_array(Z), [0, 1], cotangent, reduction="none")


def test_options_of_linear_cross_entropy_that_are_no_integers():
    for option in ({"ignore_index": 1.5}, {"ignore_index": "x"}, {"scratch_bytes": "1"}, {"scratch_bytes": 1e6}):
        (name,) = option
        with pytest.raises(TypeError, match=f"linear_cross_entropy: {name} must be an integer; got"):
            sf.linear_cross_entropy(Z, Z, [0, 1], **option)


@every_row_function
def test_masked_arrays_of_rows(function):
    """Hidden numbers would take part in sums: refused. Without a mask it is an array like any other."""
    hidden = np.ma.masked_array(Z, Z.mean() < Z)
    for call in (lambda: function(hidden), lambda: function.vjp(hidden, np.ones_like(function(Z)))):
        with pytest.raises(TypeError, match="is a masked array, whose hidden numbers would take part; pass its data"):
            call()
    assert np.array_equal(function(np.ma.masked_array(Z)), function(Z))


def test_bad_outputs_of_a_loss():
    call = sf.softmax_cross_entropy.value_and_grad
    read_only = np.ones(Z.shape)
    read_only.flags.writeable = False
    for targets in ([0, 1], np.full(Z.shape, 1 / 3)):
        with Unchanged(Z, read_only):
            for output in (np.ones(3), [[0.0]], "out"):
                with pytest.raises((TypeError, ValueError), match=r"out must be an array of shape \(2, 3\); got"):
                    call(Z, targets, out=output)
            with pytest.raises(TypeError, match="int64"):
                call(Z, targets, out=np.ones(Z.shape, np.int64))
            with pytest.raises(ValueError, match="read-only"):
                call(Z, targets, out=read_only)


def test_thread_counts():
    before = sf.threads.get()
    for wrong in (0, -1, 4097, 2**70):
        with pytest.raises(ValueError, match=f"between 1 and 4096, or None.*got {wrong}"):
            sf.threads.set(wrong)
    for wrong in ("2", 1.5, [2], 2.0):
        with pytest.raises(TypeError, match="integer"):
            sf.threads.set(wrong)
    assert sf.threads.get() == before


def test_instruction_sets():
    before = sf.cpu.current()
    for wrong in ("v9", "", "V3", "avx2"):
        with pytest.raises(ValueError, match=f"instruction set '{wrong}' cannot run here; available: ") as caught:
            sf.cpu.use(wrong).__enter__()
        assert all(name in str(caught.value) for name in sf.cpu.available())
    for wrong in (3, None, b"v3"):
        with pytest.raises(TypeError, match="instruction set must be a string, one of"):
            sf.cpu.use(wrong).__enter__()
    assert sf.cpu.current() == before


def test_environment_names_an_unknown_instruction_set():
    done = run_python("import softfloor", SOFTFLOOR_CPU="v9")
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("ImportError: environment variable SOFTFLOOR_CPU: instruction set 'v9' cannot run here")
    assert all(name in last for name in sf.cpu.available())
    assert run_python("import softfloor", SOFTFLOOR_CPU="").returncode == 0


def test_nothing_fails_twice():
    """After all of the above every function still works."""
    for case in CASES:
        assert all(np.isfinite(result).all() for result in case(*(np.ones(3) for _ in case.function.operands)))
