"""softmax, log_softmax, logsumexp: axes, masks, infinities, NaN, outputs, dtypes, layouts."""

import itertools
from typing import Any

import numpy as np
import pytest

import softfloor as sf
from cases import DTYPES, assert_same_bits, bfloat16, edges, every_dtype, every_numpy_dtype

NAMES = ("softmax", "log_softmax", "logsumexp")
every_row_function = pytest.mark.parametrize("function", [sf.get(name) for name in NAMES], ids=NAMES)
SHAPE = (3, 4, 5)
AXES = [None, *range(-3, 3), *itertools.permutations(range(3), 2), (0, 1, 2), (-1, 0), (2, -2), (1,), ()]


def logits(dtype=np.float64, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).normal(0, 3, shape).astype(dtype)


def row_by_row(call, axis, *arrays, reduces=False):
    """What ``call`` gives for each row alone, put together again without the code under test."""
    rank = arrays[0].ndim
    axes = tuple(range(rank)) if axis is None else tuple(a % rank for a in np.atleast_1d(axis).astype(int))
    others = [a for a in range(rank) if a not in axes]
    result = np.empty([arrays[0].shape[a] for a in others] if reduces else arrays[0].shape, arrays[0].dtype)
    for outer in np.ndindex(*(arrays[0].shape[a] for a in others)):
        index: list[Any] = [slice(None)] * rank
        for a, i in zip(others, outer, strict=True):
            index[a] = i
        value = call(*(array[tuple(index)].ravel() for array in arrays))
        result[outer if reduces else tuple(index)] = value if reduces else value.reshape(arrays[0][tuple(index)].shape)
    return result


@every_row_function
@pytest.mark.parametrize("axis", AXES, ids=str)
def test_every_axis(function, axis):
    z = logits()
    reduces = function is sf.logsumexp
    expected = row_by_row(function, axis, z, reduces=reduces)
    result = function(z, axis)
    # The order of a row's entries matters to the last bit of a sum, hence no bitwise comparison for several axes.
    if axis is None or np.size(axis) == 1:
        assert_same_bits(result, expected)
    np.testing.assert_allclose(result, expected, rtol=1e-15, atol=1e-300)
    assert_same_bits(function(z, axis=axis), result)
    cotangent = logits(seed=1)
    if reduces:
        upstream = np.asarray(result)
        kept = function(z, axis, keepdims=True)
        np.testing.assert_array_equal(kept, np.expand_dims(upstream, _positive(axis)))
        gradient = function.vjp(z, upstream, axis)
        np.testing.assert_allclose(gradient, sf.softmax(z, axis) * kept, rtol=3e-15)
    else:
        gradient = function.vjp(result, cotangent, axis)
        expected = row_by_row(function.vjp, axis, np.asarray(result), cotangent)
        np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-15)


def _positive(axis):
    return tuple(range(3)) if axis is None else tuple(a % 3 for a in np.atleast_1d(axis).astype(int))


@every_row_function
@pytest.mark.parametrize("axis", [-2, 0, 1, 2, (0, 2), (2, 1), None], ids=str)
@every_dtype
def test_out(function, axis, dtype):
    z = logits(dtype)
    expected = np.asarray(function(z, axis))
    assert expected.dtype == dtype
    for output in (np.empty(expected.shape, dtype), np.empty(expected.shape, dtype, order="F")):
        assert function(z, axis, out=output) is output
        assert_same_bits(output, expected)
    output = np.empty((*expected.shape, 2), dtype)[..., 0]
    assert function(z, axis, out=(output,)) is output
    assert_same_bits(output, expected)
    if function is not sf.logsumexp:
        own = z.copy()
        assert function(own, axis, out=own) is own
        assert_same_bits(own, expected)
        p = expected.copy()
        assert_same_bits(function.vjp(p, z, axis, out=p), function.vjp(expected, z, axis))
        c = z.copy()
        assert_same_bits(function.vjp(expected, c, axis, out=c), function.vjp(expected, z, axis))
    else:
        own = z.copy()
        assert_same_bits(function.vjp(own, 2, axis, out=own), function.vjp(z, 2, axis))


