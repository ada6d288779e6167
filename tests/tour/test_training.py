"""The classifier and the deep networks: their gradients are those of their loss."""

import numpy as np
import pytest

from softfloor.tour import depth, training
from softfloor.tour.results import COMPARED


@pytest.fixture(scope="module")
def data():
    return training.digits(0)


def test_digits_are_split_without_overlap(data):
    assert len(data.train) + len(data.test) == 1797
    assert len(data.test) == 1797 // 5
    assert data.train.dtype == np.float32
    assert abs(float(data.train.mean())) < 1e-6
    rows = {row.tobytes() for row in data.train}
    assert not any(row.tobytes() in rows for row in data.test)


@pytest.mark.parametrize("activation", COMPARED)
def test_gradients_are_those_of_the_loss(activation, data):
    generator = np.random.default_rng(3)
    model = training.Classifier(activation, (64, 12, 11, 10), generator)
    model.weights = [weight.astype(np.float64) for weight in model.weights]
    model.biases = [0.1 * generator.standard_normal(len(bias)) for bias in model.biases]
    inputs, labels = data.train[:20].astype(np.float64), data.train_labels[:20]
    _, weight_gradients, bias_gradients = model.gradients(inputs, labels)
    step = 1e-6
    for arrays, gradients in ((model.weights, weight_gradients), (model.biases, bias_gradients)):
        for array, gradient in zip(arrays, gradients, strict=True):
            for index in map(tuple, generator.integers(0, array.shape, (4, array.ndim))):
                before = array[index]
                array[index] = before + step
                up = model.gradients(inputs, labels)[0]
                array[index] = before - step
                down = model.gradients(inputs, labels)[0]
                array[index] = before
                assert gradient[index] == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-8)


def test_dead_units_are_counted(data):
    model = training.Classifier("relu", (64, 12, 10), np.random.default_rng(0))
    model.biases[0][:3] = -1e6
    assert model.dead_units(data.train) == 3


def test_training_lowers_the_loss_and_repeats(data):
    first = training.train("gelu", data, (5,), 3)
    assert first.loss_curve[-1] < 0.3 * first.loss_curve[0]
    assert first.accuracy_curve[-1] == first.accuracy[0] > 0.9
    second = training.train("gelu", data, (5,), 3)
    assert (first.loss_curve, first.rms_weight) == (second.loss_curve, second.rms_weight)


def test_depth_is_relative_to_the_last_layer(data):
    found = depth.gradient_norms("tanh", data, 0)
    assert tuple(found.first_layer) == depth.DEPTHS == tuple(found.spread_biases)
    assert len(found.by_layer) == max(depth.DEPTHS) + 1
    assert found.by_layer[-1] == 1
    assert found.by_layer[0] == found.first_layer[max(depth.DEPTHS)]
