"""Programs in which nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from programs.planted import (
    SPARSE,
    Planted,
    blobs,
    compiled,
    convolutional,
    dense,
    digits,
    faces,
    hot,
    program,
    rings,
    sentences,
    split,
    table,
    waves,
)

Make = Callable[[int], Planted]
HEALTHY: dict[str, Make] = {}


def healthy(make: Make) -> Make:
    """Register a program in which nothing is wrong."""
    HEALTHY[make.__name__] = make
    return make


def _tables() -> None:
    for name, units in (("iris", 3), ("wine", 3), ("breast_cancer", 2), ("digits", 10)):

        def softmax(seed: int, name: str = name, units: int = units) -> Planted:
            x, y = table(name, seed)
            return program(compiled(dense(x, units)), x, y, epochs=40)

        def logits(seed: int, name: str = name, units: int = units) -> Planted:
            import keras

            x, y = table(name, seed)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            return program(compiled(dense(x, units, None, (64,)), loss), x, y, epochs=40)

        def linear(seed: int, name: str = name, units: int = units) -> Planted:
            x, y = table(name, seed)
            model = compiled(dense(x, units, hidden=()), rate=0.02)
            return program(model, x, y, epochs=40)

        def wide(seed: int, name: str = name, units: int = units) -> Planted:
            x, y = table(name, seed)
            model = dense(x, units, hidden=(256, 256, 256), activation="gelu")
            model = compiled(model, "categorical_crossentropy", 0.001)
            return program(model, x, hot(y), epochs=40)

        def momentum(seed: int, name: str = name, units: int = units) -> Planted:
            import keras

            x, y = table(name, seed)
            model = dense(x, units, activation="tanh")
            model.compile(keras.optimizers.SGD(0.05, 0.9), SPARSE, metrics=["accuracy"])
            return program(model, x, y, epochs=40)

        for make in (softmax, logits, linear, wide, momentum):
            HEALTHY[f"{name}_{make.__name__}"] = make


_tables()


@healthy
def cancer_sigmoid(seed: int) -> Planted:
    """One unit, two classes."""
    x, y = table("breast_cancer", seed)
    return program(compiled(dense(x, 1, "sigmoid"), "binary_crossentropy"), x, y)


@healthy
def cancer_logit(seed: int) -> Planted:
    """One unit without sigmoid, said so."""
    import keras

    x, y = table("breast_cancer", seed)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return program(compiled(dense(x, 1, None), loss), x, y)


@healthy
def cancer_hinge(seed: int) -> Planted:
    """A margin."""
    x, y = table("breast_cancer", seed)
    return program(compiled(dense(x, 1, "tanh"), "hinge", metrics=()), x, 2 * y - 1)


@healthy
def cancer_weighted(seed: int) -> Planted:
    """A class that weighs more."""
    x, y = table("breast_cancer", seed)
    model = compiled(dense(x, 1, "sigmoid"), "binary_crossentropy")
    return program(model, x, y, class_weight={0: 1.7, 1: 1.0})


@healthy
def digits_convolutional(seed: int) -> Planted:
    """Pictures."""
    x, y = digits(seed)
    return program(compiled(convolutional(x, 10, flat=True)), x, y)


@healthy
def digits_batchnorm(seed: int) -> Planted:
    """BatchNormalization and dropout."""
    x, y = digits(seed)
    return program(compiled(convolutional(x, 10, norm=True, drop=0.3)), x, y)


@healthy
def digits_batchnorm_long(seed: int) -> Planted:
    """Keras's momentum of 0.99, over a long training."""
    x, y = digits(seed)
    return program(compiled(convolutional(x, 10, norm=True, momentum=0.99)), x, y, epochs=200)


@healthy
def digits_raw_rescaled(seed: int) -> Planted:
    """Raw pixels, scaled inside the network."""
    import keras

    x, y = digits(seed)
    inner = dense(x, 10)
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Rescaling(1 / 255), inner])
    return program(compiled(model), (x * 255).astype("uint8"), y)


@healthy
def digits_normalised_inside(seed: int) -> Planted:
    """Raw pixels before a Normalization layer."""
    import keras

    x, y = digits(seed)
    x = x * 255
    norm = keras.layers.Normalization()
    norm.adapt(x)
    model = keras.Sequential([keras.Input(x.shape[1:]), norm, dense(x, 10)])
    return program(compiled(model), x, y)


