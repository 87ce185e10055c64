"""Finished runs, opened by the path of their folder.

Imports no TensorFlow, so that a wrong path is reported at once.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded
from ferkeras.cli.invocation import command_line
from ferkeras.cli.wording import shown
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.task import Task
from ferkeras.runs.configured import config_of
from ferkeras.runs.embedded import About, enclosed_in
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, HealingRecord, MetricsRecord, read_record
from ferkeras.runs.shipped import located, results_of

if TYPE_CHECKING:
    from ferkeras.config.schema import Config

_LARGEST_HISTORY = 16 << 20


@dataclass(frozen=True)
class TrainedRun(ABC):
    """A run that has a network: its best one, at its end or so far.

    Attributes:
        run: its folder.
        config: the resolved configuration.
        environment: what `environment.json` holds.
    """

    run: Run
    config: Config
    environment: EnvironmentRecord

    @property
    @abstractmethod
    def epochs(self) -> int:
        """How many epochs it was trained."""

    @property
    @abstractmethod
    def best_epoch(self) -> int:
        """The epoch of its network, from 1."""

    @property
    @abstractmethod
    def accuracy(self) -> float:
        """Of its network on the validation faces, 0 to 1."""

    @property
    def unfinished(self) -> str:
        """What is to be said of a run without an end; empty for one with an end."""
        return ""

    @property
    def name(self) -> str:
        """The name of its folder, such as `demo-001`."""
        return self.run.folder.resolve().name

    @property
    def fingerprint(self) -> str:
        """Digest of the faces it was trained on, as `ferkeras.data.faces.Splits` has it."""
        return self.environment["data"]["fingerprint"]

    @property
    def pixel_statistics(self) -> tuple[float, float]:
        """Mean and standard deviation that its network standardises pixel / 255 with."""
        data = self.environment["data"]
        return data["mean"], data["std"]

    @property
    def healings(self) -> list[HealingRecord]:
        """What was done about alarms, with `monitor.collapse_action=heal`; oldest first."""
        return self.environment.get("healings", [])

    @property
    def task(self) -> Task:
        """What it learnt."""
        return task_of(self.environment)

    @property
    def kept(self) -> Mapping[str, Any]:
        """What the file of its network tells of that; empty where it is not there or tells nothing.

        One that Keras has saved again tells nothing, and is loaded all the same.
        """
        best = self.run.best
        try:
            return enclosed_in(best.read_bytes(), best).provenance if best.exists() else {}
        except InputError:
            return {}

    def about(self) -> About:
        """What its exports tell of themselves; no path of this machine."""
        about = about_training(self.run, self.config, self.environment)
        unfinished = {"unfinished": self.unfinished} if self.unfinished else {}
        return about.also(epoch=self.best_epoch, validation_accuracy=self.accuracy, **unfinished)


@dataclass(frozen=True)
class FinishedRun(TrainedRun):
    """What a finished run tells of itself.

    Attributes:
        metrics: what `metrics.json` holds.
    """

    metrics: MetricsRecord

    @property
    def epochs(self) -> int:
        """How many epochs it was trained."""
        return self.metrics["epochs"]

    @property
    def best_epoch(self) -> int:
        """The epoch of its network, from 1."""
        return self.metrics["best_epoch"]

    @property
    def accuracy(self) -> float:
        """Of its network on the validation faces, 0 to 1."""
        return self.metrics["validation"]["accuracy"]


def about_training(run: Run, config: Config, environment: EnvironmentRecord) -> About:
    """What a network tells of a training that need not be finished; no path of this machine."""
    data = environment["data"]
    return About(
        task_of(environment).classes.names,
        {
            "run": run.folder.resolve().name,
            "ferkeras": environment.get("ferkeras"),
            "data": PurePath(str(data.get("source"))).name,
            "fingerprint": data["fingerprint"],
            "seed": config.seed,
        },
    )


def task_of(environment: EnvironmentRecord) -> Task:
    """What a run learns, by its `environment.json`.

    Raises:
        ValueError: the names or numbers in it make no task.
    """
    content = environment["data"].get("task")
    # Runs that record no task are of the time when there was one only.
    return FER2013 if content is None else Task.from_json(content)


def open_run(path: str | Path) -> FinishedRun:
    """Open the folder of a finished run.

    Raises:
        InputError: there is no such folder, it is no run, the run is not finished, or a file of
            it is damaged; the message names the nearest run where there is one.
    """

    run = find_folder(path)
    if not run.metrics.is_file():
        raise not_finished(run)
    environment = read_record(run.environment, EnvironmentRecord)
    check_task(run, environment)
    return FinishedRun(run, config_of(run), environment, read_record(run.metrics, MetricsRecord))


def open_configured(key: str, path: str) -> FinishedRun:
    """Open the finished run that a key of the configuration names, for its network.

    Raises:
        InputError: as `open_run`, or the run has lost its network; the message names the key.
    """
    try:
        finished = open_run(path)
    except InputError as error:
        raise InputError(f"{key}: {error}") from None
    if not finished.run.best.is_file():
        raise InputError(
            f"{key}: {finished.run.best}: no such file; without it the run has no network; name "
            "another"
        )
    return finished


def find_folder(path: str | Path) -> Run:
    """The run's folder that is meant by a path.

    Raises:
        InputError: there is no such folder, or it is no run.
    """
    folder = located(expanded(path))
    try:
        there = folder.is_dir()
    except OSError as error:  # too long a name; a folder on the way that may not be read
        raise InputError(f"{shown(folder)}: {error.strerror}") from None
    if not there:
        raise _no_folder(folder)
    check_name(folder)
    run = Run(folder, results_of(folder))
    if not run.config.is_file():
        raise InputError(
            f"{folder}: not a run: it has no {run.config.name}; expected a folder that "
            f"python -m ferkeras.fit has made{_runs_in(folder)}"
        )
    return run


def check_name(folder: Path) -> None:
    """Refuse a run's folder whose name no record and no page could hold.

    Raises:
        InputError: its path has bytes that are no UTF-8.
    """
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{shown(folder)}: its name is not UTF-8, so that nothing could be written about this "
            "run; rename the folder"
        ) from None


def not_finished(run: Run) -> InputError:
    """The error for a run that has no end, where one with an end is needed."""
    folder = run.folder
    return InputError(
        f"{folder}: this run is not finished: {run.metrics.name}, which is written last, is "
        f"missing ({_epochs_done(run)}); wait for it, resume it "
        f"({command_line('fit', '--resume', folder)}), or name a finished run"
        f"{_runs_in(folder.parent)}"
    )


def check_task(run: Run, environment: EnvironmentRecord) -> None:
    """Refuse an `environment.json` whose task is none.

    Raises:
        InputError: its names or numbers are not those of a task.
    """
    try:
        task_of(environment)
    except ValueError as error:
        raise InputError(
            f"{shown(run.environment)}: damaged: data.task: {error}; take the file from a copy of "
            "the run, or train again"
        ) from None


def _no_folder(path: Path) -> InputError:
    if path.is_file() and Run(path.parent).config.is_file():
        return InputError(f"{path}: a file of a run; name the run's folder: {path.parent}")
    if path.exists():
        return InputError(f"{path}: not a folder; expected one that python -m ferkeras.fit made")
    near = difflib.get_close_matches(path.name, _finished_in(path.parent), n=1, cutoff=0.4)
    hint = f"; did you mean {path.parent / near[0]}?" if near else _runs_in(path.parent)
    return InputError(f"{path}: no such run folder{hint}")


def _finished_in(folder: Path) -> list[str]:
    """Names of the finished runs in a folder, the newest last."""
    try:
        found = [p for p in folder.iterdir() if Run(p).metrics.is_file()]
        return [p.name for p in sorted(found, key=lambda p: Run(p).metrics.stat().st_mtime)]
    except (OSError, InputError):
        return []


def newest_in(folder: Path) -> Path | None:
    """The finished run in a folder that ended last, None where there is none."""
    names = _finished_in(folder)
    return folder / names[-1] if names else None


def _runs_in(folder: Path) -> str:
    newest = newest_in(folder)
    return f"; the latest finished run in {folder} is {newest}" if newest else ""


def _epochs_done(run: Run) -> str:
    try:
        done = run.history.read_bytes(_LARGEST_HISTORY).count(b"\n") - 1
    except (OSError, InputError):
        done = 0
    return f"{done} epoch{'' if done == 1 else 's'} in {run.history.name}"
