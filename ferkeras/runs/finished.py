"""Finished runs, opened by the path of their folder.

Imports no TensorFlow, so that a wrong path is reported at once.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ferkeras.cli.errors import InputError
from ferkeras.config.file import load_config
from ferkeras.config.schema import Config
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.task import Task
from ferkeras.runs.embedded import About
from ferkeras.runs.record import Run
from ferkeras.runs.shipped import located

_LARGEST_JSON = 1 << 26
_METRICS = {"best_epoch": int, "epochs": int, "parameters": int, "alarms": list, "validation": dict}


@dataclass(frozen=True)
class FinishedRun:
    """What a finished run tells of itself.

    Attributes:
        run: its folder.
        config: the resolved configuration.
        metrics: what `metrics.json` holds.
        environment: what `environment.json` holds.
    """

    run: Run
    config: Config
    metrics: dict[str, Any]
    environment: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of its folder, such as `demo-001`."""
        return self.run.folder.resolve().name

    @property
    def fingerprint(self) -> str | None:
        """Digest of the faces it was trained on, as `ferkeras.data.faces.Splits` has it."""
        return self.environment.get("data", {}).get("fingerprint")

    @property
    def task(self) -> Task:
        """What it learnt."""
        content = self.environment.get("data", {}).get("task")
        # Runs that record no task are of the time when there was one only.
        return FER2013 if content is None else Task.from_json(content)

    def about(self) -> About:
        """What its exports tell of themselves; no path of this machine."""
        data = self.environment.get("data", {})
        return About(
            self.task.classes.names,
            {
                "run": self.name,
                "ferkeras": self.environment.get("ferkeras"),
                "data": PurePath(str(data.get("source"))).name,
                "fingerprint": self.fingerprint,
                "epoch": self.metrics.get("best_epoch"),
                "seed": self.config.seed,
                "validation_accuracy": self.metrics.get("validation", {}).get("accuracy"),
            },
        )


def open_run(path: str | Path) -> FinishedRun:
    """Open the folder of a finished run.

    Raises:
        InputError: there is no such folder, it is no run, the run is not finished, or a file of
            it is damaged; the message names the nearest run where there is one.
    """
    folder = located(Path(path).expanduser())
    if not folder.is_dir():
        raise _no_folder(folder)
    run = Run(folder)
    if not run.config.is_file():
        raise InputError(
            f"{folder}: not a run: it has no {run.config.name}; expected a folder that "
            f"python -m ferkeras.fit has made{_runs_in(folder)}"
        )
    if not run.metrics.is_file():
        raise InputError(
            f"{folder}: this run is not finished: {run.metrics.name}, which is written last, is "
            f"missing ({_epochs_done(run)}); wait for it, or name a finished run"
            f"{_runs_in(folder.parent)}"
        )
    finished = FinishedRun(
        run, load_config(run.config), read_json(run.metrics), read_json(run.environment)
    )
    _check(finished)
    return finished


def _check(finished: FinishedRun) -> None:
    """Refuse files that hold other things than a training writes."""
    data = finished.environment.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("fingerprint"), str):
        raise InputError(
            f"{finished.run.environment}: damaged: expected data with the faces' fingerprint; "
            "take the file from a copy of the run, or train again"
        )
    try:
        _ = finished.task
    except ValueError as error:
        raise InputError(
            f"{finished.run.environment}: damaged: data.task: {error}; take the file from a copy "
            "of the run, or train again"
        ) from None
    for key, kind in _METRICS.items():
        if not isinstance(finished.metrics.get(key), kind):
            raise InputError(
                f"{finished.run.metrics}: damaged: expected {key} ({kind.__name__}), found "
                f"{repr(finished.metrics.get(key))[:100]}; take the file from a copy of the run, "
                "or train again"
            )


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
    except OSError:
        return []


def _runs_in(folder: Path) -> str:
    names = _finished_in(folder)
    return f"; the latest finished run in {folder} is {folder / names[-1]}" if names else ""


def _epochs_done(run: Run) -> str:
    try:
        with run.history.open("rb") as file:
            done = sum(1 for _ in file) - 1
    except OSError:
        done = 0
    return f"{done} epoch{'' if done == 1 else 's'} in {run.history.name}"


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file of a run.

    Raises:
        InputError: it cannot be read, or is damaged.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_JSON + 1)
        content = json.loads(raw) if len(raw) <= _LARGEST_JSON else None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); the run is not complete without it"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: damaged: not JSON ({str(error)[:100]}); take the file from a copy of the "
            "run, or train again"
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: damaged: expected a JSON object; train again")
    return content
