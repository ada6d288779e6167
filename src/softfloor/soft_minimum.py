"""softmin: the softmax of -z."""

from __future__ import annotations

from typing import Any

import numpy as np

from .containers import matrix_of_each_row, understood
from .layout import Axis, as_logits
from .rows import RowToRow
from .soft_maximum import softmax


class Softmin(RowToRow):
    """Softmin: e^(-z_i / T) / sum_j e^(-z_j / T), along an axis; the softmax of -z.

    Formula: ``exp(-z / temperature) / sum(exp(-z / temperature))``, computed after subtracting the minimum.

    Parameters
    ----------
    z : array_like
        Costs, of any shape: the smallest get the most.
    axis : int, tuple of int or None, default -1
        What a row is; None is the whole array.
    where : array_like of bool, optional
        True where an entry takes part; broadcasts with z. Others get 0. A row without entries gives zeros.
    temperature : float, default 1.0
        Divides z: below 1 sharpens, above 1 flattens.
    out : ndarray, optional
        Where to put the result; z itself is allowed.
    dtype : dtype, optional
        Compute in this dtype.
    empty : {"zeros", "nan", "raise"}, default "zeros"
        What a row without entries, or of +inf alone, gives: zeros, NaN, or a ValueError before anything is written.
        The vjp follows: zeros of zeros, NaN of NaN.

    Returns
    -------
    p : ndarray
        Of the shape of z. float16, bfloat16, float32 and float64 keep their dtype.

    Raises
    ------
    numpy.exceptions.AxisError, TypeError, ValueError
        As for softmax.

    Notes
    -----
    The bits of ``softmax(-z)``, so all that is promised there. ``-inf`` entries share the mass, ``+inf`` entries get 0;
    a row of ``+inf`` alone gives zeros; NaN spreads to its row only.

    References
    ----------
    .. [1] J. S. Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, 1990.

    Examples
    --------
    >>> import softfloor as sf
    >>> sf.softmin([1.0, 2.0, 3.0]).round(4).tolist()
    [0.6652, 0.2447, 0.09]
    """

    absent = np.inf

    @understood
    def vjp(self, p: Any, cotangent: Any, axis: Axis = -1, *, temperature: float = 1.0, out: Any = None) -> Any:
        """The vector-Jacobian product, from the output: ``p * (sum(cotangent * p) - cotangent) / temperature``.

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
        >>> p = sf.softmin([1.0, 2.0, 3.0])
        >>> sf.softmin.vjp(p, [0.0, 0.0, 1.0]).round(4).tolist()
        [0.0599, 0.022, -0.0819]
        """
        return self._vjp_of_output("p", p, cotangent, axis, temperature, out)

    @matrix_of_each_row
    def jacobian(self, z: Any, axis: int = -1, *, temperature: float = 1.0) -> Any:
        """The Jacobian of each row, to look at: ``(p p^T - diag(p)) / temperature``.

        Parameters
        ----------
        z, axis, temperature
            As for `softfloor.softmax.jacobian`.

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
        >>> sf.softmin.jacobian([0.0, 0.0]).tolist()
        [[-0.25, 0.25], [0.25, -0.25]]
        """
        return -softmax.jacobian(np.negative(as_logits(self.name, "z", z)), axis, temperature=temperature)


softmin = Softmin("softmin")
