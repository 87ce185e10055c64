"""Cross-entropy whose label smoothing is a variable."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ferkeras.network.loss import SmoothedCrossentropy

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(16, 7)).astype(np.float32) * 3
LABELS = RNG.integers(0, 7, 16)


@settings(max_examples=20)
@given(st.floats(0, 0.99))
def test_equals_keras_on_smoothed_one_hot_labels(smoothing):
    expected = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    one_hot = np.eye(7, dtype=np.float32)[LABELS]
    assert float(SmoothedCrossentropy(smoothing)(LABELS, LOGITS)) == pytest.approx(
        float(expected(one_hot, LOGITS)), rel=1e-5
    )


def test_without_smoothing_it_is_exactly_the_sparse_loss_of_keras():
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert float(SmoothedCrossentropy()(LABELS, LOGITS)) == float(expected(LABELS, LOGITS))


def test_class_weights_mean_what_they_mean_in_pytorch():
    weights = np.array([0.7, 1.3, 1, 0.8, 1, 1, 0.9], np.float32)[LABELS]
    each = SmoothedCrossentropy(0.1, reduction=None)(LABELS, LOGITS).numpy()
    # torch.nn.CrossEntropyLoss(weight=...): the weighted sum over the sum of the weights.
    expected = (weights * each).sum() / weights.sum()
    assert float(SmoothedCrossentropy(0.1)(LABELS, LOGITS, weights)) == pytest.approx(expected)


def test_labels_may_be_a_column():
    loss = SmoothedCrossentropy(0.1)
    assert float(loss(LABELS[:, None], LOGITS)) == float(loss(LABELS, LOGITS))


def test_half_precision_logits_are_computed_in_float32():
    logits = np.array([[40000.0, -40000.0]], np.float16)
    assert float(SmoothedCrossentropy(0.1)(np.array([0]), logits)) == pytest.approx(
        4000.0, rel=1e-3
    )


def test_smoothing_is_assigned_without_a_retrace():
    loss = SmoothedCrossentropy(0.0)
    traces = []

    @tf.function
    def compute():
        traces.append(1)
        return loss(LABELS, LOGITS)

    before = float(compute())
    loss.smoothing.assign(0.1)
    assert float(compute()) == float(SmoothedCrossentropy(0.1)(LABELS, LOGITS)) != before
    assert len(traces) == 1


def test_the_smoothing_in_force_is_saved(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    loss = SmoothedCrossentropy(0.05, reduction="sum")
    model.compile("sgd", loss=loss)
    loss.smoothing.assign(0.08)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    assert float(loaded.loss.smoothing) == pytest.approx(0.08)
    assert loaded.loss.reduction == "sum"


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_refuses_smoothing_out_of_range(smoothing):
    with pytest.raises(ValueError, match="Received: smoothing="):
        SmoothedCrossentropy(smoothing)
