"""Functions whose derivative is written down, and kept through every transformation and any number of them.

`jax.custom_jvp` is not enough: inside `jax.lax.scan` (and so `jax.lax.map`) it is lost after the first derivative in
reverse mode, and the second comes from the code of the value, which is not made for that. A primitive stays one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

#: The mesh that types of results name; jax before 0.5 has none.
_mesh_of_types = getattr(jax.sharding, "get_abstract_mesh", lambda: None)

#: ``rule(primals, tangents)`` gives the value and its tangent; a tangent that is known to be zero is None.
Rule = Callable[[Any, Any], tuple[Any, Any]]


class Differentiable:
    """A function of arrays, to which `defjvp` gives its derivative, as for `jax.custom_jvp`."""

    rule: Rule

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._along_batches: dict[Any, Differentiable] = {}
        self._results: dict[Any, Any] = {}
        self.primitive = Primitive(f"softfloor_{function.__qualname__}")
        self.primitive.def_impl(jax.jit(function))
        self.primitive.def_abstract_eval(self._result)
        mlir.register_lowering(self.primitive, mlir.lower_fun(function, multiple_results=False))
        ad.primitive_jvps[self.primitive] = self._jvp
        batching.primitive_batchers[self.primitive] = self._batch

    def __call__(self, *operands: Any) -> Any:
        return self.primitive.bind(*operands)

    def defjvp(self, rule: Rule) -> Rule:
        self.rule = rule
        return rule

    def _result(self, *operands: Any) -> Any:
        """What the result is like."""
        known = operands, _mesh_of_types()
        if known not in self._results:
            (self._results[known],) = jax.make_jaxpr(self.function)(*operands).out_avals
        return self._results[known]

    def _jvp(self, primals: Any, tangents: Any) -> tuple[Any, Any]:
        return self.rule(primals, tuple(None if isinstance(t, ad.Zero) else t for t in tangents))

    def _batch(self, operands: Any, axes: Any) -> tuple[Any, int]:
        if axes not in self._along_batches:
            self._along_batches[axes] = self._along(axes)
        return self._along_batches[axes](*operands), 0

    def _along(self, axes: Any) -> Differentiable:
        """The function of each sample of a batch, with the derivative of each."""
        batched = Differentiable(jax.vmap(self.function, axes))

        def rule(primals: Any, tangents: Any) -> tuple[Any, Any]:
            given = {k: tangent for k, tangent in enumerate(tangents) if tangent is not None}

            def one(primals: Any, *some: Any) -> tuple[Any, Any]:
                tangents = dict(zip(given, some, strict=True))
                return self.rule(primals, tuple(tangents.get(k) for k in range(len(primals))))

            return jax.vmap(one, (axes, *(axes[k] for k in given)))(primals, *given.values())

        batched.defjvp(rule)
        return batched
