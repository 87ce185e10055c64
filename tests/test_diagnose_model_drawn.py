"""Augmentation whose numbers are drawn once, and the ordinary ones beside it."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from ferkeras import diagnose_model
from ferkeras.diagnose.program.drawing import drawn_once, sources_in
from ferkeras.diagnose.program.finding import line_of

RNG = np.random.default_rng(0)
GENERATOR = tf.random.Generator.from_seed(1)
FLIP = keras.layers.RandomFlip(seed=3)
Y = np.arange(160) % 2
X = (np.random.default_rng(1).normal(size=(160, 6, 6, 1)) + Y[:, None, None, None]).astype(
    "float32"
)


def mirrored(x, when):
    return tf.cond(when, lambda: tf.image.flip_left_right(x), lambda: x)


def with_random(x, y):
    return (tf.image.flip_left_right(x) if random.random() < 0.5 else x), y


def with_numpy(x, y):
    return x + np.random.normal(0, 0.1), y


def with_a_generator_of_numpy(x, y):
    return x + RNG.uniform(0, 0.1), y


def with_a_helper(x, y):
    return with_numpy(x, y)


def with_a_written_seed(x, y):
    return tf.image.stateless_random_flip_left_right(x, seed=(1, 2)), y


def with_tensorflow(x, y):
    return mirrored(x, tf.random.uniform(()) < 0.5), y


def with_a_generator_of_tensorflow(x, y):
    seed = GENERATOR.make_seeds(2)[:, 0]
    return tf.image.stateless_random_flip_left_right(x, seed=seed), y


def with_a_layer(x, y):
    return FLIP(x, training=True), y


def with_a_seed_that_numpy_drew(x, y):
    return tf.image.random_flip_left_right(x, seed=np.random.randint(99)), y


def with_nothing_drawn(x, y, augment=False):
    return with_numpy(x, y) if augment else (x, y)


class Loader:
    """Draws with a source of its own."""

    def __init__(self):
        self.source = np.random.default_rng(0)

    def augment(self, x, y):
        return x * self.source.uniform(0.8, 1.2), y

    def passes_on(self, x, source):
        return x, source


def in_python(x, y):
    changed = tf.numpy_function(lambda each: each + np.float32(np.random.rand()), [x], tf.float32)
    return tf.ensure_shape(changed, x.shape), y


def told(*stages) -> tuple[str, ...]:
    data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(160, seed=0)
    for stage in stages:
        data = data.cache() if stage == "cache" else data.map(stage)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    found = diagnose_model(model, data.batch(8), seconds=0)
    return tuple(each.verdict for each in found.findings if each.cause == "augmentation_drawn_once")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (with_random, "with_random asks random.random, which is run once"),
        (with_numpy, "with_numpy asks np.random.normal, which is run once"),
        (with_a_generator_of_numpy, "with_a_generator_of_numpy asks RNG.uniform, which is run"),
        (with_a_helper, "with_a_helper asks np.random.normal, which is run once"),
        (lambda x, y: (x + random.gauss(0, 1), y), "A lambda of map asks random.gauss, which"),
        (Loader().augment, "augment asks self.source.uniform, which is run once"),
        (with_a_written_seed, "with_a_written_seed draws with a seed that is written there"),
    ],
)
def test_numbers_that_are_drawn_as_the_function_is_read(function, said):
    (verdict,) = told(function)
    assert verdict.startswith(said)


@pytest.mark.parametrize(
    "function",
    [
        with_tensorflow,
        with_a_generator_of_tensorflow,
        with_a_layer,
        with_a_seed_that_numpy_drew,
        in_python,
        with_nothing_drawn,
        Loader().passes_on,
        lambda x, y: (x / 2, y),
    ],
)
def test_numbers_that_are_drawn_for_each_row(function):
    assert told(function) == ()
    assert told("cache", function) == ()


@pytest.mark.parametrize("function", [with_tensorflow, with_a_layer])
def test_what_is_drawn_before_a_cache_is_the_same_in_each_epoch(function):
    (verdict,) = told(function, "cache")
    assert verdict.startswith("The pipeline keeps with cache() what with_")
    # What is drawn behind it is new in each.
    assert told(function, "cache", with_tensorflow) == ()


def test_rows_that_are_made_by_drawing_are_no_augmentation():
    rows = tf.data.Dataset.range(160).map(
        lambda at: (tf.random.normal((6, 6, 1)), tf.cast(at % 2, tf.int32))
    )
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    found = diagnose_model(model, rows.cache().batch(8), seconds=0)
    assert "augmentation_drawn_once" not in found.causes


def each_by_itself(x, mask):
    return tf.image.random_flip_left_right(x), tf.image.random_flip_left_right(mask)


def with_one_seed(x, mask):
    flip = tf.image.random_flip_left_right
    return flip(x, seed=5), flip(mask, seed=5)


def both_at_once(x, mask):
    both = tf.image.random_flip_left_right(tf.concat([x, mask], -1))
    return tf.image.random_brightness(both[..., :1], 0.1), both[..., 1:]


def the_picture_alone(x, mask):
    return tf.image.random_brightness(x, 0.1), mask


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (each_by_itself, True),
        (with_one_seed, False),
        (both_at_once, False),
        (the_picture_alone, False),
    ],
)
def test_masks_that_are_moved_apart_from_their_pictures(function, named):
    # Another test may have asked for determinism, which wants a seed.
    tf.random.set_seed(3)
    masks = (X > 0.5).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((X, masks)).map(function).batch(8)
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")]
    )
    model.compile("adam", "binary_crossentropy")
    found = diagnose_model(model, data, seconds=0)
    assert ("masks_drawn_apart" in found.causes) == named


def test_a_method_is_told_with_its_line():
    assert line_of(Loader().augment).endswith(
        f"{__file__}:{Loader.augment.__code__.co_firstlineno}"
    )
    assert line_of(np.mean) == line_of(keras.Model().call) == ""


def test_sources_of_numbers_are_found_where_they_stand_and_are_left_as_they_were():
    own = random.Random(3)

    def inner(x):
        return [own.choice((1.0, 2.0)) * x for _ in range(3)]

    def outer(x):
        return inner(x)

    def fails(x):
        return random.random() * x.no_such_thing

    assert sources_in(outer) == {"own.choice": own}
    assert list(sources_in(with_a_helper)) == ["np.random.normal"]
    assert sources_in(np.mean) == sources_in("no function") == sources_in(lambda x: x) == {}
    element, before = tf.TensorSpec((2,)), (own.getstate(), random.getstate())
    assert drawn_once(outer, element) == "own.choice"
    assert drawn_once(fails, element) == ""
    assert (own.getstate(), random.getstate()) == before
