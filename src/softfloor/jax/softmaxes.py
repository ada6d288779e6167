"""The softmax family along given axes: values and their derivatives, which are written in values again.

Rows of -inf give zeros (logarithms: -inf) and zero derivatives, ``+inf`` entries share the mass, NaN spreads to its row
only. Reductions run over the axes as they lie, so that logits may be sharded along any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax.numpy as jnp

from .axes import Axes
from .differentiable import Differentiable
from .numbers import Number, Pair

Along = Callable[[Any, Any], Any]  #: of logits, float32 or float64, and the temperature, a scalar of that dtype


class Terms(NamedTuple):
    """A row of logits beside its maximum: ``terms = e^distance``, the largest ones 1.

    ``distance`` is (z - maximum) / temperature. ``ties`` counts the maxima and ``others`` adds up the remaining terms:
    apart, so that the logarithm of their sum keeps its digits near 0.
    """

    maximum: Any
    distance: Pair
    terms: Any
    ties: Any
    others: Any

    def log_of_sum(self) -> Any:
        """log of the sum of terms; of a row without entries -inf."""
        ties = jnp.where(self.ties == 0, 1, self.ties)
        return jnp.where(self.ties == 0, -jnp.inf, jnp.log(ties) + jnp.log1p(self.others / ties))


def terms_of(z: Any, temperature: Any, axes: Axes) -> Terms:
    maximum = jnp.max(z, axes, keepdims=True, initial=-jnp.inf)
    largest = (z == maximum) & (maximum > -jnp.inf)
    nothing = ~largest & ((z == -jnp.inf) | (maximum == jnp.inf))
    reference = jnp.where(jnp.isfinite(maximum), maximum, 0)
    difference = Pair.exactly(z).plus(Pair.exactly(-reference)).over(Pair.exactly(temperature))
    distance = Pair(
        jnp.where(largest, 0, jnp.where(nothing, -jnp.inf, difference.high)),
        jnp.where(largest | nothing, 0, difference.low),
    )
    power = Pair(jnp.where(nothing, 0, distance.high), distance.low)
    terms = jnp.where(nothing, 0, Number(Pair.exactly(jnp.ones_like(z)), power).rounded())
    ties = jnp.sum(largest, axes, dtype=z.dtype, keepdims=True)
    others = jnp.sum(jnp.where(largest, 0, terms), axes, keepdims=True)
    # A comparison with NaN is false: its row would look like one without a maximum.
    return Terms(maximum, distance, terms, jnp.where(jnp.isnan(maximum), jnp.nan, ties), others)


def change(z: Any, temperature: Any, tangents: tuple[Any, Any]) -> Any:
    """The tangent of z / temperature."""
    of_z, of_temperature = tangents
    result = jnp.zeros_like(z) if of_z is None else of_z / temperature
    if of_temperature is not None:
        # An infinite logit stays where it is at every temperature.
        result = result - jnp.where(jnp.isfinite(z), z, 0) * (of_temperature / temperature**2)
    return result


@cache
def softmax(axes: Axes) -> Along:
    @Differentiable
    def function(z: Any, temperature: Any) -> Any:
        found = terms_of(z, temperature, axes)
        total = found.ties + found.others
        return found.terms / jnp.where(total == 0, 1, total)

    def rule(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
        p, step = function(*primals), change(*primals, tangents)
        return p, p * (step - jnp.sum(p * step, axes, keepdims=True))

    function.defjvp(rule)
    return function


@cache
def log_softmax(axes: Axes) -> Along:
    @Differentiable
    def function(z: Any, temperature: Any) -> Any:
        found = terms_of(z, temperature, axes)
        result = found.distance.plus(Pair.exactly(-found.log_of_sum())).rounded()
        return jnp.where(found.distance.high == -jnp.inf, found.distance.high + 0 * found.ties, result)

    def rule(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
        q, p, step = function(*primals), softmax(axes)(*primals), change(*primals, tangents)
        return q, jnp.where(q == -jnp.inf, 0, step - jnp.sum(p * step, axes, keepdims=True))

    function.defjvp(rule)
    return function


@cache
def logsumexp(axes: Axes) -> Along:
    """With the axes kept, of length 1."""

    @Differentiable
    def function(z: Any, temperature: Any) -> Any:
        found = terms_of(z, temperature, axes)
        summit = Pair.exactly(found.maximum).over(Pair.exactly(temperature))
        return summit.plus(Pair.exactly(found.log_of_sum())).rounded()

    def rule(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
        step = softmax(axes)(*primals) * change(*primals, tangents)
        return function(*primals), jnp.sum(step, axes, keepdims=True)

    function.defjvp(rule)
    return function


@cache
def complement(axes: Axes) -> Along:
    """1 - softmax: of an entry with nearly all the mass the sum of the others, which a difference would cancel."""

    @Differentiable
    def function(z: Any, temperature: Any) -> Any:
        found = terms_of(z, temperature, axes)
        total = found.ties + found.others
        rest = jnp.where(found.terms == 1, found.ties - 1 + found.others, total - found.terms)
        return jnp.where(total == 0, 1, rest / jnp.where(total == 0, 1, total))

    def rule(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
        p, step = softmax(axes)(*primals), change(*primals, tangents)
        return function(*primals), -p * (step - jnp.sum(p * step, axes, keepdims=True))

    function.defjvp(rule)
    return function


@cache
def cross_entropy(axes: Axes) -> Along:
    """-sum_i y_i log softmax(z)_i of logits z and charges y >= 0, which need not add up to 1; the axes kept."""

    @Differentiable
    def function(z: Any, charges: Any) -> Any:
        q = log_softmax(axes)(z, jnp.ones((), z.dtype))
        return jnp.sum(times(charges, -q), axes, keepdims=True)

    def rule(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
        (z, charges), (of_z, of_charges) = primals, tangents
        one = jnp.ones((), z.dtype)
        step = jnp.zeros_like(z)
        if of_z is not None:
            others = jnp.sum(charges, axes, keepdims=True) - charges
            slope = softmax(axes)(z, one) * others - charges * complement(axes)(z, one)
            empty = jnp.max(z, axes, keepdims=True, initial=-jnp.inf) == -jnp.inf
            step = jnp.where(empty, 0, slope) * of_z
        if of_charges is not None:
            # The cost of a class without mass is infinite; 0 in its place keeps NaN out of what is not charged.
            costs = -log_softmax(axes)(z, one)
            step = step + jnp.where(costs == jnp.inf, 0, costs) * of_charges
        return function(*primals), jnp.sum(step, axes, keepdims=True)

    function.defjvp(rule)
    return function


def times(charge: Any, cost: Any) -> Any:
    """What is not charged costs nothing, even where its cost is infinite."""
    return jnp.where(charge == 0, 0, charge * jnp.where(charge == 0, 0, cost))
