"""softmin, sparsemax, entmax15, hardmax: axes, masks, infinities, NaN, outputs, dtypes, layouts, bad input."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import softfloor as sf
from cases import DTYPES, assert_same_bits, edges, every_dtype
from test_reproducible import LARGE, nasty_rows, needs_instruction_sets
from test_rows import AXES, logits, row_by_row

NAMES = ("softmin", "sparsemax", "entmax15", "hardmax")
every_function = pytest.mark.parametrize("function", [sf.get(name) for name in NAMES], ids=NAMES)
every_smooth = pytest.mark.parametrize("function", [sf.get(name) for name in NAMES[:3]], ids=NAMES[:3])


def calls(z):
    """Values and vjps as arrays of rows."""
    cotangent = np.roll(z, 1, axis=-1)
    cotangent = np.where(np.isfinite(cotangent), cotangent, cotangent.dtype.type(1))
    outputs = [sf.get(name)(z) for name in NAMES]
    outputs += [sf.get(name)(z, temperature=0.3) for name in NAMES[:3]]
    gradients = [sf.get(name).vjp(p, cotangent) for name, p in zip(NAMES, outputs, strict=False)]
    noisy = [sf.gumbel_softmax(z, rng=np.random.default_rng(3), hard=hard) for hard in (False, True)]
    return [*outputs, *gradients, *noisy]


@needs_instruction_sets
@every_dtype
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 33, 64, 65, 1000])
def test_instruction_sets(dtype, n):
    z, _ = nasty_rows(dtype, 64, n)
    z[1:9] = (z[1:9].astype(float) / 20).astype(dtype)  # long supports
    expected = calls(z)
    for name in sf.cpu.available():
        with sf.cpu.use(name):
            for result, wanted in zip(calls(z), expected, strict=True):
                assert_same_bits(result, wanted)


@every_dtype
def test_threads_strides_and_chunks(dtype):
    rows = 700
    z, _ = nasty_rows(dtype, rows, LARGE // rows + 1)
    with sf.threads.set(1):
        expected = calls(z)
    with sf.threads.set(3):
        for view in (z, np.asfortranarray(z), np.repeat(z, 2, axis=1)[:, ::2]):
            for result, wanted in zip(calls(view), expected, strict=True):
                assert_same_bits(result, wanted)
    for i in (0, 311, rows - 1):
        for result, wanted in zip(calls(z[i : i + 1])[:-2], expected[:-2], strict=True):
            assert_same_bits(result, wanted[i : i + 1])


@every_function
@pytest.mark.parametrize("axis", AXES, ids=str)
def test_every_axis(function, axis):
    z = logits()
    result = function(z, axis)
    np.testing.assert_allclose(result, row_by_row(function, axis, z), rtol=1e-15, atol=1e-300)
    gradient = function.vjp(result, logits(seed=1), axis)
    expected = row_by_row(function.vjp, axis, np.asarray(result), logits(seed=1))
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-15)


@every_function
@pytest.mark.parametrize("axis", [-2, 0, 1, 2, (0, 2), (2, 1), None], ids=str)
@every_dtype
def test_out(function, axis, dtype):
    z = logits(dtype)
    expected = np.asarray(function(z, axis))
    assert expected.dtype == dtype
    for output in (np.empty(expected.shape, dtype), np.empty(expected.shape, dtype, order="F")):
        assert function(z, axis, out=output) is output
        assert_same_bits(output, expected)
    own = z.copy()
    assert function(own, axis, out=own) is own
    assert_same_bits(own, expected)
    p = expected.copy()
    assert_same_bits(function.vjp(p, z, axis, out=p), function.vjp(expected, z, axis))
    c = z.copy()
    assert_same_bits(function.vjp(expected, c, axis, out=c), function.vjp(expected, z, axis))


@every_function
@every_dtype
def test_dtype(function, dtype):
    z = np.array([[0.5, -1.25, 3], [8, 2, -4]])
    for source in DTYPES:
        given_rows = z.astype(source)
        assert_same_bits(function(given_rows, dtype=dtype), function(given_rows.astype(dtype)))
        assert function(given_rows, where=given_rows > -2).dtype == source
        assert function.vjp(function(given_rows), 1).dtype == source
    for code in np.typecodes["AllInteger"] + "?":
        integers = np.array([[0, 1, 1], [1, 0, 0]], code)
        assert function(integers).dtype == np.exp(integers).dtype


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_shapes_axes_and_masks(data):
    """What is masked takes no part: the rest is, entry by entry, what it would be alone; a row adds up to 1."""
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6))
    seed = data.draw(st.integers(0, 2**32))
    axis = data.draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
    z = logits(dtype, shape, seed)
    mask = np.random.default_rng(seed).random(shape) < data.draw(st.sampled_from([0.2, 0.6, 0.9]))
    z[~mask] = np.nan  # must not matter
    axes = tuple(range(len(shape))) if axis is None else axis
    present = mask.any(axis=axes)
    epsilon = float(edges(dtype)[4])
    for name in NAMES:
        function = sf.get(name)
        p = function(z, axis, where=mask)
        assert p.shape == shape
        assert (p[~mask] == 0).all()
        np.testing.assert_allclose(p.astype(float).sum(axis=axes), present, atol=10 * epsilon)
        assert not np.isnan(function.vjp(p, z.dtype.type(2), axis)).any()

        def alone(row, keep, function=function):
            result = np.zeros(row.shape, row.dtype)
            keep = keep.astype(bool)
            result[keep] = function(row[keep])
            return result

        expected = row_by_row(alone, axis, z, mask.astype(dtype)) if z.size else z
        np.testing.assert_allclose(p.astype(float), expected.astype(float), rtol=4 * epsilon, atol=epsilon**2)


@every_dtype
def test_entmax_issues_16_and_30_rows_without_finite_entries(dtype):
    """deep-spin/entmax: NaN for a row of -inf, and NaN in half precision."""
    for name, absent in zip(NAMES, (np.inf, -np.inf, -np.inf, -np.inf), strict=True):
        row = np.full((2, 4), absent, dtype)
        function = sf.get(name)
        assert_same_bits(function(row), np.zeros((2, 4), dtype))
        assert (function.vjp(function(row), 1) == 0).all()
        assert_same_bits(function(logits(dtype), where=False), np.zeros((3, 4, 5), dtype))
    random = np.random.default_rng(0)
    z = random.normal(0, 100, (50, 300)).astype(dtype)
    for function in (sf.sparsemax, sf.entmax15):
        p = function(z)
        assert np.isfinite(p.astype(float)).all()
        np.testing.assert_allclose(p.astype(float).sum(axis=-1), 1, atol=10 * float(edges(dtype)[4]))


@every_dtype
def test_infinite_logits_share_the_mass(dtype):
    """pytorch #25110 and #6864, jax #21495, scipy #23225: NaN for one +inf."""
    z = np.array([1, np.inf, np.inf, -np.inf], dtype)
    half = np.array([0, 0.5, 0.5, 0], dtype)
    for function in (sf.sparsemax, sf.entmax15):
        assert_same_bits(function(z), half)
        assert_same_bits(function(z, temperature=1e-3), half)
        gradient = function.vjp(half, np.array([9, 1, 2, 9], dtype)).astype(float)
        assert np.sign(gradient).tolist() == [0, -1, 1, 0]
    assert_same_bits(sf.softmin(-z), half)
    assert_same_bits(sf.hardmax(z), np.array([0, 1, 0, 0], dtype))
    assert_same_bits(sf.sparsemax(z[[3, 0, 3, 0]]), half[[0, 1, 0, 1]])


