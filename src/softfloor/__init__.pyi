# Written by tools/stubs.py from the catalogue; not to be edited.
from typing import Any, Literal, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import catalogue as catalogue
from . import cpu as cpu
from . import memory as memory
from . import threads as threads
from .activation import Activation as Activation
from .activation import Function as Function
from .binary_losses import sigmoid_cross_entropy as sigmoid_cross_entropy
from .gates import GatedUnit as GatedUnit
from .gates import gated as gated
from .gates import gated_presets as gated_presets
from .gumbel import gumbel_softmax as gumbel_softmax
from .likelihood import nll as nll
from .linear_losses import linear_cross_entropy as linear_cross_entropy
from .losses import softmax_cross_entropy as softmax_cross_entropy
from .soft_maximum import log_softmax as log_softmax
from .soft_maximum import logsumexp as logsumexp
from .soft_maximum import softmax as softmax
from .soft_minimum import softmin as softmin
from .sparse import entmax15 as entmax15
from .sparse import hardmax as hardmax
from .sparse import sparsemax as sparsemax

__version__: str

class _SupportsArrayUfunc(Protocol):
    def __array_ufunc__(self, ufunc: Any, method: Any, *inputs: Any, **keywords: Any) -> Any: ...

# What NumPy makes an array of, and what takes part in ufuncs by itself (Dask, xarray, pandas).
_Operand = ArrayLike | _SupportsArrayUfunc
_Float = TypeVar("_Float", bound=np.floating[Any])

