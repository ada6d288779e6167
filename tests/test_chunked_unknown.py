"""Dask arrays that do not know their lengths, as after ``x[x > 0]``: used as they are, or refused with what to do."""

import re

import numpy as np
import pytest

import softfloor as sf
from cases import assert_all_same_bits, assert_same_bits
from test_chunked import computed, steps_apart

da = pytest.importorskip("dask.array")

Z = np.random.default_rng(0).normal(0, 2, (9, 4)).astype(np.float32)
KEPT = Z[:, 0] > -1
LABELS = np.arange(9) % 4
BY_STATES = ("softmax", "log_softmax", "logsumexp", "softmin")
GATHERED = ("sparsemax", "entmax15", "hardmax")


def some_rows(values=Z, chunks=(2, -1)):
    """Of an unknown number, in five chunks of which one has none."""
    lazy = da.from_array(values, chunks=chunks[: values.ndim])[da.from_array(KEPT, chunks=2)]
    assert np.isnan(lazy.shape[0])
    return lazy


def some_columns(chunks):
    """Of an unknown number; three are left, of which one lies in a chunk of its own where columns are cut."""
    kept = da.from_array(np.array([True, True, False, True]), chunks=chunks)
    return da.from_array(Z, chunks=(4, chunks))[:, kept]


def refused(function, name, shape):
    return pytest.raises(
        ValueError,
        match=rf"{function}: {name} has shape {re.escape(str(shape))}, whose unknown lengths \(nan\) are needed; "
        rf"call {name}\.compute_chunk_sizes\(\) first",
    )


def test_elementwise():
    x, plain = some_rows(), Z[KEPT]
    assert_same_bits(computed(sf.silu(x, beta=1.5)), sf.silu(plain, beta=1.5))
    assert_same_bits(computed(sf.gelu.vjp(x, 1.0)), sf.gelu.vjp(plain, np.float32(1)))
    gate, up = some_rows(Z[:, :2]), some_rows(Z[:, 2:])
    assert_same_bits(computed(sf.swiglu(gate, up)), sf.swiglu(plain[:, :2], plain[:, 2:]))
    for cotangent, own in ((gate, plain[:, :2]), (1.0, 1.0)):
        found = sf.swiglu.vjp(gate, up, cotangent)
        assert_all_same_bits(tuple(map(computed, found)), sf.swiglu.vjp(plain[:, :2], plain[:, 2:], own))
        for layout in ("split", "interleaved"):
            packed = sf.swiglu.packed.vjp(x, cotangent, gate="first", layout=layout)
            assert_same_bits(computed(packed), sf.swiglu.packed.vjp(plain, own, gate="first", layout=layout))
    with pytest.raises(ValueError, match=r"does not know how many entries x has along axis 0; call x\.compute_chunk_"):
        sf.swiglu.packed(x, gate="first", axis=0)


@pytest.mark.parametrize("name", [*BY_STATES, *GATHERED])
def test_rows_of_an_unknown_number(name):
    """Nothing of a row is unknown: the bits are those of NumPy arrays."""
    function, z, plain = sf.get(name), some_rows(), Z[KEPT]
    column = plain[:, 1]
    assert_same_bits(computed(function(z)), function(plain))
    assert_same_bits(computed(function(z, empty="nan")), function(plain))
    assert_same_bits(computed(function(z, where=z > -2)), function(plain, where=plain > -2))
    assert_same_bits(computed(function(z, where=Z[0] > -2)), function(plain, where=Z[0] > -2))
    if name == "logsumexp":
        assert_same_bits(computed(function(z, keepdims=True)), function(plain, keepdims=True))
        assert_same_bits(computed(function.vjp(z, some_rows(Z[:, 1]))), function.vjp(plain, column))
    else:
        for cotangent, own in ((z, plain), (some_rows(Z[:, 1:2]), column[:, None]), (Z[0], Z[0])):
            assert_same_bits(computed(function.vjp(z, cotangent)), function.vjp(plain, own))
    assert_same_bits(computed(function.vjp(z, 0.5)), function.vjp(plain, 0.5))
    if hasattr(function, "jacobian"):
        assert_same_bits(computed(function.jacobian(z)), function.jacobian(plain))
    with pytest.raises(ValueError, match=rf"{name}: nothing is left of the row; every entry"):
        computed(function(z, where=z != plain[-1], empty="raise"))


