"""A classifier of handwritten digits in NumPy, whose activations and loss are softfloor's.

The images are scikit-learn's bundled digits: 1797 scans of real handwriting, 8 x 8 pixels, no download.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import softfloor as sf

from .results import Training

HIDDEN = (64, 64, 64)
STEP = 0.05
#: A step size at which training still succeeds, mostly, and units die.
LARGE_STEP = 0.15
CLASSES = 10


@dataclass(frozen=True)
class Digits:
    """Images as rows of 64 pixels with mean 0, and their labels."""

    train: Any
    train_labels: Any
    test: Any
    test_labels: Any


def digits(seed: int) -> Digits:
    """The digits, shuffled, a fifth of them kept for the test."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(images))
    images, labels = images[order].astype(np.float32), labels[order]
    held_out = len(images) // 5
    mean, scale = images[held_out:].mean(axis=0), images[held_out:].std()
    images = (images - mean) / scale
    return Digits(images[held_out:], labels[held_out:], images[:held_out], labels[:held_out])


class Classifier:
    """Dense layers with one activation between them; softmax belongs to the loss.

    Attributes
    ----------
    activation : softfloor.Activation
        Between the layers.
    weights, biases : list of ndarray
        One per layer.
    """

    def __init__(self, activation: str, widths: tuple[int, ...], generator: np.random.Generator) -> None:
        self.activation = sf.get(activation)
        pairs = list(itertools.pairwise(widths))
        gain = starting_gain(activation)
        self.weights: list[Any] = [
            (generator.standard_normal((fan_in, fan_out)) * gain / np.sqrt(fan_in)).astype(np.float32)
            for fan_in, fan_out in pairs
        ]
        self.biases: list[Any] = [np.zeros(fan_out, np.float32) for _, fan_out in pairs]

    def forward(self, inputs: Any) -> tuple[Any, list[Any], list[Any]]:
        """Logits, the input of each layer, and what each hidden activation was given."""
        layer_inputs, pre_activations = [inputs], []
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            pre_activations.append(layer_inputs[-1] @ weight + bias)
            layer_inputs.append(self.activation(pre_activations[-1]))
        return layer_inputs[-1] @ self.weights[-1] + self.biases[-1], layer_inputs, pre_activations

    def gradients(self, inputs: Any, labels: Any) -> tuple[float, list[Any], list[Any]]:
        """The loss, and its gradient in each weight and bias."""
        logits, layer_inputs, pre_activations = self.forward(inputs)
        loss, cotangent = sf.softmax_cross_entropy.value_and_grad(logits, labels)
        weight_gradients: list[Any] = []
        bias_gradients: list[Any] = []
        for layer in reversed(range(len(self.weights))):
            weight_gradients.insert(0, layer_inputs[layer].T @ cotangent)
            bias_gradients.insert(0, cotangent.sum(axis=0))
            if layer:
                cotangent = self.activation.vjp(pre_activations[layer - 1], cotangent @ self.weights[layer].T)
        return float(loss), weight_gradients, bias_gradients

    def probabilities(self, inputs: Any) -> Any:
        return sf.softmax(self.forward(inputs)[0])

    def accuracy(self, inputs: Any, labels: Any) -> float:
        return float(np.mean(self.forward(inputs)[0].argmax(axis=-1) == labels))

    def dead_units(self, inputs: Any) -> int:
        """Hidden units through which no gradient passes for any of the inputs."""
        pre_activations = self.forward(inputs)[2]
        return sum(int(np.all(self.activation.derivative(x) == 0, axis=0).sum()) for x in pre_activations)

    def rms_weight(self) -> float:
        return float(
            np.sqrt(np.mean(np.concatenate([weight.ravel() for weight in self.weights]) ** 2, dtype=np.float64))
        )


def starting_gain(activation: str) -> float:
    """He's gain for the functions that halve their input, Glorot's for the two that saturate on both sides."""
    return 1.0 if sf.get(activation).info.value.limits[1] == "1" else float(np.sqrt(2))


# A large step may send weights to infinity; the tour then shows what became of it.
@np.errstate(all="ignore")
def train(
    activation: str,
    data: Digits,
    seeds: tuple[int, ...],
    epochs: int,
    rate: float = STEP,
    progress: Callable[[], None] = lambda: None,
) -> Training:
    """Train a classifier by stochastic gradient descent with momentum, once for each seed.

    Parameters
    ----------
    activation : str
        Between the layers.
    data : Digits
        What to learn from and to test on.
    seeds : tuple of int
        Each gives starting weights and an order of the images, the same for every activation.
    epochs : int
        Passes over the training images.
    rate : float, default `STEP`
        The step size.
    progress : callable
        Told when a start is done.

    Returns
    -------
    Training
    """
    began = time.perf_counter()
    widths = (data.train.shape[1], *HIDDEN, CLASSES)
    losses: list[float] = []
    accuracies: list[float] = []
    final: list[float] = []
    dead: list[int] = []
    sizes: list[tuple[float, float]] = []
    largest: list[float] = []
    for k, seed in enumerate(seeds):
        generator = np.random.default_rng(seed)
        model = Classifier(activation, widths, generator)
        start = model.rms_weight()
        velocities = [np.zeros_like(array) for array in model.weights + model.biases]
        for _ in range(epochs):
            loss = _epoch(model, velocities, data, generator, rate)
            if k == 0:
                losses.append(loss)
                accuracies.append(model.accuracy(data.test, data.test_labels))
        if k == 0:
            probability_error = float(np.abs(model.probabilities(data.test).sum(axis=-1, dtype=np.float64) - 1).max())
        final.append(model.accuracy(data.test, data.test_labels))
        dead.append(model.dead_units(data.train))
        sizes.append((start, model.rms_weight()))
        largest.append(float(max(np.abs(weight).max() for weight in model.weights)))
        progress()
    return Training(
        activation,
        tuple(final),
        tuple(losses),
        tuple(accuracies),
        tuple(dead),
        sum(HIDDEN),
        tuple(sizes),
        tuple(largest),
        probability_error,
        time.perf_counter() - began,
    )


def _epoch(
    model: Classifier, velocities: list[Any], data: Digits, generator: np.random.Generator, rate: float, batch: int = 64
) -> float:
    order = generator.permutation(len(data.train))
    losses = []
    for first in range(0, len(order), batch):
        chosen = order[first : first + batch]
        loss, weight_gradients, bias_gradients = model.gradients(data.train[chosen], data.train_labels[chosen])
        losses.append(loss)
        arrays = model.weights + model.biases
        for array, velocity, gradient in zip(arrays, velocities, weight_gradients + bias_gradients, strict=True):
            velocity *= np.float32(0.9)
            velocity -= np.float32(rate) * gradient
            array += velocity
    return float(np.mean(losses))
