"""Gated units: settings, clamps, kinks, limits, and the units of any activation."""

import copy
import itertools
import math
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import softfloor as sf
from cases import DTYPES, assert_all_same_bits, assert_same_bits, edges, every_dtype, is_nan, numbers
from softfloor import _core, catalogue

CLAMPED = {name: sf.gated(name) for name in catalogue.ACTIVATIONS}
UNITS = [*CLAMPED.values(), *(sf.get(name) for name, record in catalogue.GATES.items() if record.softcaps)]
every_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
every_clamped = pytest.mark.parametrize("unit", CLAMPED.values(), ids=lambda unit: unit.name)
every_clamp = pytest.mark.parametrize("clamp", ("before", "after"))


def test_a_unit_is_not_taken_for_an_activation():
    """timesfm PR 494: "swiglu" became silu without a word."""
    for name in catalogue.GATES:
        with pytest.raises(ValueError, match=f"softfloor.{name}"):
            sf.gated(name)
    with pytest.raises(ValueError, match="did you mean gelu"):
        sf.gated("gleu")


@pytest.mark.parametrize("dtype", DTYPES[:2], ids=["float16", "bfloat16"])
def test_half_precision_is_rounded_once(dtype):
    """Liger issue 414, PR 783: where the cast happens in activation(gate) * up. Here there is one, at the end."""
    random = np.random.default_rng(3)
    gate, up = random.normal(0, 3, (2, 20_000)).astype(dtype)
    exact = sf.gated_presets["gpt-oss"](gate.astype(np.float64), up.astype(np.float64), beta=np.float32(1.702))
    assert_same_bits(sf.gated_presets["gpt-oss"](gate, up), exact.astype(dtype))
    rounded_twice = sf.silu(np.minimum(gate, dtype(7)), beta=1.702) * (np.clip(up, dtype(-7), dtype(7)) + dtype(1))
    assert (rounded_twice != exact.astype(dtype)).mean() > 0.1


def test_parameters_are_not_rounded_to_half_precision():
    bfloat16 = DTYPES[1]
    gate = np.linspace(-9, 9, 600).astype(bfloat16)
    with_float = sf.swiglu(gate, bfloat16(100), beta=1.702)
    assert_same_bits(with_float, sf.swiglu(gate, bfloat16(100), beta=np.full(600, 1.702, np.float32)))
    assert (with_float != sf.swiglu(gate, bfloat16(100), beta=bfloat16(1.702))).any()


@every_clamped
@every_clamp
@every_dtype
def test_parameters_at_their_defaults_change_no_bit(unit, clamp, dtype):
    """As arrays beside others, too: a result depends on its own operands alone."""
    gate, up, cotangent = (numbers(dtype, 3000, seed) for seed in range(3))
    plain = (unit(gate, up), *unit.vjp(gate, up, cotangent))
    own = {
        name: np.full(3000, value, np.float64 if dtype is np.float64 else np.float32)
        for name, value in unit.parameters.items()
    }
    for keywords in (own, {name: array[0] for name, array in own.items()}):
        given = (unit(gate, up, **keywords, clamp=clamp), *unit.vjp(gate, up, cotangent, **keywords, clamp=clamp))
        assert_all_same_bits(given, plain)
    chosen = np.arange(3000) % 3 == 0
    own["limit"][~chosen] = 1.5
    mixed = (unit(gate, up, **own, clamp=clamp), *unit.vjp(gate, up, cotangent, **own, clamp=clamp))
    assert_all_same_bits(tuple(m[chosen] for m in mixed), tuple(p[chosen] for p in plain))
    assert any((m[~chosen] != p[~chosen]).any() for m, p in zip(mixed, plain, strict=True))


@every_clamped
@every_dtype
def test_clamp_before_is_the_plain_unit_of_clamped_operands(unit, dtype):
    gate, up = numbers(dtype, 4000, 1), numbers(dtype, 4000, 2)
    known = ~(is_nan(gate) | is_nan(up))
    gate, up, limit = gate[known], up[known], dtype(2)
    clipped = np.where(gate > limit, limit, gate), np.where(up > limit, limit, np.where(up < -limit, -limit, up))
    clamped, plain = unit(gate, up, limit=2.0), unit(*clipped)
    assert_same_bits(clamped, unit(*clipped, limit=1e30))
    if dtype in (np.float32, np.float64):  # compute the plain unit in their own format, the clamped one in a wider one
        np.testing.assert_array_max_ulp(clamped, plain, 1)
    else:
        assert_same_bits(clamped, plain)


