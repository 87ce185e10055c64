"""Plant faults in plain Keras programs and diagnose them; healthy programs must stay unnamed.

  PYTHONPATH=. python benchmarks/planted_program_faults.py
  PYTHONPATH=. python benchmarks/planted_program_faults.py --only healthy --seconds 30
  PYTHONPATH=. python benchmarks/planted_program_faults.py --seeds 3 --json figures.json

Each program is a compiled model with its data and what `fit` would be given: tables of
scikit-learn, digits, synthetic faces, sequences, tokens. A fault is planted in one of them; the
cause that `ferkeras.diagnose_model` names first is compared with it. Healthy programs are of
other kinds as well: transfer, many classes, independent labels, half precision, logits, soft
labels. Prints a line a program and the counts; --json writes every row.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@dataclass
class Planted:
    """A program before it is trained."""

    model: Any
    train: Any
    validation: Any = None
    fit: dict[str, Any] = field(default_factory=dict)


# Data


def table(name: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Standardised columns and class indices of a data set of scikit-learn, in random order."""
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")()
    x, y = data.data.astype("float32"), data.target
    x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-6)
    order = np.random.default_rng(seed).permutation(len(y))
    return x[order], y[order]


def digits(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """8 x 8 pictures of digits, 0 to 1."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    return (data.images[..., None] / 16).astype("float32")[order], data.target[order]


def faces(count: int = 1200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic faces, 0 to 1, of seven emotions."""
    from ferkeras.data.synthetic.dataset import synthetic_faces

    drawn = synthetic_faces(count, seed).faces
    return (drawn.images / 255).astype("float32"), drawn.labels.astype("int64")


def blobs(
    classes: int, rows: int, columns: int = 20, seed: int = 0, apart: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """Points around one centre a class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, rows)
    x = rng.normal(0, apart / 2, (classes, columns))[y] + rng.normal(0, 1, (rows, columns))
    return x.astype("float32"), y


def rings(rows: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two rings, one inside the other, which no line divides."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    angle, radius = rng.uniform(0, 2 * np.pi, rows), 0.7 + 0.9 * y + rng.normal(0, 0.1, rows)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).astype("float32"), y


def sentences(rows: int = 1500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Token numbers, of which some occur more often in one class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    x = rng.integers(1, 500, (rows, 30))
    marked = rng.random(x.shape) < 0.2
    return np.where(marked, rng.integers(500, 600, x.shape) + 100 * y[:, None], x), y


def waves(rows: int = 800, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of three frequencies, in noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    t = np.arange(40)
    x = np.sin(t * (0.2 + 0.25 * y[:, None]) + rng.uniform(0, 6, (rows, 1)))
    return (x + rng.normal(0, 0.3, x.shape))[..., None].astype("float32"), y


def hot(y: np.ndarray, classes: int | None = None) -> np.ndarray:
    """One column a class."""
    return np.eye(classes or y.max() + 1, dtype="float32")[y]


# Models


def dense(
    x: np.ndarray,
    units: int,
    last: str | None = "softmax",
    hidden: tuple[int, ...] = (32, 32),
    activation: str = "relu",
    **kwargs: Any,
) -> Any:
    """Dense layers; `kwargs` go to the hidden ones."""
    import keras

    return keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            *([keras.layers.Flatten()] if x.ndim > 2 else []),
            *(keras.layers.Dense(width, activation, **kwargs) for width in hidden),
            keras.layers.Dense(units, last),
        ]
    )


def convolutional(
    x: np.ndarray, units: int, last: str | None = "softmax", norm: bool = False, **options: Any
) -> Any:
    """Two convolutions, average over the picture, one dense layer."""
    import keras

    layers = keras.layers
    momentum, drop = options.get("momentum", 0.9), options.get("drop", 0.0)
    body: list[Any] = [keras.Input(x.shape[1:])]
    for width in options.get("widths", (16, 32)):
        body.append(layers.Conv2D(width, 3, padding="same", use_bias=not norm))
        body += [layers.BatchNormalization(momentum=momentum)] if norm else []
        body += [layers.Activation("relu"), layers.MaxPooling2D()]
    body += [layers.Flatten() if options.get("flat") else layers.GlobalAveragePooling2D()]
    body += [layers.Dropout(drop)] if drop else []
    return keras.Sequential([*body, layers.Dense(units, last)])


SPARSE = "sparse_categorical_crossentropy"


def compiled(
    model: Any, loss: Any = SPARSE, rate: float | None = 0.003, metrics: Any = ("accuracy",),
    optimizer: str = "adam",
) -> Any:  # fmt: skip
    """The model, compiled."""
    import keras

    tool = keras.optimizers.get(optimizer)
    if rate is not None:
        tool.learning_rate = rate
    model.compile(tool, loss, metrics=list(metrics))
    return model


def split(x: Any, y: np.ndarray, at: float = 0.8) -> tuple[Any, Any]:
    """Rows before and after a place."""
    n = int(at * len(y))
    return (x[:n], y[:n]), (x[n:], y[n:])


def program(model: Any, x: Any, y: np.ndarray, **fit: Any) -> Planted:
    """A program with a validation split of its own."""
    train, validation = split(x, y)
    return Planted(model, train, validation, {"epochs": 20, "batch_size": 32, **fit})


# Healthy programs

Make = Callable[[int], Planted]
HEALTHY: dict[str, Make] = {}
FAULTS: dict[str, tuple[str, Make]] = {}


def healthy(make: Make) -> Make:
    """Register a program in which nothing is wrong."""
    HEALTHY[make.__name__] = make
    return make


def fault(cause: str) -> Callable[[Make], Make]:
    """Register a program with one thing wrong."""

    def register(make: Make) -> Make:
        FAULTS[make.__name__] = cause, make
        return make

    return register


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
def pure_noise(seed: int) -> Planted:
    """Nothing to be learnt, with a program in which nothing is wrong."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(1500, 12)).astype("float32"), rng.integers(0, 2, 1500)
    return program(compiled(dense(x, 1, "sigmoid", (16,)), "binary_crossentropy"), x, y, epochs=5)


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


# Faults


@fault("softmax_on_one_unit")
def one_softmax(seed: int) -> Planted:
    """One softmax."""
    x, y = table("breast_cancer", seed)
    return program(compiled(dense(x, 1, "softmax"), "binary_crossentropy"), x, y)


@fault("sigmoid_for_exclusive_classes")
def sigmoids(seed: int) -> Planted:
    """Sigmoids."""
    x, y = table("wine", seed)
    return program(compiled(dense(x, 3, "sigmoid"), "categorical_crossentropy"), x, hot(y))


@fault("softmax_for_independent_labels")
def exclusive(seed: int) -> Planted:
    """Exclusive."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(800, 8)).astype("float32")
    y = (x[:, :4] > 0).astype("float32")
    return program(compiled(dense(x, 4), "binary_crossentropy", metrics=()), x, y)


@fault("no_output_activation")
def raw_numbers(seed: int) -> Planted:
    """Raw numbers."""
    x, y = digits(seed)
    return program(compiled(convolutional(x, 10, None)), x, y)


@fault("relu_output")
def rectified(seed: int) -> Planted:
    """Rectified."""
    x, y = table("breast_cancer", seed)
    return program(compiled(dense(x, 1, "relu"), "binary_crossentropy"), x, y)


@fault("wrong_loss")
def squares(seed: int) -> Planted:
    """Squares."""
    x, y = table("wine", seed)
    return program(compiled(dense(x, 3), "mse"), x, hot(y))


@fault("wrong_loss")
def logits_twice(seed: int) -> Planted:
    """Logits twice."""
    import keras

    x, y = table("wine", seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return program(compiled(dense(x, 3), loss), x, y)


@fault("output_units")
def too_few_units(seed: int) -> Planted:
    """Too few units."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 9)), x, y)


@fault("labels_out_of_range")
def labels_from_one(seed: int) -> Planted:
    """Labels from one."""
    x, y = table("wine", seed)
    return program(compiled(dense(x, 3)), x, y + 1)


@fault("labels_out_of_range")
def labels_with_signs(seed: int) -> Planted:
    """Labels with signs."""
    x, y = table("breast_cancer", seed)
    return program(compiled(dense(x, 1, "sigmoid"), "binary_crossentropy"), x, 2 * y - 1)


@fault("labels_destroyed")
def labels_scaled(seed: int) -> Planted:
    """Labels scaled."""
    x, y = digits(seed)
    return program(compiled(convolutional(x, 10)), x, y / 255)


@fault("labels_destroyed")
def labels_shuffled(seed: int) -> Planted:
    """Labels shuffled."""
    x, y = digits(seed)
    result = program(compiled(convolutional(x, 10, flat=True)), x, y)
    rows = np.random.default_rng(seed).permutation(len(result.train[1]))
    result.train = (result.train[0], result.train[1][rows])
    return result


@fault("unscaled_inputs")
def raw_columns(seed: int) -> Planted:
    """Raw columns."""
    x, y = table("wine", seed)
    x = x * 10.0 ** np.arange(13)[None] % 1e7
    return program(compiled(dense(x, 3)), x.astype("float32"), y)


@fault("unscaled_inputs")
def shifted_columns(seed: int) -> Planted:
    """Shifted columns."""
    x, y = table("iris", seed)
    return program(compiled(dense(x, 3, hidden=(8,)), rate=0.001), x + 300, y, epochs=30)


@fault("unscaled_inputs")
def scaled_twice(seed: int) -> Planted:
    """Scaled twice."""
    x, y = digits(seed)
    model = compiled(dense(x, 10, hidden=(32,)), rate=0.01, optimizer="sgd")
    return program(model, x / 255, y)


@fault("channels_first")
def channels_first(seed: int) -> Planted:
    """Channels first."""
    x, y = digits(seed)
    x = np.moveaxis(np.repeat(x, 3, -1), -1, 1)
    import keras

    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.Conv2D(16, 2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    return program(compiled(model), x, y)


@fault("initialisation")
def all_zero(seed: int) -> Planted:
    """All zero."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 10, kernel_initializer="zeros")), x, y)


@fault("initialisation")
def all_equal(seed: int) -> Planted:
    """All equal."""
    import keras

    x, y = table("digits", seed)
    model = dense(x, 10, kernel_initializer=keras.initializers.Constant(0.1))
    model.layers[-1].kernel.assign(np.full((32, 10), 0.1))
    return program(compiled(model), x, y)


@fault("initialisation")
def exploding(seed: int) -> Planted:
    """Exploding."""
    import keras

    x, y = table("digits", seed)
    start = keras.initializers.RandomNormal(stddev=10, seed=seed)
    model = dense(x, 10, hidden=(32, 32, 32, 32), kernel_initializer=start)
    return program(compiled(model, rate=0.001), x, y)


@fault("frozen_layers")
def all_frozen(seed: int) -> Planted:
    """All frozen."""
    x, y = table("digits", seed)
    model = dense(x, 10)
    model.trainable = False
    return program(compiled(model), x, y)


@fault("frozen_layers")
def frozen_at_random(seed: int) -> Planted:
    """Frozen at random."""
    x, y = digits(seed)
    model = convolutional(x, 10, widths=(4, 4))
    for layer in model.layers[:-1]:
        layer.trainable = False
    return program(compiled(model, rate=0.01), x, y, epochs=40)


@fault("gradient_does_not_reach")
def stopped(seed: int) -> Planted:
    """Stopped."""
    import keras

    x, y = table("digits", seed)
    inputs = keras.Input(x.shape[1:])
    z = keras.layers.Dense(16, "relu")(inputs)
    z = keras.layers.Lambda(keras.ops.stop_gradient)(z)
    model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(z))
    return program(compiled(model), x, y)


@fault("optimizer_holds_other_variables")
def old_optimizer(seed: int) -> Planted:
    """Old optimizer."""
    import keras

    x, y = table("digits", seed)
    old = compiled(dense(x, 10))
    old.optimizer.build(old.trainable_variables)
    model = keras.Sequential([*old.layers[:-1], keras.layers.Dense(10, "softmax")])
    model.build((None, *x.shape[1:]))
    model.compile(old.optimizer, SPARSE)
    return program(model, x, y)


@fault("learning_rate_too_high")
def rate_ten(seed: int) -> Planted:
    """Rate ten."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 10), rate=3.0), x, y)


@fault("learning_rate_too_high")
def rate_high_sgd(seed: int) -> Planted:
    """Rate high sgd."""
    x, y = digits(seed)
    model = compiled(convolutional(x, 10, flat=True), rate=5.0, optimizer="sgd")
    return program(model, x, y)


@fault("learning_rate_too_low")
def rate_tiny(seed: int) -> Planted:
    """Rate tiny."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 10), rate=1e-7), x, y)


@fault("learning_rate_too_low")
def rate_tiny_sgd(seed: int) -> Planted:
    """Rate tiny sgd."""
    x, y = digits(seed)
    model = compiled(convolutional(x, 10, flat=True), rate=1e-5, optimizer="sgd")
    return program(model, x, y)


@fault("too_few_epochs")
def one_epoch(seed: int) -> Planted:
    """One epoch."""
    x, y = table("wine", seed)
    return program(compiled(dense(x, 3, hidden=(16,)), rate=0.001), x, y, epochs=1)


@fault("batch_size")
def whole_batch(seed: int) -> Planted:
    """Whole batch."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 10), rate=0.001), x, y, epochs=10, batch_size=2000)


@fault("wrong_metric")
def exact_equality(seed: int) -> Planted:
    """Exact equality."""
    import keras

    x, y = table("breast_cancer", seed)
    model = dense(x, 1, "sigmoid")
    return program(compiled(model, "binary_crossentropy", metrics=[keras.metrics.Accuracy()]), x, y)


@fault("wrong_metric")
def binary_of_many(seed: int) -> Planted:
    """Binary of many."""
    x, y = table("digits", seed)
    model = compiled(dense(x, 10), "categorical_crossentropy", metrics=["binary_accuracy"])
    return program(model, x, hot(y))


@fault("not_shuffled")
def sorted_stream(seed: int) -> Planted:
    """Sorted stream."""
    import tensorflow as tf

    x, y = digits(seed)
    order = np.argsort(y, kind="stable")
    data = tf.data.Dataset.from_tensor_slices((x[order], y[order])).batch(32)
    return Planted(compiled(convolutional(x, 10)), data, None, {"epochs": 20})


@fault("not_shuffled")
def sorted_split(seed: int) -> Planted:
    """Sorted split."""
    x, y = digits(seed)
    order = np.argsort(y, kind="stable")
    model = compiled(convolutional(x, 10))
    return Planted(model, (x[order], y[order]), None, {"epochs": 20, "validation_split": 0.2})


@fault("batchnorm_statistics")
def slow_statistics(seed: int) -> Planted:
    """Slow statistics."""
    x, y = digits(seed)
    x = 4 * x - 2
    model = convolutional(x, 10, norm=True, momentum=0.9999)
    return program(compiled(model, rate=0.01), x, y, epochs=8)


@fault("random_in_inference")
def dropout_always(seed: int) -> Planted:
    """Dropout always."""
    import keras

    x, y = table("digits", seed)
    inputs = keras.Input(x.shape[1:])
    z = keras.layers.Dense(32, "relu")(inputs)
    z = keras.layers.Lambda(lambda values: keras.random.dropout(values, 0.5))(z)
    model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(z))
    return program(compiled(model), x, y)


@fault("leakage")
def copied_rows(seed: int) -> Planted:
    """Copied rows."""
    x, y = table("digits", seed)
    result = program(compiled(dense(x, 10)), x, y)
    result.validation = (x[:300], y[:300])
    return result


@fault("hidden_activation")
def linear_stack(seed: int) -> Planted:
    """Linear stack."""
    x, y = rings(seed=seed)
    model = dense(x, 1, "sigmoid", (32, 32), "linear")
    return program(compiled(model, "binary_crossentropy", 0.01), x, y, epochs=30)


@fault("hidden_activation")
def deep_sigmoids(seed: int) -> Planted:
    """Deep sigmoids."""
    x, y = table("digits", seed)
    model = dense(x, 10, hidden=(32,) * 6, activation="sigmoid")
    return program(compiled(model, rate=0.001), x, y)


@fault("network_too_small")
def one_unit(seed: int) -> Planted:
    """One hidden unit for ten classes."""
    x, y = table("digits", seed)
    return program(compiled(dense(x, 10, hidden=(1,)), rate=0.005), x, y, epochs=10)


@fault("network_too_small")
def two_units_for_rings(seed: int) -> Planted:
    """Two hidden units for two rings."""
    x, y = rings(seed=seed)
    model = compiled(dense(x, 1, "sigmoid", (2,)), "binary_crossentropy", 0.01)
    return program(model, x, y, epochs=30)


@fault("activation_doubled")
def softmax_twice(seed: int) -> Planted:
    """Softmax twice."""
    import keras

    x, y = table("digits", seed)
    model = keras.Sequential([dense(x, 10), keras.layers.Softmax()])
    model.build((None, *x.shape[1:]))
    return program(compiled(model), x, y)


@fault("inputs_not_finite")
def missing(seed: int) -> Planted:
    """Missing."""
    x, y = table("wine", seed)
    x[3, 2] = np.nan
    return program(compiled(dense(x, 3)), x, y)


def examined(make: Make, seed: int, seconds: float) -> dict[str, Any]:
    """Build a program and diagnose it."""
    import keras

    from ferkeras import diagnose_model

    keras.utils.set_random_seed(seed)
    planted = make(seed)
    begun = time.monotonic()
    diagnosis = diagnose_model(
        planted.model, planted.train, planted.validation, seconds=seconds, **planted.fit
    )
    return {
        "named": list(diagnosis.causes),
        "confidence": [finding.confidence for finding in diagnosis.findings],
        "remedies": [
            getattr(remedy, "tried", "")
            for finding in diagnosis.findings
            for remedy in finding.remedies
        ],
        "seconds": round(time.monotonic() - begun, 1),
    }


def main() -> None:
    """Examine every program, and print what was named and the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", help="'healthy', 'faults', or names of programs")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=40.0, help="of brief trainings")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    chosen = [
        *(("healthy", name, "", make) for name, make in HEALTHY.items()),
        *(("faults", name, cause, make) for name, (cause, make) in FAULTS.items()),
    ]
    rows = []
    for kind, name, cause, make in chosen:
        if arguments.only and not {kind, name} & set(arguments.only):
            continue
        for seed in range(arguments.seeds):
            row = {"kind": kind, "name": name, "seed": seed, "cause": cause}
            row |= examined(make, seed, arguments.seconds)
            rows.append(row)
            good = row["named"][:1] == ([cause] if cause else [])
            print(
                f"{'' if good else '!':1} {kind:8}{name:28}{row['seconds']:6.1f} s  "
                f"{cause or '-':34}{', '.join(row['named']) or '-'}",
                flush=True,
            )
    right = [r for r in rows if r["kind"] == "faults"]
    sound = [r for r in rows if r["kind"] == "healthy"]
    print(
        f"\nhealthy programs with anything named: {sum(bool(r['named']) for r in sound)} of "
        f"{len(sound)}\nfaults named first: "
        f"{sum(r['named'][:1] == [r['cause']] for r in right)} of {len(right)}, named at all: "
        f"{sum(r['cause'] in r['named'] for r in right)}"
    )
    if rows:
        taken = [row["seconds"] for row in rows]
        print(f"seconds, median and most: {np.median(taken):.1f}, {max(taken):.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), "utf-8")


if __name__ == "__main__":
    main()
