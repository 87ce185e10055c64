"""A training that heals itself: an alarm's cause is found, remedies are tried, the best is taken.

Healing is an interruption, a change of the configuration, and a training that goes on from the
beginning of the epoch in which the collapse began, or from the start, in the same folder. What is
found and done stands in `environment.json` before anything else is touched
(`ferkeras.runs.healings`), so that a training that is cut off at any moment, and resumed, ends as
one that was not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NoReturn, cast

import keras
import pandas as pd

from ferkeras.callbacks import CollapseAlarm
from ferkeras.cli.console import Console
from ferkeras.cli.figures import percent
from ferkeras.cli.invocation import command_line
from ferkeras.config.keys import flat
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.diagnose.diagnosis import Diagnosis, diagnose
from ferkeras.diagnose.finding import Remedy
from ferkeras.diagnose.report import write_diagnosis
from ferkeras.diagnose.treatment import Treatment, best_of, can_be_tried, steps_of_all, treat
from ferkeras.fit.alarm_diagnosis import case_in_training
from ferkeras.fit.good_state import begin_from, fits, good_state
from ferkeras.runs.healings import add_healing, changes_text, restart_text
from ferkeras.runs.record import Run
from ferkeras.runs.records import (
    AlarmRecord,
    EnvironmentRecord,
    HealingRecord,
    SettingRecord,
    TriedRecord,
    read_record,
)
from ferkeras.training.checkpoints import Checkpoint, CheckpointFolder
from ferkeras.training.history import CSVHistory
from ferkeras.training.loop import DivergedForGood

_YOUNG = 2
"""Epochs that a training with other settings is given before it is examined again."""


class Healed(Exception):
    """The training is to go on with other settings, which are written into the run.

    Attributes:
        config: the configuration with them.
    """

    def __init__(self, config: Config) -> None:
        super().__init__("the settings have changed")
        self.config = config


def is_due(
    healings: Sequence[HealingRecord],
    epoch: int,
    at_most: int,
    *,
    since: int = 1,
    at_an_end: bool = False,
    last: bool = False,
) -> bool:
    """Whether remedies are to be tried for an alarm.

    Args:
        healings: what was done about those before.
        epoch: the epoch, from 1, that the alarm is of.
        at_most: how often that is done.
        since: the epoch, from 1, in which the collapse began.
        at_an_end: whether the training is at an end otherwise; else, where nothing has helped, it
            is left alone until the collapse has lasted for as many epochs again, and where
            something has, for two epochs: what is young is no relapse.
        last: whether it is the last epoch, after which nothing can be awaited.
    """
    begun = [each.get("restored", 0) for each in healings if each["changes"]]
    if begun and epoch - begun[-1] <= _YOUNG and not (at_an_end or last):
        return False
    in_vain: list[int] = []
    for each in healings:
        in_vain = [] if each["changes"] else [*in_vain, each["epoch"]]
    if epoch in in_vain or len(healings) >= at_most:
        return False
    lasted = [each - since + 1 for each in in_vain if each >= since]
    return at_an_end or not lasted or epoch - since + 1 >= 2 * lasted[-1]


class HealOnAlarm(keras.callbacks.Callback):
    """Find out why a training collapses or does not learn, and leave it where a remedy helps.

    Without an alarm it does nothing. At an alarm, the training's network is examined, and the
    first remedies are tried from the good state before the collapse, or from the start where there
    is none. Where nothing helps the training goes on as it was, and is examined once more when the
    collapse has lasted for as many epochs again. It has no state: what was done stands in the
    run's `environment.json`.

    Args:
        config: the resolved configuration.
        splits: the faces.
        run: its folder.
        checkpoints: of the training; beginnings of epochs are kept.
        alarm: the one that fires; it stands before this callback.
        history: the epochs before; it stands after this callback.
        console: where messages are printed.

    Raises:
        Healed: out of `fit`, when the settings were changed.
    """

    def __init__(
        self,
        config: Config,
        splits: Splits,
        run: Run,
        checkpoints: CheckpointFolder,
        alarm: CollapseAlarm,
        history: CSVHistory,
        console: Console,
    ) -> None:
        super().__init__()
        self._config = config
        self._splits = splits
        self._run = run
        self._checkpoints = checkpoints
        self._alarm = alarm
        self._history = history
        self._console = console

    @property
    def found(self) -> dict[str, Any] | None:
        """Epoch, cause and verdict of the last diagnosis; None before there was one."""
        healings = self._healings()
        return {k: healings[-1][k] for k in ("epoch", "cause", "verdict")} if healings else None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Heal if a collapse is on."""
        epoch += 1
        text, since = self._alarm.description, self._alarm.collapsed_since
        # As long as an average is of its start the alarm says nothing.
        if text is None or since is None or not self._is_due(epoch, since=since):
            return
        row = {"epoch": epoch} | {key: float(value) for key, value in (logs or {}).items()}
        self._heal(epoch, text, pd.DataFrame([*self._history.rows, row]))

    def after_divergence(self, diverged: DivergedForGood) -> None:
        """Heal a training that has left `fit` because its steps were not finite."""
        if self._is_due(diverged.epoch, at_an_end=True):
            self._heal(diverged.epoch, diverged.reason, self._history.frame(), diverged.step)

    def _is_due(self, epoch: int, *, since: int = 1, at_an_end: bool = False) -> bool:
        at_most = self._config.monitor.heal_at_most
        last = epoch >= self._config.train.epochs
        return is_due(self._healings(), epoch, at_most, since=since, at_an_end=at_an_end, last=last)

    def _healings(self) -> list[HealingRecord]:
        return read_record(self._run.environment, EnvironmentRecord).get("healings", [])

    def _heal(self, epoch: int, alarm: str, history: pd.DataFrame, step: int | None = None) -> None:
        """Examine, try, and write down; leave if something helps.

        Args:
            epoch: the epoch, from 1, that the alarm is of.
            alarm: what it said.
            history: one row an epoch.
            step: steps of the epoch that are done; None for all.
        """
        case = case_in_training(
            self._config, self._splits, self.model, history, epoch, self._steps(epoch, step)
        )
        with self._console.working("looking for the cause"):
            diagnosis = diagnose(case)
        good = good_state(self._checkpoints, self._run, self._config)
        treatments = self._try(diagnosis, good)
        self._run.diagnosis.mkdir(exist_ok=True)
        command = command_line("fit", "--config", self._run.config)
        write_diagnosis(diagnosis, (), treatments, command, self._run.diagnosis)
        best = self._best(treatments, good)
        healing = _record(epoch, alarm, diagnosis, treatments, best)
        if best is None:
            self._go_on(healing)
        else:
            self._go_on_with(healing, best, good)

    def _steps(self, epoch: int, step: int | None) -> int:
        per_epoch = self.params["steps"]
        return epoch * per_epoch if step is None else max(1, (epoch - 1) * per_epoch + step)

    def _try(self, diagnosis: Diagnosis, good: Checkpoint | None) -> list[Treatment]:
        """Try the first remedies, from the good state where there is one."""
        if not can_be_tried(diagnosis):
            return []
        case = diagnosis.case
        if good is not None:
            case = replace(case, begin=begin_from(good, self._config))
        with self._console.working("trying remedies", steps_of_all(diagnosis)) as advance:
            return treat(replace(diagnosis, case=case), advance)

    def _best(self, treatments: Sequence[Treatment], good: Checkpoint | None) -> Treatment | None:
        """What helped most; of a good state, what was learnt is not given up for another start."""
        return best_of(
            [
                each
                for each in treatments
                if each.works
                and (good is None or fits(good, self._config, self._after(each), self._splits))
            ]
        )

    def _after(self, treatment: Treatment) -> Config:
        return treatment.remedy.applied_to(self._config)

    def _go_on(self, healing: HealingRecord) -> None:
        """Nothing helped: write it down."""
        add_healing(self._run, healing)
        tried = len(healing["tried"])
        self._console.print(self._said("not healed", healing))
        works = [each["remedy"] for each in healing["tried"] if each["works"]]
        said = f"none of {tried} remedies helped" if tried else "no setting is a remedy"
        if works:
            said = f"{works[0]} helps, but does not fit the good state"
        self._console.print(
            f"{said}: goes on as it was; what was measured and tried: {self._run.diagnosis}"
        )

    def _go_on_with(
        self, healing: HealingRecord, best: Treatment, good: Checkpoint | None
    ) -> NoReturn:
        """Something helped: write it down, and leave."""
        after = self._after(best)
        healing["changes"] = _changes(self._config, after, best.remedy)
        healing["restored"] = 0 if good is None else good.epoch - 1
        healing["lost"] = healing["epoch"] - healing["restored"]
        healing["checkpoint"] = self._checkpoints.last_number
        healing["alarms"] = [
            cast(AlarmRecord, {"epoch": each.epoch, "text": each.text})
            for each in self._console.alarms
        ]
        add_healing(self._run, healing)
        self._console.print(self._said("healed", healing))
        self._console.print(
            f"{changes_text(healing)}: {best.treated.steps} steps with it come to "
            f"{percent(best.treated.validation_accuracy)} right, without it to "
            f"{percent(best.untreated.validation_accuracy)}; goes on {restart_text(healing)}"
        )
        raise Healed(after)

    def _said(self, what: str, healing: HealingRecord) -> str:
        number = f"{len(self._healings())} of at most {self._config.monitor.heal_at_most}"
        return f"epoch {healing['epoch']}: {what} ({number}): {healing['verdict']}"


