"""Interrupted runs, opened to be resumed.

Imports no TensorFlow, so that a wrong path is reported at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferkeras.cli.errors import InputError
from ferkeras.config.file import load_config
from ferkeras.config.schema import Config, Output
from ferkeras.data.faces import Splits
from ferkeras.runs.finished import FinishedRun
from ferkeras.runs.lock import exclusive_lock
from ferkeras.runs.record import Run, remove_temporary_files
from ferkeras.runs.teachers import record_of


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that can be resumed.

    Attributes:
        run: its folder.
        config: its resolved configuration.
        environment: what `environment.json` holds; empty if the run had not got that far.
    """

    run: Run
    config: Config
    environment: dict[str, Any]

    def check_faces(self, splits: Splits) -> None:
        """Refuse other faces than those that the run began with.

        Raises:
            InputError: the fingerprint is another.
        """
        expected = self.environment.get("data", {}).get("fingerprint", splits.fingerprint)
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
        if self.environment.get("teachers", now) != now:
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
        if self.environment.get("start_from", now) != now:
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

    Raises:
        InputError: another process has the run, or a file of it is damaged.
    """
    with exclusive_lock(run.folder):
        remove_temporary_files(run.folder)
        if run.metrics.exists():
            yield None
        else:
            yield UnfinishedRun(run, load_config(run.config), _environment(run))


def _environment(run: Run) -> dict[str, Any]:
    try:
        content = json.loads(run.environment.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{run.environment}: cannot be read ({error}); begin a new run") from None
    data = content.get("data", {}) if isinstance(content, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("fingerprint", ""), str):
        raise InputError(
            f"{run.environment}: damaged: expected a JSON object with the data's fingerprint; "
            "begin a new run"
        )
    return content
