"""Synthetic faces: proportions, reproducibility, and emotions that can be distinguished."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferkeras.cli.errors import InputError
from ferkeras.data.faces import USAGES
from ferkeras.data.presets.fer2013 import EMOTIONS, TRAINING_COUNTS
from ferkeras.data.synthetic import action_units, head, people
from ferkeras.data.synthetic import dataset as synthetic
from ferkeras.data.synthetic.canvas import Canvas, Pose
from ferkeras.data.synthetic.dataset import (
    FACES_PER_PERSON,
    synthetic_faces,
)
from ferkeras.data.synthetic.mouth import draw_mouth
from ferkeras.data.synthetic.random_rows import Draws, raw_rows

TRAIN, VALIDATION = USAGES.index("train"), USAGES.index("validation")


@pytest.fixture(scope="module")
def thousand():
    return synthetic_faces(1000, 7, label_noise=0.0)


def test_faces_have_the_promised_form(thousand):
    assert thousand.faces.images.shape == (1000, 48, 48, 1)
    assert thousand.faces.images.dtype == np.uint8
    assert thousand.faces.labels.dtype == np.int32
    assert thousand.usage.dtype == np.int8
    assert set(thousand.usage) == {TRAIN, VALIDATION}


def test_every_picture_has_contrast_and_none_is_burnt_out(thousand):
    grey = thousand.faces.images.reshape(1000, -1).astype(float)
    assert grey.std(axis=1).min() > 15
    assert np.isin(grey, (0, 255)).mean(axis=1).max() < 0.5


def test_no_face_is_made_twice(thousand):
    assert len(np.unique(thousand.faces.images.reshape(1000, -1), axis=0)) == 1000


@settings(max_examples=60)
@given(count=st.integers(200, 60_000))
def test_both_splits_have_the_proportions_of_fer2013_to_within_one_face(count):
    usage = synthetic._usage(count)
    labels = synthetic._emotions(usage)
    fraction = np.array(TRAINING_COUNTS) / sum(TRAINING_COUNTS)
    for split in (TRAIN, VALIDATION):
        counts = np.bincount(labels[usage == split], minlength=len(EMOTIONS))
        assert counts.min() >= 1
        assert np.abs(counts - fraction * counts.sum()).max() < 1.5
    # By person.
    assert abs((usage == VALIDATION).sum() - 0.15 * count) < synthetic.FACES_PER_PERSON


def test_as_many_faces_as_fer2013_have_exactly_its_counts():
    labels = synthetic._in_proportion(sum(TRAINING_COUNTS))
    assert tuple(np.bincount(labels)) == TRAINING_COUNTS


@settings(max_examples=30)
@given(count=st.integers(200, 20_000))
def test_nobody_is_in_both_splits(count):
    person = np.arange(count) // FACES_PER_PERSON
    usage = synthetic._usage(count)
    assert not set(person[usage == TRAIN]) & set(person[usage == VALIDATION])


def test_the_same_seed_draws_the_same_faces_and_another_seed_others():
    one, same, other = synthetic_faces(200, 3), synthetic_faces(200, 3), synthetic_faces(200, 4)
    assert np.array_equal(one.faces.images, same.faces.images)
    assert np.array_equal(one.faces.labels, same.faces.labels)
    assert one.fingerprint == same.fingerprint
    alike = (one.faces.images == other.faces.images).reshape(200, -1).all(axis=1)
    assert not alike.any()
    assert one.fingerprint != other.fingerprint


def test_more_faces_add_to_the_same_ones(thousand):
    few = synthetic_faces(233, 7, label_noise=0.0)
    assert np.array_equal(few.faces.images, thousand.faces.images[:233])
    assert np.array_equal(few.faces.labels, thousand.faces.labels[:233])
    assert np.array_equal(few.usage, thousand.usage[:233])


def test_faces_do_not_depend_on_the_size_of_a_chunk(thousand, monkeypatch):
    monkeypatch.setattr(synthetic, "_CHUNK", 37)
    again = synthetic_faces(200, 7, label_noise=0.0)
    assert np.array_equal(again.faces.images, thousand.faces.images[:200])


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**31 - 1),
    first=st.integers(0, 500),
    rows=st.integers(1, 9),
    width=st.sampled_from([4, 12, 72]),
)
def test_random_rows_are_windows_on_one_table(seed, first, rows, width):
    table = raw_rows(seed, 1, 0, first + rows, width)
    assert np.array_equal(raw_rows(seed, 1, first, rows, width), table[first:])


def test_a_row_width_that_would_break_the_table_is_refused():
    with pytest.raises(ValueError, match=r"multiple of 4.*width=6"):
        raw_rows(0, 0, 0, 1, 6)


def test_label_noise_hits_its_fraction_of_training_faces_and_no_validation_face():
    usage = synthetic._usage(20_000)
    shown = synthetic._emotions(usage)
    wrong = synthetic._mislabel(shown, usage, 0, 0.2) != shown
    assert not wrong[usage == VALIDATION].any()
    assert wrong[usage == TRAIN].mean() == pytest.approx(0.2, abs=0.01)


def test_wrong_labels_are_spread_over_all_other_emotions():
    shown = np.full(14_000, EMOTIONS.index("happy"), np.int32)
    usage = np.full(14_000, TRAIN, np.int8)
    counts = np.bincount(synthetic._mislabel(shown, usage, 0, 0.6), minlength=7)
    others = np.delete(counts, EMOTIONS.index("happy"))
    assert others.min() > 0.85 * others.mean()


def test_label_noise_changes_no_pixel(thousand):
    noisy = synthetic_faces(200, 7, label_noise=0.5)
    assert np.array_equal(noisy.faces.images, thousand.faces.images[:200])
    assert noisy.fingerprint != synthetic_faces(200, 7, label_noise=0.25).fingerprint


def test_one_person_keeps_the_same_features_across_faces():
    met = people.meet(Draws(raw_rows(0, 0, 0, 3, people.COLUMNS)))
    twice = met.take(np.array([1, 1, 2]))
    assert twice.skin[0] == twice.skin[1]
    assert twice.brow_height[1] != twice.brow_height[2]


def _acted(emotion: str, faces: int = 400) -> action_units.ActionUnits:
    width = 4 * -(-action_units.COLUMNS // 4)
    draws = Draws(raw_rows(0, 9, 0, faces, width))
    return action_units.act(np.full(faces, EMOTIONS.index(emotion)), draws)


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_an_emotion_moves_its_own_muscles_most(emotion):
    units = _acted(emotion)
    own = set(action_units.PROTOTYPES[emotion])
    strongest = max(units, key=lambda unit: units[unit].mean())
    assert (strongest in own) == bool(own)
    strays = [units[unit].mean() for unit in units if unit not in own]
    assert max(strays) < 0.05


def test_no_emotion_is_always_shown_completely():
    smiling = _acted("happy")
    assert 0.15 < smiling[12].min() < smiling[12].max() < 1.5
    assert (smiling[6] < 0.05).any()


def _plain_mouths(emotion: str) -> np.ndarray:
    """Mouths of one and the same frontal person, unlit and unblurred: (faces, 48, 48)."""
    faces = 60
    units = {unit: value[:faces] for unit, value in _acted(emotion).items()}
    person = people.meet(Draws(raw_rows(1, 0, 0, 1, people.COLUMNS))).take(np.zeros(faces, int))
    zero = np.zeros((faces, 1, 1), np.float32)
    canvas = Canvas(Pose(zero + 23.5, zero + 23.5, zero + 19, zero, zero, zero))
    canvas.shade += 0.6
    draw_mouth(canvas, person, units, zero)
    return canvas.shade


def _height_of_corners(mouths: np.ndarray) -> float:
    """Rows by which the dark of the mouth's middle lies below that of its sides."""
    dark = 0.6 - np.minimum(mouths, 0.6)
    row = np.arange(48)[None, :, None]
    middle = (dark * row)[:, 28:48, 22:26].sum() / dark[:, 28:48, 22:26].sum()
    outer = dark[:, 28:48, [15, 16, 31, 32]]
    return float(middle - (outer * row[:, 28:48]).sum() / outer.sum())


