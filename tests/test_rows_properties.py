"""The softmax family on any shape, axis, mask, dtype and temperature against MPFR; its vjps against differences."""

import gmpy2
import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings

import softfloor as sf
from exact_rows import ExactRow, worst_excess
from softfloor import catalogue, formula
from softfloor.layout import Layout

DTYPES = (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)
SMOOTH = ("softmax", "log_softmax", "logsumexp", "softmin")
DIFFERENTIABLE = (*SMOOTH, "sparsemax", "entmax15")
NOTHING = {"softmax": 0.0, "softmin": 0.0, "log_softmax": -np.inf, "logsumexp": -np.inf}


@st.composite
def problems(draw):
    """Logits from ordinary to a huge range and infinite, with an axis, a mask that broadcasts, and a temperature."""
    shape = draw(arrays.array_shapes(min_dims=1, max_dims=4, max_side=5))
    number = st.integers(-len(shape), len(shape) - 1)
    several = st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1).map(tuple)
    axis = draw(st.one_of(number, several, st.none()))
    scale = draw(st.sampled_from([1.0, 30.0, 1e4]))
    z = draw(arrays.arrays(np.float64, shape, elements=st.floats(-1, 1, width=16))) * scale
    z[draw(arrays.arrays(bool, shape, elements=st.sampled_from([False] * 7 + [True])))] = -np.inf
    mask_shape = tuple(draw(st.sampled_from([1, n])) for n in shape)
    mask = draw(st.none() | arrays.arrays(bool, mask_shape))
    return z.astype(draw(st.sampled_from(DTYPES))), axis, mask, draw(st.sampled_from([1.0, 0.3, 7.0]))


@settings(max_examples=60, deadline=None)
@given(problems(), st.sampled_from(SMOOTH), st.sampled_from(["zeros", "nan"]))
def test_any_shape_axis_mask_and_dtype(problem, name, empty):
    z, axis, mask, temperature = problem
    if name == "softmin":
        z = -z
    result = sf.get(name)(z, axis, where=mask, temperature=temperature, empty=empty)
    layout = Layout(z.shape, axis)
    rows = np.reshape(layout.rows(z), (-1, int(np.prod([z.shape[k] for k in layout.axes]))))
    taking_part = np.reshape(layout.rows(np.broadcast_to(True if mask is None else mask, z.shape)), rows.shape)
    found = np.reshape(np.asarray(result) if name == "logsumexp" else layout.rows(result), (len(rows), -1))
    assert found.dtype == z.dtype
    for row, there, values in zip(rows, taking_part & np.isfinite(rows), found, strict=True):
        nothing = np.float64("nan") if empty == "nan" and not there.any() else NOTHING[name]
        if not there.any() or name != "logsumexp":
            absent = values if not there.any() else values[~there]
            np.testing.assert_array_equal(absent.astype(float), np.full(absent.shape, nothing))
        if there.any():
            exact = ExactRow((-row if name == "softmin" else row)[there], temperature)
            if name == "logsumexp":
                size = max(abs(exact.maximum), exact.log_of_total)
                assert worst_excess(values, [exact.logsumexp()], [size]) <= 0
            else:
                truth = exact.log_softmax() if name == "log_softmax" else exact.softmax()
                assert worst_excess(values[there], truth) <= 0


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.parametrize("temperature", [1.0, 0.3])
@pytest.mark.parametrize("kind", ["ordinary", "a huge range", "a large offset", "masked"])
def test_vjps_are_differences(name, temperature, kind):
    """Central differences of the formula among what takes part; in 3000 bits, because some slopes are 10^-400."""
    z = np.array([0.5, -1.0, 2.0, 1.5, 0.25])
    z = {"a huge range": z * [1, 300, 1, 1, -400], "a large offset": z + 2.0**40}.get(kind, z)
    mask = np.array([True, False, True, True, False]) if kind == "masked" else np.ones(5, bool)
    function, xp = sf.get(name), formula.mpfr(3000)
    numbers, step = [gmpy2.mpfr(float(v)) / gmpy2.mpfr(temperature) for v in z[mask]], gmpy2.exp2(-700)
    cotangent = np.array([1.0, 4.0, -2.0, 0.5, 3.0])
    upstream = [gmpy2.mpfr(1)] if name == "logsumexp" else [gmpy2.mpfr(c) for c in cotangent[mask]]

    def weighed(moved):
        values = catalogue.ROWS[name].formula(xp, moved)
        return [c * v for c, v in zip(upstream, values if isinstance(values, list) else [values], strict=True)]

    slopes, sizes = np.zeros(5), np.zeros(5)
    for place, j in enumerate(np.flatnonzero(mask)):
        ahead, behind = list(numbers), list(numbers)
        ahead[place] += step
        behind[place] -= step
        pairs = zip(weighed(ahead), weighed(behind), strict=True)
        terms = [(above - below) / (2 * step * gmpy2.mpfr(temperature)) for above, below in pairs]
        slopes[j], sizes[j] = float(gmpy2.fsum(terms)), float(gmpy2.fsum(abs(t) for t in terms))
    bound = 1e-14 * sizes + 1e-300
    if name == "logsumexp":
        found = function.vjp(z, 1.0, where=mask, temperature=temperature)
    else:
        output = function(z, where=mask, temperature=temperature)
        found = function.vjp(output, cotangent, temperature=temperature)
        if name != "log_softmax":  # of an output near 1, the distance from 1 is known to its rounding
            bound += 1e-15 * output * np.abs(cotangent).sum() / temperature
    np.testing.assert_array_less(np.abs(found - slopes), bound)
    assert (found[~mask] == 0).all()