@every_function
@every_dtype
@pytest.mark.parametrize("others", [[0.0, 1.0], [np.inf, 1.0], [-np.inf, -np.inf], [np.inf, -np.inf]], ids=str)
def test_nan_spreads_to_its_row_only(function, dtype, others):
    z = logits(dtype, (3, 200))
    z[1, 170] = np.nan
    z[1, [3, 11]] = others
    result = function(z)
    assert np.isnan(result[1]).all()
    assert_same_bits(result[[0, 2]], function(z[[0, 2]]))
    gradient = function.vjp(result, 1)
    assert np.isnan(gradient[1]).all()
    assert not np.isnan(gradient[[0, 2]]).any()


@every_function
@every_dtype
def test_no_warning(function, dtype):
    values = edges(dtype)
    temperatures = [{"temperature": t} for t in (1.0, 0.01, 1e-300, 1e300)] if function is not sf.hardmax else [{}]
    with np.errstate(all="raise"):
        for n, temperature in itertools.product((1, 2, 3, 17, 70), temperatures):
            z = np.stack([np.resize(np.roll(values, k), n) for k in range(len(values))])
            function.vjp(function(z, **temperature), values[:, None], **temperature)
            function(z, where=np.arange(n) % 2 == 0, **temperature)


@every_dtype
def test_softmin_is_softmax_of_the_negative(dtype):
    z, c = logits(dtype), logits(dtype, seed=1)
    for temperature in (1.0, 0.3):
        p = sf.softmin(z, 1, temperature=temperature)
        assert_same_bits(p, sf.softmax(-z, 1, temperature=temperature))
        expected = -sf.softmax.vjp(p, c, 1, temperature=temperature)
        assert_same_bits(sf.softmin.vjp(p, c, 1, temperature=temperature), expected)


