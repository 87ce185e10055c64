"""Input pipeline: order and augmentation are functions of (seed, epoch, place) alone."""

import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ferkeras.config.sections.augment import Augment
from ferkeras.data import warp
from ferkeras.data.augment import NUMBERS, augment
from ferkeras.data.pipeline import TrainingPipeline, plain_dataset

STILL = Augment(flip=False, shift=0, rotate_degrees=0, zoom=0, brightness=0, contrast=0, erase=0)


def batches(dataset):
    return [(images.numpy(), labels.numpy()) for images, labels in dataset]


def same(left, right):
    return len(left) == len(right) and all(
        np.array_equal(a, b)
        for pair in zip(left, right, strict=True)
        for a, b in zip(*pair, strict=True)
    )


@pytest.fixture
def pipeline(make_faces):
    faces = make_faces(np.arange(50) % 7)

    def make(**changes):
        arguments = {"batch_size": 8, "seed": 5, "augmentation": Augment(), **changes}
        return TrainingPipeline(faces, **arguments)

    make.faces = faces
    return make


@pytest.mark.parametrize("balanced", [False, True])
def test_any_step_of_any_epoch_can_be_begun_at(pipeline, balanced):
    whole = batches(pipeline(balanced=balanced).dataset(1, 3))
    assert len(whole) == 21
    later = batches(pipeline(balanced=balanced).dataset(2, 3, first_step=3))
    assert same(whole[7 + 3 :], later)


def test_every_face_once_an_epoch_in_a_new_order(pipeline):
    make = pipeline(augmentation=STILL)
    first, second = make.order(1).numpy(), make.order(2).numpy()
    assert sorted(first) == sorted(second) == list(range(50))
    assert not np.array_equal(first, second)
    images = np.concatenate([images for images, _ in batches(make.dataset(1, 1))])
    assert np.array_equal(images, pipeline.faces.images[first])


def test_another_seed_is_another_order(pipeline):
    assert not np.array_equal(pipeline(seed=1).order(1), pipeline(seed=2).order(1))


def test_labels_stay_with_their_faces(pipeline):
    make = pipeline(augmentation=STILL, balanced=True)
    by_image = {
        image.tobytes(): label
        for image, label in zip(pipeline.faces.images, pipeline.faces.labels, strict=True)
    }
    for images, labels in batches(make.dataset(1, 2)):
        assert [by_image[image.tobytes()] for image in images] == list(labels)


def test_cardinality_is_the_steps_that_fit_gets(pipeline):
    assert int(pipeline().dataset(1, 3, first_step=2).cardinality()) == 3 * 7 - 2


def test_balanced_sampler_draws_every_class_alike(make_faces):
    labels = np.repeat(np.arange(7), [800, 20, 800, 1600, 900, 600, 900])
    pipeline = TrainingPipeline(
        make_faces(labels), batch_size=64, seed=0, augmentation=STILL, balanced=True
    )
    frequencies = np.bincount(labels[pipeline.order(1).numpy()], minlength=7) / len(labels)
    # Three standard deviations of a fraction of 1/7 at 5,620 draws.
    assert np.abs(frequencies - 1 / 7).max() < 3 * np.sqrt(1 / 7 * 6 / 7 / len(labels))


def test_no_change_asked_for_no_change_made(make_faces):
    images = make_faces(range(7)).images
    numbers = tf.random.stateless_uniform((7, NUMBERS), [1, 2])
    assert np.array_equal(augment(images, numbers, STILL), images)


@pytest.mark.parametrize(
    "change",
    [
        {"flip": True},
        {"shift": 0.2},
        {"rotate_degrees": 30.0},
        {"zoom": 0.3},
        {"brightness": 0.3},
        {"contrast": 0.5},
        {"erase": 1.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_change_changes_faces_by_its_own_numbers_alone(make_faces, change):
    images = make_faces(np.zeros(16)).images
    numbers = tf.random.stateless_uniform((16, NUMBERS), [1, 2])
    settings = STILL.model_copy(update=change)
    changed = augment(images, numbers, settings).numpy()
    assert changed.dtype == np.uint8
    assert changed.shape == images.shape
    assert not np.array_equal(changed, images)
    alone = [augment(images[i : i + 1], numbers[i : i + 1], settings).numpy()[0] for i in range(16)]
    assert np.array_equal(changed, alone)


def test_flip_mirrors_exactly_half_by_chance(make_faces):
    images = make_faces(np.zeros(64)).images
    numbers = tf.random.stateless_uniform((64, NUMBERS), [1, 2])
    changed = augment(images, numbers, STILL.model_copy(update={"flip": True})).numpy()
    mirrored = numbers[:, 2].numpy() < 0.5
    assert 0 < mirrored.sum() < 64
    # The warp interpolates at exact pixels, so nothing but rounding may differ.
    expected = np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    assert np.abs(changed.astype(int) - expected).max() <= 1


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.floats(0, 0.5), st.floats(0, 90), st.floats(0, 0.9))
def test_both_warps_give_the_same_pixels(seed, shift, turn, zoom):
    # Where tensorflow-addons is not installed both sides are Keras, and the test is trivially true.
    images = np.random.default_rng(seed).integers(0, 256, (4, 48, 48, 1), dtype=np.uint8)
    numbers = tf.random.stateless_uniform((4, NUMBERS), [seed, 1])
    moved = STILL.model_copy(update={"shift": shift, "rotate_degrees": turn, "zoom": zoom})
    ours = augment(images, numbers, moved)
    original, warp._addons = warp._addons, None
    try:
        keras_alone = augment(images, numbers, moved)
    finally:
        warp._addons = original
    assert np.array_equal(ours, keras_alone)


def test_loading_the_addons_leaves_nothing_behind():
    assert not [
        name for name in sys.modules if name.startswith(("tensorflow_addons", "keras.src.engine"))
    ]


def test_plain_dataset_keeps_order(make_faces):
    faces = make_faces([3, 1, 2])
    assert same(batches(plain_dataset(faces)), [(faces.images, faces.labels)])


def test_no_tuner_delays_the_end_of_a_dataset(pipeline, make_faces):
    for dataset in (pipeline().dataset(1, 1), plain_dataset(make_faces([3, 1, 2]))):
        assert dataset.options().autotune.enabled is False
