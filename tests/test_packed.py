"""Gated units of one packed operand."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import softfloor as sf
from cases import DTYPES, assert_same_bits, every_dtype, numbers

every_layout = pytest.mark.parametrize("layout", ("split", "interleaved"))
every_gate = pytest.mark.parametrize("gate", ("first", "last"))


def apart(x, layout, gate, axis):
    """Gate and up, by np.split and np.take instead of views."""
    if layout == "split":
        first, second = np.split(x, 2, axis)
    else:
        n = x.shape[axis]
        first, second = np.take(x, range(0, n, 2), axis), np.take(x, range(1, n, 2), axis)
    return (first, second) if gate == "first" else (second, first)


def together(dgate, dup, layout, gate, axis):
    first, second = (dgate, dup) if gate == "first" else (dup, dgate)
    if layout == "split":
        return np.concatenate([first, second], axis)
    axis %= first.ndim
    shape = list(first.shape)
    shape[axis] *= 2
    return np.stack([first, second], axis + 1).reshape(shape)


@settings(max_examples=80, deadline=None)
@given(
    shape=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    data=st.data(),
    layout=st.sampled_from(("split", "interleaved")),
    gate=st.sampled_from(("first", "last")),
    dtype=st.sampled_from(DTYPES),
    name=st.sampled_from(("glu", "swiglu", "geglu", "reglu", "situglu")),
    order=st.sampled_from("CF"),
)
def test_packed_is_the_unit_of_its_parts(shape, data, layout, gate, dtype, name, order):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    shape[axis] *= 2
    random = np.random.default_rng(sum(shape))
    x = np.asarray(random.normal(0, 4, shape).astype(dtype), order=order)
    unit, options = sf.get(name), {"layout": layout, "gate": gate, "axis": axis}
    parts = apart(x, layout, gate, axis)
    expected = unit(*parts)
    assert_same_bits(unit.packed(x, **options), expected)
    cotangent = random.normal(0, 1, expected.shape).astype(dtype)
    dx = together(*unit.vjp(*parts, cotangent), layout, gate, axis)
    assert_same_bits(unit.packed.vjp(x, cotangent, **options), dx)
    assert_same_bits(unit.packed.vjp(x, cotangent, **options, out=x), dx)


@every_layout
@every_gate
@every_dtype
def test_in_place(layout, gate, dtype):
    """The vjp over x, the value over the part of x that holds the gate, or up."""
    x, cotangent = numbers(dtype, 4000).reshape(20, 200), numbers(dtype, 2000, 1).reshape(20, 100)
    options = {"layout": layout, "gate": gate}
    expected, dx = sf.swiglu.packed(x, **options), sf.swiglu.packed.vjp(x, cotangent, **options)
    over = x.copy()
    assert sf.swiglu.packed.vjp(over, cotangent, **options, out=over) is over
    assert_same_bits(over, dx)
    for part in range(2):
        over = x.copy()
        out = over[:, part::2] if layout == "interleaved" else over[:, part * 100 : (part + 1) * 100]
        assert sf.swiglu.packed(over, **options, out=out) is out
        assert_same_bits(out, expected)


@every_layout
def test_nothing_of_the_operands_size_is_allocated(layout):
    """torchtitan 3437: the unit of gpt-oss made x + 1 and ran out of memory. Primus PR 1051: save the inputs alone."""
    unit = sf.gated_presets["gpt-oss"]
    x = np.ones((8000, 400), np.float32)
    h, cotangent = np.empty((8000, 200), np.float32), np.ones((8000, 200), np.float32)
    options = {"layout": layout, "gate": "first"}
    unit.packed(x[:2], **options)
    tracemalloc.start()
    try:
        for call in (lambda: unit.packed(x, **options, out=h), lambda: unit.packed.vjp(x, cotangent, **options, out=x)):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            call()
            assert tracemalloc.get_traced_memory()[1] - before < h.nbytes / 20
        tracemalloc.reset_peak()
        x.copy()
        assert tracemalloc.get_traced_memory()[1] - before > h.nbytes
    finally:
        tracemalloc.stop()


def test_presets_know_their_layout():
    x = np.array([10.0, 3.0, -2.0, 5.0])
    unit = sf.gated_presets["gpt-oss"]
    assert_same_bits(unit.packed(x), unit(x[::2], x[1::2]))
    assert_same_bits(unit.packed(x, layout="split"), unit(x[:2], x[2:]))
    assert_same_bits(unit.packed(x, gate="last"), unit(x[1::2], x[::2]))
    assert_same_bits(sf.gated_presets["glm-5"].packed(x), sf.swiglu(x[:2], x[2:], limit=10.0))


def test_the_side_of_the_gate_must_be_said():
    """TransformerEngine warns of it in its documentation: its gate is the first half, that of torch the second."""
    x = np.array([1.0, 2.0])
    for call in (sf.glu.packed, lambda x: sf.glu.packed.vjp(x, x[:1])):
        with pytest.raises(TypeError, match=r"gate='first'.*TransformerEngine.*gate='last'.*torch"):
            call(x)
    torch = pytest.importorskip("torch")
    z = np.random.default_rng(0).normal(0, 3, (4, 10)).astype(np.float32)
    expected = torch.nn.functional.glu(torch.from_numpy(z)).numpy()
    np.testing.assert_allclose(sf.glu.packed(z, gate="last"), expected, rtol=1e-6)
    assert not np.allclose(sf.glu.packed(z, gate="first"), expected)


def test_settings_and_dtype():
    x = np.float32([[10, 3, 1, -4]])
    assert_same_bits(
        sf.swiglu.packed(x, gate="first", limit=2.0, clamp="after"),
        sf.swiglu(x[:, :2], x[:, 2:], limit=2.0, clamp="after"),
    )
    limits = np.float32([1, 3])
    assert_same_bits(sf.swiglu.packed(x, gate="first", limit=limits), sf.swiglu(x[:, :2], x[:, 2:], limit=limits))
    assert sf.swiglu.packed(x, gate="first", dtype=np.float64).dtype == np.float64
    assert sf.swiglu.packed.vjp(x, 1.0, gate="first", dtype=np.float64).dtype == np.float64
    assert sf.swiglu.packed.vjp(x, 1.0, gate="first").dtype == np.float32
    assert sf.swiglu.packed.vjp(x, np.ones(2), gate="first").dtype == np.float64
    assert sf.swiglu.packed([1, 2], gate="first").dtype == np.float64


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: sf.swiglu.packed(x, gate="left"), ValueError, "gate='left' is neither"),
        (lambda x: sf.swiglu.packed(x, gate="first", layout="block"), ValueError, "layout='block' is neither"),
        (lambda x: sf.swiglu.packed(x[:, :3], gate="first"), ValueError, "3 entries along axis -1.*even"),
        (
            lambda x: sf.swiglu.packed(x, gate="first", axis=2),
            ValueError,
            "axis 2 is out of bounds; x has 2 dimensions",
        ),
        (lambda x: sf.swiglu.packed(x, gate="first", axis=1.5), TypeError, "axis=1.5 is not an integer"),
        (lambda x: sf.swiglu.packed(1.0, gate="first"), ValueError, "0 dimensions"),
        (lambda x: sf.swiglu.packed(x.astype(complex), gate="first"), TypeError, "x has dtype complex128"),
        (lambda x: sf.swiglu.packed(x, gate="first", alpha=1), TypeError, "no keyword 'alpha'"),
        (lambda x: sf.swiglu.packed(x, gate="first", out=np.empty((2, 4))), ValueError, r"\(2,4\)"),
        (
            lambda x: sf.swiglu.packed.vjp(x, x, gate="first"),
            ValueError,
            r"cotangent has shape \(2, 4\); the unit's is",
        ),
        (lambda x: sf.swiglu.packed.vjp(x, np.ones((3, 2, 2)), gate="first"), ValueError, "cotangent has shape"),
        (lambda x: sf.swiglu.packed.vjp(x, 1.0, gate="first", out=np.empty((2, 2))), ValueError, "the shape of x"),
        (lambda x: sf.swiglu.packed.vjp(x, 1.0, gate="first", out=[1]), ValueError, "got list"),
        (lambda x: sf.swiglu.packed.vjp(x, "a", gate="first"), TypeError, "cotangent has dtype"),
    ],
)
def test_bad_input(call, error, match):
    x = np.arange(8.0).reshape(2, 4)
    with pytest.raises(error, match=match):
        call(x)
    assert_same_bits(x, np.arange(8.0).reshape(2, 4))


@every_layout
@every_gate
def test_dask(layout, gate):
    da = pytest.importorskip("dask.array")
    random = np.random.default_rng(0)
    x, cotangent = random.normal(0, 4, (6, 40)).astype(np.float32), random.normal(0, 1, (6, 20)).astype(np.float32)
    options = {"layout": layout, "gate": gate, "limit": 3.0}
    expected, dx = sf.swiglu.packed(x, **options), sf.swiglu.packed.vjp(x, cotangent, **options)
    for chunks in ((2, 40), (3, 7), (6, 10)):
        lazy = da.from_array(x, chunks=chunks)
        value, gradient = sf.swiglu.packed(lazy, **options), sf.swiglu.packed.vjp(lazy, cotangent, **options)
        assert isinstance(value, da.Array)
        assert isinstance(gradient, da.Array)
        assert_same_bits(value.compute(scheduler="synchronous"), expected)
        assert_same_bits(gradient.compute(scheduler="synchronous"), dx)
    with pytest.raises(TypeError, match="lazy"):
        sf.swiglu.packed.vjp(lazy, cotangent, **options, out=x)


@every_layout
def test_labels(layout):
    xarray, pandas = pytest.importorskip("xarray"), pytest.importorskip("pandas")
    x = np.random.default_rng(0).normal(0, 4, (3, 6))
    options = {"layout": layout, "gate": "first"}
    expected, dx = sf.swiglu.packed(x, **options), sf.swiglu.packed.vjp(x, 1.0, **options)
    labelled = xarray.DataArray(x, dims=("row", "unit"), coords={"row": list("abc"), "unit": range(6)}, name="x")
    value, gradient = sf.swiglu.packed(labelled, **options, axis="unit"), sf.swiglu.packed.vjp(labelled, 1.0, **options)
    assert value.dims == ("row", "unit")
    assert list(value.coords) == ["row"]
    assert_same_bits(value.values, expected)
    assert gradient.coords.equals(labelled.coords)
    assert_same_bits(gradient.values, dx)
    frame = pandas.DataFrame(x, index=list("abc"))
    value, gradient = sf.swiglu.packed(frame, **options), sf.swiglu.packed.vjp(frame, 1.0, **options)
    assert list(value.index) == list("abc")
    assert list(value.columns) == [0, 1, 2]
    assert_same_bits(value.to_numpy(), expected)
    assert gradient.index.equals(frame.index)
    assert_same_bits(gradient.to_numpy(), dx)
    series = pandas.Series(x[0], name="x")
    assert_same_bits(sf.swiglu.packed(series, **options).to_numpy(), expected[0])
    assert sf.swiglu.packed.vjp(series, 1.0, **options).name == "x"
