"""What users of other libraries reported about softmax, masks and infinities; each test names the threads."""

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits, every_dtype

HALVES = [np.float16, ml_dtypes.bfloat16]
INF = np.inf
#: Functions from rows to probabilities.
PROBABILITIES = ("softmax", "softmin", "sparsemax", "entmax15", "hardmax", "gumbel_softmax")


@pytest.fixture(autouse=True)
def no_warning():
    with np.errstate(all="raise"):
        yield


def attention(queries, keys, values, mask):
    """Scaled dot-product attention: the result, and what turns its cotangent into those of the scores and values."""
    scores = queries @ keys.T / np.sqrt(queries.shape[-1])
    weights = sf.softmax(scores, where=mask)

    def backward(cotangent):
        return sf.softmax.vjp(weights, cotangent @ values.T), weights.T @ cotangent

    return weights @ values, backward


@every_dtype
def test_a_row_of_minus_infinity_is_zeros(dtype):
    """pytorch #25110, #6864, #55056, PR #131060: NaN, where users want the zeros of a safe softmax."""
    z = np.full((2, 3), -INF, dtype)
    p = sf.softmax(z)
    assert_same_bits(p, np.zeros((2, 3), dtype))
    assert_same_bits(sf.softmax.vjp(p, np.ones((2, 3), dtype)), np.zeros((2, 3), dtype))


@every_dtype
def test_plus_infinity_is_one_hot(dtype):
    """pytorch #25110, #6864, jax #21495 and PR #21501, scipy #23225 and PR #24225: one +inf gives NaN."""
    z = np.array([[0, INF, 5], [INF, 1, INF]], dtype)
    p = sf.softmax(z)
    np.testing.assert_array_equal(p, np.array([[0, 1, 0], [0.5, 0, 0.5]], dtype))
    np.testing.assert_array_equal(sf.log_softmax(z)[0], np.array([-INF, 0, -INF], dtype))
    np.testing.assert_array_equal(sf.logsumexp(z), np.array([INF, INF], dtype))
    assert np.isfinite(sf.softmax.vjp(p, np.ones(3, dtype))).all()
    assert np.isfinite(sf.logsumexp.vjp(z, np.ones(2, dtype))).all()


@every_dtype
def test_attention_with_a_fully_masked_row(dtype):
    """pytorch #41508, #103749, #103963, #40932, #160064, #24816: padding alone gives NaN, which spreads to them all."""
    random = np.random.default_rng(0)
    # Quarters, whose products a BLAS adds up exactly: its order of additions may depend on how many rows there are.
    queries, keys, values = ((random.normal(size=(4, 8)) * 4).round().astype(dtype) / 4 for _ in range(3))
    mask = np.tril(np.ones((4, 4), bool))
    mask[2] = False
    result, backward = attention(queries, keys, values, mask)
    np.testing.assert_array_equal(result[2], 0)
    scores, of_values = backward(np.ones((4, 8), dtype))
    assert np.isfinite(scores).all()
    assert np.isfinite(of_values).all()
    np.testing.assert_array_equal(scores[~mask], 0)
    kept = [0, 1, 3]
    alone, backward_alone = attention(queries[kept], keys, values, mask[kept])
    assert_same_bits(np.ascontiguousarray(scores[kept]), backward_alone(np.ones((3, 8), dtype))[0])
    np.testing.assert_allclose(result[kept].astype(float), alone.astype(float), rtol=1e-2)


@every_dtype
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_gradients_at_minus_infinity_are_numbers(dtype, name):
    """pytorch #31829, #49724: NaN gradients where a logit, or a whole row, is -inf."""
    function, z = sf.get(name), np.array([[0, -INF, 1], [-INF, -INF, -INF]], dtype)
    value = function(z)
    gradient = function.vjp(z if name == "logsumexp" else value, np.ones(2 if name == "logsumexp" else (2, 3), dtype))
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[0, 1], 0)
    np.testing.assert_array_equal(gradient[1], 0)


