"""Change regularisation gradually while a compiled training step runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras


def ramp_value(epoch: int, start: int, over_epochs: int, begin: float, end: float) -> float:
    """Value of a linear ramp in an epoch.

    Args:
        epoch: the epoch, counted from 1.
        start: first epoch of the ramp; it still has exactly `begin`.
        over_epochs: epochs until `end` is reached, at least 1; epoch ``start + over_epochs`` and
            all later ones have exactly `end`.
        begin: value up to `start`.
        end: value at last; may be below `begin`.
    """
    progress = min(max((epoch - start) / over_epochs, 0.0), 1.0)
    if progress == 1.0:
        return end
    value = begin + (end - begin) * progress
    # Rounding must not carry it past an end.
    return min(max(value, min(begin, end)), max(begin, end))


class VariableRamp(keras.callbacks.Callback):
    """Move variables linearly from one value to another, once the model has learnt enough.

    Use it to start with little regularisation, so that the model learns at all, and to add it
    when overfitting begins: on the rate of `VariableDropout` layers, or on any other setting that
    is kept in a variable (`keras.layers.Dropout` keeps its rate as a Python float, which a
    compiled step never reads again). The variables are assigned between epochs, so nothing is
    traced again. Until the ramp starts they keep the value they have.

    The ramp starts in `from_epoch`, or in the first epoch after the monitored value was above the
    gate, whichever is later. Once passed, the gate stays open. If it keeps the ramp waiting, that
    is logged once.

    Reads: the monitored key. Publishes: ``<name>``, the value in force during the epoch, every
    epoch. Costs nothing that can be measured. Do not let two ramps move one variable. One object
    serves one training; it is not reset by `fit`, so that a resumed training can go on.

    Args:
        name: key to publish, and what to call it in messages.
        variables: scalar Keras variables, at least one.
        begin: value in the first epoch of the ramp.
        end: value after `over_epochs` epochs.
        from_epoch: first epoch that may start the ramp, counted from 1.
        over_epochs: epochs from `begin` to `end`, at least 1.
        gate: what the monitored value must exceed, or None for no gate.
        monitor: key in the logs that the gate looks at; larger is better.
        log: called with each line.

    Attributes:
        started_epoch: first epoch of the ramp, counted from 1; None before it starts.

    Raises:
        ValueError: an argument is out of its range, or the epoch's logs lack the monitored key.

    Example:

    ```python
    dropout = VariableDropout(0.1)
    model = keras.Sequential([model, dropout, keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    ramp = VariableRamp(
        "dropout", [dropout.rate], begin=0.1, end=0.3, from_epoch=2, over_epochs=2, gate=0.0
    )
    fit = model.fit(x, y, validation_data=(x, y), epochs=5, verbose=0, callbacks=[ramp])
    fit.history["dropout"]  # [0.1, 0.1, 0.2, 0.3, 0.3], where the accuracy is above 0 at once
    ```

    Source:
        Morerio et al. 2017, "Curriculum dropout".
    """

    def __init__(
        self,
        name: str,
        variables: Sequence[keras.Variable],
        begin: float,
        end: float,
        from_epoch: int,
        over_epochs: int,
        gate: float | None = 0.5,
        monitor: str = "val_accuracy",
        log: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        if not variables:
            raise ValueError(
                "Invalid value received for argument `variables`. Expected at least one variable "
                f"for {name!r}. Received: variables={variables}"
            )
        for variable in variables:
            if not isinstance(variable, keras.Variable) or tuple(variable.shape) != ():
                raise ValueError(
                    "Invalid value received for argument `variables`. Expected scalar Keras "
                    f"variables for {name!r}, such as the rate of a VariableDropout (that of "
                    f"keras.layers.Dropout is a fixed number). Received: {variable}"
                )
        if from_epoch < 1 or over_epochs < 1:
            raise ValueError(
                "Expected `from_epoch` and `over_epochs` of at least 1. "
                f"Received: from_epoch={from_epoch}, over_epochs={over_epochs}"
            )
        if not (math.isfinite(begin) and math.isfinite(end)):
            raise ValueError(f"Expected finite values. Received: begin={begin}, end={end}")
        self.name = name
        self.variables = tuple(variables)
        self.begin = begin
        self.end = end
        self.from_epoch = from_epoch
        self.over_epochs = over_epochs
        self.gate = gate
        self.monitor = monitor
        self.log = log
        self.started_epoch: int | None = None
        self._gate_passed = gate is None
        self._logged_waiting = False
        self._best: float | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the ramp if it is time, and assign this epoch's value."""
        epoch += 1
        if self.started_epoch is None and epoch >= self.from_epoch:
            if self._gate_passed:
                # Also where `fit` begins at a later epoch.
                self.started_epoch = epoch if self.gate is not None else self.from_epoch
                self.log(
                    f"epoch {epoch}: {self.name} goes from {self.begin:g} to {self.end:g} by "
                    f"epoch {self.started_epoch + self.over_epochs}"
                )
            elif not self._logged_waiting:
                self._logged_waiting = True
                best = "not measured" if self._best is None else f"{self._best:.1%} at best"
                self.log(
                    f"epoch {epoch}: {self.name} stays at {self._value():g}: it waits until "
                    f"{self.monitor} is above {self.gate:.0%} ({best} so far)"
                )
        if self.started_epoch is not None:
            value = ramp_value(epoch, self.started_epoch, self.over_epochs, self.begin, self.end)
            for variable in self.variables:
                variable.assign(value)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Publish the value in force; look at the gate."""
        logs = {} if logs is None else logs
        self._look_at_gate(logs)
        logs[self.name] = self._value()

    def get_state(self) -> dict[str, Any]:
        """Where the ramp is, for JSON."""
        return {
            "started_epoch": self.started_epoch,
            "gate_passed": self._gate_passed,
            "logged_waiting": self._logged_waiting,
            "best": self._best,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        self.started_epoch = state["started_epoch"]
        self._gate_passed = state["gate_passed"]
        self._logged_waiting = state["logged_waiting"]
        self._best = state["best"]

    def _value(self) -> float:
        return float(keras.ops.convert_to_numpy(self.variables[0]))

    def _look_at_gate(self, logs: Mapping[str, Any]) -> None:
        if self.gate is None or self._gate_passed:
            return
        if self.monitor not in logs:
            # Nothing of the validation is there in an epoch without one, or NaN.
            figures = [float(logs[key]) for key in logs if key.startswith("val_")]
            if self.monitor.startswith("val_") and all(map(math.isnan, figures)):
                return
            raise ValueError(
                f"VariableRamp {self.name!r} waits for {self.monitor!r}, which is not in the "
                f"logs. Received: logs with {', '.join(sorted(logs))}"
            )
        current = float(logs[self.monitor])
        if not math.isnan(current):
            self._best = current if self._best is None else max(self._best, current)
        self._gate_passed = current > self.gate
