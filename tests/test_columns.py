"""Rows that lie side by side, as along axis 0, have kernels of their own: the bits are those of contiguous rows."""

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf

DTYPES = [np.float32, np.float16, ml_dtypes.bfloat16]
#: Entries and rows: fewer than sixteen rows, not a multiple of sixteen, more than a segment of a sum, several tiles.
SHAPES = [(1, 16), (3, 40), (64, 33), (65, 128), (1000, 15), (1025, 16), (2100, 160)]
KINDS = ["ordinary", "one-hot", "masked", "far apart", "ties"]


def logits(kind: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    random = np.random.default_rng(5)
    x = random.normal(size=shape) * {"one-hot": 30, "far apart": 300}.get(kind, 1)
    if kind == "ties":
        x = np.round(x)
    if kind == "masked":
        x[random.random(shape) < 0.3] = -np.inf
        if shape[1] > 40:  # rows that the kernel leaves to the other one, beside rows that it takes
            x[:, 5], x[0, 7], x[-1, 9] = -np.inf, np.inf, np.nan
    return x.astype(dtype)


def cotangents(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Of sizes far apart and either sign: the sum of every second row is what the order of additions leaves over."""
    random = np.random.default_rng(6)
    spread = 3 if dtype is np.float16 else 12
    c = random.normal(size=shape) * 10 ** random.uniform(-spread, spread, shape)
    half = shape[0] // 2
    c[half : 2 * half, ::2] = -c[:half, ::2]
    c[:, -1] = 0
    return c.astype(dtype)


def assert_same_bits(along_first: np.ndarray, along_last: np.ndarray) -> None:
    assert along_first.dtype == along_last.dtype
    assert np.ascontiguousarray(along_first).tobytes() == along_last.tobytes()


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_bits_of_the_last_axis(kind, shape, dtype):
    x = logits(kind, shape, dtype)
    rows, labels = np.ascontiguousarray(x.T), np.arange(shape[1]) % shape[0]
    for temperature in (1.0, 0.7, 8.0):
        for function in (sf.softmax, sf.softmin, sf.log_softmax, sf.logsumexp):
            assert_same_bits(function(x, axis=0, temperature=temperature).T, function(rows, temperature=temperature))
        cotangent = np.linspace(-2, 2, shape[1]).astype(dtype)
        along_first = sf.logsumexp.vjp(x, cotangent, axis=0, temperature=temperature)
        assert_same_bits(along_first.T, sf.logsumexp.vjp(rows, cotangent, temperature=temperature))
    loss = sf.softmax_cross_entropy
    assert_same_bits(loss(x, labels, axis=0, reduction="none"), loss(rows, labels, reduction="none"))
    losses, gradient = loss.value_and_grad(x, labels, axis=0, reduction="none")
    expected_losses, expected_gradient = loss.value_and_grad(rows, labels, reduction="none")
    assert_same_bits(losses, expected_losses)
    assert_same_bits(gradient.T, expected_gradient)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("function", [sf.softmax, sf.log_softmax, sf.softmin], ids=lambda function: function.name)
def test_bits_of_vjps(function, kind, shape, dtype):
    output = function(np.ascontiguousarray(logits(kind, shape, dtype).T)).T
    cotangent = cotangents(shape, dtype)
    one, other = np.ascontiguousarray(output), np.ascontiguousarray(cotangent)
    for temperature in (1.0, 0.7):
        expected = function.vjp(output.T, cotangent.T, temperature=temperature)
        assert_same_bits(function.vjp(one, other, axis=0, temperature=temperature).T, expected)
    for over in (one.copy(), other.copy()):
        operands = [over if np.array_equal(over, given, equal_nan=True) else given for given in (one, other)]
        assert_same_bits(
            function.vjp(*operands, axis=0, out=over).T, np.ascontiguousarray(function.vjp(output.T, cotangent.T))
        )


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
def test_in_place(dtype):
    x = logits("ordinary", (300, 64), dtype)
    expected = sf.softmax(np.ascontiguousarray(x.T))
    sf.softmax(x, axis=0, out=x)
    assert_same_bits(x.T, expected)


def test_rows_in_the_middle_of_an_array():
    x = logits("ordinary", (6, 50, 35), np.float32)
    assert_same_bits(np.moveaxis(sf.softmax(x, axis=1), 1, 2), sf.softmax(np.moveaxis(x, 1, 2).copy()))
