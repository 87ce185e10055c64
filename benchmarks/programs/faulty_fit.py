"""Programs whose own `fit` is wrong: callbacks, a training step, rows that change."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from programs.faulty import fault
from programs.planted import Planted, compiled, dense, digits, program, table


class BackToTheBest(keras.callbacks.Callback):
    """Goes back to the weights with the lowest accuracy so far."""

    def __init__(self) -> None:
        super().__init__()
        self._worst, self._kept = np.inf, []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep, or go back."""
        if logs["val_accuracy"] < self._worst:
            self._worst, self._kept = logs["val_accuracy"], self.model.get_weights()
        else:
            self.model.set_weights(self._kept)


class Accumulates(keras.Model):
    """Sums gradients of steps, and never comes to apply them."""

    def train_step(self, data: Any) -> Any:
        """One step."""
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            output = self(x, training=True)
            loss = self.compute_loss(x, y, output)
        self.summed = tape.gradient(loss, self.trainable_variables)
        return self.compute_metrics(x, y, output)


class Halves(keras.utils.PyDataset):
    """Batches that are scaled in place, again in each epoch."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        super().__init__()
        self._x, self._y = x * 255, y

    def __len__(self) -> int:
        return len(self._x) // 32

    def __getitem__(self, at: int) -> Any:
        part = slice(32 * at, 32 * at + 32)
        self._x[part] /= 255
        return self._x[part], self._y[part]


def _digits(seed: int, *callbacks: keras.callbacks.Callback, **fit: Any) -> Planted:
    x, y = digits(seed)
    return program(compiled(dense(x, 10)), x, y, callbacks=list(callbacks), **fit)


@fault("callback_in_the_way")
def back_to_the_worst(seed: int) -> Planted:
    """Back to the worst."""
    return _digits(seed, BackToTheBest())


@fault("callback_in_the_way")
def rate_gone_at_once(seed: int) -> Planted:
    """Rate gone at once."""
    return _digits(seed, keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3 * 1e-3**epoch))


@fault("callback_watches_the_wrong_way")
def stops_where_it_gets_better(seed: int) -> Planted:
    """Stops where it gets better."""
    return _digits(seed, keras.callbacks.EarlyStopping("val_accuracy", mode="min", patience=2))


@fault("callback_watches_nothing")
def watches_nothing(seed: int) -> Planted:
    """Watches nothing."""
    return _digits(seed, keras.callbacks.ReduceLROnPlateau("val_acc", mode="max"))


@fault("training_step_changes_nothing")
def never_applied(seed: int) -> Planted:
    """Never applied."""
    x, y = table("digits", seed)
    inner = dense(x, 10)
    return program(compiled(Accumulates(inner.inputs, inner.outputs)), x, y, callbacks=[])


@fault("rows_change_as_they_are_read")
def scaled_in_place(seed: int) -> Planted:
    """Scaled in place."""
    x, y = digits(seed)
    data = Halves(x[:1400].copy(), y[:1400])
    return Planted(
        compiled(dense(x, 10)), data, (x[1400:], y[1400:]), {"epochs": 10, "callbacks": []}
    )
