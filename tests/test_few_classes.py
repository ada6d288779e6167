"""Losses of rows of few classes, which are computed together: one row's bits are its own, whatever lies beside it."""

from typing import Any

import numpy as np
import pytest

import softfloor as sf
from cases import assert_same_bits, every_dtype

cross_entropy = sf.softmax_cross_entropy
ROWS, IGNORED = 37, -5
# Around the lengths at which another text takes over.
every_length = pytest.mark.parametrize("n", [1, 2, 10, 15, 31, 32, 33, 64, 65, 128, 129])
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "weight": {"weight": np.linspace(0, 3, 200)},
    "label_smoothing": {"label_smoothing": 0.1},
    "z_loss": {"z_loss": 1e-2},
    "all": {"weight": np.linspace(0, 3, 200), "label_smoothing": 0.2, "z_loss": 0.5},
}
every_option = pytest.mark.parametrize("option", OPTIONS)


def operands(n: int, dtype: type, soft: bool) -> tuple[np.ndarray, np.ndarray]:
    """Ordinary rows, and among them such as only the wider text knows to treat."""
    random = np.random.default_rng(n)
    z = random.normal(0, 3, (ROWS, n))
    z[3], z[4, 0], z[5, n // 2], z[20] = -np.inf, np.inf, np.nan, 3e4 * random.uniform(-1, 1, n)
    z[6, n // 2 :], z[21, 0] = -np.inf, -np.inf
    if soft:
        labels = random.dirichlet(np.ones(n), ROWS)
        labels[21], labels[22] = np.eye(n)[-1], 0
        return z.astype(dtype), labels.astype(dtype)
    labels = random.integers(0, n, ROWS)
    labels[[0, 5, 17]] = IGNORED
    return z.astype(dtype), labels


def options_of(option: str, n: int, soft: bool) -> dict[str, Any]:
    options = {key: value[:n] if key == "weight" else value for key, value in OPTIONS[option].items()}
    return options if soft else options | {"ignore_index": IGNORED}


@pytest.fixture(name="problem", params=[False, True], ids=["class labels", "soft labels"])
def _problem(request, dtype, option, n):
    """Logits, labels and options."""
    return *operands(n, dtype, request.param), options_of(option, n, request.param)


def pairs(z: np.ndarray, labels: np.ndarray, options: dict[str, Any], **keywords: Any) -> tuple[np.ndarray, np.ndarray]:
    return cross_entropy.value_and_grad(z, labels, reduction="none", **options, **keywords)


@every_dtype
@every_option
@every_length
def test_bits_are_those_of_a_row_alone(problem):
    z, labels, options = problem
    losses, gradients = pairs(z, labels, options)
    assert_same_bits(cross_entropy(z, labels, reduction="none", **options), losses)
    for k in range(ROWS):
        loss, gradient = pairs(z[k : k + 1], labels[k : k + 1], options)
        assert_same_bits(losses[k : k + 1], loss)
        assert_same_bits(gradients[k : k + 1], gradient)


@every_dtype
@every_option
@every_length
def test_bits_along_axis_0(problem):
    z, labels, options = problem
    losses, gradients = pairs(z, labels, options)
    columns, along_first = np.ascontiguousarray(z.T), np.ascontiguousarray(labels.T)
    turned, turned_gradients = pairs(columns, along_first, options, axis=0)
    assert_same_bits(losses, turned)
    assert_same_bits(gradients, np.ascontiguousarray(turned_gradients.T))
    assert_same_bits(losses, cross_entropy(columns, along_first, axis=0, reduction="none", **options))


@every_dtype
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("n", [2, 31, 40, 100, 200])
def test_gradients_in_the_place_of_operands(dtype, n, soft):
    z, labels = operands(n, dtype, soft)
    options = options_of("all", n, soft)
    _, gradients = pairs(z, labels, options)
    for place in (z, labels) if soft else (z,):
        given = [z.copy(), labels.copy()]
        out = given[0] if place is z else given[1]
        pairs(*given, options, out=out)
        assert_same_bits(gradients, out)


@every_dtype
def test_labels_that_all_rows_have_in_common(dtype):
    z, labels = operands(10, dtype, True)
    options = options_of("all", 10, True)
    expected = pairs(z, np.tile(labels[0], (ROWS, 1)), options)
    common = pairs(z, np.broadcast_to(labels[0], z.shape), options)
    turned = pairs(np.asfortranarray(z), np.broadcast_to(labels[0], z.shape), options)
    for losses, gradients in (common, turned):
        assert_same_bits(expected[0], losses)
        assert_same_bits(expected[1], np.ascontiguousarray(gradients))
