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
    share = min(max((epoch - start) / over_epochs, 0.0), 1.0)
    if share == 1.0:
        return end
    value = begin + (end - begin) * share
    # Rounding must not carry it past an end.
    return min(max(value, min(begin, end)), max(begin, end))


class VariableRamp(keras.callbacks.Callback):
    """Move variables linearly from one value to another, once the model has learnt enough.

    Use it to start with little regularisation, so that the model learns at all, and to add it
    when overfitting begins: on the rate of dropout layers that keep it in a variable, or on the
    smoothing of a loss that does. The variables are assigned between epochs, so nothing is
    traced again. Until the ramp starts they keep the value they have.

    The ramp starts in `from_epoch`, or in the first epoch after the monitored value was above the
    gate, whichever is later. Once passed, the gate stays open. If it keeps the ramp waiting, that
    is said once.

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
        say: called with each line.

    Attributes:
        started_epoch: first epoch of the ramp, counted from 1; None before it starts.

    Raises:
        ValueError: an argument is out of its range, or the epoch's logs lack the monitored key.

    Example:

    ```python
    rates = [layer.rate for layer in model.layers if layer.name.startswith("dropout")]
    VariableRamp("dropout", rates, begin=0.1, end=0.2, from_epoch=20, over_epochs=10)
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
        say: Callable[[str], None] = print,
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
                    f"variables for {name!r}. Received: {variable}"
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
        self.say = say
        self.started_epoch: int | None = None
        self._gate_passed = gate is None
        self._said_waiting = False
        self._best: float | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the ramp if it is time, and assign this epoch's value."""
        epoch += 1
        if self.started_epoch is None and epoch >= self.from_epoch:
            if self._gate_passed:
                self.started_epoch = epoch
                self.say(
                    f"epoch {epoch}: {self.name} goes from {self.begin:g} to {self.end:g} by "
                    f"epoch {epoch + self.over_epochs}"
                )
            elif not self._said_waiting:
                self._said_waiting = True
                best = "not measured" if self._best is None else f"{self._best:.1%} at best"
                self.say(
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
            "said_waiting": self._said_waiting,
            "best": self._best,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        self.started_epoch = state["started_epoch"]
        self._gate_passed = state["gate_passed"]
        self._said_waiting = state["said_waiting"]
        self._best = state["best"]

    def _value(self) -> float:
        return float(keras.ops.convert_to_numpy(self.variables[0]))

    def _look_at_gate(self, logs: Mapping[str, Any]) -> None:
        if self.gate is None or self._gate_passed:
            return
        if self.monitor not in logs:
            validated = any(key.startswith("val_") for key in logs)
            if self.monitor.startswith("val_") and not validated:
                return
            raise ValueError(
                f"VariableRamp {self.name!r} waits for {self.monitor!r}, which is not in the "
                f"logs. Received: logs with {', '.join(sorted(logs))}"
            )
        current = float(logs[self.monitor])
        if not math.isnan(current):
            self._best = current if self._best is None else max(self._best, current)
        self._gate_passed = current > self.gate