@every_dtype
@pytest.mark.parametrize("hidden", [-INF, INF, np.nan, 6e4])
def test_what_a_mask_hides_does_not_matter(dtype, hidden):
    """jax #17117, #19490, #16208: where= gave NaN gradients, or wrong values of what is masked."""
    z, mask = np.array([[1, 2, 3, 4]], dtype), np.array([True, False, True, True])
    clean, dirty = z.copy(), z.copy()
    dirty[0, 1] = hidden
    for name in (*PROBABILITIES, "log_softmax"):
        function = sf.get(name)
        settings = [{"rng": np.random.default_rng(0)} if name == "gumbel_softmax" else {} for _ in range(2)]
        values = [function(x, where=mask, **s) for x, s in zip((clean, dirty), settings, strict=True)]
        assert_same_bits(*values)
        assert values[0][0, 1] == (-INF if name == "log_softmax" else 0)
        gradient = function.vjp(values[1], np.array([1, 2, 0.5, 1], dtype))
        assert np.isfinite(gradient).all()
        assert gradient[0, 1] == 0
    assert_same_bits(sf.logsumexp(clean, where=mask), sf.logsumexp(dirty, where=mask))
    gradient = sf.logsumexp.vjp(dirty, 1.0, where=mask)
    assert_same_bits(gradient, sf.logsumexp.vjp(clean, 1.0, where=mask))
    assert gradient[0, 1] == 0


@every_dtype
def test_nan_and_infinity_are_not_hidden(dtype):
    """tt-metal #56056: rows with inf or NaN silently became uniform, or 0."""
    z = np.array([[1, np.nan, 2], [1, INF, 2], [1, 2, 3]], dtype)
    p = sf.softmax(z)
    assert np.isnan(p[0]).all()
    np.testing.assert_array_equal(p[1], np.array([0, 1, 0], dtype))
    assert_same_bits(p[2], sf.softmax(z[2]))


@every_dtype
@pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
def test_sparse_functions_of_masked_rows(dtype, name):
    """entmax #16: NaN for a row of -inf; entmax #30: NaN in float16 and bfloat16."""
    function, random = sf.get(name), np.random.default_rng(0)
    z = np.concatenate([np.full((1, 50), -INF), random.normal(0, 10, (20, 50)), np.full((1, 50), 6e4)]).astype(dtype)
    p = function(z)
    np.testing.assert_array_equal(p[0], 0)
    np.testing.assert_allclose(p[1:].astype(float).sum(axis=-1), 1, rtol=1e-2)
    assert np.isfinite(function.vjp(p, random.normal(size=p.shape).astype(dtype))).all()


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("n", [257, 4096, 100_000])
def test_half_precision_sums_do_not_saturate(dtype, n):
    """candle #3727, executorch PR #20090, tt-metal #52045: sums in half precision stop growing, rows add up to 2.0."""
    p = sf.softmax(np.zeros((1, n), dtype))
    with np.errstate(under="ignore"):  # NumPy's own
        expected = np.full((1, n), 1 / n).astype(dtype)
    assert_same_bits(p, expected)
    assert sf.logsumexp(np.zeros(n, dtype)) == dtype(np.log(n))


@pytest.mark.parametrize("dtype", HALVES)
def test_precise_is_the_only_way(dtype):
    """mlx PR #953, PR #4178: softmax in half precision was imprecise unless precise=True was known and given."""
    z = np.random.default_rng(0).normal(0, 4, (16, 1000)).astype(dtype)
    p, wide = sf.softmax(z), sf.softmax(z.astype(np.float64))
    with np.errstate(under="ignore"):  # NumPy's own
        assert_same_bits(p, wide.astype(dtype))


