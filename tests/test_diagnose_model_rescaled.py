"""Inputs that were scaled before, in a model that scales them itself."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

from ferkeras.diagnose import diagnose_model


def pictures():
    """Digits of 8 x 8 pixels, 0 to 1."""
    digits = load_digits()
    return (digits.images[:512, ..., None] / 16).astype("float32"), digits.target[:512]


def diagnosed(x, y, epsilon=1e-7):
    keras.utils.set_random_seed(0)
    scaling = layers.Rescaling(1 / 255, name="scaling")
    normalised = layers.BatchNormalization(momentum=0.8, epsilon=epsilon)
    ends = (layers.Flatten(), layers.Dense(10, "softmax"))
    model = keras.Sequential([keras.Input((8, 8, 1)), scaling, normalised, *ends])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    return diagnose_model(model, (x, y), epochs=10, seconds=15)


def test_a_model_that_learns_all_the_same_is_only_suspicious():
    x, y = pictures()
    found = diagnosed(x, y)
    assert found.causes == ("scaled_twice",)
    assert found.severity == "suspicious"
    assert "'scaling' divides by 255 what is between 0 and 1 already" in found.verdict
    assert "It learns all the same" in found.verdict


def test_one_that_does_not_learn_is_broken_by_it():
    x, y = pictures()
    # What normalises is too sure of itself to see differences this small.
    found = diagnosed(x, y, epsilon=1.0)
    assert found.causes[0] in ("scaled_twice", "unscaled_inputs")
    assert found.severity == "broken"


@pytest.mark.parametrize("factor", [255.0, 16.0])
def test_grey_values_are_what_it_is_for(factor):
    x, y = pictures()
    assert diagnosed(np.round(x * factor), y).causes == ()


def test_masks_may_be_zero_and_one():
    x, y = pictures()
    assert diagnosed(np.round(x), y).causes == ()