class _FunctionX(Function):
    @overload
    def __call__(
        self,
        x: NDArray[_Float],
        /,
    ) -> NDArray[_Float]: ...
    @overload
    def __call__(
        self,
        x: _Operand,
        output: NDArray[Any] | None = None,
        /,
        *,
        out: NDArray[Any] | tuple[NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _FunctionXPair(Function):
    @overload
    def __call__(
        self,
        x: NDArray[_Float],
        /,
    ) -> tuple[NDArray[_Float], NDArray[_Float]]: ...
    @overload
    def __call__(
        self,
        x: _Operand,
        output1: NDArray[Any] | None = None,
        output2: NDArray[Any] | None = None,
        /,
        *,
        out: tuple[NDArray[Any] | None, NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _FunctionXCotangent(Function):
    @overload
    def __call__(
        self,
        x: NDArray[_Float],
        cotangent: NDArray[_Float] | float,
        /,
    ) -> NDArray[_Float]: ...
    @overload
    def __call__(
        self,
        x: _Operand,
        cotangent: _Operand,
        output: NDArray[Any] | None = None,
        /,
        *,
        out: NDArray[Any] | tuple[NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _Activation(Activation):
    derivative: _FunctionX
    value_and_derivative: _FunctionXPair
    vjp: _FunctionXCotangent
    @overload
    def __call__(
        self,
        x: NDArray[_Float],
        /,
    ) -> NDArray[_Float]: ...
    @overload
    def __call__(
        self,
        x: _Operand,
        output: NDArray[Any] | None = None,
        /,
        *,
        out: NDArray[Any] | tuple[NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _FunctionXBeta(Function):
    @overload
    def __call__(
        self,
        x: NDArray[_Float],
        /,
        *,
        beta: float = 1.0,
    ) -> NDArray[_Float]: ...
    @overload
    def __call__(
        self,
        x: _Operand,
        output: NDArray[Any] | None = None,
        /,
        *,
        beta: _Operand = 1.0,
        out: NDArray[Any] | tuple[NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _FunctionXBetaPair(Function):
    @overload
    def __call__(
        self,
        x: NDArray[_Float],
        /,
        *,
        beta: float = 1.0,
    ) -> tuple[NDArray[_Float], NDArray[_Float]]: ...
    @overload
    def __call__(
        self,
        x: _Operand,
        output1: NDArray[Any] | None = None,
        output2: NDArray[Any] | None = None,
        /,
        *,
        beta: _Operand = 1.0,
        out: tuple[NDArray[Any] | None, NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _FunctionXCotangentBeta(Function):
    @overload
    def __call__(
        self,
        x: NDArray[_Float],
        cotangent: NDArray[_Float] | float,
        /,
        *,
        beta: float = 1.0,
    ) -> NDArray[_Float]: ...
    @overload
    def __call__(
        self,
        x: _Operand,
        cotangent: _Operand,
        output: NDArray[Any] | None = None,
        /,
        *,
        beta: _Operand = 1.0,
        out: NDArray[Any] | tuple[NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _ActivationBeta(Activation):
    derivative: _FunctionXBeta
    value_and_derivative: _FunctionXBetaPair
    vjp: _FunctionXCotangentBeta
    @overload
    def __call__(
        self,
        x: NDArray[_Float],
        /,
        *,
        beta: float = 1.0,
    ) -> NDArray[_Float]: ...
    @overload
    def __call__(
        self,
        x: _Operand,
        output: NDArray[Any] | None = None,
        /,
        *,
        beta: _Operand = 1.0,
        out: NDArray[Any] | tuple[NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _FunctionGateUpCotangentLimitOffsetPair(Function):
    @overload
    def __call__(
        self,
        gate: NDArray[_Float],
        up: NDArray[_Float] | float,
        cotangent: NDArray[_Float] | float,
        /,
        *,
        limit: float = ...,
        offset: float = 0.0,
        clamp: Literal["before", "after"] = "before",
    ) -> tuple[NDArray[_Float], NDArray[_Float]]: ...
    @overload
    def __call__(
        self,
        gate: _Operand,
        up: _Operand,
        cotangent: _Operand,
        output1: NDArray[Any] | None = None,
        output2: NDArray[Any] | None = None,
        /,
        *,
        limit: _Operand = ...,
        offset: _Operand = 0.0,
        clamp: Literal["before", "after"] = "before",
        out: tuple[NDArray[Any] | None, NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _FunctionGateUpCotangentLimitOffsetTriple(Function):
    @overload
    def __call__(
        self,
        gate: NDArray[_Float],
        up: NDArray[_Float] | float,
        cotangent: NDArray[_Float] | float,
        /,
        *,
        limit: float = ...,
        offset: float = 0.0,
        clamp: Literal["before", "after"] = "before",
    ) -> tuple[NDArray[_Float], NDArray[_Float], NDArray[_Float]]: ...
    @overload
    def __call__(
        self,
        gate: _Operand,
        up: _Operand,
        cotangent: _Operand,
        output1: NDArray[Any] | None = None,
        output2: NDArray[Any] | None = None,
        output3: NDArray[Any] | None = None,
        /,
        *,
        limit: _Operand = ...,
        offset: _Operand = 0.0,
        clamp: Literal["before", "after"] = "before",
        out: tuple[NDArray[Any] | None, NDArray[Any] | None, NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _GatedUnitLimitOffset(GatedUnit):
    vjp: _FunctionGateUpCotangentLimitOffsetPair
    value_and_vjp: _FunctionGateUpCotangentLimitOffsetTriple
    @overload
    def __call__(
        self,
        gate: NDArray[_Float],
        up: NDArray[_Float] | float,
        /,
        *,
        limit: float = ...,
        offset: float = 0.0,
        clamp: Literal["before", "after"] = "before",
    ) -> NDArray[_Float]: ...
    @overload
    def __call__(
        self,
        gate: _Operand,
        up: _Operand,
        output: NDArray[Any] | None = None,
        /,
        *,
        limit: _Operand = ...,
        offset: _Operand = 0.0,
        clamp: Literal["before", "after"] = "before",
        out: NDArray[Any] | tuple[NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _FunctionGateUpCotangentBetaLimitOffsetPair(Function):
    @overload
    def __call__(
        self,
        gate: NDArray[_Float],
        up: NDArray[_Float] | float,
        cotangent: NDArray[_Float] | float,
        /,
        *,
        beta: float = 1.0,
        limit: float = ...,
        offset: float = 0.0,
        clamp: Literal["before", "after"] = "before",
    ) -> tuple[NDArray[_Float], NDArray[_Float]]: ...
    @overload
    def __call__(
        self,
        gate: _Operand,
        up: _Operand,
        cotangent: _Operand,
        output1: NDArray[Any] | None = None,
        output2: NDArray[Any] | None = None,
        /,
        *,
        beta: _Operand = 1.0,
        limit: _Operand = ...,
        offset: _Operand = 0.0,
        clamp: Literal["before", "after"] = "before",
        out: tuple[NDArray[Any] | None, NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _FunctionGateUpCotangentBetaLimitOffsetTriple(Function):
    @overload
    def __call__(
        self,
        gate: NDArray[_Float],
        up: NDArray[_Float] | float,
        cotangent: NDArray[_Float] | float,
        /,
        *,
        beta: float = 1.0,
        limit: float = ...,
        offset: float = 0.0,
        clamp: Literal["before", "after"] = "before",
    ) -> tuple[NDArray[_Float], NDArray[_Float], NDArray[_Float]]: ...
    @overload
    def __call__(
        self,
        gate: _Operand,
        up: _Operand,
        cotangent: _Operand,
        output1: NDArray[Any] | None = None,
        output2: NDArray[Any] | None = None,
        output3: NDArray[Any] | None = None,
        /,
        *,
        beta: _Operand = 1.0,
        limit: _Operand = ...,
        offset: _Operand = 0.0,
        clamp: Literal["before", "after"] = "before",
        out: tuple[NDArray[Any] | None, NDArray[Any] | None, NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _GatedUnitBetaLimitOffset(GatedUnit):
    vjp: _FunctionGateUpCotangentBetaLimitOffsetPair
    value_and_vjp: _FunctionGateUpCotangentBetaLimitOffsetTriple
    @overload
    def __call__(
        self,
        gate: NDArray[_Float],
        up: NDArray[_Float] | float,
        /,
        *,
        beta: float = 1.0,
        limit: float = ...,
        offset: float = 0.0,
        clamp: Literal["before", "after"] = "before",
    ) -> NDArray[_Float]: ...
    @overload
    def __call__(
        self,
        gate: _Operand,
        up: _Operand,
        output: NDArray[Any] | None = None,
        /,
        *,
        beta: _Operand = 1.0,
        limit: _Operand = ...,
        offset: _Operand = 0.0,
        clamp: Literal["before", "after"] = "before",
        out: NDArray[Any] | tuple[NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _FunctionGateUpCotangentGateSoftcapUpSoftcapPair(Function):
    @overload
    def __call__(
        self,
        gate: NDArray[_Float],
        up: NDArray[_Float] | float,
        cotangent: NDArray[_Float] | float,
        /,
        *,
        gate_softcap: float = 4.0,
        up_softcap: float = 25.0,
    ) -> tuple[NDArray[_Float], NDArray[_Float]]: ...
    @overload
    def __call__(
        self,
        gate: _Operand,
        up: _Operand,
        cotangent: _Operand,
        output1: NDArray[Any] | None = None,
        output2: NDArray[Any] | None = None,
        /,
        *,
        gate_softcap: _Operand = 4.0,
        up_softcap: _Operand = 25.0,
        out: tuple[NDArray[Any] | None, NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _FunctionGateUpCotangentGateSoftcapUpSoftcapTriple(Function):
    @overload
    def __call__(
        self,
        gate: NDArray[_Float],
        up: NDArray[_Float] | float,
        cotangent: NDArray[_Float] | float,
        /,
        *,
        gate_softcap: float = 4.0,
        up_softcap: float = 25.0,
    ) -> tuple[NDArray[_Float], NDArray[_Float], NDArray[_Float]]: ...
    @overload
    def __call__(
        self,
        gate: _Operand,
        up: _Operand,
        cotangent: _Operand,
        output1: NDArray[Any] | None = None,
        output2: NDArray[Any] | None = None,
        output3: NDArray[Any] | None = None,
        /,
        *,
        gate_softcap: _Operand = 4.0,
        up_softcap: _Operand = 25.0,
        out: tuple[NDArray[Any] | None, NDArray[Any] | None, NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

class _GatedUnitGateSoftcapUpSoftcap(GatedUnit):
    vjp: _FunctionGateUpCotangentGateSoftcapUpSoftcapPair
    value_and_vjp: _FunctionGateUpCotangentGateSoftcapUpSoftcapTriple
    @overload
    def __call__(
        self,
        gate: NDArray[_Float],
        up: NDArray[_Float] | float,
        /,
        *,
        gate_softcap: float = 4.0,
        up_softcap: float = 25.0,
    ) -> NDArray[_Float]: ...
    @overload
    def __call__(
        self,
        gate: _Operand,
        up: _Operand,
        output: NDArray[Any] | None = None,
        /,
        *,
        gate_softcap: _Operand = 4.0,
        up_softcap: _Operand = 25.0,
        out: NDArray[Any] | tuple[NDArray[Any] | None] | None = None,
        where: _Operand = True,
        dtype: DTypeLike | None = None,
        casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"] = "same_kind",
        order: Literal["K", "A", "C", "F"] = "K",
        subok: bool = True,
        signature: Any = None,
    ) -> Any: ...

gelu: _Activation
"""x Phi(x), with Phi the distribution function of the standard normal: a smooth relu with a soft floor."""
gelu_tanh: _Activation
"""x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2: within 4.7324e-4 of gelu."""
relu: _Activation
"""max(0, x): zero below zero, the identity above."""
sigmoid: _Activation
"""1 / (1 + e^-x): maps the real line onto (0, 1)."""
tanh: _Activation
"""(e^x - e^-x) / (e^x + e^-x): maps the real line onto (-1, 1), odd."""
silu: _ActivationBeta
"""x sigmoid(beta x): a smooth relu with a soft floor."""
glu: _GatedUnitLimitOffset
"""sigmoid(gate) * up, rounded once."""
swiglu: _GatedUnitBetaLimitOffset
"""silu(gate) * up, rounded once."""
geglu: _GatedUnitLimitOffset
"""gelu(gate) * up, rounded once."""
geglu_tanh: _GatedUnitLimitOffset
"""gelu_tanh(gate) * up, rounded once: the GEGLU of Liger-Kernel, QuACK and TransformerEngine."""
reglu: _GatedUnitLimitOffset
"""relu(gate) * up, rounded once."""
situglu: _GatedUnitGateSoftcapUpSoftcap
"""softcap(gate) sigmoid(gate) softcap(up), softcap(x) = c tanh(x/c), rounded once: SwiGLU with soft limits."""

def functions() -> tuple[str, ...]: ...
def get(name: str) -> Any: ...