@every_clamped
@every_clamp
@every_dtype
def test_gradient_at_the_limit(unit, clamp, dtype):
    """torch's clamp passes a gradient at its bounds, and gpt-oss was trained with it: there it is that inside."""
    half, one = dtype(0.5), dtype(1)
    if clamp == "before":
        at, inside = (unit.vjp(dtype(2), half, one, limit=limit) for limit in (2.0, np.inf))
        np.testing.assert_allclose(float(at[0]), float(inside[0]), rtol=1e-2 if np.dtype(dtype).itemsize == 2 else 1e-6)
        assert float(at[0]) != 0
        beyond = unit.vjp(dtype(2.5), half, one, limit=2.0)
    else:
        limit = float(sf.get(unit.activation)(np.float64(2)))
        assert float(unit.vjp(dtype(1.75), half, one, limit=limit, clamp=clamp)[0]) != 0
        beyond = unit.vjp(dtype(2.5), half, one, limit=limit, clamp=clamp)
        assert float(beyond[1]) == float(dtype(limit))
    assert float(beyond[0]) == 0
    assert float(beyond[1]) != 0
    for sign in (1, -1):
        at, beyond = (unit.vjp(dtype(1.5), dtype(sign * up), one, limit=4.0, clamp=clamp) for up in (4.0, 4.5))
        assert float(at[1]) != 0
        assert float(beyond[1]) == 0
        assert float(at[0]) == float(beyond[0]) != 0


@every_dtype
def test_no_gradient_beyond_a_limit_whatever_the_cotangent(dtype):
    for cotangent in (np.inf, -np.inf, np.nan):
        dgate, dup = sf.swiglu.vjp(dtype(8), dtype(9), dtype(cotangent), limit=7.0)
        assert_same_bits(np.array([dgate, dup]), np.zeros(2, dtype))


@every_clamped
@every_clamp
@every_dtype
def test_a_limit_below_zero_is_nan(unit, clamp, dtype):
    for limit in (-1.0, -np.inf, np.nan):
        with np.errstate(all="raise"):
            results = (
                unit(dtype(1), dtype(2), limit=limit, clamp=clamp),
                *unit.vjp(dtype(1), dtype(2), dtype(3), limit=limit, clamp=clamp),
            )
        assert all(np.isnan(np.float64(result)) for result in results)


@every_dtype
def test_softcaps(dtype):
    """Infinite ones leave SwiGLU; one that is not positive has no meaning."""
    gate, up = (numbers(dtype, 3000, seed) for seed in (1, 2))
    plain = sf.swiglu(gate, up)
    open_caps = sf.situglu(gate, up, gate_softcap=np.inf, up_softcap=np.inf)
    finite = np.isfinite(plain.astype(np.float64)) & np.isfinite(open_caps.astype(np.float64))
    assert finite.mean() > 0.9
    scale = np.spacing(np.abs(plain[finite].astype(np.float64)).astype(dtype)).astype(np.float64)
    apart = np.abs(plain[finite].astype(np.float64) - open_caps[finite].astype(np.float64))
    assert (apart <= scale).all()
    for cap in (0.0, -4.0, np.nan):
        assert np.isnan(np.float64(sf.situglu(dtype(1), dtype(1), gate_softcap=cap)))
        assert np.isnan(np.float64(sf.situglu(dtype(1), dtype(1), up_softcap=cap)))
    largest = float(np.float64(sf.situglu(dtype(np.inf), dtype(np.inf))))
    assert largest == 100
    assert float(np.float64(sf.situglu(dtype(np.inf), dtype(-np.inf)))) == -100
    assert_same_bits(sf.situglu(dtype(-np.inf), dtype(np.inf)), dtype(-0.0))