@contextmanager
def healed_after_divergence(callbacks: Sequence[keras.callbacks.Callback]) -> Iterator[None]:
    """Let what heals among the callbacks deal with a training that diverges in the block.

    Raises:
        Healed: something helped.
    """
    try:
        yield
    except DivergedForGood as diverged:
        for callback in callbacks:
            if isinstance(callback, HealOnAlarm):
                callback.after_divergence(diverged)
        raise


def _record(
    epoch: int,
    alarm: str,
    diagnosis: Diagnosis,
    treatments: Sequence[Treatment],
    best: Treatment | None,
) -> HealingRecord:
    """What is written down; of several causes the one whose remedy is taken, or the first."""
    helped = [each for each in diagnosis.findings if best and each.cause == best.cause]
    finding = next(iter((*helped, *diagnosis.findings)), None)
    record = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "epoch": epoch,
        "alarm": alarm,
        "cause": finding.cause if finding else None,
        "verdict": finding.verdict if finding else diagnosis.verdict,
        "evidence": [
            {"what": each.what, "measured": each.measured, "expected": each.expected}
            for each in (finding.evidence if finding else ())
        ],
        "tried": [_tried(each) for each in treatments],
        "changes": [],
    }
    return cast(HealingRecord, record)


def _tried(treatment: Treatment) -> TriedRecord:
    record = {
        "cause": treatment.cause,
        "remedy": treatment.remedy.what,
        "arguments": treatment.remedy.arguments,
        "steps": treatment.treated.steps,
        "accuracy": treatment.treated.validation_accuracy,
        "accuracy_without": treatment.untreated.validation_accuracy,
        "works": treatment.works,
    }
    return cast(TriedRecord, record)


def _changes(before: Config, after: Config, remedy: Remedy) -> list[SettingRecord]:
    was, now = _plain(flat(before)), _plain(flat(after))
    return [
        cast(SettingRecord, {"key": key, "was": was.get(key), "now": now[key]})
        for key in remedy.overrides
        if was.get(key) != now[key]
    ]


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
