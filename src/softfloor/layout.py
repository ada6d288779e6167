"""Operands of the functions along an axis: where rows lie, what is masked, which dtype they have."""

from __future__ import annotations

import math
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from . import _core
from .activation import check_dtype, check_requested_dtype

Axis = int | tuple[int, ...] | None
Empty = Literal["zeros", "nan", "raise"]


class Layout:
    """Where the rows of an array lie: merges their axes into a last one, and puts a result back."""

    def __init__(self, shape: tuple[int, ...], axis: Axis) -> None:
        self.shape = shape
        dimensions = len(shape)
        if type(axis) is int and -dimensions <= axis < dimensions:  # by far the most frequent case, and the fastest
            position = axis % dimensions
            self.axes: tuple[int, ...] = (position,)
            self.others = (*range(position), *range(position + 1, dimensions))
            self.outer_shape = shape[:position] + shape[position + 1 :]
        else:
            try:
                self.axes = tuple(range(dimensions)) if axis is None else normalize_axis_tuple(axis, dimensions)
            except TypeError:
                raise TypeError(f"axis must be an integer, a tuple of integers or None; got {axis!r}") from None
            self.others = tuple(k for k in range(dimensions) if k not in self.axes)
            self.outer_shape = tuple(shape[k] for k in self.others)
        #: Rows lie along the last axis already: nothing to move.
        self.in_place = self.axes == (dimensions - 1,)

    def rows(self, array: Any) -> Any:
        """The array with its rows along the last axis; a view where strides allow."""
        if self.in_place:
            return array
        if len(self.axes) == 1:
            position = self.axes[0]  # several times as fast as np.moveaxis
            return np.transpose(array, (*range(position), *range(position + 1, array.ndim), position))
        length = math.prod(self.shape[k] for k in self.axes)
        return array.transpose(self.others + self.axes).reshape(*self.outer_shape, length)

    def restore(self, rows: Any) -> Any:
        """The inverse of `rows`."""
        if self.in_place:
            return rows
        if len(self.axes) == 1:
            last, position = rows.ndim - 1, self.axes[0]
            return np.transpose(rows, (*range(position), last, *range(position, last)))
        order = self.others + self.axes
        array = rows.reshape([self.shape[k] for k in order])
        return array.transpose(np.argsort(order))

    def kept(self, reduced: Any) -> Any:
        """A result per row, with axes of length 1 where the rows were."""
        return np.expand_dims(reduced, self.axes)


def new_like(array: Any, **keywords: Any) -> Any:
    """``np.empty_like``, without subclasses, in memory that may have been used before."""
    return _core.call_recycling(np.empty_like, array, subok=False, **keywords)


def new_rows(rows: Any, *others: Any) -> Any:
    """What results of ``rows``, and of other operands that count for their dtype, are written to.

    None where the array that a gufunc makes by itself is as good.

    A gufunc makes its rows contiguous. Where those it reads are not, results keep the order of memory instead, as those
    of NumPy's ufuncs do. Subclasses and other kinds of arrays decide themselves what their results are.
    """
    if type(rows) is not np.ndarray or rows.flags.c_contiguous:
        return None
    dtype = np.result_type(rows.dtype, *(other.dtype for other in others)) if others else rows.dtype
    return new_like(rows, dtype=dtype)


