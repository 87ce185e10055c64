"""The diagnosis inside a training: nothing until an alarm, then once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import keras
import pandas as pd

from ferkeras.callbacks import CollapseAlarm
from ferkeras.cli.console import Console
from ferkeras.cli.invocation import command_line
from ferkeras.config.networks.backbone import Backbone
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.diagnose.case import Advance, Case, isolated_rng, without_ema_and_teachers
from ferkeras.diagnose.diagnosis import Diagnosis, diagnose
from ferkeras.diagnose.report import print_diagnosis, write_diagnosis
from ferkeras.runs.record import Run
from ferkeras.training.history import CSVHistory
from ferkeras.training.movement import weights_of
from ferkeras.training.setup import build_setup
from ferkeras.training.unfreezing import freeze_backbone


class DiagnosisOnAlarm(keras.callbacks.Callback):
    """Examine a training once, when the alarm of a collapse has fired.

    Until then it does nothing. Then a second network with the present weights is measured, and
    where that explains nothing, trained briefly with other settings; the training itself continues
    as if nothing had happened.

    Args:
        config: the resolved configuration.
        splits: the faces.
        alarm: the one that fires; it stands before this callback.
        history: keeps the epochs so far; it stands before this callback.
        tell: called with the diagnosis.
        progress: shows how far the measuring is.

    Attributes:
        found: epoch, cause and verdict of the diagnosis; None before there was one.
    """

    def __init__(
        self,
        config: Config,
        splits: Splits,
        alarm: CollapseAlarm,
        history: CSVHistory,
        tell: Callable[[Diagnosis], None],
        progress: Callable[[], AbstractContextManager[Advance]],
    ) -> None:
        super().__init__()
        self._config = config
        self._splits = splits
        self._alarm = alarm
        self._history = history
        self._tell = tell
        self._progress = progress
        self.found: dict[str, Any] | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Examine the training if a collapse is on."""
        if self.found is not None or self._alarm.collapsed_since is None:
            return
        with self._progress() as advance:
            history = self._history.frame()
            case = case_in_training(self._config, self._splits, self.model, history, epoch + 1)
            diagnosis = diagnose(case, advance)
        self.found = {
            "epoch": epoch + 1,
            "cause": diagnosis.findings[0].cause if diagnosis.findings else None,
            "verdict": diagnosis.verdict,
        }
        self._tell(diagnosis)

    def get_state(self) -> dict[str, Any]:
        """What it has found, for JSON."""
        return {"found": self.found}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_state` returned."""
        self.found = state["found"]


def case_in_training(
    config: Config,
    splits: Splits,
    model: keras.Model,
    history: pd.DataFrame,
    epochs: int,
    steps: int | None = None,
) -> Case:
    """A running training as a case: a second network with the present weights.

    Args:
        config: the resolved configuration.
        splits: the faces.
        model: the network in training; it is left as it is.
        history: one row an epoch.
        epochs: that are done.
        steps: that are done; by default those of so many epochs.
    """
    with isolated_rng(config):
        setup = build_setup(without_ema_and_teachers(config), splits)
    start = weights_of(setup.model)
    for layer, trained in zip(setup.model.layers, model.layers, strict=True):
        layer.set_weights(trained.get_weights())
    if isinstance(config.network, Backbone):
        freeze_backbone(setup.model, config.network.thawed(epochs))
    if steps is None:
        steps = epochs * setup.pipeline.steps_per_epoch
    return Case(config, splits, setup, start, history, steps)


def report_diagnosis(diagnosis: Diagnosis, run: Run, console: Console) -> None:
    """Print what was found, and write its page into the run's folder."""
    command = command_line("fit", "--config", run.config)
    print_diagnosis(diagnosis, (), (), command, console)
    run.diagnosis.mkdir(exist_ok=True)
    write_diagnosis(diagnosis, (), (), command, run.diagnosis)
    console.print(f"written: {run.diagnosis}")
