"""xarray and pandas in, the same labels out, for the functions along an axis."""

import re
import subprocess
import sys

import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits

xarray = pytest.importorskip("xarray")
pandas = pytest.importorskip("pandas")
ROW_FUNCTIONS = (sf.softmax, sf.log_softmax, sf.logsumexp)
every_row_function = pytest.mark.parametrize("function", ROW_FUNCTIONS, ids=lambda function: function.name)

Z = np.random.default_rng(0).normal(0, 3, (2, 3, 4)).astype(np.float32)


def labelled(values=Z):
    coordinates = {
        "sample": [10, 20],
        "name": ("sample", ["a", "b"]),
        "class": list("wxyz"),
        "both": (("time", "class"), np.arange(12).reshape(3, 4)),
    }
    return xarray.DataArray(
        values, coords=coordinates, dims=("sample", "time", "class"), name="z", attrs={"units": "nat"}
    )


def frame():
    return pandas.DataFrame(Z[0], index=pandas.Index([5, 3, 1], name="row"), columns=list("wxyz"))


@every_row_function
@pytest.mark.parametrize("axis", [-1, 0, "class", "time", ("time", "class"), (0, 2), None], ids=str)
def test_xarray(function, axis):
    z = labelled()
    numbers = {"sample": 0, "time": 1, "class": 2}
    plain = numbers.get(axis, axis) if not isinstance(axis, tuple) else tuple(numbers.get(a, a) for a in axis)
    expected, result = function(Z, plain), function(z, axis)
    assert isinstance(result, xarray.DataArray)
    assert_same_bits(result.values, np.asarray(expected))
    assert result.name == "z"
    assert result.attrs == z.attrs
    if function is not sf.logsumexp:
        xarray.testing.assert_identical(result, z.copy(data=expected))
        return
    xarray.testing.assert_identical(
        result.coords.to_dataset(), z.max(z.dims if axis is None else axis_names(axis)).coords.to_dataset()
    )
    kept = function(z, axis, keepdims=True)
    assert kept.dims == z.dims
    assert_same_bits(kept.values, function(Z, plain, keepdims=True))


def axis_names(axis):
    dims = ("sample", "time", "class")
    return [a if isinstance(a, str) else dims[a] for a in (axis if isinstance(axis, tuple) else (axis,))]


@every_row_function
def test_xarray_vjp(function):
    z = labelled()
    first = z if function is sf.logsumexp else function(z, "time")
    cotangent = z.max("time") if function is sf.logsumexp else z + 1
    expected = function.vjp(first.values, cotangent.values, 1)
    turned = cotangent.transpose(*reversed(cotangent.dims))  # by name, whatever the order of dimensions
    result = function.vjp(first, turned, "time")
    assert_same_bits(result.values, expected)
    assert result.coords.equals(z.coords)
    if function is not sf.logsumexp:
        column = z.isel(time=0, drop=True)  # broadcasts by name
        np.testing.assert_array_equal(
            function.vjp(first, column, "time").values, function.vjp(first.values, column.values[:, None], 1)
        )


@every_row_function
def test_xarray_mask(function):
    z = labelled()
    mask = xarray.DataArray(Z[:, 0] > 0, dims=("sample", "class"), coords={"sample": [10, 20]})
    result = function(z, "class", where=mask.transpose())
    assert_same_bits(result.values, function(Z, where=np.broadcast_to(mask.values[:, None], Z.shape)))


def test_xarray_losses():
    z, labels = labelled(), np.array([[0, 1, 2], [3, 2, 1]])
    targets = xarray.DataArray(labels.T, dims=("time", "sample"), coords={"sample": [10, 20]})
    loss, gradient = sf.softmax_cross_entropy.value_and_grad(z, targets, "class")
    expected = sf.softmax_cross_entropy.value_and_grad(Z, labels)
    assert type(loss) is np.float32
    assert_same_bits(loss, expected[0])
    assert_same_bits(gradient.values, expected[1])
    assert gradient.coords.equals(z.coords)
    losses = sf.softmax_cross_entropy(z, targets, "class", reduction="none")
    assert losses.dims == ("sample", "time")
    assert list(losses.coords) == ["sample", "name"]
    assert_same_bits(losses.values, sf.softmax_cross_entropy(Z, labels, reduction="none"))


