"""The methods that go straight to their kernels, their operands, and the two ways that their results come about."""

import ml_dtypes
import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits
from outcomes import assert_same_outcome, numbers, outcome

DTYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
SHAPES = [(40,), (5, 40), (3, 4, 5), (2, 17, 3), (20, 3, 2), (2, 3, 20), (1, 1), (300, 7), (4, 1, 3), (30, 40, 8)]


def with_shares(x, axis=-1):
    """Logits and, of their shape, labels in [0, 1]."""
    return x, sf.sigmoid(x[..., ::-1].copy())


def with_classes(x, axis=-1):
    z = np.moveaxis(np.atleast_1d(x), axis, -1)
    return x, np.random.default_rng(1).integers(0, z.shape[-1], z.shape[:-1])


def with_cotangent(operands):
    return lambda x, axis=-1: (*operands(x, axis), 2.5)


def with_cotangents(x, axis=-1):
    return x, numbers(x.dtype, *np.delete(x.shape, axis))


def alone(x, axis=-1):
    return (x,)


def with_output(function):
    """What a vjp takes that is made of the output."""
    return lambda x, axis=-1: (function(x, axis), x[::-1].copy())


#: Functions, the methods that have a direct way, and their operands for logits and an axis.
METHODS = {
    **{f.name: (f, "__call__", alone) for f in (sf.softmax, sf.log_softmax, sf.logsumexp, sf.softmin)},
    **{f.name: (f, "__call__", alone) for f in (sf.sparsemax, sf.entmax15, sf.hardmax)},
    **{
        f"{f.name}.vjp": (f, "vjp", with_output(f))
        for f in (sf.softmax, sf.log_softmax, sf.softmin, sf.sparsemax, sf.entmax15)
    },
    "gumbel_softmax.vjp": (sf.gumbel_softmax, "vjp", with_output(sf.softmax)),
    "logsumexp.vjp": (sf.logsumexp, "vjp", with_cotangents),
    "nll": (sf.nll, "__call__", with_classes),
    "nll.value_and_grad": (sf.nll, "value_and_grad", with_classes),
    "softmax_cross_entropy": (sf.softmax_cross_entropy, "__call__", with_classes),
    "softmax_cross_entropy.value_and_grad": (sf.softmax_cross_entropy, "value_and_grad", with_classes),
    "softmax_cross_entropy._losses_and_grad": (sf.softmax_cross_entropy, "_losses_and_grad", with_classes),
    "softmax_cross_entropy.vjp": (sf.softmax_cross_entropy, "vjp", with_cotangent(with_classes)),
    "probabilities": (sf.softmax_cross_entropy, "__call__", with_shares),
    "probabilities.value_and_grad": (sf.softmax_cross_entropy, "value_and_grad", with_shares),
    "probabilities.vjp": (sf.softmax_cross_entropy, "vjp", with_cotangent(with_shares)),
    "sigmoid_cross_entropy": (sf.sigmoid_cross_entropy, "__call__", with_shares),
    "sigmoid_cross_entropy.value_and_grad": (sf.sigmoid_cross_entropy, "value_and_grad", with_shares),
    "sigmoid_cross_entropy.vjp": (sf.sigmoid_cross_entropy, "vjp", with_cotangent(with_shares)),
}
LOSSES = [name for name, (function, *_) in METHODS.items() if "entropy" in function.name or function is sf.nll]
ROWS = [name for name in METHODS if name not in LOSSES]
PER_ENTRY = [name for name, (function, *_) in METHODS.items() if function is sf.sigmoid_cross_entropy]
CLASSES = [name for name in LOSSES if name.startswith(("nll", "softmax"))]
GRADIENTS = [name for name in LOSSES if name.endswith(("grad", "vjp"))]
#: All but the one that only `softfloor.torch` calls, with options that it has.
PUBLIC = [name for name, (_, method, _) in METHODS.items() if method != "_losses_and_grad"]
LOSS_FUNCTIONS = (sf.softmax_cross_entropy, sf.sigmoid_cross_entropy)
each_method = pytest.mark.parametrize("name", METHODS)


class Way:
    """A method as it is, its direct way alone, and the way through Python."""

    def __init__(self, name, monkeypatch):
        self.function, self.method, self.operands = METHODS[name]
        self.direct, self.monkeypatch = self.function.direct[self.method], monkeypatch

    def __call__(self, *operands, **keywords):
        return getattr(self.function, self.method)(*operands, **keywords)

    def through_python(self, *operands, **keywords):
        with self.monkeypatch.context() as patch:
            patch.setattr(self.function, "direct", {})
            return self(*operands, **keywords)

    def assert_same(self, *operands, is_direct, **keywords):
        found = outcome(self, *operands, **keywords)
        assert (self.direct(*operands, **keywords) is not None) == is_direct
        expected = outcome(self.through_python, *operands, **keywords)
        if isinstance(expected, type):
            assert_same_outcome(found, expected)
            return
        for one, other in zip(found, expected, strict=True):
            assert type(one) is type(other)
            assert_same_bits(one, other)
            assert one.flags.c_contiguous == other.flags.c_contiguous
