"""Runs opened to go on: interrupted ones, and complete ones with more epochs.

Imports no TensorFlow, so that a wrong path is reported at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded
from ferkeras.cli.wording import listed, shown
from ferkeras.config.file import load_config, with_values
from ferkeras.config.keys import as_yaml
from ferkeras.config.schema import Config
from ferkeras.config.sections.output import Output
from ferkeras.data.faces import Splits
from ferkeras.files.writing import remove_temporary_files
from ferkeras.runs.changes import EPOCHS, TRACKERS, moved
from ferkeras.runs.configured import config_of
from ferkeras.runs.division import had_same_faces, had_same_splits
from ferkeras.runs.finished import FinishedRun, check_name, check_task, task_of
from ferkeras.runs.healings import START, healed_settings, healings_to_come
from ferkeras.runs.history import read_so_far
from ferkeras.runs.lock import exclusive_lock
from ferkeras.runs.moved import PATH, VOTES
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, MetricsRecord, read_record
from ferkeras.runs.teachers import record_of


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that can be resumed.

    Attributes:
        run: its folder.
        config: its resolved configuration, with what is asked for.
        environment: what `environment.json` holds; None if the run had not got that far.
        complete: whether there is nothing to train: only its data have moved.
    """

    run: Run
    config: Config
    environment: EnvironmentRecord | None
    complete: bool = False

    def check_faces(self, splits: Splits) -> None:
        """Refuse other faces than those that the run began with, and others held out of them.

        Raises:
            InputError: the fingerprint, the names of the classes or the division is another.
        """
        if self.environment is None:
            return
        expected = self.environment["data"]["fingerprint"]
        if not had_same_faces(self.environment, splits):
            raise InputError(
                f"{self.run.folder}: data.path = {self.config.data.path} holds other faces than "
                f"when the run began (fingerprint {splits.fingerprint[:12]}, then "
                f"{expected[:12]}); restore them, name where they are now ({PATH}=PATH), or begin "
                "a new run"
            )
        names, then = splits.task.classes.names, task_of(self.environment).classes.names
        if names != then:
            raise InputError(
                f"{self.run.folder}: data.path = {self.config.data.path} holds faces of "
                f"{listed(names)}, and of {listed(then)} when the run began; restore the names of "
                "the classes, or begin a new run"
            )
        leaked = self.environment["data"].get("leaked", 0)
        if (splits.leaked > 0) != (leaked > 0):
            raise InputError(
                f"{self.run.folder}: data.drop_leaked = {as_yaml(self.config.data.drop_leaked)} "
                f"leaves {splits.leaked:,} training faces out, and {leaked:,} were left out when "
                "the run began; restore it in its config.yaml, or begin a new run"
            )
        if not had_same_splits(self.environment, splits):
            raise InputError(
                f"{self.run.folder}: the faces of data.path = {self.config.data.path} are divided "
                "otherwise than when the run began, so that it would be validated on faces that it "
                "was trained on: who is seen in them, or a package that divides them, has changed; "
                "restore that, or begin a new run"
            )
        votes = self.environment["data"].get("votes")
        if splits.votes_fingerprint != votes:
            raise InputError(
                f"{self.run.folder}: data.votes = {self.config.data.votes} holds other votes than "
                f"when the run began (fingerprint {(splits.votes_fingerprint or 'none')[:12]}, "
                f"then {(votes or 'none')[:12]}); restore them, name where they are now "
                f"({VOTES}=PATH), or begin a new run"
            )

    def check_teachers(self, teachers: Sequence[FinishedRun]) -> None:
        """Refuse other teachers than those that the run began with.

        Raises:
            InputError: one has another network.
        """
        now = record_of(teachers)
        if self.environment is not None and self.environment.get("teachers", now) != now:
            raise InputError(
                f"{self.run.folder}: distill.teachers: "
                f"{', '.join(self.config.distill.teachers)} do not have the networks that they had "
                "when the run began; restore them, or begin a new run"
            )

    def check_start(self, start: FinishedRun | None) -> None:
        """Refuse to begin anew from another network than the run began from.

        Raises:
            InputError: `network.start_from` has another network.
        """
        if self.environment is not None and START in healed_settings(self.environment):
            return
        now = None if start is None else record_of([start])[0]
        if self.environment is not None and self.environment.get("start_from", now) != now:
            raise InputError(
                f"{self.run.folder}: network.start_from: {self.config.network.start_from} does not "
                "have the network that it had when the run began; restore it, or begin a new run"
            )