@pytest.mark.parametrize(
    ("dtype", "offset"), [(np.float16, 1e4), (ml_dtypes.bfloat16, 1e30), (np.float32, 1e30), (np.float64, 1e300)]
)
def test_a_large_common_offset_keeps_the_normaliser(dtype, offset):
    """mlx PR #4169, PR #4188, pytorch #11752, #38839: log_softmax and cross-entropy lost log(n) beside the maximum."""
    for sign in (1, -1):
        z = np.full((2, 8), sign * offset, dtype)
        expected = np.log(8.0)
        np.testing.assert_array_equal(sf.log_softmax(z), np.full((2, 8), -expected).astype(dtype))
        losses = sf.softmax_cross_entropy(z, [0, 7], reduction="none")
        np.testing.assert_array_equal(losses, np.full(2, expected).astype(dtype))
        with_options = sf.softmax_cross_entropy(z, [0, 7], label_smoothing=0.5, reduction="none")
        np.testing.assert_array_equal(with_options, np.full(2, expected).astype(dtype))


# ---------------------------------------------- what an empty row gives
def rows_with_an_empty_one(name, dtype):
    z = np.random.default_rng(0).normal(0, 2, (3, 4)).astype(dtype)
    z[1] = INF if name == "softmin" else -INF
    return z


def called(name, z, **keywords):
    extra = {"rng": np.random.default_rng(0)} if name == "gumbel_softmax" else {}
    return sf.get(name)(z, **extra, **keywords)


@every_dtype
@pytest.mark.parametrize("name", [*PROBABILITIES, "log_softmax", "logsumexp"])
def test_empty_rows_as_asked(dtype, name):
    z = rows_with_an_empty_one(name, dtype)
    default = called(name, z)
    np.testing.assert_array_equal(default[1], -INF if name.startswith("log") else 0)
    assert_same_bits(called(name, z, empty="zeros"), default)
    nan = called(name, z, empty="nan")
    assert np.isnan(nan[1]).all()
    assert_same_bits(nan[[0, 2]], default[[0, 2]])
    if name == "logsumexp":
        gradient = sf.logsumexp.vjp(z, np.ones(3, dtype), empty="nan")
    else:
        gradient = sf.get(name).vjp(nan, np.ones((3, 4), dtype))
    assert np.isnan(gradient[1]).all()
    assert np.isfinite(gradient[[0, 2]]).all()
    before, out = z.copy(), np.full_like(default, 7)
    with pytest.raises(ValueError, match=f"{name}: nothing is left of the row at position 1"):
        called(name, z, empty="raise", out=out)
    assert_same_bits(z, before)
    assert (out == 7).all()
    assert_same_bits(called(name, z[[0]], empty="raise"), called(name, z[[0]]))


@pytest.mark.parametrize("name", [*PROBABILITIES, "log_softmax", "logsumexp"])
def test_empty_rows_of_a_mask_and_of_any_axis(name):
    z = np.random.default_rng(0).normal(0, 2, (3, 4, 2)).astype(np.float32)
    mask = np.ones((3, 1, 2), bool)
    mask[2, 0, 1] = False
    for axis, at in ((1, (2, slice(None), 1)), ((0, 1), None)):
        found = called(name, z, axis=axis, where=mask, empty="nan")
        if at is None:
            assert not np.isnan(np.asarray(found)).any()
        else:
            kept = np.expand_dims(found, 1) if name == "logsumexp" else found
            assert np.isnan(kept[at]).all()
            assert np.isnan(kept).sum() == kept[at].size
    out = np.empty_like(np.asarray(called(name, z, axis=1)))
    assert called(name, z, axis=1, where=mask, empty="nan", out=out) is out
    assert np.isnan(out).any()
    with pytest.raises(ValueError, match=r"nothing is left of the row at position \(2, 1\)"):
        called(name, z, axis=1, where=mask, empty="raise")
    with pytest.raises(ValueError, match="empty must be 'zeros', 'nan' or 'raise'; got 'zero'"):
        called(name, z, empty="zero")
    with pytest.raises(ValueError, match=r"nothing is left of the row; "):
        called(name, z, axis=None, where=False, empty="raise")


def test_a_refused_row_takes_nothing_from_the_generator():
    rng, other = np.random.default_rng(3), np.random.default_rng(3)
    with pytest.raises(ValueError, match="nothing is left"):
        sf.gumbel_softmax([-INF, -INF], rng=rng, empty="raise")
    assert rng.random() == other.random()
