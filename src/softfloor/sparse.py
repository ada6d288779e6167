"""Row functions that give most entries exactly zero: sparsemax, entmax15 and hardmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .containers import matrix_of_each_row, understood
from .layout import Axis, Empty, Layout, as_cotangent, as_logits
from .rows import RowFunction, RowToRow


class _Sparse(RowToRow):
    """What sparsemax and entmax15 share."""

    @understood
    def vjp(self, p: Any, cotangent: Any, axis: Axis = -1, *, temperature: float = 1.0, out: Any = None) -> Any:
        """The vector-Jacobian product, from the output: ``s * (cotangent - mean) / temperature``.

        The weights s are 1 for each entry of the support (sparsemax) or sqrt(p) (entmax15), and ``mean`` is that of the
        cotangent under these weights, ``sum(s * cotangent) / sum(s)``.

        Parameters
        ----------
        p : array_like
            What the function returned. Its support is where p is not 0.
        cotangent : array_like
            Of the shape of p, or broadcasting to it. It is not read where p is 0.
        axis, temperature, out
            As in the call.

        Returns
        -------
        dz : ndarray
            The cotangent of z, of the shape of p; 0 outside the support. Where an entry is about to enter or leave the
            support the derivative jumps, and this is the one without that entry.

        Examples
        --------
        >>> import softfloor as sf
        >>> p = sf.sparsemax([1.0, 0.5, -1.0])
        >>> sf.sparsemax.vjp(p, [1.0, 0.0, 5.0]).tolist()
        [0.5, -0.5, 0.0]
        """
        return self._vjp_of_output("p", p, cotangent, axis, temperature, out)

    @matrix_of_each_row
    def jacobian(self, z: Any, axis: int = -1, *, temperature: float = 1.0) -> Any:
        """The Jacobian of each row, to look at: ``(diag(s) - s s^T / sum(s)) / temperature``, with the s of `vjp`.

        Parameters
        ----------
        z : array_like
            Logits.
        axis : int, default -1
            The axis of a row, of length n.
        temperature : float, default 1.0
            Divides the logits.

        Returns
        -------
        jacobian : ndarray
            Of shape (..., n, n), entry [..., i, j] = dp_i/dz_j, the other axes of z in front.

        Raises
        ------
        TypeError
            If z is a pandas or xarray object: the result has no axes for its labels.

        Examples
        --------
        >>> import softfloor as sf
        >>> sf.sparsemax.jacobian([0.0, 0.0, -2.0]).tolist()
        [[0.5, -0.5, 0.0], [-0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
        """
        p = np.moveaxis(np.asarray(self(z, axis, temperature=temperature)), axis, -1)
        n = p.shape[-1]
        repeated = np.broadcast_to(p[..., None, :], (*p.shape[:-1], n, n))
        return self.vjp(repeated, np.eye(n, dtype=p.dtype), temperature=temperature)


class Sparsemax(_Sparse):
    """Sparsemax: the probabilities nearest to z / T, along an axis; entries far below the maximum get exactly 0.

    Formula: ``max(z / temperature - tau, 0)``, with tau such that a row adds up to 1.

    Parameters
    ----------
    z : array_like
        Logits of any shape.
    axis : int, tuple of int or None, default -1
        What a row is; None is the whole array.
    where : array_like of bool, optional
        True where an entry takes part; broadcasts with z. Others get 0. A row without entries gives zeros.
    temperature : float, default 1.0
        Divides the logits: below 1 sparser, above 1 denser.
    out : ndarray, optional
        Where to put the result; z itself is allowed.
    dtype : dtype, optional
        Compute in this dtype.
    empty : {"zeros", "nan", "raise"}, default "zeros"
        What a row without entries, or of -inf alone, gives: zeros, NaN, or a ValueError before anything is written.
        The vjp follows: zeros of zeros, NaN of NaN.

    Returns
    -------
    p : ndarray
        Of the shape of z. float16, bfloat16, float32 and float64 keep their dtype.

    Raises
    ------
    numpy.exceptions.AxisError
        If the axis is out of range.
    TypeError
        If a dtype is complex, object or string.
    ValueError
        If the temperature is not positive, ``out`` has the wrong shape, or a row is empty and ``empty="raise"``.

    Notes
    -----
    Error within 2 ulp + n 2^-26 relative, for entries below 2^-78 relative to 2^-78: the threshold is found by Newton's
    method in pairs of float64, whatever the row holds. ``+inf`` logits share the mass; NaN spreads to its row only. The
    bits do not depend on CPU, threads or layout.

    References
    ----------
    .. [1] A. F. T. Martins, R. F. Astudillo, From Softmax to Sparsemax, 2016.
    .. [2] C. Michelot, A finite algorithm for finding the projection of a point onto the canonical simplex, 1986.

    Examples
    --------
    >>> import softfloor as sf
    >>> sf.sparsemax([1.0, 0.5, -1.0]).tolist()
    [0.75, 0.25, 0.0]
    """


class Entmax15(_Sparse):
    """1.5-entmax: between softmax and sparsemax; entries far below the maximum get exactly 0, without a sharp corner.

    Formula: ``max(z / (2 * temperature) - tau, 0)^2``, with tau such that a row adds up to 1.

    Parameters
    ----------
    z : array_like
        Logits of any shape.
    axis : int, tuple of int or None, default -1
        What a row is; None is the whole array.
    where : array_like of bool, optional
        True where an entry takes part; broadcasts with z. Others get 0. A row without entries gives zeros.
    temperature : float, default 1.0
        Divides the logits: below 1 sparser, above 1 denser.
    out : ndarray, optional
        Where to put the result; z itself is allowed.
    dtype : dtype, optional
        Compute in this dtype.
    empty : {"zeros", "nan", "raise"}, default "zeros"
        What a row without entries, or of -inf alone, gives: zeros, NaN, or a ValueError before anything is written.
        The vjp follows: zeros of zeros, NaN of NaN.

    Returns
    -------
    p : ndarray
        Of the shape of z. float16, bfloat16, float32 and float64 keep their dtype.

    Raises
    ------
    numpy.exceptions.AxisError, TypeError, ValueError
        As for sparsemax.

    Notes
    -----
    Error within 2 ulp + n 2^-26 relative, for entries below 2^-156 relative to 2^-156. ``+inf`` logits share the mass;
    NaN spreads to its row only. The bits do not depend on CPU, threads or layout.

    References
    ----------
    .. [1] B. Peters, V. Niculae, A. F. T. Martins, Sparse Sequence-to-Sequence Models, 2019.

    Examples
    --------
    >>> import softfloor as sf
    >>> sf.entmax15([1.0, 0.0, -2.0]).round(4).tolist()
    [0.8307, 0.1693, 0.0]
    """


class Hardmax(RowFunction):
    """Hardmax: 1 at the maximum of a row, 0 elsewhere; the first of several maxima, as in ONNX.

    Formula: ``1 if i == argmax(z) else 0``.

    Parameters
    ----------
    z : array_like
        Logits of any shape.
    axis : int, tuple of int or None, default -1
        What a row is; None is the whole array. Of several axes the later varies faster: that decides which maximum is
        the first.
    where : array_like of bool, optional
        True where an entry takes part; broadcasts with z. Others get 0. A row without entries gives zeros.
    out : ndarray, optional
        Where to put the result; z itself is allowed.
    dtype : dtype, optional
        Compute in this dtype.
    empty : {"zeros", "nan", "raise"}, default "zeros"
        What a row without entries, or of -inf alone, gives: zeros, NaN, or a ValueError before anything is written.
        The vjp follows: zeros of zeros, NaN of NaN.

    Returns
    -------
    p : ndarray
        Of the shape and dtype of z.

    Raises
    ------
    numpy.exceptions.AxisError
        If the axis is out of range.
    TypeError
        If a dtype is complex, object or string.
    ValueError
        If ``out`` has the wrong shape, or a row is empty and ``empty="raise"``.

    Notes
    -----
    Exact. The first of several ``+inf`` logits gets the 1; a row of ``-inf`` alone has no maximum and gives zeros; NaN
    spreads to its row only.

    References
    ----------
    .. [1] ONNX, operator Hardmax, 2016.

    Examples
    --------
    >>> import softfloor as sf
    >>> sf.hardmax([1.0, 3.0, 3.0]).tolist()
    [0.0, 1.0, 0.0]
    """

    def _direct(self) -> dict[str, Callable[..., Any]]:
        return self._direct_rows(__call__="value")

    @understood
    def __call__(
        self,
        z: Any,
        axis: Axis = -1,
        *,
        where: Any = None,
        out: Any = None,
        dtype: Any = None,
        empty: Empty = "zeros",
    ) -> Any:
        return self._of_logits(z, axis, where, out, dtype, empty)[0]

    @understood
    def vjp(self, p: Any, cotangent: Any, axis: Axis = -1, *, out: Any = None) -> Any:
        """The vector-Jacobian product: zeros, because a small step of z changes nothing wherever a derivative exists.

        Parameters
        ----------
        p : array_like
            What the function returned.
        cotangent : array_like
            Of the shape of p, or broadcasting to it.
        axis, out
            As in the call.

        Returns
        -------
        dz : ndarray
            Of the shape of p: 0, and NaN in rows of NaN.

        Examples
        --------
        >>> import softfloor as sf
        >>> sf.hardmax.vjp([0.0, 1.0], [2.0, 3.0]).tolist()
        [0.0, 0.0]
        """
        saved = as_logits(self.name, "p", p)
        as_cotangent(self.name, cotangent, saved, saved.shape)
        layout = Layout(saved.shape, axis)
        return self._along_rows("vjp", layout, (layout.rows(saved),), out)


sparsemax = Sparsemax("sparsemax")
entmax15 = Entmax15("entmax15")
hardmax = Hardmax("hardmax")