def test_xarray_stays_lazy():
    dask = pytest.importorskip("dask.array")
    z = labelled().chunk({"class": 2, "sample": 1})
    for function in ROW_FUNCTIONS:
        result = function(z, "class")
        assert isinstance(result.data, dask.Array)
        np.testing.assert_allclose(result.compute(scheduler="synchronous"), function(Z), rtol=3e-7)
        assert "sample" in result.coords


def test_xarray_losses_of_entries():
    """Labels and weights of entries match by name."""
    z = labelled()
    labels = (z > 0).astype(float).transpose("class", "sample", "time")
    weight = xarray.DataArray([1.0, 2.0], dims="sample", coords={"sample": [10, 20]})
    loss, gradient = sf.sigmoid_cross_entropy.value_and_grad(z, labels, weight=weight)
    expected = sf.sigmoid_cross_entropy.value_and_grad(Z, Z > 0, weight=np.array([1.0, 2.0])[:, None, None])
    assert_same_bits(loss, expected[0])
    xarray.testing.assert_identical(gradient, z.copy(data=expected[1]))
    assert sf.sigmoid_cross_entropy(z, labels, reduction="none").dims == z.dims
    with pytest.raises(ValueError, match=r"weight has dimensions \['layer'\], which the first operand does not have"):
        sf.sigmoid_cross_entropy(z, labels, weight=weight.rename(sample="layer"))


def test_xarray_losses_of_log_probabilities():
    q, labels = sf.log_softmax(labelled(), "class"), np.array([[0, 1, 2], [3, 2, 1]])
    targets = xarray.DataArray(labels.T, dims=("time", "sample"), coords={"sample": [10, 20]})
    weight = xarray.DataArray([1.0, 2.0, 3.0, 4.0], dims="class", coords={"class": list("wxyz")})
    loss, gradient = sf.nll.value_and_grad(q, targets, "class", weight=weight)
    expected = sf.nll.value_and_grad(q.values, labels, weight=weight.values)
    assert_same_bits(loss, expected[0])
    xarray.testing.assert_identical(gradient, q.copy(data=expected[1]))
    assert sf.nll(q, targets, "class", reduction="none").dims == ("sample", "time")


def test_xarray_vjp_of_losses_of_rows():
    z, labels = labelled(), np.array([[0, 1, 2], [3, 2, 1]])
    cotangent = z.max("class").transpose("time", "sample")
    found = sf.softmax_cross_entropy.vjp(z, labels, cotangent, "class", reduction="none")
    expected = sf.softmax_cross_entropy.vjp(Z, labels, cotangent.values.T, reduction="none")
    xarray.testing.assert_identical(found, z.copy(data=expected))


def layer():
    """Hidden states and a weight of the same shape, whose gradients must not be taken for each other."""
    hidden = xarray.DataArray(
        Z[0, :, :3], dims=("token", "feature"), coords={"token": [3, 1, 2], "feature": list("fgh")}
    )
    weight = xarray.DataArray(Z[1, :, :3], dims=("class", "feature"), coords={"feature": list("fgh")}, name="w")
    return hidden, weight, xarray.DataArray([0, 2, 1], dims="token", coords={"token": [3, 1, 2]})


