"""gumbel_softmax: differentiable samples of a categorical distribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .containers import understood
from .layout import Axis, Empty, EmptyRows, Layout, as_logits, check_temperature, masked
from .rows import RowFunction


def generator(function: str, rng: Any) -> np.random.Generator:
    """The generator that was given, or a fresh one."""
    if rng is None:
        return np.random.default_rng()
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{function}: rng must be a numpy.random.Generator, such as numpy.random.default_rng(0); "
            f"got {type(rng).__name__}"
        )
    return rng


class GumbelSoftmax(RowFunction):
    """A sample of softmax(z) that can be differentiated: softmax((z + g) / T) with Gumbel noise g, along an axis.

    Formula: ``softmax((z + g) / temperature)``, ``g = -log(-log(u))``; with ``hard=True`` the one-hot of ``z + g``.

    Parameters
    ----------
    z : array_like
        Logits of any shape.
    axis : int, tuple of int or None, default -1
        What a row is; None is the whole array.
    temperature : float, default 1.0
        Divides the perturbed logits: towards 0 the sample becomes one-hot.
    rng : numpy.random.Generator, optional
        Where the noise comes from; without one, a new one of unpredictable seed.
    hard : bool, default False
        Return 1 at the first maximum of z + g and 0 elsewhere: an exact sample of the distribution softmax(z).
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
        Of the shape of z. float16, bfloat16, float32 and float64 keep their dtype.

    Raises
    ------
    numpy.exceptions.AxisError
        If the axis is out of range.
    TypeError
        If a dtype is complex, object or string, or ``rng`` is no Generator.
    ValueError
        If the temperature is not positive, ``out`` has the wrong shape, or a row is empty and ``empty="raise"``.

    Notes
    -----
    One call takes exactly ``rng.random(z.shape)`` from the generator, whatever dtype, axis and mask, and nothing if it
    raises. The uniform numbers of the noise are the middles ``u = U + 2^-54`` of the steps of those U, never 0 or 1: g
    lies in [-3.63, 37.43]. ``z + g`` is rounded to float64 once (error below 0.51 ulp); the softmax of that is within
    2 ulp + n 2^-26 relative. ``+inf`` logits share the mass (the first gets it if hard); NaN spreads to its row only.

    References
    ----------
    .. [1] E. Jang, S. Gu, B. Poole, Categorical Reparameterization with Gumbel-Softmax, 2017.
    .. [2] C. J. Maddison, A. Mnih, Y. W. Teh, The Concrete Distribution, 2017.

    Examples
    --------
    >>> import numpy as np, softfloor as sf
    >>> sf.gumbel_softmax([0.0, 1.0, 2.0], temperature=0.5, rng=np.random.default_rng(0)).round(4).tolist()
    [0.3374, 0.2955, 0.3671]
    >>> sf.gumbel_softmax([0.0, 1.0, 2.0], rng=np.random.default_rng(0), hard=True).tolist()
    [0.0, 0.0, 1.0]
    """

    def _direct(self) -> dict[str, Callable[..., Any]]:
        return self._direct_rows(vjp="vjp")

    @understood
    def __call__(
        self,
        z: Any,
        axis: Axis = -1,
        *,
        temperature: float = 1.0,
        rng: np.random.Generator | None = None,
        hard: bool = False,
        where: Any = None,
        out: Any = None,
        dtype: Any = None,
        empty: Empty = "zeros",
    ) -> Any:
        logits = as_logits(self.name, "z", z, dtype)
        if where is not None:
            logits = masked(logits, where)
        layout, divisor = Layout(logits.shape, axis), check_temperature(temperature)
        rows = EmptyRows(self.name, empty, layout, logits, self.absent)
        rng = generator(self.name, rng)
        state = rng.bit_generator.state
        operands = (layout.rows(logits), layout.rows(rng.random(logits.shape)))
        try:
            if hard:
                return rows.filled(self._along_rows("hard", layout, operands, out))
            return rows.filled(self._along_rows("value", layout, (*operands, divisor), out))
        except BaseException:
            rng.bit_generator.state = state  # a call that fails takes nothing
            raise

    @understood
    def vjp(self, p: Any, cotangent: Any, axis: Axis = -1, *, temperature: float = 1.0, out: Any = None) -> Any:
        """The vector-Jacobian product, from the sample: that of softmax, ``p * (cotangent - sum(cotangent * p)) / T``.

        The straight-through estimate of a hard sample takes the gradient of the soft one: draw both from generators in
        the same state, use the hard one forwards, and give the soft one to this function.

        Parameters
        ----------
        p : array_like
            The sample, with ``hard=False``.
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
        >>> import numpy as np, softfloor as sf
        >>> z = [0.0, 1.0, 2.0]
        >>> hard = sf.gumbel_softmax(z, rng=np.random.default_rng(0), hard=True)
        >>> soft = sf.gumbel_softmax(z, rng=np.random.default_rng(0))
        >>> sf.gumbel_softmax.vjp(soft, [0.0, 0.0, 1.0]).round(4).tolist()
        [-0.1175, -0.11, 0.2276]
        """
        return self._vjp_of_output("p", p, cotangent, axis, temperature, out)


gumbel_softmax = GumbelSoftmax("gumbel_softmax")