def find_run(path: Path | None) -> Run:
    """The run that is meant by a run's folder, by a folder of runs, or by nothing.

    Args:
        path: a run's folder; or a folder of runs, for the newest unfinished one in it; None for
            the newest unfinished one in the default `output.folder`.

    Raises:
        InputError: there is no such run.
    """
    folder = Path(Output().folder) if path is None else expanded(path)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one that python -m ferkeras.fit made")
    if Run(folder).config.is_file():
        check_name(folder)
        return Run(folder)
    runs = [Run(each) for each in folder.iterdir() if not each.name.startswith(".")]
    unfinished = [run for run in runs if run.config.is_file() and not run.metrics.exists()]
    if not any(run.config.is_file() for run in runs):
        raise InputError(
            f"{shown(folder)}: neither a run nor a folder of runs; name the folder of a run, such "
            f"as {Path(Output().folder, 'demo-001')}"
        )
    if not unfinished:
        raise InputError(f"{folder}: no unfinished run in it; name the folder of the one you mean")
    newest = max(unfinished, key=lambda run: run.config.stat().st_mtime_ns)
    check_name(newest.folder)
    return newest


@contextmanager
def reopened(run: Run, changes: Mapping[str, Any] | None = None) -> Iterator[UnfinishedRun | None]:
    """Lock a run and tidy what a killed process left; None if there is nothing to do.

    All that can be wrong with the folder is found before anything in it is touched.

    Args:
        run: its folder.
        changes: more epochs, data at another place, other trackers: see
            `ferkeras.runs.changes.changes_asked`.

    Raises:
        InputError: another process has the run, a file of it is damaged, or it cannot go on as
            asked for.
    """
    _opened(run, changes or {})
    with exclusive_lock(run.folder):
        # Another process may have come in between.
        unfinished = _opened(run, changes or {})
        for folder in (run.inner, run.checkpoints, run.diagnosis):
            remove_temporary_files(folder)
        _tidy_exports(run)
        yield unfinished


def _tidy_exports(run: Run) -> None:
    """Remove what a killed export left; that of one which is at work stays."""
    if run.exports.is_dir():
        # Where it cannot be locked, an export at its end says so.
        with suppress(InputError), exclusive_lock(run.exports.path):
            remove_temporary_files(run.exports)


def _opened(run: Run, changes: Mapping[str, Any]) -> UnfinishedRun | None:
    # Of a folder that may be no run more is asked below.
    before = config_of(run) if run.metrics.exists() else load_config(run.config)
    environment = _environment(run)
    if environment is not None and not run.metrics.exists():
        # Healing is written down before the configuration is: see `ferkeras.runs.healings`.
        before = with_values(before, healings_to_come(environment, before))
    config = with_values(before, changes) if changes else before
    if run.metrics.exists():
        return _complete(run, before, config, environment, changes)
    if environment is None and not set(Config.model_fields) <= _sections(run.config.read_text()):
        raise InputError(
            f"{shown(run.config)}: a configuration, but not one that python -m ferkeras.fit has "
            "written into a run's folder: it does not name every key; nothing was touched"
        )
    if EPOCHS in changes:
        _refuse_fewer(run, config, len(read_so_far(run.history, "epoch")))
    return UnfinishedRun(run, config, environment)


def _complete(
    run: Run,
    before: Config,
    config: Config,
    environment: EnvironmentRecord | None,
    changes: Mapping[str, Any],
) -> UnfinishedRun | None:
    """A run with an end that is to go on, or has moved; None if neither."""
    metrics = read_record(run.metrics, MetricsRecord)
    done = metrics["epochs"]
    if EPOCHS in changes:
        if reason := metrics.get("stopped"):
            raise InputError(
                f"{run.folder}: this run was ended early ({reason}), and would be again; "
                "begin a new run with other settings"
            )
        _refuse_fewer(run, config, done)
    if config.train.epochs > done and not metrics.get("stopped"):
        if environment is None:
            raise InputError(
                f"{shown(run.environment)}: no such file; the run is not complete without it"
            )
        if not any(path.suffix == ".npz" for path in run.checkpoints.iterdir()):
            raise InputError(
                f"{run.folder}: {run.checkpoints.name}/, from which it would go on, is gone; "
                f"begin a new run from its network: network.start_from={run.folder}"
            )
        return UnfinishedRun(run, config, environment)
    if TRACKERS in changes:
        raise InputError(
            f"{TRACKERS}: {run.folder} is complete, so that there is nothing to tell; name more "
            f"epochs too ({EPOCHS}=N), or leave it out"
        )
    if moved(before, config):
        return UnfinishedRun(run, config, environment, complete=True)
    return None


def _refuse_fewer(run: Run, config: Config, done: int) -> None:
    if config.train.epochs < done:
        raise InputError(
            f"{EPOCHS}={config.train.epochs}: {run.folder} has trained {done} epochs already; "
            "name more"
        )


def _sections(text: str) -> set[str]:
    return set(re.findall(r"^(\w+):", text, re.MULTILINE))


def _environment(run: Run) -> EnvironmentRecord | None:
    if not run.environment.exists():
        return None
    environment = read_record(run.environment, EnvironmentRecord)
    check_task(run, environment)
    return environment
