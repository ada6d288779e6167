"""softmax, its logarithm, and the logarithm of the sum that both are divided by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .containers import matrix_of_each_row, refuse_labels, understood
from .layout import Axis, Empty, EmptyRows, Layout, as_cotangent, as_logits, check_temperature, masked
from .rows import RowFunction, RowToRow


class Softmax(RowToRow):
    """Softmax: e^(z_i / T) / sum_j e^(z_j / T), along an axis.

    Formula: ``exp(z / temperature) / sum(exp(z / temperature))``, computed after subtracting the maximum.

    Parameters
    ----------
    z : array_like
        Logits of any shape.
    axis : int, tuple of int or None, default -1
        What a row is; None is the whole array.
    where : array_like of bool, optional
        True where an entry takes part; broadcasts with z. Others get 0. A row without entries gives zeros.
    temperature : float, default 1.0
        Divides the logits: below 1 sharpens, above 1 flattens.
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
        Of the shape of z. float16, bfloat16, float32 and float64 keep their dtype. No more
        than 16 terms are added in float32 before they go to float64.

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
    Error within 2 ulp + n 2^-26 relative. ``+inf`` logits share the mass; NaN spreads to its row only. Sums run in a
    fixed order: the bits do not depend on CPU, threads or layout.

    References
    ----------
    .. [1] J. S. Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, 1990.

    Examples
    --------
    >>> import softfloor as sf
    >>> sf.softmax([[1, 2, 3], [7, 8, 9]]).round(4).tolist()
    [[0.09, 0.2447, 0.6652], [0.09, 0.2447, 0.6652]]
    """

    @understood
    def vjp(self, p: Any, cotangent: Any, axis: Axis = -1, *, temperature: float = 1.0, out: Any = None) -> Any:
        """The vector-Jacobian product, from the output: ``p * (cotangent - sum(cotangent * p)) / temperature``.

        Parameters
        ----------
        p : array_like
            What the function returned.
        cotangent : array_like
            Of the shape of p, or broadcasting to it.
        axis, temperature, out
            As in the call.

        Returns
        -------
        dz : ndarray
            The cotangent of z, of the shape of p. Entries that were masked get 0.

        Examples
        --------
        >>> import softfloor as sf
        >>> p = sf.softmax([1.0, 2.0, 3.0])
        >>> sf.softmax.vjp(p, [0.0, 0.0, 1.0]).round(4).tolist()
        [-0.0599, -0.1628, 0.2227]
        """
        return self._vjp_of_output("p", p, cotangent, axis, temperature, out)

    @matrix_of_each_row
    def jacobian(self, z: Any, axis: int = -1, *, temperature: float = 1.0) -> Any:
        """The Jacobian of each row, to look at: ``diag(p) - p p^T``, so p_i (1 - p_j) if i = j, -p_i p_j otherwise.

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
        >>> sf.softmax.jacobian([0.0, 0.0]).tolist()
        [[0.25, -0.25], [-0.25, 0.25]]
        """
        p = np.moveaxis(np.asarray(self(z, axis, temperature=temperature)), axis, -1)
        diagonal = np.arange(p.shape[-1])
        # 1 - p_i as the sum of the others, which does not cancel where p_i is near 1.
        others = np.where(diagonal[:, None] == diagonal, p.dtype.type(0), p[..., None, :])
        with np.errstate(all="ignore"):
            jacobian = -p[..., :, None] * p[..., None, :]
            jacobian[..., diagonal, diagonal] = p * others.sum(axis=-1, dtype=np.float64).astype(p.dtype)
            return jacobian / p.dtype.type(check_temperature(temperature))


class LogSoftmax(RowToRow):
    """The logarithm of softmax: z_i / T - log sum_j e^(z_j / T), along an axis; never computed as log(softmax).

    Formula: ``z / temperature - logsumexp(z / temperature)``.

    Parameters
    ----------
    z : array_like
        Logits of any shape.
    axis : int, tuple of int or None, default -1
        What a row is; None is the whole array.
    where : array_like of bool, optional
        True where an entry takes part; broadcasts with z. Others get -inf, and so does a row without entries.
    temperature : float, default 1.0
        Divides the logits.
    out : ndarray, optional
        Where to put the result; z itself is allowed.
    dtype : dtype, optional
        Compute in this dtype.
    empty : {"zeros", "nan", "raise"}, default "zeros"
        What a row without entries, or of -inf alone, gives: -inf, the logarithm of softmax's zeros; NaN; or a
        ValueError before anything is written. The vjp follows: zeros of -inf, NaN of NaN.

    Returns
    -------
    q : ndarray
        Of the shape of z.

    Raises
    ------
    numpy.exceptions.AxisError, TypeError, ValueError
        As for softmax.

    Notes
    -----
    Error within 2 ulp + n 2^-26 relative, also where q is tiny because one entry has nearly all the mass.

    References
    ----------
    .. [1] P. Blanchard, D. J. Higham, N. J. Higham, Accurately computing the log-sum-exp and softmax functions, 2021.

    Examples
    --------
    >>> import softfloor as sf
    >>> sf.log_softmax([0.0, 0.0]).round(4).tolist()
    [-0.6931, -0.6931]
    """

    @understood
    def vjp(self, q: Any, cotangent: Any, axis: Axis = -1, *, temperature: float = 1.0, out: Any = None) -> Any:
        """The vector-Jacobian product, from the output: ``(cotangent - exp(q) * sum(cotangent)) / temperature``.

        Parameters
        ----------
        q : array_like
            What the function returned.
        cotangent : array_like
            Of the shape of q, or broadcasting to it.
        axis, temperature, out
            As in the call.

        Returns
        -------
        dz : ndarray
            The cotangent of z, of the shape of q.

        Examples
        --------
        >>> import softfloor as sf
        >>> sf.log_softmax.vjp(sf.log_softmax([0.0, 0.0]), [1.0, 0.0]).tolist()
        [0.5, -0.5]
        """
        return self._vjp_of_output("q", q, cotangent, axis, temperature, out)

    @matrix_of_each_row
    def jacobian(self, z: Any, axis: int = -1, *, temperature: float = 1.0) -> Any:
        """The Jacobian of each row, to look at: ``1 - p_j if i = j else -p_j``, with p = softmax(z).

        Parameters
        ----------
        z, axis, temperature
            As for `softfloor.softmax.jacobian`.

        Returns
        -------
        jacobian : ndarray
            Of shape (..., n, n), entry [..., i, j] = dq_i/dz_j.

        Raises
        ------
        TypeError
            If z is a pandas or xarray object: the result has no axes for its labels.

        Examples
        --------
        >>> import softfloor as sf
        >>> sf.log_softmax.jacobian([0.0, 0.0]).tolist()
        [[0.5, -0.5], [-0.5, 0.5]]
        """
        p = np.moveaxis(np.asarray(softmax(z, axis, temperature=temperature)), axis, -1)
        identity = np.eye(p.shape[-1], dtype=p.dtype)
        with np.errstate(all="ignore"):
            return (identity - p[..., None, :]) / p.dtype.type(check_temperature(temperature))


class Logsumexp(RowFunction):
    """The logarithm of a sum of exponentials: log sum_j e^(z_j / T), along an axis; a smooth maximum.

    Formula: ``log(sum(exp(z / temperature)))``, computed as max + log1p(rest).

    Parameters
    ----------
    z : array_like
        Logits of any shape.
    axis : int, tuple of int or None, default -1
        What a row is; None is the whole array.
    where : array_like of bool, optional
        True where an entry takes part; broadcasts with z. A row without entries gives -inf.
    temperature : float, default 1.0
        Divides the logits.
    keepdims : bool, default False
        Keep the axes of the rows with length 1. Of a pandas object such an axis is labelled 0, and the other keeps its
        index.
    out : ndarray, optional
        Where to put the result, of the shape that it has without ``keepdims``.
    dtype : dtype, optional
        Compute in this dtype.
    empty : {"zeros", "nan", "raise"}, default "zeros"
        What a row without entries, or of -inf alone, gives: -inf, the logarithm of no mass, with zeros for its
        gradient; NaN; or a ValueError before anything is written.

    Returns
    -------
    lse : ndarray or scalar
        Of the shape of z without its rows.

    Raises
    ------
    numpy.exceptions.AxisError, TypeError, ValueError
        As for softmax.

    Notes
    -----
    Error within 2 ulp + n 2^-26 relative; ``+inf`` in a row gives inf.

    References
    ----------
    .. [1] P. Blanchard, D. J. Higham, N. J. Higham, Accurately computing the log-sum-exp and softmax functions, 2021.

    Examples
    --------
    >>> import softfloor as sf
    >>> float(sf.logsumexp([1000.0, 1000.0]))
    1000.6931471805599
    """

    per_row = frozenset({"cotangent"})

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
        keepdims: bool = False,
        out: Any = None,
        dtype: Any = None,
        empty: Empty = "zeros",
    ) -> Any:
        result, layout = self._of_logits(z, axis, where, out, dtype, empty, check_temperature(temperature))
        return layout.kept(result) if keepdims else result

    @understood
    def vjp(
        self,
        z: Any,
        cotangent: Any,
        axis: Axis = -1,
        *,
        where: Any = None,
        temperature: float = 1.0,
        out: Any = None,
        empty: Empty = "zeros",
    ) -> Any:
        """The vector-Jacobian product: ``cotangent * softmax(z / temperature) / temperature``.

        Parameters
        ----------
        z : array_like
            The logits.
        cotangent : array_like
            Of the shape of the result without ``keepdims``, or broadcasting to it.
        axis, where, temperature, out, empty
            As in the call; what is masked gets 0.

        Returns
        -------
        dz : ndarray
            The cotangent of z, of its shape.

        Examples
        --------
        >>> import softfloor as sf
        >>> sf.logsumexp.vjp([0.0, 0.0], 3.0).tolist()
        [1.5, 1.5]
        """
        logits = as_logits(self.name, "z", z)
        if where is not None:
            logits = masked(logits, where, self.absent)
        layout = Layout(logits.shape, axis)
        upstream = as_cotangent(self.name, cotangent, logits, layout.outer_shape)
        operands = (layout.rows(logits), check_temperature(temperature), upstream)
        rows = EmptyRows(self.name, empty, layout, logits, self.absent)
        return rows.filled(self._along_rows("vjp", layout, operands, out))

    def jacobian(self, z: Any, axis: int = -1, *, temperature: float = 1.0) -> Any:
        """The gradient of each row: softmax(z / temperature) / temperature.

        Parameters
        ----------
        z, axis, temperature
            As in the call.

        Returns
        -------
        jacobian : ndarray
            Of the shape of z, the axis moved to the end.

        Raises
        ------
        TypeError
            If z is a pandas or xarray object: the result has no axes for its labels.

        Examples
        --------
        >>> import softfloor as sf
        >>> sf.logsumexp.jacobian([0.0, 0.0]).tolist()
        [0.5, 0.5]
        """
        refuse_labels(self, z)
        return np.moveaxis(self.vjp(z, 1.0, axis, temperature=temperature), axis, -1)


softmax = Softmax("softmax")
log_softmax = LogSoftmax("log_softmax")
logsumexp = Logsumexp("logsumexp")