def test_hardmax_takes_the_first_maximum():
    z = np.array([[1, 3, 3, 2], [5, 5, 5, 5], [-0.0, 0.0, -1, 0]])
    assert sf.hardmax(z).argmax(-1).tolist() == [1, 0, 0]
    long = np.zeros(1000)
    long[[130, 700]] = 1
    assert np.flatnonzero(sf.hardmax(long)).tolist() == [130]
    assert np.argwhere(sf.hardmax(z, (1, 0))).tolist() == [[1, 0]]


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 5)])
def test_hardmax_is_one_hot_of_argmax(shape):
    """The rule of ONNX's Hardmax and of np.argmax: the first of several."""
    z = np.round(logits(np.float32, shape) / 3)
    for axis in range(-len(shape), len(shape)):
        first = np.expand_dims(z.argmax(axis), axis)
        expected = (np.indices(shape)[axis] == first).astype(np.float32)
        assert_same_bits(sf.hardmax(z, axis), expected)


@every_smooth
@every_dtype
def test_jacobian_holds_the_vjp(function, dtype):
    z, c = logits(dtype, (2, 3, 5)), logits(dtype, (2, 3, 5), seed=1)
    tolerance = 20 * float(edges(dtype)[4])
    for axis, temperature in itertools.product((0, 1, -1), (1.0, 2.0)):
        jacobian = function.jacobian(z, axis, temperature=temperature).astype(float)
        gradient = function.vjp(function(z, axis, temperature=temperature), c, axis, temperature=temperature)
        expected = np.einsum("...ij,...i->...j", jacobian, np.moveaxis(c, axis, -1).astype(float))
        actual = np.moveaxis(gradient, axis, -1).astype(float)
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * 5)


def test_sparser_as_the_temperature_falls():
    z = logits(np.float64, (100, 50))
    for function in (sf.sparsemax, sf.entmax15):
        supports = [np.count_nonzero(function(z, temperature=t)) for t in (0.1, 1, 10, 100)]
        assert supports == sorted(supports)
        assert supports[0] < supports[-1]
    assert (np.count_nonzero(sf.sparsemax(z), -1) <= np.count_nonzero(sf.entmax15(z), -1)).all()


@every_function
def test_bad_input(function):
    z = np.zeros((2, 3))
    for wrong in (np.array([1j]), np.array(["a"]), np.array([None])):
        with pytest.raises(TypeError, match="z has dtype"):
            function(wrong)
        with pytest.raises(TypeError, match="p has dtype"):
            function.vjp(wrong, 1.0)
        with pytest.raises(TypeError, match="cotangent has dtype"):
            function.vjp(z, wrong)
    with pytest.raises(np.exceptions.AxisError, match="out of bounds for array of dimension 2"):
        function(z, 2)
    with pytest.raises(TypeError, match="axis must be an integer, a tuple of integers or None"):
        function(z, "row")
    with pytest.raises(TypeError, match="where must be boolean"):
        function(z, where=[1, 0, 1])
    with pytest.raises(ValueError, match=r"out has shape \(7,\); the result has shape \(2, 3\)"):
        function(z, out=np.ones(7))
    with pytest.raises(TypeError, match="out must be an array; got list"):
        function(z, out=[0.0])
    with pytest.raises(ValueError, match=r"cotangent has shape \(9,\), which does not broadcast to \(2, 3\)"):
        function.vjp(z, np.ones(9))
    with pytest.raises(TypeError, match="temprature"):
        function(z, temprature=2)
    if function is not sf.hardmax:
        with pytest.raises(ValueError, match="temperature must be positive and finite; got 0"):
            function(z, temperature=0)
        with pytest.raises(ValueError, match="temperature must be positive and finite; got -1"):
            function.vjp(z, 1, temperature=-1)
