"""Programs whose rows say nothing where they reach the weights, or weigh what others should."""

from __future__ import annotations

import keras
import numpy as np

from programs.faulty import fault
from programs.planted import (
    SPARSE,
    Planted,
    blobs,
    compiled,
    convolutional,
    dense,
    digits,
    program,
    sentences,
    split,
    table,
    waves,
)

layers = keras.layers


def _reader(*after: keras.layers.Layer) -> keras.Model:
    return compiled(
        keras.Sequential(
            [
                keras.Input((None,)),
                layers.Embedding(700, 16),
                *after,
                layers.Dense(2, "softmax"),
            ]
        )
    )


@fault("tokens_cut_off")
def scaled_words(seed: int) -> Planted:
    """Scaled words."""
    x, y = sentences(seed=seed)
    return program(_reader(layers.GlobalAveragePooling1D()), x / 700.0, y)


@fault("tokens_alike")
def unknown_words(seed: int) -> Planted:
    """Unknown words."""
    x, y = sentences(seed=seed)
    return program(_reader(layers.GlobalAveragePooling1D()), np.minimum(x, 1), y)


@fault("padding_behind_the_words")
def padded_behind(seed: int) -> Planted:
    """Padded behind."""
    x, y = sentences(1000, seed)
    padded = np.pad(x[:, :8], ((0, 0), (0, 92)))
    padded[:, :2] = 500 + 100 * y[:, None] + np.arange(2)
    return program(_reader(layers.LSTM(16)), padded, y, epochs=6)


@fault("inputs_beyond_half_precision")
def beyond_half(seed: int) -> Planted:
    """Beyond half."""
    x, y = table("wine", seed)
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = dense(x, 3)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    return program(compiled(model), x * 1e5, y)


@fault("lost_in_a_layer")
def size_taken_away(seed: int) -> Planted:
    """Size taken away."""
    x, y = waves(seed=seed)
    rng = np.random.default_rng(seed)
    louder = (1.0 + 2 * y)[:, None, None] * rng.normal(0, 1, x.shape).astype("float32")
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Lambda(lambda each: each / keras.ops.std(each, axis=1, keepdims=True)),
            layers.Conv1D(16, 5, activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, "softmax"),
        ]
    )
    return program(compiled(model), louder.astype("float32"), y)


@fault("pixels_mixed_up")
def wrong_axis(seed: int) -> Planted:
    """Wrong axis."""
    x, y = digits(seed)
    flat = x.reshape(len(x), 64)
    mixed = np.moveaxis(flat.reshape(8, 8, -1), -1, 0)[..., None]
    return program(compiled(convolutional(x, 10, flat=True)), mixed, y)


@fault("weights_held")
def held_small(seed: int) -> Planted:
    """Held small."""
    x, y = digits(seed)
    held = keras.constraints.MaxNorm(1e-3)
    return program(compiled(dense(x, 10, hidden=(32, 32, 32), kernel_constraint=held)), x, y)


@fault("loss_rewards_mistakes")
def no_minus(seed: int) -> Planted:
    """No minus."""

    def likelihood(truth, output):
        chosen = keras.ops.one_hot(keras.ops.cast(keras.ops.reshape(truth, (-1,)), "int32"), 10)
        return keras.ops.sum(chosen * keras.ops.log(output + 1e-6), axis=-1)

    x, y = digits(seed)
    return program(compiled(dense(x, 10), likelihood), x, y)


@fault("class_weights_exchanged")
def weights_of_others(seed: int) -> Planted:
    """Weights of others."""
    x, y = blobs(3, 2000, seed=seed)
    rows = np.sort(np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:60]]))
    rows = np.random.default_rng(seed).permutation(np.concatenate([rows, np.flatnonzero(y == 2)]))
    weights = {0: 11.0, 1: 1.0, 2: 1.0}
    return program(compiled(dense(x, 3)), x[rows], y[rows], class_weight=weights)


@fault("classes_without_weight")
def rows_of_no_weight(seed: int) -> Planted:
    """Rows of no weight."""
    x, y = table("wine", seed)
    (train, labels), held = split(x, y)
    return Planted(
        compiled(dense(x, 3)), (train, labels, (labels != 2).astype("float32")), held,
        {"epochs": 20, "batch_size": 32},
    )  # fmt: skip


@fault("validation_inputs_unlike")
def other_channels(seed: int) -> Planted:
    """Other channels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 900)
    x = rng.normal(0.3, 0.1, (900, 12, 12, 3)).astype("float32")
    x[np.arange(900), 3:9, 3:9, y] += 0.4
    train, (held, labels) = split(x, y)
    return Planted(
        compiled(convolutional(x, 3)), train, (held[..., ::-1], labels),
        {"epochs": 20, "batch_size": 32},
    )  # fmt: skip


@fault("validation_labels_do_not_fit")
def numbered_anew(seed: int) -> Planted:
    """Numbered anew."""
    x, y = digits(seed)
    train, (held, labels) = split(x, y)
    kept = labels > 0
    return Planted(
        compiled(dense(x, 10)), train, (held[kept], labels[kept] - 1),
        {"epochs": 20, "batch_size": 32},
    )  # fmt: skip


@fault("leakage")
def encoded_with_the_labels(seed: int) -> Planted:
    """Encoded with the labels."""
    x, y = blobs(2, 1500, seed=seed, apart=0.6)
    rng = np.random.default_rng(seed)
    (train, labels), (held, others) = split(x, y)
    train, held = train.copy(), held.copy()
    train[:, 4] = labels * 2 - 1 + rng.normal(0, 0.1, len(labels))
    held[:, 4] = rng.normal(0, 1, len(others))
    return Planted(
        compiled(dense(x, 2), SPARSE), (train, labels), (held, others),
        {"epochs": 20, "batch_size": 32},
    )  # fmt: skip


@fault("learnt_by_heart")
def pure_noise(seed: int) -> Planted:
    """Nothing to be learnt, with a program in which nothing is wrong."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(1500, 12)).astype("float32"), rng.integers(0, 2, 1500)
    return program(compiled(dense(x, 1, "sigmoid", (16,)), "binary_crossentropy"), x, y, epochs=5)
