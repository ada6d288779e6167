"""Every elementwise function of the catalogue and operands to call it on: what the tests are parametrised over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf

bfloat16 = ml_dtypes.bfloat16
DTYPES = (np.float16, bfloat16, np.float32, np.float64)
NUMPY_DTYPES = (np.float16, np.float32, np.float64)
UNSIGNED = {2: np.uint16, 4: np.uint32, 8: np.uint64}


@dataclass(frozen=True)
class Case:
    """One function. Called with parameters after the operands; always returns a tuple of outputs."""

    function: sf.Function
    inputs: int
    outputs: int

    def __call__(self, *operands: Any, **keywords: Any) -> tuple[Any, ...]:
        count = len(self.function.operands)
        parameters = dict(zip(self.function.parameters, operands[count:], strict=False))
        result = self.function(*operands[:count], **parameters, **keywords)
        return result if isinstance(result, tuple) else (result,)

    @property
    def name(self) -> str:
        return self.function.__name__


def _cases() -> Iterator[Case]:
    for name in (*sf.catalogue.ACTIVATIONS, *sf.catalogue.GATES):
        function = sf.get(name)
        functions = [function, function.vjp]
        if name in sf.catalogue.ACTIVATIONS:
            functions += [function.derivative, function.value_and_derivative, *function._parameter_derivatives.values()]
        for each in functions:
            yield Case(each, each.ufunc.nin, each.ufunc.nout)


CASES = tuple(_cases())
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_activation = pytest.mark.parametrize(
    "activation", [sf.get(name) for name in sf.catalogue.ACTIVATIONS], ids=lambda activation: activation.name
)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
every_numpy_dtype = pytest.mark.parametrize("dtype", NUMPY_DTYPES, ids=lambda dtype: np.dtype(dtype).name)


def every_half(dtype: Any) -> np.ndarray:
    """All 65,536 numbers of a dtype of two bytes."""
    return np.arange(1 << 16, dtype=np.uint16).view(dtype)


def edges(dtype: Any) -> np.ndarray:
    """Zeros, subnormals, ordinary, huge, infinite, NaN; both signs."""
    info = ml_dtypes.finfo(dtype)
    magnitudes = [
        0,
        info.smallest_subnormal,
        info.smallest_subnormal * 3,
        info.smallest_normal,
        info.eps,
        0.5,
        1,
        3,
        20,
        100,
    ]
    magnitudes += [700, 30000, info.max, np.inf, np.nan]
    positive = np.array([dtype(magnitude) for magnitude in magnitudes], dtype)
    return np.concatenate([positive, -positive])


def numbers(dtype: Any, count: int, seed: int = 0) -> np.ndarray:
    """A mixture of ordinary numbers, numbers of all exponents, and edges, shuffled."""
    random = np.random.default_rng(seed)
    ordinary = random.normal(0, 4, count // 2).astype(dtype)
    size = np.dtype(dtype).itemsize
    with np.errstate(invalid="ignore"):  # signalling NaN among the random bits
        anything = np.frombuffer(random.bytes(size * (count - count // 2)), dtype)
    result = np.concatenate([ordinary, anything])
    some = edges(dtype)
    if count >= 4 * len(some):
        result[: len(some)] = some
    random.shuffle(result)
    return result


def operands_of(case: Case, dtype: Any, count: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """One array per input of the ufunc, parameters included."""
    return tuple(numbers(dtype, count, seed + position) for position in range(case.inputs))


def is_nan(array: Any) -> np.ndarray:
    """np.isnan, which ml_dtypes lets warn about signalling NaN."""
    with np.errstate(invalid="ignore"):
        return np.isnan(array)


def bits(array: Any) -> np.ndarray:
    """The bits of an array; every NaN alike, because its sign and payload are no promise."""
    array = np.ascontiguousarray(array)
    result = array.view(UNSIGNED[array.dtype.itemsize]).copy()
    result[is_nan(array)] = np.array(np.nan, array.dtype).view(result.dtype)
    return result


def assert_same_bits(actual: Any, expected: Any) -> None:
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    different = np.flatnonzero(bits(actual).ravel() != bits(expected).ravel())
    assert different.size == 0, (
        f"{different.size} of {actual.size} differ, first at {different[0]}: "
        f"{actual.ravel()[different[0]]!r} instead of {expected.ravel()[different[0]]!r}"
    )


def assert_all_same_bits(actual: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        assert_same_bits(one, other)
