"""Lower the learning rate on a plateau, but not before a given epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras


class DelayedReduceLROnPlateau(keras.callbacks.ReduceLROnPlateau):
    """`keras.callbacks.ReduceLROnPlateau` that may act only from a given epoch on.

    Use it beside schedules that need a steady learning rate at first, such as regularisation
    ramps. The best value and the epochs without a better one are counted from the beginning, so
    that a plateau which began earlier is acted on in `from_epoch`.

    Reads: the monitored key. Publishes: ``learning_rate``, the one in force during the epoch,
    every epoch (of a `keras.optimizers.MultiOptimizer` one for each, as Keras names them). A
    monitored key that is NaN counts as not measured. Costs nothing that can be measured. Conflicts
    with a learning-rate schedule in the optimizer.

    Args:
        from_epoch: first epoch that may lower the learning rate, counted from 1.
        log: called with a line for each reduction.
        **kwargs: as for `keras.callbacks.ReduceLROnPlateau`: monitor, factor, patience, mode,
            min_delta (absolute), cooldown, min_lr.

    Example:

    ```python
    plateau = DelayedReduceLROnPlateau(from_epoch=3, monitor="val_loss", patience=2, factor=0.5)
    model.fit(x, y, validation_data=(x, y), epochs=4, verbose=0, callbacks=[plateau])
    ```

    Raises:
        ValueError: `from_epoch` is below 1, or a value that Keras refuses; the optimizer has a
            schedule.
        TypeError: a keyword that Keras does not have.
    """

    _options = ("monitor", "factor", "patience", "mode", "min_delta", "cooldown", "min_lr")

    def __init__(
        self, from_epoch: int = 40, log: Callable[[str], None] = print, **kwargs: Any
    ) -> None:
        # Keras would swallow a misspelt keyword.
        unknown = sorted(set(kwargs) - set(self._options))
        if unknown:
            raise TypeError(
                f"DelayedReduceLROnPlateau has the options {', '.join(self._options)}. "
                f"Received: {', '.join(unknown)}"
            )
        # Keras's own callback takes the monitored key first.
        if not isinstance(from_epoch, int) or from_epoch < 1:
            raise ValueError(
                "Invalid value received for argument `from_epoch`. Expected a whole number from 1; "
                f"the monitored key is passed as `monitor=`. Received: from_epoch={from_epoch!r}"
            )
        super().__init__(**kwargs)
        self.from_epoch = from_epoch
        self.log = log
        self.patience: float
        self._restored: dict[str, Any] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begin to count, or go on counting after `set_state`.

        An optimizer whose rate cannot be set is refused.
        """
        super().on_train_begin(logs)
        for each in getattr(self.model.optimizer, "optimizers", None) or [self.model.optimizer]:
            if not hasattr(each.learning_rate, "assign"):
                raise ValueError(
                    "DelayedReduceLROnPlateau sets the optimizer's learning rate, and this one has "
                    "a schedule. Give the optimizer a number, or leave the callback out. "
                    f"Received: optimizer={each.name}"
                )
        if self._restored is not None:
            self._put_back(self._restored)
            self._restored = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Publish the learning rate; lower it for the next epoch if it is time."""
        logs = {} if logs is None else logs
        before = self._learning_rates()
        if math.isnan(float(logs.get(self.monitor, 0.0))):
            # Not measured, as `inference_accuracy` between two measurements: Keras would take it
            # for the best where it comes first.
            logs.update(before)
            return
        patience: float = self.patience
        if epoch + 1 < self.from_epoch:
            self.patience = math.inf
        try:
            super().on_epoch_end(epoch, logs)
        finally:
            self.patience = patience
        for key, after in self._learning_rates().items():
            if after < before[key]:
                self.log(
                    f"epoch {epoch + 1}: {key.replace('_', ' ')} lowered from "
                    f"{before[key]:.3g} to {after:.3g}: {self.monitor} was not better than "
                    f"{float(self.best):.4g} for at least {patience} epochs"
                )

    def get_state(self) -> dict[str, Any]:
        """The counters, for JSON."""
        return {
            "best": None if self.best is None else float(self.best),
            "wait": self.wait,
            "cooldown_counter": self.cooldown_counter,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned, now or in a training that begins after this."""
        self._put_back(state)
        # Keras resets the counters when a training begins.
        self._restored = dict(state)

    def _put_back(self, state: Mapping[str, Any]) -> None:
        self.best = state["best"]
        self.wait = state["wait"]
        self.cooldown_counter = state["cooldown_counter"]

    def _learning_rates(self) -> dict[str, float]:
        """Those that Keras publishes: of a `MultiOptimizer` one for each."""
        optimizer = self.model.optimizer
        several = getattr(optimizer, "optimizers", None)
        named = {f"learning_rate_{each.name}": each for each in several or ()}
        return {
            key: float(keras.ops.convert_to_numpy(each.learning_rate))
            for key, each in (named or {"learning_rate": optimizer}).items()
        }
