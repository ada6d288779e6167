"""Functions along an axis on arrays that are more than NumPy's: Dask, xarray, pandas, none of which is imported here.

Dask arrays are computed lazily (`softfloor.chunked`). xarray and pandas objects come back with their labels, whatever
array they hold; their other operands must carry the same labels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import numpy as np

Method = TypeVar("Method", bound=Callable[..., Any])
Kind = Literal["dask", "xarray", "pandas"]

_CLASSES: dict[tuple[str, str], Kind] = {
    ("dask", "Array"): "dask",
    ("xarray", "DataArray"): "xarray",
    ("pandas", "Series"): "pandas",
    ("pandas", "DataFrame"): "pandas",
}


_KINDS: dict[type, Kind | None] = {}
#: Those of `_KINDS` that are no containers: most calls have nothing else.
_PLAIN: set[type] = {np.ndarray}


def kind_of(value: Any) -> Kind | None:
    """By the name of its class, subclasses too: what is not imported cannot be met."""
    cls = type(value)
    if cls not in _KINDS:
        names = ((base.__module__.partition(".")[0], base.__name__) for base in cls.__mro__)
        _KINDS[cls] = next((_CLASSES[name] for name in names if name in _CLASSES), None)
        if _KINDS[cls] is None:
            _PLAIN.add(cls)
    return _KINDS[cls]


def is_lazy(value: Any) -> bool:
    """Whether it is a Dask array, or holds one."""
    return kind_of(value) == "dask" or (kind_of(value) == "xarray" and kind_of(value.data) == "dask")


def elementwise(function: Any, operands: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """The result where a container, asked by NumPy, would compute in another dtype than arrays; None elsewhere."""
    if keywords.get("out") is not None or len(operands) != len(function.operands):
        return None
    values = (*operands, *keywords.values())
    if keywords.get("dtype") is not None and any(map(is_lazy, values)):  # Dask would cast its results
        return by_blocks(function, operands, keywords)
    if "dtype" in keywords or "signature" in keywords:
        return None
    if any(kind_of(value) == "pandas" and value.ndim == 2 for value in values):  # pandas makes float64 of numbers
        return _beside_frames(function, operands, keywords)
    return None


def _beside_frames(function: Any, operands: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """Python numbers in the dtype of the arrays and frames that they meet, if these are narrower than float64."""
    given = {name: keywords[name] for name in function.parameters if name in keywords}
    if given:  # those at 0, 1 and infinity are types already that leave promotion to others
        given = {n: v for n, v in function.parameters.items() if v not in (0, 1, np.inf)} | given
    numbers = [type(value) in (bool, int, float) for value in (*operands, *given.values())]
    arrays = [value for value, is_number in zip((*operands, *given.values()), numbers, strict=True) if not is_number]
    try:
        dtype = np.result_type(*(np.asarray(a[:0] if kind_of(a) == "pandas" else a).dtype for a in arrays))
    except TypeError:
        return None
    if not any(numbers) or dtype.name not in ("float16", "bfloat16", "float32"):
        return None
    of_parameter = np.dtype(np.float32) if function.wide else dtype

    def cast(value: Any, to: np.dtype[Any]) -> Any:
        return to.type(value) if type(value) in (bool, int, float) else value

    return function(
        *(cast(value, dtype) for value in operands),
        **{**keywords, **{name: cast(value, of_parameter) for name, value in given.items()}},
    )


def several_outputs(function: Any, operands: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """An elementwise function of several outputs, lazily: Dask refuses its ufunc."""
    if keywords.get("out") is not None or len(operands) > len(function.operands):
        raise TypeError(f"{function.__name__}: out cannot be given with Dask arrays, whose results are lazy") from None
    return by_blocks(function, operands, keywords)


def by_blocks(function: Any, operands: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """An elementwise function of each block, called as a whole was."""
    given = {**dict(zip(function.operands, operands, strict=True)), **keywords}
    arrays = {*function.operands, *function.parameters, "where"}
    names = [name for name in given if name in arrays and (np.ndim(given[name]) or is_lazy(given[name]))]
    values = [given[name] for name in names]

    def each(*blocks: Any) -> Any:
        arguments = {**given, **dict(zip(names, blocks, strict=True))}
        positional = [arguments.pop(name) for name in function.operands]
        return function(*positional, **arguments)

    outputs = function.ufunc.nout
    if any(kind_of(value) == "xarray" for value in values):
        import xarray

        return xarray.apply_ufunc(each, *values, dask="allowed", output_core_dims=[()] * outputs, keep_attrs=True)
    from .chunked import elementwise

    samples = each(*(np.empty(0, value.dtype) for value in values))
    dtypes = [sample.dtype for sample in samples] if outputs > 1 else [samples.dtype]
    return elementwise.of_blocks(each, values, dtypes)


def understood(method: Method) -> Method:
    """A method of a row function: of plain arrays straight to the kernel, where `RowFunction.direct` has a way.

    It takes containers as well; its first operand tells which labels the result has.
    """
    name = method.__name__

    @functools.wraps(method)
    def call(self: Any, *operands: Any, **keywords: Any) -> Any:
        direct = self.direct.get(name)
        if direct is not None and (result := direct(*operands, **keywords)) is not None:
            return result
        if _PLAIN.issuperset(map(type, operands)) and _PLAIN.issuperset(map(type, keywords.values())):
            return method(self, *operands, **keywords)
        kinds = {kind_of(value) for value in (*operands, *keywords.values())}
        if kinds <= {None}:
            return method(self, *operands, **keywords)
        from inspect import signature  # as slow to import as a tenth of NumPy, and needed for containers only

        bound = signature(method).bind(self, *operands, **keywords)
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        del arguments["self"]
        first = next(iter(arguments.values()))
        if _labelled(first):
            labels = _labels_of(self, first)
            return labels.restore(getattr(self, method.__name__)(**labels.strip(arguments)), arguments)
        plain = {name: np.asarray(v) if _labelled(v) else v for name, v in arguments.items()}
        if "dask" in kinds:
            from . import chunked

            return chunked.call(self, method.__name__, plain)
        return method(self, **plain)

    return call  # type: ignore[return-value]


def refuse_labels(function: Any, z: Any) -> None:
    """Of what has no labels to give: the axes of a matrix per row would both be that of the classes."""
    if _labelled(z):
        advice = "z.data" if kind_of(z) == "xarray" else "z.to_numpy()"
        raise TypeError(
            f"{function.name}.jacobian: z is a {kind_of(z)} {type(z).__name__}, whose labels the result cannot have; "
            f"pass {advice}"
        )


def matrix_of_each_row(method: Method) -> Method:
    """A method that makes a matrix of each row, of Dask arrays lazily."""

    @functools.wraps(method)
    def call(self: Any, z: Any, axis: int = -1, *, temperature: float = 1.0) -> Any:
        refuse_labels(self, z)
        if kind_of(z) == "dask":
            from .chunked import whole_rows

            return whole_rows.jacobian(self, z, axis, temperature)
        return method(self, z, axis, temperature=temperature)

    return call  # type: ignore[return-value]


def _labelled(value: Any) -> bool:
    return kind_of(value) in ("xarray", "pandas")


def _labels_of(function: Any, first: Any) -> _Labels:
    return _Xarray(function, first) if kind_of(first) == "xarray" else _Pandas(function, first)


class _Labels:
    """What a container knows beside its numbers."""

    def __init__(self, function: Any, first: Any) -> None:
        self.function, self.name, self.first = function, function.name, first

    def lies_apart(self, name: str) -> bool:
        """Whether an operand has other axes than the first, of which it lacks some."""
        return name in self.function.per_row | self.function.per_class

    def axes(self, axis: Any) -> tuple[int, ...]:
        """Axes by number, or by the name that the container gives them."""
        names = axis if isinstance(axis, tuple) else tuple(range(self.first.ndim)) if axis is None else (axis,)
        return tuple(self.axis(name) if isinstance(name, str) else name % max(1, self.first.ndim) for name in names)

    def strip(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The same arguments as plain arrays."""
        self.axis_of_rows = axis = arguments.get("axis", -1)
        stripped = {name: self.array(name, value) if _labelled(value) else value for name, value in arguments.items()}
        if isinstance(axis, str) or (isinstance(axis, tuple) and any(isinstance(name, str) for name in axis)):
            axes = self.axes(axis)
            stripped["axis"] = axes if isinstance(axis, tuple) else axes[0]
        return stripped

    def restore(self, result: Any, arguments: dict[str, Any]) -> Any:
        """Results with labels: those of the first operand, without the axes of the rows where these are gone."""
        if isinstance(result, tuple):
            if "gradients" in arguments and not (result and isinstance(result[-1], tuple)):
                return self._gradients(result, arguments)
            return tuple(self.restore(part, arguments) for part in result)
        summed = arguments.get("reduction", "none") != "none" and np.ndim(result) == 0
        if summed or arguments.get("out") is not None:
            return result
        if result.shape == self.first.shape and not arguments.get("keepdims"):
            return self.like(result)
        axes = self.axes(arguments.get("axis", -1))
        if result.ndim in (self.first.ndim, self.first.ndim - len(axes)):
            return self.reduced(result, axes)
        return result

    def _gradients(self, gradients: tuple[Any, ...], arguments: dict[str, Any]) -> tuple[Any, ...]:
        """Gradients in several operands, each with the labels of its own."""
        asked = arguments["gradients"]
        if asked is None:
            asked = [name for name in self.function.differentiable if arguments[name] is not None]
        operands = [arguments[name] for name in asked]
        return tuple(
            _labels_of(self.function, self.arranged(operand)).like(gradient) if _labelled(operand) else gradient
            for operand, gradient in zip(operands, gradients, strict=True)
        )

    def axis(self, name: str) -> int:
        raise NotImplementedError

    def array(self, name: str, value: Any) -> Any:
        raise NotImplementedError

    def arranged(self, value: Any) -> Any:
        """Another operand with its axes in the order in which `array` gives them."""
        return value

    def like(self, result: Any) -> Any:
        raise NotImplementedError

    def reduced(self, result: Any, axes: tuple[int, ...]) -> Any:
        raise NotImplementedError