def as_logits(function: str, name: str, value: Any, dtype: Any = None) -> Any:
    """An operand as an array of floats, in ``dtype`` if asked for; integers become what `numpy.exp` makes of them."""
    # Dask and its like take part as they are; pandas and xarray know no gufuncs and become arrays.
    array = value if hasattr(value, "__array_function__") else np.asanyarray(value)
    check_dtype(function, name, array)
    if type(array) is not np.ndarray and np.ma.is_masked(array):
        raise TypeError(
            f"{function}: {name} is a masked array, whose hidden numbers would take part; pass its data, and where it "
            f"may be given where=~np.ma.getmaskarray({name})"
        )
    if dtype is not None:
        return array.astype(check_requested_dtype(function, dtype), copy=False)
    if array.dtype.kind in "biu":
        return array.astype(np.result_type(array.dtype, np.float16))
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def as_cotangent(function: str, value: Any, like: Any, shape: tuple[int, ...]) -> Any:
    """A cotangent of the given shape; a Python number takes the dtype of ``like``, as it would beside any operand."""
    if type(value) in (bool, int, float):
        with np.errstate(all="ignore"):  # beyond the dtype's range it is infinite
            array = np.asarray(value).astype(like.dtype)
    else:
        array = as_logits(function, "cotangent", value)
    if type(array) is np.ndarray and array.shape == shape:
        return array
    check_broadcast(function, "cotangent", array.shape, shape)
    return np.broadcast_to(array, shape)


def check_broadcast(function: str, name: str, shape: tuple[int, ...], to: tuple[int, ...]) -> None:
    try:
        fits = np.broadcast_shapes(shape, to) == to
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{function}: {name} has shape {shape}, which does not broadcast to {to}")


def masked(logits: Any, where: Any, absent: float = -np.inf) -> Any:
    """The logits with -inf (what takes no part in a softmax) where the mask is false."""
    mask = np.asanyarray(where)
    if mask.dtype != bool:
        raise TypeError(f"where must be boolean, True where an entry takes part; got dtype {mask.dtype}")
    result = np.where(mask, logits, logits.dtype.type(absent))
    # np.where leaves subclasses out.
    return result if type(logits) is np.ndarray or not isinstance(logits, np.ndarray) else logits.__array_wrap__(result)


def first_place(wrong: Any, begins: tuple[int, ...] | None = None) -> tuple[tuple[int, ...], str]:
    """Where the first of them lies, as an index and as messages say it; ``begins`` is where a part of an array lies.

    It is NaN behind chunks of unknown sizes: then messages do not say.
    """
    index = tuple(int(k) for k in np.argwhere(wrong)[0])
    position = tuple(k + begin for k, begin in zip(index, begins or (0,) * len(index), strict=True))
    if any(map(math.isnan, position)):
        return index, ""
    return index, f" at position {position if len(position) > 1 else position[0]}" if position else ""


class EmptyRows:
    """The rows of which nothing is left, and what is asked to become of them; looked for only if not the default."""

    def __init__(self, function: str, empty: Any, layout: Layout, logits: Any, absent: float = -np.inf) -> None:
        self.check(function, empty)
        self.layout = layout
        self.found: Any = None
        if empty != "zeros":
            self.found = np.all(logits == absent, axis=layout.axes)
        if empty == "raise" and np.any(self.found):
            self.refuse(function, self.found, absent)

    @staticmethod
    def check(function: str, empty: Any) -> None:
        if empty not in ("zeros", "nan", "raise"):
            raise ValueError(f"{function}: empty must be 'zeros', 'nan' or 'raise'; got {empty!r}")

    @staticmethod
    def refuse(function: str, found: Any, absent: float, begins: tuple[int, ...] | None = None) -> NoReturn:
        where = first_place(found, begins)[1]
        raise ValueError(f"{function}: nothing is left of the row{where}; every entry is masked or {absent}")

    def filled(self, result: Any) -> Any:
        """The result, NaN where a row is empty; an array is written to in place."""
        if self.found is None or not np.any(self.found):
            return result
        if not isinstance(result, np.ndarray):
            return result.dtype.type(np.nan)
        found = self.layout.kept(self.found) if result.ndim != self.found.ndim else self.found
        np.copyto(result, result.dtype.type(np.nan), where=found)
        return result


def check_temperature(temperature: Any) -> float:
    value = one_number("temperature", temperature)
    if not 0 < value < np.inf:
        raise ValueError(f"temperature must be positive and finite; got {temperature}")
    return value


def one_number(name: str, value: Any) -> float:
    """A parameter as a float; one beyond the range of floats as an infinite one."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be one number; got {value!r}") from None
    except OverflowError:
        return math.inf if value > 0 else -math.inf
