"""Interrupted runs, opened to be resumed.

Imports no TensorFlow, so that a wrong path is reported at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown
from ferkeras.config.file import load_config
from ferkeras.config.schema import Config, Output
from ferkeras.data.faces import Splits
from ferkeras.files.writing import remove_temporary_files
from ferkeras.runs.finished import FinishedRun, check_task
from ferkeras.runs.lock import exclusive_lock
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, read_record
from ferkeras.runs.teachers import record_of


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that can be resumed.

    Attributes:
        run: its folder.
        config: its resolved configuration.
        environment: what `environment.json` holds; None if the run had not got that far.
    """

    run: Run
    config: Config
    environment: EnvironmentRecord | None

    def check_faces(self, splits: Splits) -> None:
        """Refuse other faces than those that the run began with.

        Raises:
            InputError: the fingerprint is another.
        """
        if self.environment is None:
            return
        expected = self.environment["data"]["fingerprint"]
        if splits.fingerprint != expected:
            raise InputError(
                f"{self.run.folder}: data.path = {self.config.data.path} holds other faces than "
                f"when the run began (fingerprint {splits.fingerprint[:12]}, then "
                f"{expected[:12]}); restore them, or begin a new run"
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
    folder = Path(Output().folder) if path is None else path.expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one that python -m ferkeras.fit made")
    if Run(folder).config.is_file():
        return Run(folder)
    runs = [Run(each) for each in folder.iterdir() if not each.name.startswith(".")]
    unfinished = [run for run in runs if run.config.is_file() and not run.metrics.exists()]
    if not unfinished:
        raise InputError(f"{folder}: no unfinished run in it; name the folder of the one you mean")
    return max(unfinished, key=lambda run: run.config.stat().st_mtime_ns)


@contextmanager
def reopened(run: Run) -> Iterator[UnfinishedRun | None]:
    """Lock a run and tidy what a killed process left; None if it is complete.

    All that can be wrong with the folder is found before anything in it is touched.

    Raises:
        InputError: another process has the run, or a file of it is damaged.
    """
    _opened(run)
    with exclusive_lock(run.folder):
        # Another process may have come in between.
        unfinished = _opened(run)
        for folder in (run.inner, run.exports, run.checkpoints):
            remove_temporary_files(folder)
        yield unfinished


def _opened(run: Run) -> UnfinishedRun | None:
    if run.metrics.exists():
        return None
    config, environment = load_config(run.config), _environment(run)
    if environment is None and not set(Config.model_fields) <= _sections(run.config.read_text()):
        raise InputError(
            f"{shown(run.config)}: a configuration, but not one that python -m ferkeras.fit has "
            "written into a run's folder: it does not name every key; nothing was touched"
        )
    return UnfinishedRun(run, config, environment)


def _sections(text: str) -> set[str]:
    return set(re.findall(r"^(\w+):", text, re.MULTILINE))


def _environment(run: Run) -> EnvironmentRecord | None:
    if not run.environment.exists():
        return None
    environment = read_record(run.environment, EnvironmentRecord)
    check_task(run, environment)
    return environment
