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

_OTHER = (
    "the checkpoint does not fit this training: it was made with another version of ferkeras or "
    "Keras (environment.json of the run tells which), or it is damaged; use that version, or "
    "train again"
)

_OF_OTHER_TYPES = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    TypeError,
    ValueError,
)
"""What putting back a state raises that holds other things than this one."""


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
        self._check(checkpoint)
        arrays, state = checkpoint.arrays, checkpoint.state
        try:
            for callback, (_, values) in zip(self._callbacks, state["callbacks"], strict=True):
                callback.set_state(values)
            alarms = [Alarm(epoch, str(text)) for epoch, text in state["alarms"]]
            version, internal, gauss = state["random"]
            random.setstate((version, tuple(internal), gauss))
            np.random.set_state(state["numpy"])
        except _OF_OTHER_TYPES as error:
            raise InputError(f"{_OTHER} ({type(error).__name__}: {str(error)[:100]})") from None
        for variable, array in zip(self._lasting + self._of_epoch, arrays, strict=True):
            variable.assign(array)
        self._waiting = arrays[len(self._lasting) :] if checkpoint.step else None
        self._console.alarms[:] = alarms

    def _check(self, checkpoint: Checkpoint) -> None:
        """Refuse a checkpoint whose arrays or callbacks are not those of this training."""
        state = checkpoint.state
        if not _have_shapes(self._lasting + self._of_epoch, checkpoint):
            raise InputError(f"{_OTHER} (its arrays are others)")
        lasting = checkpoint.arrays[: len(self._lasting)]
        if not all(np.isfinite(array).all() for array in lasting):
            raise InputError(f"{_OTHER} (an array has values that are not finite)")
        own = [(type(each).__name__, _plain(each.get_state())) for each in self._callbacks]
        given = state.get("callbacks")
        if not (
            isinstance(given, list)
            and all(isinstance(each, list) and len(each) == 2 for each in given)
            and [name for name, _ in given] == [name for name, _ in own]
            and all(_alike(g, o) for (_, g), (_, o) in zip(given, own, strict=True))
        ):
            raise InputError(f"{_OTHER} (its callbacks are others)")

    def restore_metrics(self) -> None:
        """Put the running epoch's metrics back, which Keras resets when an epoch begins."""
        if self._waiting is not None:
            for variable, array in zip(self._of_epoch, self._waiting, strict=True):
                variable.assign(array)
            self._waiting = None


def fits(model: MonitoredModel, checkpoint: Checkpoint) -> bool:
    """Whether a compiled model has the variables that a checkpoint has values for."""
    lasting, of_epoch = _variables(model)
    return _have_shapes(lasting + of_epoch, checkpoint)


def restore_variables(model: MonitoredModel, checkpoint: Checkpoint) -> None:
    """Give a compiled model the values of a checkpoint that `fits` it, and nothing else."""
    lasting, of_epoch = _variables(model)
    for variable, array in zip(lasting + of_epoch, checkpoint.arrays, strict=True):
        variable.assign(array)


def same_variables(model: MonitoredModel, other: MonitoredModel) -> bool:
    """Whether two compiled models have variables of the same shapes and types, in order."""
    ours, theirs = (
        [(tuple(v.shape), v.dtype) for part in _variables(each) for v in part]
        for each in (model, other)
    )
    return ours == theirs


def copy_variables(source: MonitoredModel, model: MonitoredModel) -> None:
    """Give a compiled model all that another one of the `same_variables` would train from."""
    for ours, theirs in zip(_variables(model), _variables(source), strict=True):
        for variable, other in zip(ours, theirs, strict=True):
            variable.assign(other)


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


def _have_shapes(variables: Sequence[keras.Variable], checkpoint: Checkpoint) -> bool:
    shapes = [(tuple(variable.shape), variable.dtype) for variable in variables]
    return shapes == [(array.shape, str(array.dtype)) for array in checkpoint.arrays]


def _values(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    # Copied: on a processor the array may be the variable's own memory, which the next step fills.
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _alike(given: Any, own: dict[str, Any]) -> bool:
    """Whether a callback's state has the keys that it has now, and values of the same kinds.

    What is None may have been something, and may be again.
    """
    return (
        isinstance(given, dict)
        and given.keys() == own.keys()
        and all(
            given[key] is None or own[key] is None or _kind(given[key]) == _kind(own[key])
            for key in own
        )
    )


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's, for JSON."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