class _Xarray(_Labels):
    def axis(self, name: str) -> int:
        try:
            return int(self.first.get_axis_num(name))
        except ValueError:
            raise ValueError(f"{self.name}: no dimension is called {name!r}; there are {self.first.dims}") from None

    def array(self, name: str, value: Any) -> Any:
        if value is self.first or kind_of(value) != "xarray":
            return value.data if value is self.first else np.asarray(value)
        import xarray

        try:
            xarray.align(self.first, value, join="exact")
        except ValueError as error:
            raise ValueError(f"{self.name}: {name} has other coordinates; align them first ({error})") from None
        aligned = self.arranged(value)
        own = [d for d in value.dims if d not in self.first.dims]
        if self.lies_apart(name):
            return aligned.data
        if own:
            raise ValueError(f"{self.name}: {name} has dimensions {own}, which the first operand does not have")
        missing = [d for d in self.first.dims if d not in value.dims]
        return aligned.expand_dims(missing).transpose(*self.first.dims).data if missing else aligned.data

    def arranged(self, value: Any) -> Any:
        own = [d for d in value.dims if d not in self.first.dims]
        return value.transpose(*own, *(d for d in self.first.dims if d in value.dims))

    def like(self, result: Any) -> Any:
        return self.first.copy(data=result)

    def reduced(self, result: Any, axes: tuple[int, ...]) -> Any:
        dims = [self.first.dims[k] for k in axes]
        keep = result.ndim == self.first.ndim
        reduced = result.squeeze(axes) if keep else result
        return self.first.reduce(lambda *_, **__: reduced, dims, keep_attrs=True, keepdims=keep)


