"""Gated units of one packed operand, which holds gate and up along an axis: by halves, or in turns.

The two are views, so no operand is copied, and a vjp may be written over the packed operand that it came from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core, containers
from .activation import check_dtype

if TYPE_CHECKING:
    from .gates import GatedUnit

LAYOUTS = ("split", "interleaved")
GATES_OF_PACKED = ("first", "last")

_FIRST = (
    "gate='first' (Llama, gpt-oss, TransformerEngine, QuACK: the gate comes first) or gate='last' (the glu of torch, "
    "jax and Keras: the gate is the second)"
)


class Packed:
    """A gated unit of one packed operand: ``unit.packed(x, gate="first")``, and ``vjp``.

    Attributes
    ----------
    unit : GatedUnit
        The unit of two operands.
    """

    def __init__(self, unit: GatedUnit) -> None:
        self.unit = unit
        self.__name__ = f"{unit.name}.packed"

    def __repr__(self) -> str:
        return (
            f"<softfloor gated unit {self.__name__}(x, *, gate={self.unit.gate!r}, layout=..., axis=-1, out=None, ...)>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.unit, "packed")

    def __call__(
        self,
        x: Any,
        *,
        gate: str | None = None,
        layout: str | None = None,
        axis: int = -1,
        out: Any = None,
        dtype: Any = None,
        **settings: Any,
    ) -> Any:
        """The unit of the two operands that x holds along an axis.

        Parameters
        ----------
        x : array_like
            Gate and up, an even number of entries along the axis.
        gate : {"first", "last"}
            Which of the two is the gate. It must be said, here or in the unit: libraries differ.
        layout : {"split", "interleaved"}
            Two halves (default), or entries in turns.
        axis : int
            The axis along which they are packed.
        out : ndarray, optional
            Where to put the result; the part of x that holds the gate, or up, is allowed.
        dtype : dtype, optional
            Compute in this dtype.
        **settings
            The unit's parameters, which broadcast with its operands, and ``clamp``.

        Returns
        -------
        ndarray
            Half as long as x along the axis. xarray and pandas objects keep labels of the other axes.

        Raises
        ------
        ValueError
            If the axis has an odd number of entries, or ``gate``, ``layout`` or ``axis`` is none of those allowed.
        TypeError
            If ``gate`` is not given, a dtype is not supported, or a keyword is unknown.

        Examples
        --------
        >>> import numpy as np, softfloor as sf
        >>> x = np.array([10.0, -1.0, 3.0, 2.0])
        >>> bool((sf.swiglu.packed(x, gate="first") == sf.swiglu(x[:2], x[2:])).all())
        True
        """
        view = self._view(x, gate, layout, axis)
        if containers.kind_of(x) in ("xarray", "pandas"):
            return view.halved(self(view.plain, gate=gate, layout=layout, axis=view.axis, dtype=dtype, **settings))
        return self.unit(*view.operands(view.plain), **_given(out=out, dtype=dtype), **settings)

    def vjp(
        self,
        x: Any,
        cotangent: Any,
        *,
        gate: str | None = None,
        layout: str | None = None,
        axis: int = -1,
        out: Any = None,
        dtype: Any = None,
        **settings: Any,
    ) -> Any:
        """The packed cotangent of x, from x alone.

        Parameters
        ----------
        x : array_like
            What the unit was called with.
        cotangent : array_like
            The cotangent of the result, of its shape or one that broadcasts to it.
        gate : {"first", "last"}
            As in the call.
        layout : {"split", "interleaved"}
            As in the call.
        axis : int
            As in the call.
        out : ndarray, optional
            Of the shape of x, where to put the result; x itself is allowed.
        dtype : dtype, optional
            Compute in this dtype.
        **settings
            As in the call.

        Returns
        -------
        ndarray
            Of the shape of x, and packed like it.

        Raises
        ------
        ValueError
            If the axis has an odd number of entries, the cotangent or ``out`` has another shape, or ``gate``,
            ``layout`` or ``axis`` is none of those allowed.
        TypeError
            If ``gate`` is not given, a dtype is not supported, or a keyword is unknown.

        Examples
        --------
        >>> import numpy as np, softfloor as sf
        >>> sf.reglu.packed.vjp(np.array([2.0, 3.0]), np.array([1.0]), gate="first").tolist()
        [3.0, 2.0]
        """
        view = self._view(x, gate, layout, axis)
        options = {"gate": gate, "layout": layout, "axis": view.axis, "dtype": dtype, **settings}
        if containers.kind_of(x) in ("xarray", "pandas"):
            plain = cotangent.data if containers.kind_of(cotangent) == "xarray" else cotangent
            plain = np.asarray(plain) if containers.kind_of(plain) == "pandas" else plain
            return view.whole(self.vjp(view.plain, plain, **options))
        operands = view.operands(view.plain)
        name = f"{self.__name__}.vjp"
        check_dtype(name, "cotangent", cotangent)
        aligned = _aligned(np.shape(cotangent), operands[0].shape)
        if np.ndim(cotangent) > operands[0].ndim or any(
            length not in (1, own) and not np.isnan(own) for length, own in aligned
        ):
            raise ValueError(f"{name}: cotangent has shape {np.shape(cotangent)}; the unit's is {operands[0].shape}")
        if containers.kind_of(view.plain) == "dask" or containers.kind_of(cotangent) == "dask":
            if out is not None:
                raise TypeError(f"{name}: out cannot be given with Dask arrays, whose results are lazy")
            parts = self.unit.vjp(*operands, cotangent, **_given(dtype=dtype), **settings)
            from .chunked import elementwise

            parts = parts if view.gate_is_first else parts[::-1]
            return elementwise.packed(parts, view.axis, view.interleaved)
        if out is None:
            half, other = _without_entries(view.plain), _without_entries(cotangent)
            sample, _ = self.unit.vjp(half, half, other, **_given(dtype=dtype))
            out = _core.call_recycling(np.empty_like, view.plain, sample.dtype)
        elif not isinstance(out, np.ndarray) or out.shape != view.plain.shape:
            raise ValueError(
                f"{name}: out must be an array of the shape of x, {view.plain.shape}; got {_shape_of(out)}"
            )
        self.unit.vjp(*operands, cotangent, out=view.operands(out), **_given(dtype=dtype), **settings)
        return out

    def conventions(self, gate: str | None, layout: str | None) -> tuple[str, str]:
        """Which of the operands is the gate, and how they lie: as said, or as the unit has it; checked."""
        gate, layout = gate or self.unit.gate, layout or self.unit.layout or "split"
        if gate is None:
            raise TypeError(f"{self.__name__} must be told which operand is the gate: {_FIRST}")
        if gate not in GATES_OF_PACKED:
            raise ValueError(f"{self.__name__}: gate={gate!r} is neither 'first' nor 'last': {_FIRST}")
        if layout not in LAYOUTS:
            raise ValueError(f"{self.__name__}: layout={layout!r} is neither 'split' (two halves) nor 'interleaved'")
        return gate, layout

    def _view(self, x: Any, gate: str | None, layout: str | None, axis: Any) -> _View:
        gate, layout = self.conventions(gate, layout)
        check_dtype(self.__name__, "x", x)
        return _View(self.__name__, x, gate == "first", layout == "interleaved", axis)


def _given(**keywords: Any) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if value is not None}


def _without_entries(operand: Any) -> Any:
    """What promotes as an operand does, without entries; numbers stay."""
    return np.empty(0, np.asanyarray(operand).dtype) if np.ndim(operand) else operand


def _aligned(shape: tuple[int, ...], own: tuple[int, ...]) -> list[tuple[int, int]]:
    """Lengths of a shape beside those that it is broadcast to; 0 where there is nothing beside."""
    return list(zip(shape[::-1], [*own[::-1], *(0,) * len(shape)], strict=False))


def _shape_of(value: Any) -> str:
    return f"shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


class _View:
    """A packed operand, and where its two operands are."""

    def __init__(self, name: str, x: Any, gate_is_first: bool, interleaved: bool, axis: Any) -> None:
        self.x, self.gate_is_first, self.interleaved = x, gate_is_first, interleaved
        kind = containers.kind_of(x)
        if kind == "xarray" and isinstance(axis, str):
            axis = x.get_axis_num(axis)
        elif kind == "pandas" and isinstance(axis, str):
            axis = x._get_axis_number(axis)
        self.plain = (
            x.data if kind == "xarray" else np.asarray(x) if kind == "pandas" else x if kind else np.asanyarray(x)
        )
        dimensions = self.plain.ndim
        try:
            axis = axis.__index__()
        except AttributeError:
            raise TypeError(f"{name}: axis={axis!r} is not an integer") from None
        if not -dimensions <= axis < dimensions:
            raise ValueError(f"{name}: axis {axis} is out of bounds; x has {dimensions} dimensions")
        self.axis = axis % dimensions
        self.length = self.plain.shape[self.axis]
        if np.isnan(self.length):
            raise ValueError(
                f"{name}: Dask does not know how many entries x has along axis {axis}; call x.compute_chunk_sizes() "
                "first"
            )
        if self.length % 2:
            raise ValueError(
                f"{name}: x has {self.length} entries along axis {axis}; gate and up together are an even number"
            )

    def operands(self, array: Any) -> tuple[Any, Any]:
        """Gate and up in an array that is packed like this one, as views."""
        half = self.length // 2
        parts = (slice(0, None, 2), slice(1, None, 2)) if self.interleaved else (slice(0, half), slice(half, None))
        first, second = (array[(slice(None),) * self.axis + (part,)] for part in parts)
        return (first, second) if self.gate_is_first else (second, first)

    def whole(self, result: Any) -> Any:
        """A result of the shape of x with its labels."""
        if containers.kind_of(self.x) == "xarray":
            return self.x.copy(data=result)
        return self._pandas(result, self.x._construct_axes_dict())

    def halved(self, result: Any) -> Any:
        """A result half as long with the labels of the other axes."""
        if containers.kind_of(self.x) == "xarray":
            dimension = self.x.dims[self.axis]
            half = self.x.isel({dimension: slice(0, self.length // 2)})
            return half.drop_vars([name for name, c in half.coords.items() if dimension in c.dims]).copy(data=result)
        axes = self.x._construct_axes_dict().items()
        return self._pandas(result, {name: own for name, own in axes if self.x._get_axis_number(name) != self.axis})

    def _pandas(self, result: Any, axes: dict[str, Any]) -> Any:
        return self.x._constructor(result, **axes, **({"name": self.x.name} if self.x.ndim == 1 else {}))
