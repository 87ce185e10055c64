"""Let the learning rate rise linearly, then fall along half a cosine, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras


def cosine_rate(step: int, peak: float, warmup_steps: int, total_steps: int) -> float:
    """Learning rate of a step.

    Args:
        step: steps before it, from 0.
        peak: rate of the first step after the warm-up, and the highest.
        warmup_steps: steps of the rise; the first of them has peak / (warmup_steps + 1).
        total_steps: steps of the training, more than `warmup_steps`; the rate would reach 0 in
            the step after the last.
    """
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    progress = min((step - warmup_steps) / (total_steps - warmup_steps), 1.0)
    return peak * 0.5 * (1.0 + math.cos(math.pi * progress))


class CosineLearningRate(keras.callbacks.Callback):
    """Set the optimizer's learning rate before every step: warm-up, then half a cosine to 0.

    Use it where the number of epochs is known: a high rate explores, the fall to 0 settles, and
    a given number of epochs ends better than with any constant rate. The warm-up keeps the first,
    blind steps short. `keras.optimizers.schedules.CosineDecay` draws the same curve, but takes
    away the optimizer's learning-rate variable: nothing could lower the rate when a training
    diverges, and loggers would have to know of it.

    The rate is a function of the epoch, the step in it and the factor alone, so a training that
    goes on in the middle of an epoch is given the same rates. Stand it before callbacks that
    publish the learning rate. With ``steps_per_execution=n`` it is set before every n-th step.

    Reads: nothing. Publishes: nothing; it is the optimizer's ``learning_rate`` that changes.
    Costs one assignment of a scalar for each step. Conflicts with `ReduceLROnPlateau` and with a
    schedule in the optimizer.

    Args:
        peak: highest learning rate, above 0.
        steps_per_epoch: steps of a whole epoch, at least 1.
        epochs: of the whole training, at least 1.
        warmup_epochs: epochs of the rise, at least 0 and fewer than `epochs`; may be broken.

    Raises:
        ValueError: an argument is out of its range, or the optimizer has a schedule.

    Example:

    ```python
    rate = CosineLearningRate(3e-3, steps_per_epoch=2, epochs=10, warmup_epochs=1)
    model.fit(x, y, batch_size=len(x) // 2, epochs=10, verbose=0, callbacks=[rate])
    ```

    Source:
        Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts".
    """

    def __init__(
        self, peak: float, steps_per_epoch: int, epochs: int, warmup_epochs: float = 0.0
    ) -> None:
        super().__init__()
        if not peak > 0 or steps_per_epoch < 1 or epochs < 1:
            raise ValueError(
                "Expected `peak` above 0, `steps_per_epoch` and `epochs` of at least 1. Received: "
                f"peak={peak}, steps_per_epoch={steps_per_epoch}, epochs={epochs}"
            )
        if not 0 <= warmup_epochs < epochs:
            raise ValueError(
                "Invalid value received for argument `warmup_epochs`. Expected at least 0 and "
                f"fewer than epochs={epochs}. Received: warmup_epochs={warmup_epochs}"
            )
        self.peak = peak
        self.steps_per_epoch = steps_per_epoch
        self.total_steps = steps_per_epoch * epochs
        self.warmup_steps = math.floor(warmup_epochs * steps_per_epoch)
        self._factor = 1.0
        self._epoch = 0

    def lower(self, factor: float) -> None:
        """Multiply this and all later rates by a factor, as after a divergence."""
        self._factor *= factor

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Refuse an optimizer whose rate cannot be set."""
        # A `MultiOptimizer` has none, and says so by an AttributeError.
        if not hasattr(getattr(self.model.optimizer, "learning_rate", None), "assign"):
            raise ValueError(
                "CosineLearningRate sets the optimizer's learning rate, and this one has a "
                "schedule, or none of its own. Give the optimizer a number, or leave the callback "
                "out. Received: optimizer="
                f"{self.model.optimizer.name}"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the rate of the step."""
        step = self._epoch * self.steps_per_epoch + batch
        # JAX keeps the state outside of the model while an epoch runs.
        getattr(self.model, "jax_state_sync", lambda: None)()
        rate = cosine_rate(step, self.peak * self._factor, self.warmup_steps, self.total_steps)
        self.model.optimizer.learning_rate.assign(rate)

    def get_state(self) -> dict[str, Any]:
        """By how much the rates were lowered, for JSON."""
        return {"factor": self._factor}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        self._factor = state["factor"]
