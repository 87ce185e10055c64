"""Publish the settings that are in force, such as the learning rate, among an epoch's logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


class PublishVariables(keras.callbacks.Callback):
    """Write the value of variables into the logs of every epoch.

    Use it so that loggers show settings beside results whether anything changes them or not.
    Stand it before callbacks that change a variable at the end of an epoch (such as
    `ReduceLROnPlateau`), so that what is published was in force during the epoch.

    Reads: nothing. Publishes: each key of `variables`, every epoch. Costs one scalar read for
    each.

    Args:
        variables: scalar Keras variables by the key to publish them under.

    Example:

    ```python
    publish = PublishVariables({"learning_rate": model.optimizer.learning_rate})
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[publish]).history
    history["learning_rate"]
    ```

    Raises:
        ValueError: one of them is no variable, or holds more than one number.
    """

    def __init__(self, variables: Mapping[str, keras.Variable]) -> None:
        super().__init__()
        for key, variable in variables.items():
            if not hasattr(variable, "assign"):
                raise ValueError(
                    f"Expected a Keras variable for {key!r}, as what is published is read anew in "
                    "each epoch (the learning rate of an optimizer with a schedule is none). "
                    f"Received: {variable!r}"
                )
            if tuple(variable.shape):
                raise ValueError(
                    f"Expected a scalar variable for {key!r}, as a log has one number an epoch. "
                    f"Received: one of shape {tuple(variable.shape)}"
                )
        self.variables = dict(variables)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Publish."""
        if logs is not None:
            logs |= {
                key: float(keras.ops.convert_to_numpy(variable))
                for key, variable in self.variables.items()
            }
