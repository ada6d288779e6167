"""What mypy must understand and what it must refuse; checked by tests/test_typing.py, never run.

With ``warn_unused_ignores`` an ignored error that mypy no longer reports fails the check as well.
"""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import softfloor as sf

single: NDArray[np.float32] = np.zeros(3, np.float32)
double: NDArray[np.float64] = np.zeros(3)
integers: NDArray[np.int64] = np.zeros(3, np.int64)

# Arrays of one float dtype keep it.
assert_type(sf.gelu(single), NDArray[np.float32])
assert_type(sf.silu(double, beta=1.5), NDArray[np.float64])
assert_type(sf.silu.derivative(single), NDArray[np.float32])
assert_type(sf.tanh.value_and_derivative(single), tuple[NDArray[np.float32], NDArray[np.float32]])
assert_type(sf.relu.vjp(single, single), NDArray[np.float32])
assert_type(sf.relu.vjp(double, 2.0), NDArray[np.float64])
assert_type(sf.swiglu(single, single), NDArray[np.float32])
dgate, dup = sf.swiglu.vjp(single, single, single)
assert_type(dgate, NDArray[np.float32])
assert_type(sf.geglu(single, single, limit=7.0, offset=1.0, clamp="after"), NDArray[np.float32])
sf.swiglu(single, single, limit=single, beta=2.0)
sf.swiglu.packed(single, gate="first", layout="interleaved", axis=0, limit=7.0)
sf.swiglu.packed.vjp(single, single, gate="last", out=single)
sf.gated("tanh", limit=7.0, clamp="after")(single, single)
sf.gated_presets["gpt-oss"].packed(single)

# Anything array-like goes, and every keyword of a ufunc.
assert_type(sf.gelu(1.0), Any)
assert_type(sf.gelu([1, 2, 3]), Any)
assert_type(sf.gelu(integers), Any)
sf.gelu(single, out=single)
sf.gelu(single, single)
sf.gelu(single, out=(single,), where=single > 0, dtype=np.float64, casting="unsafe", order="F", subok=False)
sf.silu(single, beta=double)
sf.silu.parameter_derivative(single, "beta", beta=2.0)
sf.sigmoid.value_and_derivative(single, out=(single, None))
sf.softmax(single, axis=(0,), where=single > 0, temperature=2.0)
sf.logsumexp(single, None, keepdims=True)
loss, dz = sf.softmax_cross_entropy.value_and_grad(single, [0], reduction="sum")

# Facts and settings.
assert_type(sf.gelu.info.lipschitz, str)
assert_type(sf.functions(), tuple[str, ...])
assert_type(sf.cpu.current(), str)
assert_type(sf.threads.get(), int)
with sf.threads.set(1), sf.cpu.use("v3"):
    pass

# Mistakes that mypy finds.
sf.gelu()  # type: ignore[call-overload]
sf.gelu(single, beta=1.0)  # type: ignore[call-overload]
sf.silu(single, betta=1.0)  # type: ignore[call-overload]
sf.gelu.vjp(single)  # type: ignore[call-overload]
sf.gelu(single, out="file")  # type: ignore[call-overload]
sf.gelu(single, casting="sometimes")  # type: ignore[call-overload]
sf.gelu.value_and_derivative(single, out=single)  # type: ignore[call-overload]
sf.gleu(single)  # type: ignore[attr-defined]
sf.softmax(single, axis="row")  # type: ignore[arg-type]
sf.softmax_cross_entropy(single, 0, reduction="average")  # type: ignore[arg-type]
