"""Types that are not plain arrays: subclasses, `__array_ufunc__` types, Dask, xarray, pandas."""

import numpy as np
import pytest

import softfloor as sf
from cases import CASES, assert_all_same_bits, assert_same_bits, every_activation, every_case, operands_of


class Tagged(np.ndarray):
    """A subclass that carries nothing."""


class Recorder:
    """A duck array: notes the ufunc that it is given to and computes on what it holds."""

    def __init__(self, array):
        self.array = array
        self.seen = []

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        self.seen.append((ufunc, method, tuple(keywords)))
        plain = [i.array if isinstance(i, Recorder) else i for i in inputs]
        result = getattr(ufunc, method)(*plain, **keywords)
        return tuple(Recorder(r) for r in result) if isinstance(result, tuple) else Recorder(result)


class Deaf:
    """Opts out of ufuncs altogether."""

    __array_ufunc__ = None


@every_case
def test_subclasses_are_kept(case):
    operands = operands_of(case, np.float32, 30)
    tagged = (operands[0].view(Tagged), *operands[1:])
    result = case(*tagged)
    assert all(type(r) is Tagged for r in result)
    assert_all_same_bits(result, case(*operands))
    assert all(type(r) is np.ndarray for r in case(*tagged, subok=False))
    output = np.empty_like(operands[0]).view(Tagged)
    assert case(*operands, out=(output, *(None,) * (case.outputs - 1)))[0] is output


@every_case
def test_masked_arrays(case):
    operands = operands_of(case, np.float64, 30)
    mask = np.arange(30) % 3 == 0
    result = case(np.ma.masked_array(operands[0], mask), *operands[1:])
    for masked, plain in zip(result, case(*operands), strict=True):
        np.testing.assert_array_equal(masked.mask, mask)
        assert_same_bits(masked.data[~mask], plain[~mask])


@every_case
def test_array_ufunc(case):
    operands = operands_of(case, np.float32, 30)
    duck = Recorder(operands[0])
    result = case(duck, *operands[1:])
    assert duck.seen == [(case.function.ufunc, "__call__", ())]
    assert_all_same_bits(tuple(r.array for r in result), case(*operands))
    ones = np.ones(3, np.float32)
    wider = case(Recorder(ones), *(ones,) * (case.inputs - 1), dtype=np.float64)
    assert all(r.array.dtype == np.float64 for r in wider)
    with pytest.raises(TypeError, match="does not support ufuncs"):
        case(Deaf(), *operands[1:])


@every_case
def test_dask_stays_lazy(case):
    dask = pytest.importorskip("dask.array")
    operands = tuple(a.reshape(20, 30) for a in operands_of(case, np.float32, 600))
    lazy = case(*(dask.from_array(a, chunks=(7, 11)) for a in operands))
    assert all(isinstance(r, dask.Array) for r in lazy)
    assert_all_same_bits(tuple(r.compute(scheduler="synchronous") for r in lazy), case(*operands))


@every_case
def test_dask_arrays_in_xarray(case):
    xarray, dask = pytest.importorskip("xarray"), pytest.importorskip("dask.array")
    operands = tuple(a.reshape(20, 30) for a in operands_of(case, np.float32, 600))
    labelled = xarray.DataArray(
        dask.from_array(operands[0], chunks=(7, 11)), dims=("row", "column"), coords={"row": range(20)}
    )
    for result, plain in zip(case(labelled, *operands[1:]), case(*operands), strict=True):
        assert isinstance(result.data, dask.Array)
        assert result.coords.equals(labelled.coords)
        assert_same_bits(result.compute(scheduler="synchronous").values, plain)


def test_dask_with_several_outputs():
    """Dask refuses ufuncs of several outputs; operands are broadcast, cut alike and mixed with numbers all the same."""
    dask = pytest.importorskip("dask.array")
    gate, up = np.random.default_rng(0).normal(0, 3, (2, 6, 8)).astype(np.float32)
    lazy, row = dask.from_array(gate, chunks=(4, 3)), dask.from_array(up[0], chunks=5)
    for given, plain in (
        ((lazy, up, 1.0), (gate, up, 1.0)),
        ((lazy, row, up), (gate, up[0], up)),
        ((gate, row, 2), (gate, up[0], 2)),
        ((dask.from_array(up[:1]), dask.from_array(gate), 1.0), (up[:1], gate, 1.0)),
    ):
        results = sf.swiglu.value_and_vjp(*given, limit=2.0)
        assert all(isinstance(r, dask.Array) for r in results)
        assert all((r.dtype, r.shape) == (np.float32, gate.shape) for r in results)
        computed = dask.compute(*results, scheduler="synchronous")
        assert_all_same_bits(computed, sf.swiglu.value_and_vjp(*plain, limit=2.0))
        assert_all_same_bits(dask.compute(*sf.swiglu.vjp(*given, limit=2.0), scheduler="synchronous"), computed[1:])
    assert all(r.dtype == np.float64 for r in sf.silu.value_and_derivative(lazy, dtype=np.float64))
    with pytest.raises(TypeError, match="out cannot be given with Dask arrays"):
        sf.silu.value_and_derivative(lazy, out=(gate, up))
    with pytest.raises(TypeError, match="no keyword 'betta'"):
        sf.silu.value_and_derivative(lazy, betta=1.0)


@every_activation
def test_dask_threads(activation):
    dask = pytest.importorskip("dask.array")
    x = np.linspace(-9, 9, 300_000)
    assert_same_bits(activation(dask.from_array(x, chunks=70_000)).compute(scheduler="threads"), activation(x))


