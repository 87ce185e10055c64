"""The figures of an evaluation, held against their definitions written out in NumPy."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferkeras.cli.errors import InputError
from ferkeras.data.presets.fer2013 import EMOTIONS, FER2013
from ferkeras.data.task import Classes
from ferkeras.metrics.bootstrap import differences, figures_of, intervals, resample
from ferkeras.metrics.measures import MEASURES
from ferkeras.metrics.predictions import Predictions, read_predictions


def drawn_predictions(count, seed, skill=2.0, classes=7):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count).astype(np.int32)
    logits = rng.normal(size=(count, 7)) + skill * np.eye(7)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Predictions(probabilities.astype(np.float32), labels, FER2013.classes)


def by_definition(predictions):
    """Every figure from its definition."""
    p = predictions.probabilities.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    y = predictions.labels
    n = len(y)
    predicted = p.argmax(axis=1)
    matrix = np.zeros((7, 7))
    np.add.at(matrix, (y, predicted), 1)
    hits, truth, given_ = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    there = truth > 0
    recall = hits[there] / truth[there]
    f1 = 2 * hits[there] / (truth[there] + given_[there])
    observed, chance = hits.sum() / n, (truth * given_).sum() / n**2
    t, g = np.eye(7)[y], np.eye(7)[predicted]
    covariance = ((t - t.mean(0)) * (g - g.mean(0))).sum()
    spread = np.sqrt(((t - t.mean(0)) ** 2).sum() * ((g - g.mean(0)) ** 2).sum())
    confidence = p.max(axis=1)
    ece = 0.0
    for at in range(15):
        inside = (confidence > at / 15) & (confidence <= (at + 1) / 15)
        if inside.any():
            gap = (predicted == y)[inside].mean() - confidence[inside].mean()
            ece += inside.mean() * abs(gap)
    return {
        "accuracy": observed,
        "balanced_accuracy": recall.mean(),
        "macro_f1": f1.mean(),
        "cohen_kappa": (observed - chance) / (1 - chance) if there.sum() > 1 else None,
        "matthews": covariance / spread if spread > 0 else 0.0,
        "top2_accuracy": (np.argsort(p, axis=1)[:, -2:] == y[:, None]).any(axis=1).mean(),
        "log_loss": -np.log(p[np.arange(n), y]).mean(),
        "brier": ((p - t) ** 2).sum(axis=1).mean(),
        "ece": ece,
    }


@given(count=st.integers(1, 60), seed=st.integers(0, 10_000), classes=st.integers(1, 7))
def test_figures_are_what_their_definitions_say(count, seed, classes):
    predictions = drawn_predictions(count, seed, classes=classes)
    found, expected = predictions.metrics(), by_definition(predictions)
    assert set(expected) == set(MEASURES)
    for key, value in expected.items():
        assert found[key] == (None if value is None else pytest.approx(value, abs=1e-9)), key


@given(count=st.integers(2, 40), seed=st.integers(0, 10_000), classes=st.integers(1, 7))
def test_a_draw_is_measured_as_those_faces_would_be(count, seed, classes):
    predictions = drawn_predictions(count, seed, classes=classes)
    resampled = np.random.default_rng(seed).integers(0, count, count)
    times = np.bincount(resampled, minlength=count)[None]
    samples = figures_of(predictions, times)
    expected = predictions.take(resampled).metrics()
    for key in MEASURES:
        value = np.nan if expected[key] is None else expected[key]
        assert samples[key][0] == pytest.approx(value, abs=1e-9, nan_ok=True), key
    for emotion in EMOTIONS:
        found = expected["emotions"][emotion]
        if found["support"]:
            for key in ("precision", "recall", "f1"):
                assert samples[f"{key}/{emotion}"][0] == pytest.approx(found[key], abs=1e-9)


def test_a_draw_of_many_classes_takes_little_memory():
    classes = Classes(tuple(f"class {number}" for number in range(300)))
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(300), 300).astype(np.float32)
    predictions = Predictions(probabilities, np.arange(300, dtype=np.int32), classes)
    tracemalloc.start()
    try:
        figures_of(predictions, np.ones((2, 300), np.int64))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A table of the classes for each face would be 216 MB.
    assert most < 20e6


def test_the_interval_of_the_accuracy_is_the_binomial_one():
    predictions = drawn_predictions(2000, 3, skill=1.5)
    accuracy = predictions.metrics()["accuracy"]
    low, high = intervals(resample(predictions, 3000))["accuracy"]
    half = 1.96 * np.sqrt(accuracy * (1 - accuracy) / 2000)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    assert (low + high) / 2 == pytest.approx(accuracy, abs=half / 5)


def test_the_same_seed_draws_the_same_and_another_seed_does_not():
    predictions = drawn_predictions(300, 0)
    first, again = resample(predictions, 50, seed=1), resample(predictions, 50, seed=1)
    np.testing.assert_array_equal(first["brier"], again["brier"])
    assert not np.array_equal(first["brier"], resample(predictions, 50, seed=2)["brier"])


def test_draws_in_pieces_are_draws_at_once(monkeypatch):
    predictions = drawn_predictions(100, 0)
    whole = resample(predictions, 37)
    monkeypatch.setattr("ferkeras.metrics.bootstrap._CHUNK_BYTES", 8 * 100 * 5)
    np.testing.assert_allclose(resample(predictions, 37)["ece"], whole["ece"])


def test_paired_differences_are_far_narrower_than_unpaired_ones():
    better = drawn_predictions(1000, 5)
    almost = Predictions(better.probabilities.copy(), better.labels, better.classes)
    almost.probabilities[:20] = np.roll(almost.probabilities[:20], 1, axis=1)
    paired = intervals(differences(resample(almost, seed=0), resample(better, seed=0)))["accuracy"]
    possibly_leaked = intervals(differences(resample(almost, seed=0), resample(better, seed=1)))
    assert paired[1] - paired[0] < 0.5 * (
        possibly_leaked["accuracy"][1] - possibly_leaked["accuracy"][0]
    )


def test_an_emotion_without_faces_has_no_interval():
    ranges = intervals(resample(drawn_predictions(50, 0, classes=3), 20))
    assert "recall/sad" not in ranges
    assert "recall/angry" in ranges


def test_predictions_are_read_back(tmp_path):
    predictions = drawn_predictions(9, 0)
    path = tmp_path / "predictions.npz"
    np.savez(path, probabilities=predictions.probabilities, labels=predictions.labels)
    read = read_predictions(path, FER2013.classes)
    np.testing.assert_array_equal(read.probabilities, predictions.probabilities)


def _object_array(path):
    np.savez(path, probabilities=np.array([{}], object), labels=np.zeros(1, int))


def _wrong_shape(path):
    np.savez(path, probabilities=np.full((3, 6), 1 / 6), labels=np.zeros(3, int))


def _no_shares(path):
    np.savez(path, probabilities=np.full((3, 7), 1.0), labels=np.zeros(3, int))


def _unknown_label(path):
    np.savez(path, probabilities=np.full((3, 7), 1 / 7), labels=np.full(3, 7))


def _not_finite(path):
    np.savez(path, probabilities=np.full((3, 7), np.nan), labels=np.zeros(3, int))


def _noise(path):
    path.write_bytes(b"PK\x03\x04" + bytes(200))


@pytest.mark.parametrize(
    "damage", [_object_array, _wrong_shape, _no_shares, _unknown_label, _not_finite, _noise]
)
def test_damaged_predictions_are_named(tmp_path, damage):
    path = tmp_path / "predictions.npz"
    damage(path)
    with pytest.raises(InputError, match=r"predictions.npz: damaged"):
        read_predictions(path, FER2013.classes)
