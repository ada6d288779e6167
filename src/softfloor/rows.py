"""Functions along an axis: what they share around their gufuncs.

The softmax of an entry depends on its whole row. A row is what lies along ``axis``: one axis, several (a tuple), or the
whole array (None). Masked entries (``where=False``) behave as logits of -inf; a row with nothing left gives zeros
(log_softmax and logsumexp: -inf) and zero gradients, unless ``empty`` asks for NaN or an error; ``+inf`` logits share
the mass; NaN spreads to its row only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _core, docstrings
from .catalogue import ROWS
from .containers import understood
from .layout import Axis, Empty, EmptyRows, Layout, as_cotangent, as_logits, check_temperature, masked, new_rows


class RowFunction:
    """What the functions along an axis share: a record and its gufuncs."""

    #: What a masked entry counts as, and a row of it alone as empty.
    absent = -np.inf
    #: Operands that lie along the axes of the first but for those of a row, and along classes; others broadcast to it.
    per_row: frozenset[str] = frozenset()
    per_class: frozenset[str] = frozenset()

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name
        self.record = ROWS[name]
        self.gufuncs = {
            kernel.variant: _core.make_ufunc(
                name, kernel.variant, f"{name}.{kernel.variant}", docstrings.rows_kernel(self.record, kernel.variant)
            )
            for kernel in self.record.kernels
        }
        #: By the name of a method: a call of it on plain arrays in C, None where the method itself has to look.
        self.direct: dict[str, Callable[..., Any]] = self._direct()

    def _direct(self) -> dict[str, Callable[..., Any]]:
        return {}

    def _direct_rows(self, **variants: str) -> dict[str, Callable[..., Any]]:
        return {method: _core.direct_rows(self.gufuncs[variant]) for method, variant in variants.items()}

    def __repr__(self) -> str:
        return f"<softfloor function {self.name}: {self.record.summary}>"

    def __reduce__(self) -> tuple[Any, ...]:
        from . import get

        return get, (self.name,)

    def _of_logits(
        self, z: Any, axis: Axis, where: Any, out: Any, dtype: Any, empty: Empty, *numbers: float
    ) -> tuple[Any, Layout]:
        """The value, and how the rows of z lie; ``numbers`` are what the kernel takes beside them."""
        logits = as_logits(self.name, "z", z, dtype)
        if where is not None:
            logits = masked(logits, where, self.absent)
        layout = Layout(logits.shape, axis)
        rows = EmptyRows(self.name, empty, layout, logits, self.absent)
        return rows.filled(self._along_rows("value", layout, (layout.rows(logits), *numbers), out)), layout

    def _vjp_of_output(self, name: str, output: Any, cotangent: Any, axis: Axis, temperature: float, out: Any) -> Any:
        """The vjp of a function that needs its output for it, and not its input."""
        saved = as_logits(self.name, name, output)
        upstream = as_cotangent(self.name, cotangent, saved, saved.shape)
        layout = Layout(saved.shape, axis)
        operands = (layout.rows(saved), layout.rows(upstream), check_temperature(temperature))
        return self._along_rows("vjp", layout, operands, out)

    def _along_rows(self, variant: str, layout: Layout, operands: tuple[Any, ...], out: Any) -> Any:
        """A gufunc whose first operands and result are rows; ``operands`` are merged already."""
        gufunc = self.gufuncs[variant]
        result_is_row = str(gufunc.signature).endswith("->(n)")
        if isinstance(out, tuple) and len(out) == 1:
            (out,) = out
        if out is None:
            # A vjp has the dtype of output and cotangent together, a value that of the logits alone.
            others = [o for o in operands[1:] if variant == "vjp" and isinstance(o, np.ndarray)]
            made = new_rows(operands[0], *others) if result_is_row and len(layout.axes) == 1 else None
            result = _core.call_recycling(gufunc, *operands, out=made)
            return layout.restore(result) if result_is_row else result
        expected = layout.shape if result_is_row else layout.outer_shape
        if not isinstance(out, np.ndarray):
            raise TypeError(f"{self.name}: out must be an array; got {type(out).__name__}")
        if out.shape != expected:
            raise ValueError(f"{self.name}: out has shape {out.shape}; the result has shape {expected}")
        if result_is_row and len(layout.axes) != 1:
            result = layout.restore(_core.call_recycling(gufunc, *operands))
            np.copyto(out, result, casting="same_kind")
        else:
            gufunc(*operands, out=layout.rows(out) if result_is_row else out)
        return out


class RowToRow(RowFunction):
    """A function that makes a row of every row of logits."""

    def _direct(self) -> dict[str, Callable[..., Any]]:
        return self._direct_rows(__call__="value", vjp="vjp")

    @understood
    def __call__(
        self,
        z: Any,
        axis: Axis = -1,
        *,
        where: Any = None,
        temperature: float = 1.0,
        out: Any = None,
        dtype: Any = None,
        empty: Empty = "zeros",
    ) -> Any:
        return self._of_logits(z, axis, where, out, dtype, empty, check_temperature(temperature))[0]
