"""A callback for anybody's `fit`: when a training does not learn, it says why."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from ferkeras.diagnose.program.diagnosis import diagnose_model
from ferkeras.diagnose.program.material import read_material
from ferkeras.diagnose.program.prepared import build
from ferkeras.diagnose.program.record import ProgramDiagnosis
from ferkeras.diagnose.program.report import written
from ferkeras.diagnose.program.untouched import untouched

_FALLS = 0.99
"""A loss above this fraction of the first epoch's has not fallen."""


class DiagnoseOnAlarm(keras.callbacks.Callback):
    """Diagnose a training that diverges or does not begin to learn, once, and print why.

    Use it in any `fit`. The alarm is a loss that is not finite, or that after `patience` epochs
    is not below 0.99 of the first epoch's. Then the model is examined as `diagnose_model` does, at
    the weights that it began with; the training goes on as if nothing had happened. Until then it
    costs a copy of the weights.

    Reads: ``loss``. Publishes nothing.

    Args:
        train: what `fit` is given: (x, y), a `tf.data.Dataset` or a `keras.utils.PyDataset`.
        validation: the same for the validation split.
        patience: epochs, at least 1, after which the loss must have fallen.
        seconds: for the brief trainings of the examination.
        stop: whether to end the training after the diagnosis.
        say: called with the diagnosis as text.

    Attributes:
        diagnosis: what was found; None before an alarm.

    Raises:
        ValueError: `patience` is below 1.
    """

    def __init__(
        self,
        train: Any,
        validation: Any = None,
        *,
        patience: int = 3,
        seconds: float = 30.0,
        stop: bool = False,
        say: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        if patience < 1:
            raise ValueError(
                "Invalid value received for argument `patience`. Expected at least 1. Received: "
                f"patience={patience}"
            )
        self.train, self.validation = train, validation
        self.patience, self.seconds, self.stop, self.say = patience, seconds, stop, say
        self.diagnosis: ProgramDiagnosis | None = None
        self._start: list[tuple[keras.Variable, np.ndarray]] = []
        self._first: float | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Keep the weights that the training begins with; a model without any is built."""
        if not self.model.built and not hasattr(self.train, "__next__"):
            build(self.model, read_material(self.train, rows=1))
        self._start = [(variable, variable.numpy()) for variable in self.model.variables]
        self._first = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Diagnose if the loss says so."""
        if self.diagnosis is not None or "loss" not in (logs or {}):
            return
        loss = float((logs or {})["loss"])
        if self._first is None:
            self._first = loss
        if not math.isfinite(loss):
            why = f"the loss is {loss}"
        elif epoch + 1 > self.patience and loss > _FALLS * self._first:
            why = f"the loss has not fallen: {self._first:.4g} in the first epoch, {loss:.4g} now"
        else:
            return
        self.say(f"epoch {epoch + 1}: {why}. Looking for the cause ...")
        self.diagnosis = self._diagnose()
        self.say(written(self.diagnosis))
        if self.stop:
            self.model.stop_training = True

    def _diagnose(self) -> ProgramDiagnosis:
        steps = self.params.get("steps")
        rows = None
        if isinstance(self.train, tuple):
            # Of several outputs there are labels for each.
            rows = len(keras.tree.flatten(self.train[1])[0])
        with untouched(self.model):
            for variable, value in self._start:
                variable.assign(value)
            return diagnose_model(
                self.model,
                self.train,
                self.validation,
                batch_size=math.ceil(rows / steps) if rows and steps else None,
                epochs=self.params.get("epochs"),
                steps_per_epoch=steps,
                seconds=self.seconds,
            )
