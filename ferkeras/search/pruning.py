"""A training that is ended where it promises nothing, or takes too long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras
import optuna


class TrialWatch(keras.callbacks.Callback):
    """Report each epoch to a trial, and end the training when the study says so.

    Reads: the column that is judged.

    Args:
        trial: of the study.
        column: of the logs, judged by the study's pruner; None: it is not.
        minutes: of this training after which it is ended; None: without end.
        before: values of epochs that an earlier process trained, from the first.
        minutes_before: that an earlier process trained.
        spent: called with ``minutes=`` those of training so far, after each epoch.

    Raises:
        optuna.TrialPruned: from `fit`.
    """

    def __init__(
        self,
        trial: optuna.Trial,
        column: str | None,
        minutes: float | None,
        before: list[float],
        minutes_before: float,
        spent: Callable[..., None],
    ) -> None:
        super().__init__()
        self._trial = trial
        self._column = column
        self._minutes = minutes
        self._before = before
        self._minutes_before = minutes_before
        self._spent = spent
        self._begun = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Report what was trained before; start the clock."""
        self._begun = time.monotonic()
        if self._column is not None:
            for epoch, value in enumerate(self._before, start=1):
                self._trial.report(value, epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report the epoch; end the training if it is to end."""
        minutes = self._minutes_before + (time.monotonic() - self._begun) / 60
        self._spent(minutes=minutes)
        if self._minutes is not None and minutes > self._minutes:
            raise optuna.TrialPruned(f"more than {self._minutes:g} minutes")
        if self._column is None:
            return
        value = float((logs or {}).get(self._column, float("nan")))
        self._trial.report(value, epoch + 1)
        if self._trial.should_prune():
            raise optuna.TrialPruned(f"behind the others after epoch {epoch + 1}")
