"""The confusion matrix and the gradient norms as Keras metrics."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from callbacks import ConfusionMatrix, GradientNorms


@settings(max_examples=25)
@given(st.integers(2, 8), st.integers(1, 40), st.integers(0, 2**16))
def test_confusion_matrix_agrees_with_scikit_learn(classes, samples, seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, samples)
    logits = rng.normal(size=(samples, classes)).astype(np.float32)
    metric = ConfusionMatrix(classes)
    half = samples // 2
    for part in (slice(0, half), slice(half, None)):
        metric.update_state(truth[part], logits[part])
    predicted = logits.argmax(axis=1)
    matrix = confusion_matrix(truth, predicted, labels=range(classes))
    np.testing.assert_array_equal(metric.matrix.numpy(), matrix)
    # scikit-learn warns of predictions outside the truths and of a single class; both count here.
    recalls = [matrix[k, k] / matrix[k].sum() for k in range(classes) if matrix[k].sum()]
    assert float(metric.result()) == pytest.approx(np.mean(recalls), abs=1e-6)
    if set(predicted) <= set(truth) and len(set(truth)) > 1:
        assert float(metric.result()) == pytest.approx(
            balanced_accuracy_score(truth, predicted), abs=1e-6
        )


def test_confusion_matrix_starts_again_after_reset_and_takes_column_labels():
    metric = ConfusionMatrix(2)
    metric.update_state(np.array([[0.0], [1.0]]), np.eye(2, dtype=np.float32))
    assert float(metric.result()) == 1
    metric.reset_state()
    assert metric.matrix.numpy().sum() == 0
    assert float(metric.result()) == 0


def test_confusion_matrix_counts_beyond_what_float32_can():
    metric = ConfusionMatrix(2)
    metric.matrix.assign([[2**24, 0], [0, 1]])
    metric.update_state(np.array([0]), np.array([[1.0, 0.0]], np.float32))
    assert metric.matrix.numpy()[0, 0] == 2**24 + 1


def test_confusion_matrix_refuses_weights_and_a_single_class():
    with pytest.raises(ValueError, match="weighted_metrics"):
        ConfusionMatrix(2).update_state(np.array([0]), np.eye(2)[:1], np.ones(1))
    with pytest.raises(ValueError, match="Received: num_classes=1"):
        ConfusionMatrix(1)


@pytest.mark.parametrize(
    "metric", [ConfusionMatrix(3, name="predicted"), GradientNorms(["a/kernel", "b/kernel"])]
)
def test_metrics_survive_serialization(metric):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert copy.get_config() == metric.get_config()
    assert [v.shape for v in copy.variables] == [v.shape for v in metric.variables]


def results(metric):
    return {key: float(value) for key, value in metric.result().items()}


def test_gradient_norms_summarise_the_applied_steps_only():
    metric = GradientNorms(["a/kernel", "b/kernel", "b/count"])
    metric.update_state([3.0, 4.0, math.nan], 5.0, True, clipped=True)
    metric.update_state([0.0, 1.0, math.nan], 1.0, True, clipped=False)
    metric.update_state([math.inf, math.nan, math.nan], math.nan, False, clipped=True)
    assert results(metric) == {
        "gradient_norm": 3.0,
        "gradient_norm_max": 5.0,
        "gradient_norm_min": 1.0,
        "gradient_clipped": 0.5,
        "gradient_skipped": 1.0,
    }
    assert metric.mean_norms() == {"a/kernel": 1.5, "b/kernel": 2.5}


def test_gradient_norms_of_nothing_are_nan_also_after_a_reset():
    metric = GradientNorms(["a/kernel"])
    for _ in range(2):
        values = results(metric)
        assert values.pop("gradient_skipped") == 0
        assert all(math.isnan(value) for value in values.values())
        metric.update_state([2.0], 2.0, True)
        assert results(metric)["gradient_norm_min"] == 2
        metric.reset_state()


def test_mean_norms_outlast_a_reset_until_the_next_step():
    metric = GradientNorms(["a/kernel"])
    assert metric.mean_norms() == {}
    metric.update_state([2.0], 2.0, True)
    for _ in range(2):
        metric.reset_state()
        assert metric.mean_norms() == {"a/kernel": 2.0}
    metric.update_state([3.0], 3.0, True)
    assert metric.mean_norms() == {"a/kernel": 3.0}
    metric.reset_state()
    metric.update_state([math.nan], math.nan, False)
    assert metric.mean_norms() == {}
    metric.reset_state()
    assert metric.mean_norms() == {}