@healthy
def digits_half_precision(seed: int) -> Planted:
    """bfloat16."""
    import keras

    x, y = digits(seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = convolutional(x, 10, None, flat=True)
        model = keras.Sequential([model, keras.layers.Activation("softmax", dtype="float32")])
        model.build((None, *x.shape[1:]))
    finally:
        keras.config.set_dtype_policy(before)
    return program(compiled(model), x, y)


@healthy
def digits_soft_labels(seed: int) -> Planted:
    """Smoothed labels."""
    x, y = digits(seed)
    model = compiled(convolutional(x, 10, flat=True), "categorical_crossentropy")
    return program(model, x, 0.9 * hot(y) + 0.01)


@healthy
def digits_streamed(seed: int) -> Planted:
    """A shuffled `tf.data`."""
    import tensorflow as tf

    x, y = digits(seed)
    train, validation = split(x, y)
    data = tf.data.Dataset.from_tensor_slices(train).shuffle(2000, seed=seed).batch(32)
    held = tf.data.Dataset.from_tensor_slices(validation).batch(64)
    return Planted(compiled(convolutional(x, 10, flat=True)), data, held, {"epochs": 20})


@healthy
def digits_sorted_but_shuffled(seed: int) -> Planted:
    """Rows in the order of their classes, which `fit` mixes."""
    x, y = digits(seed)
    order = np.argsort(y, kind="stable")
    model = compiled(convolutional(x, 10, flat=True))
    return Planted(model, (x[order], y[order]), None, {"epochs": 20, "shuffle": True})


@healthy
def digits_subclass(seed: int) -> Planted:
    """A subclass of keras.Model."""
    import keras

    x, y = digits(seed)

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = convolutional(x, 10, None, flat=True)

        def call(self, inputs: Any, training: bool | None = None) -> Any:
            return keras.ops.softmax(self.inner(inputs, training=training))

    return program(compiled(Net()), x, y)


@healthy
def digits_transfer(seed: int) -> Planted:
    """A trained body that is frozen, and a new end."""
    import keras

    x, y = digits(seed)
    body = convolutional(x, 5, flat=True)
    compiled(body)
    body.fit(x[y < 5], y[y < 5], epochs=6, verbose=0)
    body.pop()
    body.trainable = False
    model = keras.Sequential([keras.Input(x.shape[1:]), body, keras.layers.Dense(5, "softmax")])
    return program(compiled(model, rate=0.01), x[y >= 5], y[y >= 5] - 5)


@healthy
def digits_fine_tuned(seed: int) -> Planted:
    """A trained network that goes on with a tenth of the rate."""
    x, y = digits(seed)
    model = compiled(convolutional(x, 10, flat=True))
    model.fit(x[:1000], y[:1000], epochs=8, verbose=0)
    return program(compiled(model, rate=1e-4), x, y, epochs=3)


@healthy
def faces_convolutional(seed: int) -> Planted:
    """Synthetic faces."""
    x, y = faces(seed=seed)
    model = compiled(convolutional(x, 7, norm=True, widths=(8, 16, 32)), rate=0.004)
    return program(model, x, y, epochs=30)


@healthy
def hundred_classes(seed: int) -> Planted:
    """A hundred classes."""
    x, y = blobs(100, 4000, 40, seed, 3.0)
    return program(compiled(dense(x, 100, hidden=(128,))), x, y)


@healthy
def thousand_classes(seed: int) -> Planted:
    """As many classes as some have three rows."""
    x, y = blobs(1000, 6000, 60, seed, 4.0)
    return program(compiled(dense(x, 1000, hidden=(256,))), x, y, epochs=40)


@healthy
def imbalanced(seed: int) -> Planted:
    """One row in ten of the rare class."""
    x, y = blobs(2, 3000, 10, seed, 2.5)
    keep = (y == 0) | (np.random.default_rng(seed).random(len(y)) < 0.11)
    model = compiled(dense(x, 1, "sigmoid"), "binary_crossentropy")
    return program(model, x[keep], y[keep])


@healthy
def noisy(seed: int) -> Planted:
    """Classes that overlap: nobody gets far above eight in ten."""
    x, y = blobs(2, 2000, 4, seed, 1.0)
    return program(compiled(dense(x, 1, "sigmoid"), "binary_crossentropy"), x, y)


@healthy
def independent(seed: int) -> Planted:
    """Labels that do not exclude each other."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1500, 12)).astype("float32")
    y = (x @ rng.normal(size=(12, 5)) > 0.5).astype("float32")
    model = compiled(dense(x, 5, "sigmoid"), "binary_crossentropy", metrics=["binary_accuracy"])
    return program(model, x, y)


@healthy
def text_embedding(seed: int) -> Planted:
    """Tokens."""
    import keras

    x, y = sentences(seed=seed)
    model = keras.Sequential(
        [
            keras.Input((30,), dtype="int32"),
            keras.layers.Embedding(700, 16),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(16, "relu"),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    return program(compiled(model, "binary_crossentropy", 0.005), x, y)


@healthy
def text_recurrent(seed: int) -> Planted:
    """Tokens and an LSTM."""
    import keras

    x, y = sentences(seed=seed)
    model = keras.Sequential(
        [
            keras.Input((30,), dtype="int32"),
            keras.layers.Embedding(700, 16),
            keras.layers.LSTM(16),
            keras.layers.Dense(2, "softmax"),
        ]
    )
    return program(compiled(model, rate=0.005), x, y)


@healthy
def waves_convolutional(seed: int) -> Planted:
    """Sequences."""
    import keras

    x, y = waves(seed=seed)
    model = keras.Sequential(
        [
            keras.Input((40, 1)),
            keras.layers.Conv1D(16, 5, activation="relu"),
            keras.layers.Conv1D(16, 5, activation="relu"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    return program(compiled(model, rate=0.005), x, y)


@healthy
def two_inputs(seed: int) -> Planted:
    """A dict of inputs."""
    import keras

    x, y = table("wine", seed)
    a, b = keras.Input((6,), name="a"), keras.Input((7,), name="b")
    inner = keras.layers.Concatenate()([keras.layers.Dense(16, "relu")(a), b])
    model = keras.Model({"a": a, "b": b}, keras.layers.Dense(3, "softmax")(inner))
    return Planted(
        compiled(model, rate=0.01), ({"a": x[:, :6], "b": x[:, 6:]}, y), None, {"epochs": 40}
    )


@healthy
def rings_small(seed: int) -> Planted:
    """A small network that suffices."""
    x, y = rings(seed=seed)
    model = compiled(dense(x, 1, "sigmoid", (16, 16)), "binary_crossentropy", 0.01)
    return program(model, x, y, epochs=30)


@healthy
def few_rows(seed: int) -> Planted:
    """Thirty rows."""
    x, y = blobs(3, 30, 5, seed, 3.0)
    return Planted(compiled(dense(x, 3), rate=0.01), (x, y), None, {"epochs": 100, "batch_size": 8})


@healthy
def residual_zero_gamma(seed: int) -> Planted:
    """A residual branch that begins at zero, and a last layer of zeros."""
    import keras

    x, y = digits(seed)
    layers = keras.layers
    inputs = keras.Input(x.shape[1:])
    z = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    branch = layers.Conv2D(16, 3, padding="same", use_bias=False)(z)
    branch = layers.BatchNormalization(gamma_initializer="zeros", momentum=0.9)(branch)
    z = layers.GlobalAveragePooling2D()(layers.Activation("relu")(layers.Add()([z, branch])))
    out = layers.Dense(10, "softmax", kernel_initializer="zeros")(z)
    return program(compiled(keras.Model(inputs, out), rate=0.01), x, y, epochs=40)


@healthy
def deep_and_wide(seed: int) -> Planted:
    """A hundred thousand parameters, weight decay, a schedule."""
    import keras

    x, y = table("digits", seed)
    model = dense(x, 10, hidden=(256, 256))
    rate = keras.optimizers.schedules.CosineDecay(0.002, 900)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.01), SPARSE, metrics=["accuracy"])
    return program(model, x, y)


@healthy
def accumulated_long(seed: int) -> Planted:
    """A low rate, for a long time."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 10), rate=1e-4), x, y, epochs=500)


@healthy
def digits_much_dropout(seed: int) -> Planted:
    """Half of the units dropped, weights that cost a little, classes weighed by their rows."""
    import keras

    x, y = table("digits", seed)
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.Dense(128, "relu", kernel_regularizer=keras.regularizers.L2(1e-4)),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    weights = {at: 1 + 0.3 * at for at in range(10)}
    return program(compiled(model, optimizer="adamw"), x, y, class_weight=weights)


@healthy
def digits_scaled_inside(seed: int) -> Planted:
    """Raw pixels that the model brings to -1 to 1."""
    import keras

    x, y = digits(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, "softmax"),
        ]
    )
    return program(compiled(model), (255 * x).round(), y)