@pytest.mark.parametrize("name", BY_STATES)
@pytest.mark.parametrize("axis", [0, None])
def test_rows_of_unknown_lengths_by_states(name, axis):
    function, z, plain = sf.get(name), some_rows(), Z[KEPT]
    assert steps_apart(computed(function(z, axis)), function(plain, axis)) <= 3
    assert steps_apart(computed(function(z, axis, where=z > -2)), function(plain, axis, where=plain > -2)) <= 3
    found, expected = computed(function.vjp(z, 0.5, axis)), function.vjp(plain, 0.5, axis)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", GATHERED)
def test_rows_of_unknown_lengths_that_must_be_gathered(name):
    function, columns = sf.get(name), [0, 1, 3]
    assert_same_bits(computed(function(some_columns(4))), function(Z[:, columns]))
    with refused(name, "z", (9, np.nan)):
        function(some_columns(3))
    with refused(name, "p", (9, np.nan)):
        function.vjp(some_columns(3), 1.0)
    known = some_columns(3)
    known.compute_chunk_sizes()
    assert_same_bits(computed(function(known)), function(Z[:, columns]))


def test_losses_and_samples_need_sizes():
    z, labels, weight = some_rows(), some_rows(LABELS), np.ones((5, 4), np.float32)
    lazy = da.from_array(Z, chunks=(2, -1))
    for call, function, name, shape in (
        (lambda: sf.softmax_cross_entropy(z, labels), "softmax_cross_entropy", "z", (np.nan, 4)),
        (lambda: sf.softmax_cross_entropy(lazy, labels), "softmax_cross_entropy", "labels", (np.nan,)),
        (
            lambda: sf.softmax_cross_entropy.vjp(lazy, LABELS, some_rows(Z[:, 0]), reduction="none"),
            *("softmax_cross_entropy", "cotangent", (np.nan,)),
        ),
        (lambda: sf.nll(z, labels), "nll", "log_probabilities", (np.nan, 4)),
        (lambda: sf.nll(lazy, labels), "nll", "labels", (np.nan,)),
        (lambda: sf.sigmoid_cross_entropy(z, z), "sigmoid_cross_entropy", "z", (np.nan, 4)),
        (lambda: sf.sigmoid_cross_entropy(lazy, lazy > 0, weight=z), "sigmoid_cross_entropy", "weight", (np.nan, 4)),
        (lambda: sf.linear_cross_entropy(z, weight, labels), "linear_cross_entropy", "hidden", (np.nan, 4)),
        (lambda: sf.linear_cross_entropy(lazy, weight, labels), "linear_cross_entropy", "labels", (np.nan,)),
        (lambda: sf.gumbel_softmax(z), "gumbel_softmax", "z", (np.nan, 4)),
    ):
        with refused(function, name, shape):
            call()
    z.compute_chunk_sizes()
    labels.compute_chunk_sizes()
    loss = sf.softmax_cross_entropy(z, labels)
    assert_same_bits(np.asarray(computed(loss)), np.asarray(sf.softmax_cross_entropy(Z[KEPT], LABELS[KEPT])))


def test_operands_that_do_not_match():
    """Numbers of one row must not meet those of another."""
    z = some_rows()
    for wrong in (Z, Z[KEPT], da.from_array(Z, chunks=(2, -1))):
        with pytest.raises(
            ValueError, match=r"softmax: cotangent has shape .* beside one of \(nan, 4\).* call compute_"
        ):
            sf.softmax.vjp(z, wrong)
    with pytest.raises(ValueError, match=r"softmax: where has shape \(nan, 4\) beside one of \(9, 4\)"):
        sf.softmax(da.from_array(Z, chunks=(2, -1)), where=z > 0)
    other = da.from_array(Z, chunks=(2, -1))[da.from_array(np.arange(9) % 2 == 0, chunks=2)]  # one row of each two
    with pytest.raises(ValueError, match=r"chunks of unknown sizes do not match: one has shape \(1, 4\), the other"):
        computed(sf.softmax.vjp(z, other))
