"""Small data with labels of every form, a plain Keras model for each, and one of each callback.

`tests/test_callbacks_plain_keras.py` trains them on TensorFlow in every way that `fit` has,
`benchmarks/backends.py` each by itself on every backend. Knows Keras and `callbacks`, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

import callbacks

RNG = np.random.default_rng(0)
INDEX = RNG.integers(0, 3, 48)
X = (np.eye(3)[INDEX] @ RNG.normal(size=(3, 4)) + 0.1 * RNG.normal(size=(48, 4))).astype("float32")
BINARY = (INDEX > 0).astype("float32")
THREE = ("a", "b", "c")
TWO = ("no", "yes")


class Labels(NamedTuple):
    """Labels of `X`, and what a model for them looks like at its end."""

    y: np.ndarray
    columns: int
    activation: str | None
    loss: Any
    names: tuple[str, ...]


LABELS = {
    "integers": Labels(INDEX, 3, "softmax", "sparse_categorical_crossentropy", THREE),
    "one column": Labels(INDEX[:, None], 3, "softmax", "sparse_categorical_crossentropy", THREE),
    "logits": Labels(
        INDEX, 3, None, keras.losses.SparseCategoricalCrossentropy(from_logits=True), THREE
    ),
    "one-hot": Labels(np.eye(3)[INDEX], 3, "softmax", "categorical_crossentropy", THREE),
    "smoothed": Labels(
        0.9 * np.eye(3)[INDEX] + 0.1 / 3, 3, "softmax", "categorical_crossentropy", THREE
    ),
    "binary": Labels(BINARY, 1, "sigmoid", "binary_crossentropy", TWO),
    "one logit": Labels(
        BINARY[:, None], 1, None, keras.losses.BinaryCrossentropy(from_logits=True), TWO
    ),
    "booleans": Labels(INDEX > 0, 1, "sigmoid", "binary_crossentropy", TWO),
    "two one-hot": Labels(
        np.eye(2)[BINARY.astype(int)], 2, "softmax", "categorical_crossentropy", TWO
    ),
}


def quiet(line: str) -> None:
    """Say nothing."""


def build(
    labels: str, monitored: bool = False, averaged: bool = True, **compiling: Any
) -> keras.Model:
    """A compiled model for labels of a form, always with the same weights.

    Args:
        labels: of `LABELS`.
        monitored: whether it measures its gradients, which needs TensorFlow.
        averaged: whether its optimizer keeps an average of the weights.
        **compiling: further arguments of `compile`.
    """
    given = LABELS[labels]
    keras.utils.set_random_seed(0)
    dropout = callbacks.VariableDropout(0.0, name="dropout")
    hidden = [keras.Input((4,)), keras.layers.Dense(8, "tanh"), dropout]
    model = keras.Sequential([*hidden, keras.layers.Dense(given.columns, given.activation)])
    if monitored:
        model = callbacks.MonitoredModel(model.inputs, model.outputs)
    optimizer = keras.optimizers.SGD(0.5, use_ema=averaged, ema_momentum=0.5)
    model.compile(optimizer, given.loss, metrics=["accuracy"], **compiling)
    return model


MAKE = {
    "AveragedWeights": lambda model, names, data: callbacks.AveragedWeights(),
    "CollapseAlarm": lambda model, names, data: callbacks.CollapseAlarm(names, alarm=quiet),
    "CosineLearningRate": lambda model, names, data: callbacks.CosineLearningRate(0.5, 6, 4),
    "DelayedReduceLROnPlateau": lambda model, names, data: callbacks.DelayedReduceLROnPlateau(
        2, log=quiet, monitor="loss", patience=1, min_delta=9.0, factor=0.9
    ),
    "DivergenceGuard": lambda model, names, data: callbacks.DivergenceGuard(2),
    "GradientNormMonitor": lambda model, names, data: callbacks.GradientNormMonitor(
        log=quiet, alarm=quiet
    ),
    "OverfittingWatch": lambda model, names, data: callbacks.OverfittingWatch(
        data, every=2, log=quiet, alarm=quiet
    ),
    "PerClassReport": lambda model, names, data: callbacks.PerClassReport(names, log=quiet),
    "PublishVariables": lambda model, names, data: callbacks.PublishVariables(
        {"learning_rate": model.optimizer.learning_rate}
    ),
    "VariableRamp": lambda model, names, data: callbacks.VariableRamp(
        "dropout", [model.get_layer("dropout").rate], 0.1, 0.2, 2, 1, gate=None, log=quiet
    ),
}


def published(names: Sequence[str]) -> set[str]:
    """The keys of all callbacks together, without those of gradients."""
    per_class = {f"val_{k}/{n}" for k in ("recall", "precision", "f1", "predicted") for n in names}
    own = {"val_collapse_fraction", "inference_accuracy", "learning_rate", "dropout"}
    return per_class | own