def test_happy_mouths_turn_up_and_sad_mouths_turn_down():
    happy, neutral, sad = (
        _height_of_corners(_plain_mouths(emotion)) for emotion in ("happy", "neutral", "sad")
    )
    assert happy > neutral + 1 > sad + 2


def test_surprised_mouths_are_open_and_dark_below():
    below = np.s_[:, 39:44, 21:27]
    surprise, neutral = _plain_mouths("surprise")[below], _plain_mouths("neutral")[below]
    assert surprise.mean() < neutral.mean() - 0.1


def test_drawing_stays_in_single_precision():
    draws = Draws(raw_rows(0, 0, 0, 2, people.COLUMNS))
    met = people.meet(draws)
    zero = np.zeros((2, 1, 1), np.float32)
    canvas = Canvas(Pose(zero + 24, zero + 24, zero + 19, zero, zero, zero))
    units = dict.fromkeys(action_units.NAMES, zero)
    head.draw_head(canvas, met, units, Draws(raw_rows(0, 1, 0, 2, head.COLUMNS)))
    draw_mouth(canvas, met, units, zero)
    assert canvas.shade.dtype == canvas.light.dtype == met.skin.dtype == np.float32


def test_a_nearest_mean_face_does_not_solve_it(thousand):
    pixels = thousand.faces.images.reshape(1000, -1).astype(np.float32)
    labels, train = thousand.faces.labels, thousand.usage == TRAIN
    means = np.stack([pixels[train & (labels == code)].mean(axis=0) for code in range(7)])
    distance = ((pixels[~train, None] - means) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == labels[~train]).mean() < 0.4


def test_progress_ends_with_all_faces():
    seen = []
    synthetic_faces(250, 0, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (250, 250)


@pytest.mark.parametrize(
    ("count", "seed", "noise", "message"),
    [
        (199, 0, 0.0, "count 199.*200 to 1,000,000.*data.demo_faces"),
        (1_000_001, 0, 0.0, "count 1000001"),
        (200, -1, 0.0, "seed -1"),
        (200, 0, 1.0, "label noise 1.*data.demo_label_noise"),
        (200, 0, -0.1, "label noise -0.1"),
    ],
)
def test_values_out_of_range_are_named(count, seed, noise, message):
    with pytest.raises(InputError, match=message):
        synthetic_faces(count, seed, label_noise=noise)
