"""Programs with a tf.data pipeline that augments, wrongly or rightly, and what is fitted apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from programs.faulty import fault
from programs.healthy import healthy
from programs.planted import Planted, compiled, convolutional, dense, digits, hot, program, table

CUT = 1400


def _read(
    x: np.ndarray, y: np.ndarray, model: keras.Model, *stages: Callable[..., Any] | str
) -> Planted:
    data = tf.data.Dataset.from_tensor_slices((x[:CUT], y[:CUT]))
    for stage in stages:
        data = data.cache() if stage == "cache" else data.map(stage)
    return Planted(
        model, data.shuffle(CUT).batch(32), (x[CUT:], y[CUT:]), {"epochs": 10, "callbacks": []}
    )


def _brighter(x: Any, y: Any) -> Any:
    return tf.image.random_brightness(x, 0.1), y


def _drawn_by_numpy(x: Any, y: Any) -> Any:
    return x + np.random.uniform(-0.1, 0.1), y


def _with_a_written_seed(x: Any, y: Any) -> Any:
    return tf.image.stateless_random_brightness(x, 0.1, seed=(1, 2)), y


def _disc(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures with a brighter disc, and where it is."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:16, :16]
    middle = rng.integers(3, 13, (CUT + 200, 2, 1, 1))
    mask = (rows - middle[:, 0]) ** 2 + (columns - middle[:, 1]) ** 2 < 9
    mask = mask[..., None].astype("float32")
    return (rng.normal(0.3, 0.1, mask.shape) + 0.5 * mask).astype("float32"), mask


def _segmenting() -> keras.Model:
    body = [keras.layers.Conv2D(8, 3, padding="same", activation="relu") for _ in range(2)]
    last = keras.layers.Conv2D(1, 1, activation="sigmoid")
    model = keras.Sequential([keras.Input((16, 16, 1)), *body, last])
    return compiled(model, "binary_crossentropy", metrics=[keras.metrics.BinaryIoU([1])])


def _each_by_itself(x: Any, mask: Any) -> Any:
    return tf.image.random_flip_left_right(x), tf.image.random_flip_left_right(mask)


def _both_at_once(x: Any, mask: Any) -> Any:
    both = tf.image.random_flip_left_right(tf.concat([x, mask], -1))
    return tf.image.random_brightness(both[..., :1], 0.05), both[..., 1:]


def _outputs_first(y_pred: Any, y_true: Any) -> Any:
    y_pred = keras.ops.clip(y_pred, 1e-7, 1 - 1e-7)
    return -keras.ops.sum(y_true * keras.ops.log(y_pred), -1)


@fault("augmentation_drawn_once")
def numpy_in_map(seed: int) -> Planted:
    """NumPy's numbers in map."""
    x, y = digits(seed)
    return _read(x, y, compiled(convolutional(x, 10)), _drawn_by_numpy)


@fault("augmentation_drawn_once")
def written_seed(seed: int) -> Planted:
    """A written seed."""
    x, y = digits(seed)
    return _read(x, y, compiled(convolutional(x, 10)), _with_a_written_seed)


@fault("augmentation_drawn_once")
def cached_behind(seed: int) -> Planted:
    """A cache behind augmentation."""
    x, y = digits(seed)
    return _read(x, y, compiled(convolutional(x, 10)), _brighter, "cache")


@fault("masks_drawn_apart")
def masks_by_themselves(seed: int) -> Planted:
    """Masks flipped by themselves."""
    return _read(*_disc(seed), _segmenting(), _each_by_itself)


@fault("loss_arguments_exchanged")
def arguments_exchanged(seed: int) -> Planted:
    """A loss that takes outputs first."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 10), _outputs_first), x, hot(y))


@fault("validation_scaled_by_itself")
def scaled_apart(seed: int) -> Planted:
    """A scaler for each split."""
    x, y = table("breast_cancer", seed)
    planted = program(compiled(dense(x, 2)), 3 * x + 5, y)
    planted.train, planted.validation = (
        ((rows - rows.mean(0)) / rows.std(0), labels)
        for rows, labels in (planted.train, planted.validation)
    )
    return planted


@fault("learning_rate_too_low")
def rate_of_nothing(seed: int) -> Planted:
    """A rate of 0."""
    x, y = table("wine", seed)
    return program(compiled(dense(x, 3), rate=0.0), x, y)


@healthy
def augmented_behind_cache(seed: int) -> Planted:
    """Augmented behind a cache."""
    x, y = digits(seed)
    return _read(x, y, compiled(convolutional(x, 10)), "cache", _brighter)


@healthy
def masks_with_their_pictures(seed: int) -> Planted:
    """Masks flipped with their pictures."""
    return _read(*_disc(seed), _segmenting(), _both_at_once)


@healthy
def warm_up_from_nothing(seed: int) -> Planted:
    """A warm-up from 0."""
    x, y = table("digits", seed)
    rate = keras.optimizers.schedules.CosineDecay(0.0, 800, warmup_target=3e-3, warmup_steps=100)
    planted = program(compiled(dense(x, 10), rate=None), x, y)
    planted.model.optimizer.learning_rate = rate
    return planted


@healthy
def shares_of_raters(seed: int) -> Planted:
    """Several labels as three raters give them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(900, 8)).astype("float32")
    opinions = x[:, :4] + rng.normal(0, 0.2, (3, 900, 4)) > 0
    model = compiled(dense(x, 4, "sigmoid"), "binary_crossentropy", metrics=["binary_accuracy"])
    return program(model, x, opinions.mean(0).astype("float32"))
