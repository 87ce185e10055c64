"""Validate and save the moving average of the weights while the weights themselves train on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

_START = 0.05
"""Largest fraction of an average that may be the weights of the start.

Measured on digits with four optimizers, with and without BatchNormalization: with a half, the
validation accuracy falls by up to 0.5 where the average takes over, with a twentieth by 0.03."""


def average_is_trained(optimizer: Any) -> bool:
    """Whether the moving average of an optimizer is no more of its start.

    Args:
        optimizer: a Keras optimizer with ``use_ema=True``.
    """
    # Keras counts whole updates in `iterations`, averages in every batch, and begins anew in each
    # batch of the first update.
    batches = int(keras.ops.convert_to_numpy(optimizer._iterations))
    accumulated = optimizer.gradient_accumulation_steps or 1
    return average_is_trained_after(max(batches - accumulated + 1, 1), optimizer.ema_momentum)


def average_is_trained_after(steps: int, momentum: float) -> bool:
    """Whether a moving average of weights is no more of its start: at most a twentieth of it.

    Args:
        steps: of the training, 1 or more.
        momentum: weight of the old average, 0 to 1.
    """
    return momentum ** (steps - 1) <= _START


class AveragedWeights(keras.callbacks.Callback):
    """Put the optimizer's moving average of the weights into the model from validation on.

    Use it with an optimizer that has ``use_ema=True``: the average of the last steps' weights is
    right more often than any of them, above all while the learning rate is high. The average is
    in the model from the beginning of the validation until this callback's `on_epoch_end`; stand
    it after everything that looks at the network or saves it (`ModelCheckpoint`, `EarlyStopping`),
    and before what saves the state of the training.

    In the first steps the average is mostly the weights that the training began with, and knows
    nothing. As long as they are more than a twentieth of it (momentum ** (steps - 1) > 0.05, that
    is for 300 steps at 0.99 and for 599 at 0.995), the weights themselves are validated, and left
    in the end.

    `keras.callbacks.SwapEMAWeights` does the same in one call of `fit`, but leaves the average in
    the model between two epochs, where a checkpoint would take it for the weights. When `fit`
    ends, Keras leaves the average in the model; another call of `fit` with this same callback
    goes on from the weights all the same, unless the model has been given others since or compiled
    anew. What a callback before this one restores in the end (`EarlyStopping` with
    ``restore_best_weights=True``) stays.

    The average has seen weights only: BatchNormalization's statistics are a moving average of
    their own. Give the layers a momentum near that of the average, so that both are of the same
    steps.

    Reads: nothing. Publishes: nothing. Costs at most three copies of the weights an epoch.

    Raises:
        ValueError: the optimizer keeps no average, or is made of several.

    Example:

    ```python
    optimizer = keras.optimizers.AdamW(use_ema=True, ema_momentum=0.9)
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    best = keras.callbacks.ModelCheckpoint("best.keras", save_best_only=True)
    callbacks = [best, AveragedWeights()]  # the average is what is saved
    model.fit(x, y, validation_data=(x, y), epochs=3, verbose=0, callbacks=callbacks)
    ```

    Source:
        Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging".
    """

    def __init__(self) -> None:
        super().__init__()
        self._weights: list[np.ndarray] | None = None
        self._weights_of: Any = None
        self._in_epoch = False
        self._in_training = False

    def set_model(self, model: Any) -> None:
        """Forget weights that were set aside for another optimizer."""
        super().set_model(model)
        self._in_epoch = False
        if self._weights_of is not self._optimizer():
            self._weights, self._weights_of = None, self._optimizer()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Make sure that there is an average."""
        self._in_training = False
        if hasattr(self._optimizer(), "optimizers"):
            raise ValueError(
                "AveragedWeights needs one optimizer, which keeps the average of all weights; for "
                "several, keras.callbacks.SwapEMAWeights swaps theirs. "
                f"Received: {type(self._optimizer()).__name__}"
            )
        if not self._optimizer().use_ema:
            raise ValueError(
                "AveragedWeights needs an optimizer that keeps a moving average of the weights. "
                f"Received: {type(self._optimizer()).__name__} with use_ema=False"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Put the weights back if Keras has replaced them when an earlier `fit` ended."""
        self._put_back_if_replaced()
        self._weights = None
        self._in_epoch = self._in_training = True

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the average into the model, if this is the validation of an epoch."""
        if self._in_epoch:
            self._set_aside()
            if self._is_trained():
                self._put_average()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Put the weights back."""
        if self._weights is None:
            self._set_aside()
        self._put_back()
        self._in_epoch = False

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leave the average that Keras has put into the model, if it is trained.

        Where no epoch was left to do, there may have been no `fit` that puts it there. And with JAX
        Keras puts the very buffers of the average there, which the next evaluation gives away.
        """
        if not self._is_trained():
            self._put_back_if_replaced()
        elif not self._in_training or self._average_is_put():
            self._put_average()

    def get_state(self) -> dict[str, Any]:
        """Nothing: weights and average are the optimizer's and the model's."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Forget weights that were set aside: those in the model are right now."""
        self._weights = None

    def _is_trained(self) -> bool:
        """Whether the average is of the training and not of its start."""
        return average_is_trained(self._optimizer())

    def _set_aside(self) -> None:
        variables = self._optimizer()._trainable_variables
        # Copied: on a processor the array may be the variable's own memory.
        self._weights = [np.array(keras.ops.convert_to_numpy(v)) for v in variables]

    def _put_average(self) -> None:
        for variable, average in self._averages():
            # A copy: JAX gives the buffers of what it evaluates away, and the average stays.
            variable.assign(keras.ops.copy(average))

    def _put_back_if_replaced(self) -> None:
        """Put the weights back if the model's are exactly the average now."""
        if self._weights is not None and self._average_is_put():
            self._put_back()

    def _average_is_put(self) -> bool:
        """Whether the model's weights are exactly the average."""
        # Ends at the first weight that differs: within a training hardly anything is read.
        return all(
            np.array_equal(*map(keras.ops.convert_to_numpy, pair)) for pair in self._averages()
        )

    def _averages(self) -> list[tuple[keras.Variable, keras.Variable]]:
        optimizer = self._optimizer()
        averages = zip(
            optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True
        )
        # Keras averages nothing that is overwritten with its gradient.
        return [(variable, average) for variable, average in averages if average is not None]

    def _put_back(self) -> None:
        if self._weights is not None:
            for variable, value in zip(
                self._optimizer()._trainable_variables, self._weights, strict=True
            ):
                variable.assign(value)

    def _optimizer(self) -> Any:
        optimizer = getattr(self.model, "optimizer", None)
        return getattr(optimizer, "inner_optimizer", optimizer)