class _Pandas(_Labels):
    def axis(self, name: str) -> int:
        return int(self.first._get_axis_number(name))  # "index", "columns" and pandas' other names of them

    def array(self, name: str, value: Any) -> Any:
        if value is not self.first and kind_of(value) == "pandas":
            if value.ndim == self.first.ndim:
                shared = slice(-1, None) if self.lies_apart(name) else slice(None)
                pairs = zip(value.axes[shared], self.first.axes[shared], strict=True)
                same = all(a.equals(b) for a, b in pairs)
            else:
                same = all(value.index.equals(self.first.axes[k]) for k in self._axes_of_series(name))
            if not same and name != "bias":  # whose index is that of the classes
                raise ValueError(f"{self.name}: {name} has another index; reindex it like the first operand")
        return np.asarray(value)

    def _axes_of_series(self, name: str) -> tuple[int, ...]:
        """Along which of the first operand's axes a Series beside a DataFrame lies."""
        if name in self.function.per_class:
            return self.axes(self.axis_of_rows)
        if name in self.function.per_row:
            return tuple(k for k in range(self.first.ndim) if k not in self.axes(self.axis_of_rows))
        return (self.first.ndim - 1,)

    def like(self, result: Any) -> Any:
        return self.first._constructor(result, **self.first._construct_axes_dict(), **self._name())

    def _name(self) -> dict[str, Any]:
        return {"name": self.first.name} if self.first.ndim == 1 else {}

    def reduced(self, result: Any, axes: tuple[int, ...]) -> Any:
        if result.ndim == self.first.ndim:  # an axis of rows that is kept has pandas' default label, 0
            labels = {
                name: own for k, (name, own) in enumerate(self.first._construct_axes_dict().items()) if k not in axes
            }
            return self.first._constructor(result, **labels, **self._name())
        if result.ndim != 1 or self.first.ndim != 2:
            return result
        return self.first._constructor_sliced(result, index=self.first.axes[1 - axes[0]])