@every_case
def test_xarray_keeps_coordinates(case):
    xarray = pytest.importorskip("xarray")
    operands = tuple(a.reshape(4, 5) for a in operands_of(case, np.float32, 20))
    coordinates = {"row": list("abcd"), "column": np.arange(5) * 10}
    labelled = xarray.DataArray(operands[0], coords=coordinates, dims=("row", "column"), name="x")
    for result, plain in zip(case(labelled, *operands[1:]), case(*operands), strict=True):
        assert isinstance(result, xarray.DataArray)
        assert result.dims == labelled.dims
        assert result.coords.equals(labelled.coords)
        assert_same_bits(result.values, plain)


@every_case
def test_pandas_keeps_index(case):
    pandas = pytest.importorskip("pandas")
    operands = operands_of(case, np.float64, 20)
    index = pandas.date_range("2024-01-01", periods=20)
    series = pandas.Series(operands[0], index=index, name="x")
    for result, plain in zip(case(series, *operands[1:]), case(*operands), strict=True):
        assert isinstance(result, pandas.Series)
        assert result.index.equals(index)
        assert_same_bits(result.to_numpy(), plain)


@every_activation
def test_pandas_frame(activation):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [-1.0, 0.0, 2.0], "b": [1.0, 3.0, -4.0]}, index=list("xyz"))
    result = activation(frame)
    assert isinstance(result, pandas.DataFrame)
    assert list(result.columns) == ["a", "b"]
    assert_same_bits(result.to_numpy(), activation(frame.to_numpy()))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int64"])
def test_numbers_beside_pandas_frames(dtype):
    """pandas makes arrays of float64 of them; results have the dtype and bits that arrays give all the same."""
    pandas = pytest.importorskip("pandas")
    x = np.array([[-1.0, 0.0, 2.0], [1.0, 3.0, -4.0]]).astype(dtype)
    frame = pandas.DataFrame(x, index=["a", "b"], columns=list("xyz"))
    for call in (
        lambda z: sf.silu(z, beta=1.7),
        lambda z: sf.silu.value_and_derivative(z, beta=2)[1],
        lambda z: sf.gelu.vjp(z, 0.1),
        lambda z: sf.gelu.vjp(0.1, z),
        lambda z: sf.swiglu(z, z, limit=0.7),
        lambda z: sf.swiglu.vjp(z, z, 0.1)[1],
        lambda z: sf.silu(z, beta=np.float64(1.7)),
        lambda z: sf.silu(z, beta=0.1, dtype=np.float64),
    ):
        found, expected = call(frame), call(x)
        assert isinstance(found, pandas.DataFrame)
        assert found.index.equals(frame.index)
        assert found.columns.equals(frame.columns)
        assert_same_bits(found.to_numpy(), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dask_computes_in_the_dtype_asked_for(dtype):
    dask = pytest.importorskip("dask.array")
    x = np.random.default_rng(0).normal(0, 3, (20, 30))
    lazy, row = dask.from_array(x, chunks=(7, 11)), dask.from_array(x[0], chunks=5)
    for call, operands, plain in (
        (sf.gelu, (lazy,), (x,)),
        (sf.gelu.vjp, (lazy, row), (x, x[0])),
        (sf.gelu.vjp, (x, row), (x, x[0])),
        (sf.gelu.vjp, (lazy, 0.1), (x, 0.1)),
        (lambda z, beta, **keywords: sf.silu(z, beta=beta, **keywords), (x, lazy), (x, x)),
        (lambda gate, up, **keywords: sf.swiglu(gate, up, limit=0.7, **keywords), (lazy, row), (x, x[0])),
    ):
        found, expected = call(*operands, dtype=dtype), call(*plain, dtype=dtype)
        assert isinstance(found, dask.Array)
        assert found.dtype == expected.dtype
        assert_same_bits(found.compute(scheduler="synchronous"), expected)
    xarray = pytest.importorskip("xarray")
    labelled = xarray.DataArray(lazy, dims=("row", "column"), coords={"row": range(20)})
    found = sf.gelu(labelled, dtype=dtype)
    assert isinstance(found.data, dask.Array)
    assert found.coords.equals(labelled.coords)
    assert_same_bits(found.compute(scheduler="synchronous").values, sf.gelu(x, dtype=dtype))


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_rows_of_duck_arrays(name):
    """Functions along an axis take what has `__array_ufunc__`, lazily where that is lazy."""
    function = sf.get(name)
    z = np.random.default_rng(0).normal(0, 3, (6, 8))
    tagged = function(z.view(Tagged))
    assert type(tagged) is Tagged
    assert_same_bits(tagged, function(z))
    dask = pytest.importorskip("dask.array")
    lazy = function(dask.from_array(z, chunks=(2, -1)))
    assert isinstance(lazy, dask.Array)
    assert_same_bits(lazy.compute(scheduler="synchronous"), function(z))
    lazy = function(dask.from_array(z, chunks=(-1, 3)), axis=0)
    assert_same_bits(lazy.compute(scheduler="synchronous"), function(z, axis=0))


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_rows_of_labelled_arrays(name):
    function = sf.get(name)
    z = np.random.default_rng(0).normal(0, 3, (3, 4))
    pandas = pytest.importorskip("pandas")
    assert_same_bits(np.asarray(function(pandas.DataFrame(z))), function(z))
    assert_same_bits(np.asarray(function(pandas.Series(z[0]))), function(z[0]))
    xarray = pytest.importorskip("xarray")
    assert_same_bits(np.asarray(function(xarray.DataArray(z, dims=("a", "b")))), function(z))


def test_every_case_is_here():
    """The list above is the catalogue's: a value, vjp and more of each function."""
    names = {case.name for case in CASES}
    for name in (*sf.catalogue.ACTIVATIONS, *sf.catalogue.GATES):
        assert {name, f"{name}.vjp"} <= names
