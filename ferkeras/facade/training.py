"""A training, and going on with one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferkeras.cli.errors import InputError
from ferkeras.cli.home import path_given
from ferkeras.cli.lines import Progress, Reports, console_for
from ferkeras.cli.wording import described
from ferkeras.config.arguments import DEFAULT, find_config
from ferkeras.config.file import load_config, with_values
from ferkeras.config.idle import refuse_idle
from ferkeras.config.keys import with_dots
from ferkeras.config.schema import Config
from ferkeras.data.faces import ReadFaces
from ferkeras.data.load import load_splits, split_as_configured
from ferkeras.data.read_before import taken_over
from ferkeras.facade.run import Run
from ferkeras.runs.changes import EPOCHS
from ferkeras.runs.finished import find_folder, open_run
from ferkeras.runs.moved import PATH
from ferkeras.runs.unfinished import reopened


def train(
    config: str | Path | Config = DEFAULT,
    settings: Mapping[str, Any] | None = None,
    *,
    data: str | Path | ReadFaces | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train a network, and leave everything about it in a new folder, as `ferkeras fit` does.

    The random generators of Python, NumPy and Keras are seeded, and TensorFlow's operations made
    deterministic, for the whole process.

    Args:
        config: a YAML file, the name of a configuration that comes along (``demo``, ``fer2013``,
            ``fer2013-fast``, ...), or a `ferkeras.config.schema.Config`.
        settings: what is different in it, as ``{"train.epochs": 3}`` or
            ``{"train": {"epochs": 3}}``; `ferkeras fit --help` lists all keys.
        data: path of the faces, or what `load_data` returned, whose arguments the run's
            configuration takes over; None: as configured.
        progress: takes each line of what the command prints, as `print` does; or an object that is
            told of phases and epochs, without a console::

                class Plot:
                    def phase(self, what): ...  # "loading TensorFlow", "validation", ...
                    def epoch(self, epoch, epochs, logs): ...  # 3, 60, {"loss": 1.5, ...}

    Returns:
        The finished run; `Run.stopped` says whether an alarm ended it early.

    Raises:
        InputError: the configuration or the faces are wrong, or faces of `load_data` were read
            otherwise than the configuration asks for.
        RunError: the training failed.
        Interrupted: Ctrl-C or a signal came; `ferkeras fit --resume` goes on from the state that
            was saved last, which the message tells of.

    Example:
        >>> import ferkeras
        >>> small = {"data.demo_faces": 300, "train.epochs": 1, "network.filters": [4]}
        >>> run = ferkeras.train("demo", small)  # doctest: +SKIP
    """
    if not isinstance(config, Config):
        expected = "a file, the name of a configuration or a Config (changes go into settings)"
        config = load_config(find_config(path_given("config", config, expected)))
    values = _settings(settings)
    if isinstance(data, ReadFaces):
        values["data.path"] = data.settings.get("data.path", data.source)
    elif data is not None:
        values["data.path"] = path_given("data", data, "a path, or what load_data returned")
    resolved = with_values(config, values)
    refuse_idle(resolved, values)
    if isinstance(data, ReadFaces):
        resolved = taken_over(data, resolved, values)
    with console_for(progress) as console:
        splits = (
            split_as_configured(data, resolved)
            if isinstance(data, ReadFaces)
            else load_splits(resolved, console)
        )

        from ferkeras.fit.fitting import fit

        reports = progress if isinstance(progress, Reports) else None
        outcome = fit(resolved, console, splits=splits, reports=reports)
    assert outcome is not None
    return Run(open_run(outcome.run.folder.absolute()))


def resume(
    path: str | Path,
    *,
    epochs: int | None = None,
    data: str | Path | None = None,
    progress: Progress | None = None,
) -> Run:
    """Go on with a run that was interrupted, or train a finished one for more epochs.

    It goes on at the step where it was, as `ferkeras fit --resume` does. A finished run for which
    no more epochs are asked is opened as it is.

    Args:
        path: its folder.
        epochs: how many it shall have in all; None: as configured.
        data: where its faces are now; they must be the same. None: as configured.
        progress: as for `train`.

    Raises:
        InputError: it cannot go on, or not as asked for; nothing was changed.
        RunError: the training failed.
        Interrupted: as for `train`.
    """
    changes: dict[str, Any] = {}
    if epochs is not None:
        changes[EPOCHS] = epochs
    if data is not None:
        changes[PATH] = path_given("data", data)
    run = find_folder(path_given("path", path))
    with console_for(progress) as console, reopened(run, changes) as unfinished:
        if unfinished is not None:
            from ferkeras.fit.fitting import fit

            reports = progress if isinstance(progress, Reports) else None
            fit(unfinished.config, console, unfinished, reports=reports)
    return Run(open_run(run.folder.absolute()))


def _settings(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(
            f'settings: expected a mapping such as {{"train.epochs": 3}}, found {described(given)}'
        )
    values = with_dots(given)
    return {key: os.fspath(v) if isinstance(v, os.PathLike) else v for key, v in values.items()}