@every_unit
@every_dtype
def test_signed_zeros(unit, dtype):
    """The sign of a product of the factors' signs; an offset of zero adds no zero."""
    zeros = np.array([0.0, -0.0], dtype)
    value = sf.get(unit.activation)(dtype(1.5))
    assert_same_bits(unit(dtype(1.5), zeros), (value * zeros).astype(dtype))
    if "limit" in unit.parameters:
        assert_same_bits(unit(dtype(1.5), zeros, limit=4.0), (value * zeros).astype(dtype))
        assert_same_bits(unit(dtype(1.5), zeros, limit=0.0), np.zeros(2, dtype) * zeros)


@every_unit
@every_dtype
def test_nan_only_for_nan_or_zero_times_infinity(unit, dtype):
    gate, up = (a.ravel() for a in np.meshgrid(edges(dtype), edges(dtype)))
    result = unit(gate, up)
    with np.errstate(all="ignore"):
        activated = unit(gate, np.ones_like(gate))
        factors = activated.astype(np.float64), up.astype(np.float64)
        indefinite = (np.isinf(factors[1]) & (np.abs(factors[0]) < 1e-30)) | (np.isinf(factors[0]) & (factors[1] == 0))
    expected = is_nan(gate) | is_nan(up)
    assert (is_nan(result) == expected)[~indefinite].all()
    if "limit" in unit.parameters:
        np.testing.assert_array_equal(is_nan(unit(gate, up, limit=7.0)), expected)


