"""The state of a training, taken from its objects and restored into them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from ferkeras.callbacks import MonitoredModel
from ferkeras.cli.console import Alarm, Console
from ferkeras.cli.errors import InputError
from ferkeras.training.checkpoints import Checkpoint


class TrainingState:
    """The state of a training: what is not in it follows from the configuration and the faces.

    It is: weights, BatchNormalization's statistics, dropout's rates and random states, the
    optimizer, label smoothing, the metrics of the running epoch, whatever the callbacks return
    from `get_state()`, the alarms, and Python's and NumPy's global random states. Order and
    augmentation of the faces are functions of seed, epoch and step.

    Args:
        model: compiled; its optimizer and metrics are built here if they are not.
        callbacks: those of the training, in order.
        console: remembers the alarms.
    """

    def __init__(
        self,
        model: MonitoredModel,
        callbacks: Sequence[keras.callbacks.Callback],
        console: Console,
    ) -> None:
        self._model = model
        self._callbacks = [each for each in callbacks if hasattr(each, "get_state")]
        self._console = console
        self._lasting, self._of_epoch = _variables(model)
        self._waiting: list[np.ndarray] | None = None

    def capture(self, epoch: int, step: int) -> Checkpoint | None:
        """Copy the state in which `step` steps of `epoch` (from 1) are done.

        Returns:
            None if it is not worth going back to: the last step was skipped because its loss or
            gradient was not finite, or a weight is not finite.
        """
        if int(self._model.gradient_norms.skipped_in_a_row.numpy()):
            return None
        lasting = _values(self._lasting)
        if not all(np.isfinite(array).all() for array in lasting):
            return None
        state = {
            "callbacks": [[type(each).__name__, each.get_state()] for each in self._callbacks],
            "alarms": [list(alarm) for alarm in self._console.alarms],
            "random": random.getstate(),
            "numpy": np.random.get_state(legacy=False),
        }
        return Checkpoint(epoch, step, _plain(state), lasting + _values(self._of_epoch))

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put a state back; call `restore_metrics` too, once the epoch has begun.

        Raises:
            InputError: the checkpoint is not one of this training.
        """
        arrays, state = checkpoint.arrays, checkpoint.state
        variables = self._lasting + self._of_epoch
        names = [type(each).__name__ for each in self._callbacks]
        if (
            [(tuple(v.shape), v.dtype) for v in variables]
            != [(array.shape, str(array.dtype)) for array in arrays]
        ) or names != [name for name, _ in state["callbacks"]]:
            raise InputError(
                "the checkpoint does not fit this training: it was made with another version of "
                "ferkeras or Keras (environment.json of the run tells which); use that version, "
                "or train again"
            )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        self._waiting = arrays[len(self._lasting) :] if checkpoint.step else None
        for callback, (_, values) in zip(self._callbacks, state["callbacks"], strict=True):
            callback.set_state(values)
        self._console.alarms[:] = [Alarm(*values) for values in state["alarms"]]
        version, internal, gauss = state["random"]
        random.setstate((version, tuple(internal), gauss))
        np.random.set_state(state["numpy"])

    def restore_metrics(self) -> None:
        """Put the running epoch's metrics back, which Keras resets when an epoch begins."""
        if self._waiting is not None:
            for variable, array in zip(self._of_epoch, self._waiting, strict=True):
                variable.assign(array)
            self._waiting = None


@contextmanager
def restored_after(model: MonitoredModel) -> Iterator[None]:
    """Undo, bit for bit, what the block trains, also when it ends with an error.

    Put back are weights, BatchNormalization's statistics, dropout's rates and random states, the
    optimizer with its learning rate, label smoothing and the metrics. The compiled training step
    stays, so that a later `fit` does not trace it again.
    """
    lasting, of_epoch = _variables(model)
    variables = lasting + of_epoch
    before = _values(variables)
    try:
        yield
    finally:
        for variable, array in zip(variables, before, strict=True):
            variable.assign(array)
        model.stop_training = False


def _variables(model: MonitoredModel) -> tuple[list[keras.Variable], list[keras.Variable]]:
    """All that training changes: what lasts, and the metrics of the epoch."""
    _build(model)
    lasting = [*model.variables, *model.optimizer.variables, model.loss.smoothing]
    return lasting, list(model.metrics_variables)


def _build(model: MonitoredModel) -> None:
    """Make every variable that training would make in its first step."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_weights)
    label, logits = np.zeros(1, np.int32), np.zeros((1, model.output_shape[-1]), np.float32)
    for metric in model.metrics:
        if not getattr(metric, "built", True):
            metric.build(label, logits)


def _values(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    # Copied: on a processor the array may be the variable's own memory, which the next step fills.
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's, for JSON."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
