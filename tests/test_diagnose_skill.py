"""What skill is, when it is above chance, and which renaming of predictions fits best."""

from dataclasses import replace

import numpy as np
import pytest
from brief_training import synthetic_splits
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from ferkeras.diagnose.reference import crossed, gradients, transferred
from ferkeras.diagnose.skill import (
    CHANCE,
    above_chance,
    best_renaming,
    counts,
    kappa,
    renamed_by_chance,
)

few = settings(deadline=None, max_examples=25)
LABELS = st.lists(st.integers(0, 6), min_size=2, max_size=60)


@few
@given(st.data())
def test_kappa_is_that_of_scikit_learn(data):
    labels = data.draw(LABELS)
    predicted = data.draw(st.lists(st.integers(0, 6), min_size=len(labels), max_size=len(labels)))
    found = kappa(counts(np.array(labels), np.array(predicted), 7))
    if len({*labels, *predicted}) > 1:
        assert found == pytest.approx(cohen_kappa_score(labels, predicted))
    else:
        assert found == 0


@few
@given(LABELS, st.integers(0, 6))
def test_one_prediction_for_all_is_no_skill(labels, prediction):
    labels, predicted = np.array(labels), np.full(len(labels), prediction)
    assert kappa(counts(labels, predicted, 7)) == 0
    assert above_chance(labels, predicted, 7) == 0


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_not_above_chance_and_a_little_knowledge_is(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, 500)
    predicted = rng.integers(0, 7, 500)
    assert above_chance(labels, predicted, 7) < CHANCE
    known = rng.random(500) < 0.3
    assert above_chance(labels, np.where(known, labels, predicted), 7) > CHANCE


@few
@given(st.permutations(range(7)), st.integers(0, 10))
def test_a_renaming_is_found_from_predictions_that_are_mostly_right(order, seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 7, 400)
    predicted = np.where(rng.random(400) < 0.7, truth, rng.integers(0, 7, 400))
    # Validation calls class k by the name order[k].
    named = best_renaming(counts(np.array(order)[truth], predicted, 7))
    assert named.tolist() == list(order)


def test_classes_that_are_never_predicted_keep_their_names():
    assert best_renaming(np.zeros((7, 7), np.int64)).tolist() == list(range(7))


def test_the_reference_knows_synthetic_faces_and_nothing_of_shuffled_labels():
    splits = synthetic_splits(900)
    train, validation = splits.train, splits.validation
    assert gradients(train.images[:3]).shape == (3, 900)
    predicted = transferred(train, validation)
    assert above_chance(validation.labels, predicted, 7) > CHANCE
    within = crossed(train, 0)
    assert above_chance(train.labels, within, 7) > CHANCE
    shuffled = np.random.default_rng(0).permutation(train.labels)
    nothing = crossed(replace(train, labels=shuffled), 0)
    assert above_chance(shuffled, nothing, 7) < CHANCE


def test_the_best_renaming_of_predictions_by_chance_is_no_find():
    rng = np.random.default_rng(1)
    labels, predicted = rng.integers(7, size=300), rng.integers(7, size=300)
    mean, std = renamed_by_chance(labels, predicted, 7)
    named = best_renaming(counts(labels, predicted, 7))
    found = kappa(counts(labels, named[predicted], 7))
    assert found > 0.05
    assert abs(found - mean) < CHANCE * std
