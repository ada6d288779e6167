"""How much gradient reaches the first layer of a deep network."""

from __future__ import annotations

import numpy as np

from .results import Depth
from .training import CLASSES, Classifier, Digits

DEPTHS = (20, 30, 40, 50)
WIDTH = 64
#: Standard deviation of the biases of the second start, wide enough to push tanh into its flat ends.
SPREAD = 2.0


def gradient_norms(activation: str, data: Digits, seed: int) -> Depth:
    """Gradient norms in the weights of untrained networks of `DEPTHS` hidden layers, on 256 images of the digits.

    Each network starts as its activation asks for (`training.starting_gain`), so that a vanishing gradient is the doing
    of the activation and not of a careless start. A second start spreads the biases, as training may do.

    Parameters
    ----------
    activation : str
        Between the layers.
    data : Digits
        The images.
    seed : int
        For the weights; those of the first layers are the same for each depth.

    Returns
    -------
    Depth
    """
    careful = {depth: _by_layer(activation, data, seed, depth, 0.0) for depth in DEPTHS}
    biased = {depth: _by_layer(activation, data, seed, depth, SPREAD) for depth in DEPTHS}
    return Depth(
        activation,
        {depth: norms[0] for depth, norms in careful.items()},
        {depth: norms[0] for depth, norms in biased.items()},
        careful[max(DEPTHS)],
    )


def _by_layer(activation: str, data: Digits, seed: int, depth: int, spread: float) -> tuple[float, ...]:
    generator = np.random.default_rng(seed)
    model = Classifier(activation, (data.train.shape[1], *(WIDTH,) * depth, CLASSES), generator)
    # In float32 the squares of sigmoid's gradients would underflow.
    model.weights = [weight.astype(np.float64) for weight in model.weights]
    model.biases = [spread * generator.standard_normal(len(bias)) for bias in model.biases]
    gradients = model.gradients(data.train[:256].astype(np.float64), data.train_labels[:256])[1]
    norms = [float(np.linalg.norm(gradient)) for gradient in gradients]
    return tuple(norm / norms[-1] for norm in norms)