@pytest.mark.parametrize("name", catalogue.GATES)
def test_float64_products_neither_overflow_nor_vanish_on_the_way(name):
    """Factors whose own products leave the format, and a subnormal gate beside a large up."""
    unit = sf.get(name)
    if not unit.record.softcaps:
        inner = sf.get(unit.activation)
        slope, product = float(inner.derivative(-20.0)), unit.vjp(-20.0, 1e180, 1e180)[0]
        assert product == pytest.approx(slope * 1e180 * 1e180 if abs(slope) < 1e-52 else slope * np.inf, rel=1e-14)
        value = float(unit(5e-324 * 3, 2.0**1000))
        assert value == pytest.approx(
            float(inner.derivative(0.0)) * 3 * 2.0**-74 + float(inner(0.0)) * 2.0**1000, rel=1e-15
        )
    assert float(sf.swiglu.vjp(-700.0, 1e200, 1e200)[0]) == pytest.approx(
        -699 * math.exp(-700) * 1e200 * 1e200, rel=1e-12
    )
    assert float(sf.swiglu.vjp(1.0, np.inf, 1.0)[0]) == np.inf
    assert float(sf.swiglu(-1e300, 1e300)) == 0


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from([unit.name for unit in UNITS]),
    shapes=st.sampled_from([((), ()), ((3,), ()), ((2, 1), (4,)), ((5, 2), (5, 2)), ((0,), (0,)), ((2, 3, 1), (1, 4))]),
    dtype=st.sampled_from(DTYPES),
    setting=st.floats(0, 20, width=32),
    clamp=st.sampled_from(["before", "after"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_broadcasting_and_settings(name, shapes, dtype, setting, clamp, seed):
    """A unit's settings are keywords of its calls, and operands broadcast as those of any ufunc."""
    unit = next(unit for unit in UNITS if unit.name == name)
    random = np.random.default_rng(seed)
    gate, up = (random.normal(0, 5, shape).astype(dtype) for shape in shapes)
    keywords = {parameter: max(setting, 0.5) for parameter in unit.parameters}
    options = {} if unit.record.softcaps else {"clamp": clamp}
    result = unit(gate, up, **keywords, **options)
    assert result.shape == np.broadcast_shapes(*shapes)
    assert result.dtype == dtype
    assert_same_bits(unit.with_settings(**keywords, **options)(gate, up), result)
    each = np.broadcast_arrays(gate, up)
    one_by_one = [unit(g, u, **keywords, **options) for g, u in zip(*(a.ravel() for a in each), strict=True)]
    assert_same_bits(np.array(one_by_one, dtype).reshape(result.shape), result)


@every_unit
@every_dtype
def test_in_place(unit, dtype):
    gate, up, cotangent = (numbers(dtype, 1500, seed) for seed in range(3))
    expected = unit(gate, up), *unit.vjp(gate, up, cotangent)
    for limited in ({}, {"limit": np.inf} if "limit" in unit.parameters else {}):
        for target in (0, 1):
            operands = [gate.copy(), up.copy()]
            assert unit(*operands, out=operands[target], **limited) is operands[target]
            assert_same_bits(operands[target], expected[0])
        for order in ((0, 1), (1, 0), (2, 0), (1, 2)):
            operands = [gate.copy(), up.copy(), cotangent.copy()]
            out = tuple(operands[k] for k in order)
            assert_all_same_bits(unit.vjp(*operands, out=out, **limited), expected[1:])


def moderate(dtype, n):
    """Gates, ups and cotangents that float32 arithmetic covers, but for one here and there."""
    random = np.random.default_rng(5)
    operands = random.normal(0, 3, (3, n)).astype(dtype)
    for operand, large in zip(operands, (80, 3e4, 6e4), strict=True):
        operand[random.integers(0, n, n // 1000)] = large
    operands[:, n // 2] = 0, -0.0, 1
    return operands


@every_unit
@every_dtype
def test_value_and_vjp_is_both(unit, dtype):
    """Bit by bit, by every instruction set: from operands of all kinds, in blocks with and without large ones."""
    for operands in (moderate(dtype, 6001), [numbers(dtype, 1501, seed) for seed in range(3)]):
        gate, up, cotangent = operands
        plain = {"limit": np.inf} if "limit" in unit.parameters else {}
        clamped = [{"limit": 1.5, "offset": 0.5, "clamp": clamp} for clamp in ("before", "after")] if plain else []
        for options, cpu in itertools.product(({}, plain, *clamped), sf.cpu.available()):
            with sf.cpu.use(cpu):
                expected = unit(gate, up, **options), *unit.vjp(gate, up, cotangent, **options)
                assert_all_same_bits(unit.value_and_vjp(gate, up, cotangent, **options), expected)


@every_unit
@every_dtype
def test_value_and_vjp_in_place(unit, dtype):
    given = moderate(dtype, 1500)
    gate, up, cotangent = given
    expected = unit(gate, up), *unit.vjp(gate, up, cotangent)
    for order in itertools.permutations(range(3)):
        operands = given.copy()
        out = tuple(operands[k] for k in order)
        assert_all_same_bits(unit.value_and_vjp(*operands, out=out), expected)
    backwards = given.copy()[:, ::-1]  # strided, and shared
    assert_all_same_bits(unit.value_and_vjp(*backwards, out=tuple(backwards)), tuple(e[::-1] for e in expected))
    before = _core.set_streaming(0)
    try:
        assert_all_same_bits(unit.value_and_vjp(gate, up, cotangent), expected)
    finally:
        _core.set_streaming(before)


@every_unit
@pytest.mark.parametrize("dtype", DTYPES[2:], ids=["float32", "float64"])
def test_results_in_the_place_of_parameters(unit, dtype):
    """Parameters have the dtype of the operands there."""
    operands = moderate(dtype, 1500)
    values = {name: np.linspace(0.5, 2, 1500).astype(dtype) for name in unit.parameters}
    for function in (unit, unit.vjp, unit.value_and_vjp):
        given = operands[: len(function.operands)]
        expected = function(*given, **values)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for first in range(len(values)):
            own = {name: value.copy() for name, value in values.items()}
            out = [*own.values(), *(np.empty(1500, dtype) for _ in range(3))][first:][: len(expected)]
            function(*given, **own, out=tuple(out))
            assert_all_same_bits(tuple(out), expected)


def test_integers_promote():
    assert sf.swiglu(np.int8([1, 2]), np.int8([3, 4])).dtype == np.float16
    assert sf.geglu(np.int8([1, 2]), np.int8([3, 4]), offset=1).dtype == np.float16
    assert sf.swiglu(np.int32([1, 2]), 3, limit=np.float32(7)).dtype == np.float64
    assert sf.swiglu(np.float16([1]), np.float16([1]), limit=7.0, beta=1.702).dtype == np.float16
    bfloat16 = DTYPES[1]
    one = np.ones(1, bfloat16)
    for up in (one, 2, 2.0):
        assert sf.swiglu(one, up, limit=7.0).dtype == bfloat16
        assert sf.swiglu(one, up, limit=np.float32(7)).dtype == bfloat16
        assert all(part.dtype == bfloat16 for part in sf.swiglu.vjp(one, up, 1.0, offset=np.array([1.0, 2.0])))
    assert sf.swiglu([1.0], [2.0], limit=3.0, dtype=bfloat16).dtype == bfloat16
    assert sf.swiglu([1.0], [2.0], dtype=bfloat16).dtype == bfloat16
    assert sf.swiglu([1.0], [2.0], limit=3.0, dtype=np.float16).dtype == np.float16


def test_there_is_one_unit_of_each():
    assert sf.gated("silu") is sf.swiglu
    assert sf.gated("sigmoid") is sf.glu
    assert sf.gated("tanh", limit=3) is sf.gated("tanh", limit=3.0)
    assert sf.swiglu.with_settings() is sf.swiglu
    assert sf.swiglu.with_settings(beta=2.0).with_settings(beta=1.0) is sf.swiglu
    units = [sf.glu, sf.gated("tanh", offset=1.0), *sf.gated_presets.values()]
    for unit, remake in itertools.product(units, (copy.copy, copy.deepcopy, lambda u: pickle.loads(pickle.dumps(u)))):
        assert remake(unit) is unit
        assert remake(unit.vjp) is unit.vjp
        assert remake(unit.value_and_vjp) is unit.value_and_vjp
        assert remake(unit.packed) is unit.packed
        assert remake(unit.ufunc) is unit.ufunc


def test_ufuncs_without_their_parameters_are_pickled_too():
    """Dask sends them to its workers."""
    for function in (sf.silu, sf.silu.vjp, sf.swiglu, sf.situglu.vjp):
        assert pickle.loads(pickle.dumps(function.at_defaults)) is function.at_defaults


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: sf.gated("silu", limit=-1), ValueError, "limit=-1 must be at least 0"),
        (lambda: sf.gated("silu", limit=float("nan")), ValueError, "at least 0"),
        (lambda: sf.gated("silu", beta=float("nan")), ValueError, "must be a number"),
        (lambda: sf.gated("silu", beta="x"), TypeError, "beta='x' is not a number"),
        (lambda: sf.gated("silu", limit=np.ones(3)), TypeError, "arrays are given to the call"),
        (lambda: sf.gated("relu", beta=1.0), TypeError, "no setting 'beta'; there are limit, offset, clamp"),
        (lambda: sf.gated("silu", clamp="during"), ValueError, "clamp='during' is not one of 'before', 'after'"),
        (lambda: sf.gated("silu", layout="block"), ValueError, "'split', 'interleaved'"),
        (lambda: sf.gated("silu", gate=1), ValueError, "'first', 'last'"),
        (lambda: sf.gated(["silu"]), ValueError, "no activation is called"),
        (lambda: sf.situglu.with_settings(gate_softcap=0), ValueError, "above 0"),
        (lambda: sf.situglu.with_settings(clamp="after"), TypeError, "no setting 'clamp'"),
        (lambda: sf.swiglu(1.0, 2.0, clamp="never"), ValueError, "clamp='never'"),
        (lambda: sf.situglu(1.0, 2.0, clamp="after"), TypeError, "no keyword 'clamp'"),
        (lambda: sf.swiglu(1.0, 2.0, alpha=1.702), TypeError, "no keyword 'alpha'"),
    ],
)
def test_bad_settings(call, error, match):
    with pytest.raises(error, match=match):
        call()


DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "gated-units.md"


def test_the_page_runs_and_its_table_is_right():
    text = DOCUMENT.read_text()
    names = {}
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1), names)
    assert names["dx"] is names["x"]
    rows = re.findall(r'^\| `"([\w-]+)"`.* \| ([\d.]+) \|$', text, re.MULTILINE)
    assert {family: float(number) for family, number in rows} == {
        family: round(float(unit(10.0, 3.0)), 6) for family, unit in sf.gated_presets.items()
    }