@pytest.mark.parametrize("lazy", [False, True])
def test_xarray_linear_cross_entropy(lazy):
    hidden, weight, labels = layer()
    expected = sf.linear_cross_entropy.value_and_grad(hidden.values, weight.values, labels.values)
    if lazy:
        pytest.importorskip("dask.array")
        hidden = hidden.chunk({"token": 2})
    loss, (dhidden, dweight) = sf.linear_cross_entropy.value_and_grad(hidden, weight.T, labels)
    np.testing.assert_allclose(loss, expected[0], rtol=1e-6)
    xarray.testing.assert_allclose(dhidden.compute(), hidden.copy(data=expected[1][0]).compute(), rtol=1e-5)
    xarray.testing.assert_allclose(dweight.compute(), weight.copy(data=expected[1][1]), rtol=1e-5)
    assert list(dweight.coords) == ["feature"]
    losses = sf.linear_cross_entropy(hidden, weight, labels, reduction="none")
    assert losses.dims == ("token",)
    (one,) = sf.linear_cross_entropy.vjp(hidden, weight, labels, 2.0, gradients=("weight",))
    np.testing.assert_allclose(one.values, 2 * expected[1][1], rtol=1e-5)
    with pytest.raises(ValueError, match="weight has other coordinates"):
        sf.linear_cross_entropy(hidden, weight.assign_coords(feature=list("gfh")), labels)


def test_pandas_other_losses():
    table = frame()
    labels = (table > 0).astype(float)
    loss, gradient = sf.sigmoid_cross_entropy.value_and_grad(table, labels)
    assert_same_bits(loss, sf.sigmoid_cross_entropy(Z[0], Z[0] > 0))
    pandas.testing.assert_frame_equal(gradient, pandas.DataFrame(gradient.to_numpy(), table.index, table.columns))
    targets = pandas.Series([0, 3, 1], index=table.index)
    losses = sf.nll(sf.log_softmax(table), targets, reduction="none")
    assert losses.index.equals(table.index)
    weight = pandas.DataFrame(Z[1], index=["a", "b", "c"], columns=table.columns)
    bias = pandas.Series([0.0, 1.0, 2.0], index=weight.index)
    classes = pandas.Series([0, 2, 1], index=table.index)
    _, gradients = sf.linear_cross_entropy.value_and_grad(table, weight, classes, bias)
    for one, operand in zip(gradients, (table, weight, bias), strict=True):
        assert type(one) is type(operand)
        assert one.index.equals(operand.index)
    with pytest.raises(ValueError, match="weight has another index"):
        sf.linear_cross_entropy(table, weight[list("xwyz")], classes)


@every_row_function
@pytest.mark.parametrize("axis", [-1, 0, 1, "columns", "index"])
def test_pandas_frame(function, axis):
    table = frame()
    number = {"columns": 1, "index": 0}.get(axis, axis)
    result, expected = function(table, axis), function(Z[0], number)
    if function is sf.logsumexp:
        assert isinstance(result, pandas.Series)
        assert result.index.equals(table.index if number else table.columns)
    else:
        assert isinstance(result, pandas.DataFrame)
        assert result.index.equals(table.index)
        assert result.index.name == "row"
        assert result.columns.equals(table.columns)
        again = function.vjp(result, table + 1, axis)
        assert again.columns.equals(table.columns)
        assert_same_bits(again.to_numpy(), function.vjp(expected, Z[0] + 1, number))
    assert_same_bits(result.to_numpy(), expected)


@every_row_function
def test_pandas_series(function):
    series = frame()["x"]
    result = function(series)
    if function is sf.logsumexp:
        assert_same_bits(np.asarray(result), np.asarray(function(series.to_numpy())))
        assert np.ndim(result) == 0
    else:
        assert isinstance(result, pandas.Series)
        assert result.index.equals(series.index)
        assert result.name == "x"
        assert_same_bits(result.to_numpy(), function(series.to_numpy()))


@pytest.mark.parametrize("axis", [-1, 0, "columns", "index", None, (0, 1)], ids=str)
def test_pandas_keepdims(axis):
    """The index of the other axis stays, whatever the length of the one that is kept."""
    numbers = {"columns": (1,), "index": (0,), None: (0, 1)}
    kept = numbers.get(axis) or tuple(k % 2 for k in np.atleast_1d(axis))
    plain_axis = axis if not isinstance(axis, str) else kept[0]
    for table in (frame(), frame()[["w"]], frame().iloc[:1]):
        result = sf.logsumexp(table, axis, keepdims=True)
        expected = sf.logsumexp(table.to_numpy(), plain_axis, keepdims=True)
        labels = [pandas.RangeIndex(1) if k in kept else own for k, own in enumerate(table.axes)]
        pandas.testing.assert_frame_equal(result, pandas.DataFrame(expected, *labels), check_exact=True)
    series = frame()["x"]
    one = pandas.Series(sf.logsumexp(series.to_numpy(), keepdims=True), name="x")
    pandas.testing.assert_series_equal(sf.logsumexp(series, keepdims=True), one, check_exact=True)


