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


def normalised(epsilon=1e-7):
    return layers.BatchNormalization(momentum=0.8, epsilon=epsilon)


def known(mean=0.3, variance=0.14):
    """By figures of pictures that are scaled once, as networks that were trained before have it."""
    return layers.Normalization(mean=mean, variance=variance)


def adapted(x):
    layer = layers.Normalization()
    layer.adapt(x / 255)
    return layer


def diagnosed(x, y, *hidden, rate=0.01, scale=1 / 255, offset=0.0, dtype="float32", seconds=15):
    keras.utils.set_random_seed(0)
    scaling = layers.Rescaling(scale, offset, name="scaling", dtype=dtype)
    hidden = hidden or (normalised(),)
    ends = () if x.ndim == 2 else (layers.Flatten(),)
    model = keras.Sequential(
        [keras.Input(x.shape[1:]), scaling, *hidden, *ends, layers.Dense(10, "softmax")]
    )
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    found = diagnose_model(model, (x, y), epochs=10, seconds=seconds)
    assert (scaling.scale, scaling.offset) == (scale, offset)
    return found


@pytest.mark.parametrize("hidden", [lambda: normalised(1.0), known])
def test_one_that_does_not_learn_is_broken_by_it(hidden):
    found = diagnosed(*pictures(), hidden())
    assert found.causes == ("scaled_twice",)
    assert found.severity == "broken"
    assert "'scaling' divides by 255 what is between 0 and 1 already" in found.verdict
    assert "without it the same steps learn" in found.verdict
    assert "without the change" in found.findings[0].remedies[0].tried


def test_one_that_learns_less_for_it_is_only_suspicious():
    found = diagnosed(*pictures(), layers.Identity(), rate=1.0)
    assert found.causes == ("scaled_twice",)
    assert found.severity == "suspicious"
    assert "It learns all the same, and more without it" in found.verdict


def test_without_time_it_is_only_suspicious():
    found = diagnosed(*pictures(), known(), seconds=0)
    assert (found.causes, found.severity) == (("scaled_twice",), "suspicious")


def test_what_is_undone_later_is_no_fault():
    x, y = pictures()
    for hidden in (normalised(), adapted(x), layers.Rescaling(255.0)):
        assert diagnosed(x, y, hidden).causes == ()
    assert diagnosed(x, y, normalised(), scale=1 / 127.5, offset=-1.0).causes == ()


@pytest.mark.parametrize("factor", [255.0, 16.0])
def test_grey_values_are_what_it_is_for(factor):
    x, y = pictures()
    assert diagnosed(np.round(x * factor), y).causes == ()


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_masks_may_be_zero_and_one(dtype):
    x, y = pictures()
    found = diagnosed(np.round(x), y, known(), offset=-1.0, dtype=dtype, seconds=0)
    assert "scaled_twice" not in found.causes


def test_columns_of_a_table_are_no_pictures():
    x, y = pictures()
    found = diagnosed(x.reshape(len(x), -1), y, known(), scale=0.01, seconds=0)
    assert "scaled_twice" not in found.causes