@every_row_function
@every_dtype
def test_dtype(function, dtype):
    z = np.array([[0.5, -1.25, 3], [8, 2, -4]])
    for source in DTYPES:
        given = z.astype(source)
        assert_same_bits(function(given, dtype=dtype), function(given.astype(dtype)))
        assert function(given).dtype == source
        assert function(given, where=given > -2).dtype == source
        assert function.vjp(function(given) if function is not sf.logsumexp else given, 1).dtype == source
        assert function.jacobian(given).dtype == source


@every_row_function
@pytest.mark.parametrize("code", np.typecodes["AllInteger"] + "?")
def test_integers(function, code):
    z = np.array([[0, 1, 1], [1, 0, 0]], code)
    expected = np.exp(z).dtype
    for result in (function(z), function(z, where=z == z), function.jacobian(z)):
        assert result.dtype == expected
    assert_same_bits(function(z), function(z.astype(expected)))


@every_row_function
def test_lists_and_scalars(function):
    np.testing.assert_array_equal(function([1, 2.5]), function(np.array([1, 2.5])))
    np.testing.assert_array_equal(function(2.5, axis=None), np.reshape(function([2.5], axis=None), ()))


@every_row_function
@every_dtype
def test_layouts(function, dtype):
    z = logits(dtype, (6, 40))
    z[1, :3] = edges(dtype)[13], -1, edges(dtype)[13]
    expected = function(z)
    views = {
        "Fortran": np.asfortranarray(z),
        "backwards": np.ascontiguousarray(z[:, ::-1])[:, ::-1],
        "every other": np.repeat(z, 2, axis=1)[:, ::2],
        "every other row": np.repeat(z, 2, axis=0)[::2],
    }
    memory = np.frombuffer(bytearray(z.nbytes + 1), dtype, z.size, offset=1).reshape(z.shape)
    memory[...] = z
    views["unaligned"] = memory
    if dtype is not bfloat16:
        views["byte-swapped"] = z.astype(z.dtype.newbyteorder())
    for name, view in views.items():
        assert_same_bits(function(view), expected), name
    assert_same_bits(function(np.ascontiguousarray(z.T), 0), expected if function is sf.logsumexp else expected.T)
    constant = np.broadcast_to(z[:, :1], z.shape)
    assert_same_bits(function(constant), function(constant.copy()))
    assert_same_bits(function(np.broadcast_to(z[0], (4, 40))), function(np.tile(z[0], (4, 1))))


@every_row_function
@every_dtype
@pytest.mark.parametrize("shape", [(37, 1500), (1030, 70), (2, 3), (300_001, 2)], ids=str)
def test_many_rows_side_by_side(function, dtype, shape):
    """More rows than are taken at a time, a number that is no multiple of anything, and rows too long for many."""
    z = logits(dtype, shape)
    expected = function(np.ascontiguousarray(z.T)).T
    assert_same_bits(function(z, 0), expected)
    output = np.empty_like(expected, order="C")
    function(z, 0, out=output)
    assert_same_bits(output, expected)


@every_row_function
@every_dtype
def test_nothing(function, dtype):
    for shape, axis in (
        ((0, 3), -1),
        ((2, 0), -1),
        ((0,), 0),
        ((0, 3), None),
        ((2, 0, 3), (0, 1)),
        ((0, 3, 4), (1, 2)),
        ((3, 0), ()),
    ):
        result = function(np.empty(shape, dtype), axis)
        assert result.dtype == dtype
        if function is sf.logsumexp:
            assert (np.asarray(result) == -np.inf).all()
        else:
            assert result.shape == shape


@every_row_function
@every_dtype
def test_zero_dimensions(function, dtype):
    result = function(dtype(3), axis=None)
    assert np.shape(result) == ()
    assert result.dtype == dtype
    assert float(result) == {"softmax": 1, "log_softmax": 0, "logsumexp": 3}[function.name]


