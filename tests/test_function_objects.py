"""Functions as Python objects: pickling, copies, weak references, collection, the two ways of calling, the cards."""

import copy
import gc
import inspect
import pickle
import sys
import weakref

import numpy as np
import pytest

import softfloor as sf
from cases import assert_all_same_bits, every_activation, every_case, operands_of
from softfloor import activation as activation_module

every_public_function = pytest.mark.parametrize("name", sf.functions())


@every_public_function
def test_pickle_and_copy_by_name(name):
    function = sf.get(name)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(function, protocol)) is function
    assert copy.copy(function) is function
    assert copy.deepcopy(function) is function


@every_case
def test_pickle_of_parts(case):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(case.function, protocol)) is case.function
    assert copy.deepcopy({"layer": case.function})["layer"] is case.function


@every_case
def test_pickle_of_ufuncs(case):
    """Dask sends them to its workers. NumPy's own, of the same names perhaps, stay NumPy's."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(case.function.ufunc, protocol)) is case.function.ufunc
        assert pickle.loads(pickle.dumps((np.tanh, np.exp), protocol)) == (np.tanh, np.exp)


@every_case
def test_vectorcall_and_keyword_call_agree(case):
    operands = operands_of(case, np.float32, 200)
    expected = case(*operands)
    count = len(case.function.operands)
    parameters = dict(zip(case.function.parameters, operands[count:], strict=True))
    unpacked = type(case.function).__call__(case.function, *operands[:count], **parameters)
    assert_all_same_bits(unpacked if isinstance(unpacked, tuple) else (unpacked,), expected)
    # Keywords in any order, parameters and ufunc keywords mixed.
    keywords = {"subok": True, **parameters, "casting": "same_kind"}
    mixed = case.function(*operands[:count], **keywords)
    assert_all_same_bits(mixed if isinstance(mixed, tuple) else (mixed,), expected)


@every_case
def test_calls_leave_no_reference_behind(case):
    """Neither a call nor a failed call keeps its arguments alive."""
    operands = operands_of(case, np.float32, 10)
    bad = np.array(["a"] * 10)

    def calls():
        case(*operands)
        case(*operands, dtype=np.float64)
        for arguments in ((bad, *operands[1:]), operands[:0]):
            with pytest.raises(TypeError):
                case(*arguments)
        with pytest.raises(TypeError):
            case(*operands, no_such_keyword=bad)

    def counts():
        gc.collect()
        return [sys.getrefcount(thing) for thing in (*operands, bad, "dtype", "no_such_keyword")]

    calls()
    before = counts()
    for _ in range(20):
        calls()
    # A leak would count every call; a cache of NumPy's or Python's may hold one more.
    assert all(after - count < 10 for after, count in zip(counts(), before, strict=True))


@every_case
def test_weak_references(case):
    assert weakref.ref(case.function)() is case.function


def test_an_activation_of_one_s_own_is_collected():
    record = sf.gelu.record
    mine = activation_module.Activation(record)
    assert_all_same_bits((mine(np.arange(3.0)),), (sf.gelu(np.arange(3.0)),))
    mine.itself = mine  # a cycle, which only the collector takes apart
    gone = weakref.ref(mine)
    derivative = mine.derivative
    del mine
    gc.collect()
    assert gone() is None
    assert_all_same_bits((derivative(np.arange(3.0)),), (sf.gelu.derivative(np.arange(3.0)),))


def test_an_uninitialised_call_is_an_error():
    for cls in (activation_module.Function, sf._core.UfuncCall):
        with pytest.raises(TypeError):
            cls.__new__(cls)(1.0)
    gc.collect()


@every_public_function
def test_names(name):
    function = sf.get(name)
    assert function is getattr(sf, name)
    assert function.__name__ == function.name == name
    assert name in sf.__all__
    assert callable(function)


@every_activation
def test_repr_is_a_short_card(activation):
    lines = repr(activation).splitlines()
    assert lines[0] == f"softfloor.{activation.name}: {activation.record.title}"
    assert 3 <= len(lines) <= 9
    assert all(len(line) <= 200 for line in lines)
    assert activation.record.summary in repr(activation)


@every_case
def test_repr_of_parts(case):
    assert case.name in repr(case.function)
    signature = case.function.signature()
    assert all(operand in signature for operand in (*case.function.operands, *case.function.parameters))


@every_activation
def test_html_card(activation):
    pytest.importorskip("matplotlib")
    pytest.importorskip("sympy")
    from softfloor import formula

    page = activation._repr_html_()
    assert formula.latex_of(activation.record.formula, activation.record) in page
    assert formula.latex_of(activation.record.slope, activation.record) in page
    assert "<svg" in page
    assert "</svg>" in page
    assert all(reference.split(",")[0] in page for reference in activation.record.references)


@every_public_function
def test_help_finds_the_docstring(name):
    assert inspect.getdoc(sf.get(name)).splitlines()[0]