def test_pandas_losses():
    table = frame()
    labels = pandas.Series([0, 3, 1], index=table.index)
    loss, gradient = sf.softmax_cross_entropy.value_and_grad(table, labels)
    expected = sf.softmax_cross_entropy.value_and_grad(Z[0], labels.to_numpy())
    assert_same_bits(loss, expected[0])
    assert isinstance(gradient, pandas.DataFrame)
    assert_same_bits(gradient.to_numpy(), expected[1])
    losses = sf.softmax_cross_entropy(table, labels, reduction="none")
    assert losses.index.equals(table.index)


def test_labels_that_do_not_match():
    """Numbers of one row must not meet those of another."""
    table, z = frame(), labelled()
    for other in (table.iloc[::-1], table.reset_index(drop=True), table[list("xwyz")]):
        with pytest.raises(ValueError, match="softmax: cotangent has another index; reindex it"):
            sf.softmax.vjp(table, other)
    with pytest.raises(ValueError, match="softmax_cross_entropy: labels has another index"):
        sf.softmax_cross_entropy(table, pandas.Series([0, 1, 2]))
    # Of three rows and three columns a Series fits both by its length, and must have the index of what it lies along.
    square = table[list("wxy")]
    of_columns, of_rows = (pandas.Series([0, 1, 2], index=index) for index in (square.columns, square.index))
    for name, wrong in (
        ("labels", lambda: sf.softmax_cross_entropy(square, of_columns)),
        ("labels", lambda: sf.nll(square, of_rows, axis=0)),
        ("cotangent", lambda: sf.logsumexp.vjp(square, of_columns)),
        ("weight", lambda: sf.nll(square, of_rows, weight=of_rows)),
        ("where", lambda: sf.softmax(square, where=of_rows > 0)),
    ):
        with pytest.raises(ValueError, match=f"{name} has another index; reindex it"):
            wrong()
    sf.nll(square, of_columns, axis=0, weight=of_rows)
    sf.nll(square, of_rows, weight=of_columns)
    sf.softmax(square, where=of_columns > 0)
    sf.logsumexp.vjp(square, of_columns, axis=0)
    with pytest.raises(ValueError, match="softmax: cotangent has other coordinates; align them first"):
        sf.softmax.vjp(z, z.isel(sample=[1, 0]))
    with pytest.raises(ValueError, match=r"softmax: no dimension is called 'channel'; there are \('sample', 'time'"):
        sf.softmax(z, "channel")
    with pytest.raises(ValueError, match="No axis named"):
        sf.softmax(table, "class")


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "softmin", "sparsemax", "entmax15"])
def test_jacobians_have_no_labels(name):
    jacobian = sf.get(name).jacobian
    for z, given, advice in (
        (frame(), "pandas DataFrame", "z.to_numpy()"),
        (frame()["x"], "pandas Series", "z.to_numpy()"),
        (labelled(), "xarray DataArray", "z.data"),
    ):
        refusal = rf"{name}\.jacobian: z is a {given}, whose labels the result cannot have; pass {re.escape(advice)}"
        with pytest.raises(TypeError, match=refusal):
            jacobian(z)
        if name == "softmax":
            with pytest.raises(TypeError, match="softmax_cross_entropy" + refusal.removeprefix(name)):
                sf.softmax_cross_entropy.jacobian(z, [0])
    jacobian(labelled().data)


def test_import_needs_none_of_them():
    code = (
        "import softfloor, sys; softfloor.softmax([1.0, 2.0]); print({'dask', 'pandas', 'xarray'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