@every_row_function
@every_dtype
def test_masks(function, dtype):
    """What is masked takes no part: the rest is what it would be alone."""
    z = logits(dtype, (4, 9))
    z[2, 3] = np.nan  # masked below, so it must not matter
    mask = np.random.default_rng(5).random((4, 9)) < 0.6
    mask[2, 3] = mask[3] = False
    result = function(z, where=mask)
    for row in range(4):
        alone = function(z[row][mask[row]])
        if function is sf.logsumexp:
            np.testing.assert_allclose(float(result[row]), float(alone), rtol=2 * float(np.spacing(np.float16(1))))
            assert row != 3 or result[row] == -np.inf
        else:
            unmasked = result[row][mask[row]].astype(float)
            np.testing.assert_allclose(unmasked, alone.astype(float), rtol=2 * float(edges(dtype)[4]))
            absent = -np.inf if function is sf.log_softmax else 0
            assert_same_bits(result[row][~mask[row]], np.full((~mask[row]).sum(), absent, dtype))
    assert_same_bits(function(z[:3], where=mask[0]), function(z[:3], where=np.tile(mask[0], (3, 1))))
    assert_same_bits(function(z, 0, where=mask[:, :1]), function(z, 0, where=np.tile(mask[:, :1], 9)))
    own = z.copy()
    if function is not sf.logsumexp:
        assert_same_bits(function(own, where=mask, out=own), result)


class Kind(np.ndarray):
    pass


@every_row_function
def test_masks_leave_subclasses(function):
    z = np.arange(12.0).reshape(3, 4).view(Kind)
    assert type(function(z, where=z > 2)) is type(function(z))
    assert np.array_equal(function(z, where=z > 2), function(np.asarray(z), where=np.asarray(z) > 2))


@every_dtype
def test_masked_entries_have_no_gradient(dtype):
    z, c = logits(dtype, (4, 9)), logits(dtype, (4, 9), seed=1)
    mask = np.random.default_rng(5).random((4, 9)) < 0.6
    mask[3] = False
    for function in (sf.softmax, sf.log_softmax):
        output = function(z, where=mask)
        gradient = function.vjp(output, c)
        assert not np.isnan(gradient).any()
        assert (gradient[~mask] == 0).all(), function.name
        for row in range(3):
            alone = function.vjp(output[row][mask[row]], c[row][mask[row]]).astype(float)
            np.testing.assert_allclose(gradient[row][mask[row]].astype(float), alone, rtol=1e-2, atol=1e-2)
    absent = np.full(5, -np.inf, dtype)
    assert (sf.logsumexp.vjp(absent, 1) == 0).all()
    assert (sf.softmax.jacobian(absent) == 0).all()


@every_dtype
def test_infinite_logits_share_the_mass(dtype):
    z = np.array([np.inf, 1, np.inf, -np.inf], dtype)
    half = dtype(0.5)
    assert_same_bits(sf.softmax(z), np.array([half, 0, half, 0], dtype))
    assert_same_bits(sf.log_softmax(z), np.array([np.log(0.5), -np.inf, np.log(0.5), -np.inf]).astype(dtype))
    assert_same_bits(sf.logsumexp(z), dtype(np.inf))
    assert_same_bits(sf.logsumexp.vjp(z, 1), sf.softmax(z))
    assert_same_bits(sf.softmax(z, temperature=0.1), sf.softmax(z))
    assert_same_bits(sf.logsumexp(np.array([-np.inf, -np.inf], dtype)), dtype(-np.inf))
    assert_same_bits(sf.logsumexp(np.array([-np.inf, 3], dtype)), dtype(3))


@every_row_function
@every_dtype
@pytest.mark.parametrize("others", [[0.0, 1.0], [np.inf, 1.0], [-np.inf, -np.inf], [np.inf, -np.inf]], ids=str)
def test_nan_spreads_to_its_row_only(function, dtype, others):
    z = logits(dtype, (3, 20))
    z[1, 7] = np.nan
    z[1, [3, 11]] = others
    result = function(z)
    assert np.isnan(result[1]).all()
    expected = function(z[[0, 2]])
    assert_same_bits(result[[0, 2]], expected)
    gradient = function.vjp(z if function is sf.logsumexp else result, 1)
    assert np.isnan(gradient[1]).all()
    assert not np.isnan(gradient[[0, 2]]).any()


