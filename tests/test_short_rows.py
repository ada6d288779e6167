"""Rows of up to 128 entries are computed sixteen together: the bits are those of the kernel for rows of any length."""

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf

DTYPES = [np.float32, np.float16, ml_dtypes.bfloat16]
#: Around the widths that rows are filled up to, and beyond them.
LENGTHS = [1, 2, 10, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129]
KINDS = ["ordinary", "one-hot", "masked", "ties"]
ROWS = 37


def logits(kind: str, n: int, dtype: type) -> np.ndarray:
    random = np.random.default_rng(n)
    x = random.normal(size=(ROWS, n)) * {"one-hot": 30}.get(kind, 1)
    if kind == "ties":
        x = np.round(x)
    if kind == "masked":
        x[random.random(x.shape) < 0.3] = -np.inf
        x[:, 0] = 0.5
        x[4, -1] = np.nan
    return x.astype(dtype)


def results(x: np.ndarray, cotangents: np.ndarray) -> list[np.ndarray]:
    labels = np.arange(len(x)) % x.shape[1]
    loss = sf.softmax_cross_entropy
    return [
        sf.softmax(x),
        sf.log_softmax(x),
        sf.softmin(-x),
        sf.logsumexp(x),
        sf.logsumexp.vjp(x, cotangents),
        loss(x, labels, reduction="none"),
        *loss.value_and_grad(x, labels, reduction="none"),
    ]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_bits_beside_rows_of_another_form(kind, n, dtype):
    x = logits(kind, n, dtype)
    cotangents = np.linspace(-2, 2, ROWS).astype(dtype)
    together = results(x, cotangents)
    # An infinite maximum, one beyond the plain exponential's reach, and nothing but masks: one row each in the first
    # sixteen, the second and the rest, which are therefore left to the other kernel.
    special = {3: np.inf, 20: 1000.0, 35: -np.inf}
    others = np.setdiff1d(np.arange(ROWS), list(special))
    for row, value in special.items():
        x[row] = value
    for expected, result in zip(results(x, cotangents), together, strict=True):
        assert expected.dtype == result.dtype
        assert expected[others].tobytes() == result[others].tobytes()


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("n", [10, 64, 100])
def test_bits_beside_factors_that_float32_does_not_split(n, dtype):
    x = logits("ordinary", n, dtype)
    cotangents = np.linspace(-2, 2, ROWS).astype(dtype)
    together = sf.logsumexp.vjp(x, cotangents)
    cotangents[[0, 16, 32]] = np.finfo(np.float32).smallest_subnormal if dtype is np.float32 else np.nan
    others = np.setdiff1d(np.arange(ROWS), [0, 16, 32])
    assert sf.logsumexp.vjp(x, cotangents)[others].tobytes() == together[others].tobytes()


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("n", [10, 64, 100])
@pytest.mark.parametrize("function", [sf.softmax, sf.log_softmax, sf.softmin], ids=lambda function: function.name)
def test_in_place(function, n, dtype):
    x = logits("ordinary", n, dtype)
    expected = function(x)
    function(x, out=x)
    assert x.tobytes() == expected.tobytes()


@pytest.mark.parametrize("n", [10, 64, 100])
def test_nothing_is_written_beside_rows(n):
    x, out = logits("ordinary", n, np.float32), np.full((ROWS, n + 3), 7.0, np.float32)
    sf.softmax(x, out=out[:, :n])
    assert out[:, :n].tobytes() == sf.softmax(x).tobytes()
    assert (out[:, n:] == 7).all()
