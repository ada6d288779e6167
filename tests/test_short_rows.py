"""Rows of up to 128 entries are computed sixteen together, those of few entries side by side: the bits are those of the
kernel for rows of any length.
"""

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
    x = random.normal(size=(ROWS, n)) * {"one-hot": 60}.get(kind, 1)
    if kind == "ties":
        x = np.round(x)
    if kind == "masked":
        x[random.random(x.shape) < 0.3] = -np.inf
        x[:, 0] = 0.5
        x[4, -1] = np.nan
    return x.astype(dtype)


def results(x: np.ndarray, cotangents: np.ndarray, temperature: float) -> list[np.ndarray]:
    labels = np.arange(len(x)) % x.shape[1]
    loss = sf.softmax_cross_entropy
    return [
        sf.softmax(x, temperature=temperature),
        sf.log_softmax(x, temperature=temperature),
        sf.softmin(-x, temperature=temperature),
        sf.logsumexp(x, temperature=temperature),
        sf.logsumexp.vjp(x, cotangents, temperature=temperature),
        loss(x, labels, reduction="none"),
        *loss.value_and_grad(x, labels, reduction="none"),
    ]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1.0, 0.7, 8.0])
def test_bits_beside_rows_of_another_form(temperature, kind, n, dtype):
    x = logits(kind, n, dtype)
    x[7:9] *= 8  # to beyond the plain exponential's reach
    cotangents = np.linspace(-2, 2, ROWS).astype(dtype)
    together = results(x, cotangents, temperature)
    # An infinite maximum, nothing but NaN, and nothing but masks: one row each in the first sixteen, the second and the
    # rest, which are therefore left to the other kernel.
    special = {3: np.inf, 20: np.nan, 35: -np.inf}
    others = np.setdiff1d(np.arange(ROWS), list(special))
    for row, value in special.items():
        x[row] = value
    for expected, result in zip(results(x, cotangents, temperature), together, strict=True):
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


#: Entries of rows that are turned, of some dtypes or all, and around where they are no longer.
FEW = [*range(1, 14), 16, 17, 20, 21, 24, 25]


def results_and_vjps(x: np.ndarray, cotangents: np.ndarray, temperature: float) -> list[np.ndarray]:
    """Of all functions that have a kernel for rows side by side."""
    labels = np.arange(len(x)) % x.shape[1]
    loss = sf.softmax_cross_entropy
    with_vjps = (sf.softmax, sf.log_softmax, sf.softmin)
    hard = sf.hardmax(x)
    return [
        *(function(x, temperature=temperature) for function in (*with_vjps, sf.logsumexp)),
        *(function.vjp(function(x), cotangents, temperature=temperature) for function in with_vjps),
        sf.logsumexp.vjp(x, cotangents[:, 0], temperature=temperature),
        hard,
        sf.hardmax.vjp(hard, cotangents),
        loss(x, labels, reduction="none"),
        *loss.value_and_grad(x, labels, reduction="none"),
    ]


def few(rows: int, n: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Logits, some of rows that ask for their row kernel, and cotangents whose sums the order of additions decides."""
    random = np.random.default_rng(n)
    x = random.normal(size=(rows, n)) * np.where(np.arange(rows) % 5, 1, 40)[:, None]
    x[::7] = np.round(x[::7])
    x[random.random(x.shape) < 0.1] = -np.inf
    x[200:204] = [[np.inf], [-np.inf], [np.nan], [1000.0]]
    c = random.normal(size=x.shape) * 10 ** random.uniform(-3, 3, x.shape)
    c[::2, n // 2 : n // 2 * 2] = -c[::2, : n // 2]
    return x.astype(dtype), c.astype(dtype)


@pytest.mark.parametrize("dtype", [*DTYPES, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("n", FEW)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_bits_of_few_entries_by_fifteen_rows(temperature, n, dtype):
    # Less than sixteen rows are not turned.
    x, cotangents = few(1000, n, dtype)
    apart = [results_and_vjps(x[k : k + 15], cotangents[k : k + 15], temperature) for k in range(0, len(x), 15)]
    # The labels of a part follow from its own number of rows.
    labels = np.concatenate([np.arange(min(15, len(x) - k)) % n for k in range(0, len(x), 15)])
    turned = results_and_vjps(x, cotangents, temperature)
    loss = sf.softmax_cross_entropy
    turned[-3:] = [loss(x, labels, reduction="none"), *loss.value_and_grad(x, labels, reduction="none")]
    for result, parts in zip(turned, zip(*apart, strict=True), strict=True):
        assert result.tobytes() == np.concatenate(parts).tobytes()


@pytest.mark.parametrize("dtype", [*DTYPES, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("n", [1, 2, 3, 7, 12])
def test_few_entries_in_any_order_of_memory(n, dtype):
    x, _ = few(300, n, dtype)
    expected = sf.softmax(x)
    wide = np.zeros((600, 3 * n + 1), dtype)
    for view in (wide[::2, :n], wide[1::2, 1::3], wide[300:, n - 1 :: -1], wide[299::-1, n : 2 * n]):
        view[...] = x
        out = np.full((300, n + 2), 7, dtype)
        sf.softmax(view, out=out[:, 1:-1])
        assert out[:, 1:-1].tobytes() == expected.tobytes()
        assert (out[:, [0, -1]] == 7).all()
        sf.softmax(view, out=view)
        assert view.tobytes() == expected.tobytes()