@every_dtype
def test_large_offsets(dtype):
    """A shift of all logits changes nothing, however large."""
    z = np.array([0, 1, 2, 5]).astype(dtype)
    offset = dtype({2: 1024, 4: 2.0**23, 8: 2.0**52}[np.dtype(dtype).itemsize] if dtype is not bfloat16 else 128)
    assert_same_bits(sf.softmax(z + offset), sf.softmax(z))
    assert_same_bits(sf.softmax(z - offset), sf.softmax(z))
    assert_same_bits(sf.log_softmax(z + offset), sf.log_softmax(z))
    huge = np.array([1e4 if np.dtype(dtype).itemsize == 2 else 1e30] * 4).astype(dtype)
    assert_same_bits(sf.softmax(huge), np.full(4, 0.25, dtype))
    assert_same_bits(sf.softmax(-huge), np.full(4, 0.25, dtype))


@every_row_function
@every_dtype
def test_no_warning(function, dtype):
    values = edges(dtype)
    with np.errstate(all="raise"):
        for n in (1, 2, 3, 17):
            z = np.stack([np.resize(np.roll(values, k), n) for k in range(len(values))])
            for temperature in (1.0, 0.01, 1e-300, 1e300):
                result = function(z, temperature=temperature)
                in_row = np.isnan(result) if function is sf.logsumexp else np.isnan(result).any(axis=-1)
                assert (in_row == np.isnan(z).any(axis=-1)).all()
                if function is sf.logsumexp:
                    function.vjp(z, values, temperature=temperature)
                else:
                    function.vjp(result, values[:, None], temperature=temperature)
            function.vjp(z, 1e39)
            function.jacobian(z, temperature=1e5)
            function(z, where=np.arange(n) % 2 == 0)


@every_row_function
@every_numpy_dtype
def test_temperature_scales_logits(function, dtype):
    z = logits(dtype, (5, 7))
    for power in (-3, 4):
        expected = function(np.ldexp(z, -power))
        assert_same_bits(function(z, temperature=2.0**power), expected)
    assert_same_bits(function(z, temperature=1), function(z))


@every_dtype
def test_jacobian_holds_the_vjp(dtype):
    z, c = logits(dtype, (2, 3, 5)), logits(dtype, (2, 3, 5), seed=1)
    tolerance = 20 * float(edges(dtype)[4])
    for axis, temperature in itertools.product((0, 1, -1), (1.0, 2.0)):
        last = np.moveaxis(c, axis, -1).astype(float)
        for function in (sf.softmax, sf.log_softmax):
            jacobian = function.jacobian(z, axis, temperature=temperature).astype(float)
            gradient = function.vjp(function(z, axis, temperature=temperature), c, axis, temperature=temperature)
            expected = np.einsum("...ij,...i->...j", jacobian, last)
            actual = np.moveaxis(gradient, axis, -1).astype(float)
            np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * 5)
        slopes = sf.logsumexp.jacobian(z, axis, temperature=temperature)
        np.testing.assert_array_equal(
            np.moveaxis(sf.logsumexp.vjp(z, 1, axis, temperature=temperature), axis, -1), slopes
        )


def test_the_worked_example():
    """Row 7 of the notes: equal rows up to a shift, equal results."""
    p = sf.softmax(np.arange(1.0, 10).reshape(3, 3))
    assert_same_bits(p[1], p[0])
    assert_same_bits(p[2], p[0])
    assert p.sum(axis=-1) == pytest.approx([1, 1, 1], rel=1e-15)


@every_row_function
def test_a_cotangent_that_is_a_python_number_keeps_dtype(function):
    z = logits(np.float32, (2, 5))
    output = z if function is sf.logsumexp else function(z)
    for number in (1, 1.0, True):
        assert function.vjp(output, number).dtype == np.float32
    assert function.vjp(output, np.float64(1)).dtype == np.float64
