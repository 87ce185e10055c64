"""What `fit` does, from a configuration to the result, for the command and for Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferkeras.cli.console import Console
from ferkeras.cli.lines import Reports
from ferkeras.cli.quiet import import_tensorflow
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.data.load import load_splits
from ferkeras.files.writing import demand_room
from ferkeras.fit.notes import note_on_average, notes_on
from ferkeras.network.weights_file import find_weights
from ferkeras.runs.changes import write_changes
from ferkeras.runs.moved import splits_of_run
from ferkeras.runs.record import Run
from ferkeras.runs.start import open_start
from ferkeras.runs.teachers import need_same_task, open_teachers
from ferkeras.runs.unfinished import UnfinishedRun
from ferkeras.trackers.opening import need_trackers

if TYPE_CHECKING:
    import keras

    from ferkeras.fit.ending import Outcome


def fit(
    config: Config,
    console: Console,
    unfinished: UnfinishedRun | None = None,
    *,
    splits: Splits | None = None,
    reports: Reports | None = None,
) -> Outcome | None:
    """Train a configuration to the end, and print what came of it.

    TensorFlow is imported when all that can be wrong without it has been checked.

    Args:
        config: the resolved configuration.
        console: where messages are printed.
        unfinished: the run to go on with, locked; None begins a new one.
        splits: the faces; None: as configured.
        reports: told of each epoch.

    Returns:
        What came of it; None where there was nothing to train: only the data have moved.

    Raises:
        InputError: the faces, teachers or the network to begin with are not (or no longer) right;
            or see `ferkeras.fit.run.train`.
        RunError: see `ferkeras.fit.run.train`.
        Interrupted: likewise.
    """
    if unfinished is not None and unfinished.complete:
        # Nothing is trained: what that needs may be gone.
        _move(config, console, unfinished)
        return None
    teachers = open_teachers(config.distill)
    start = open_start(config.network.start_from)
    find_weights(config.network)
    need_trackers(config.monitor)
    if unfinished is not None:
        unfinished.check_teachers(teachers)
        unfinished.check_start(start)
    if unfinished is None:
        demand_room(Path(config.output.folder), "name another with output.folder=DIR")
    else:
        demand_room(unfinished.run.inner)
    if splits is None:
        splits = (
            load_splits(config, console)
            if unfinished is None
            else splits_of_run(config, console, "fit", "--resume", unfinished.run.folder)
        )
    need_same_task(teachers, splits.task)
    run: Run | None = None
    if unfinished is not None:
        unfinished.check_faces(splits)
        run = unfinished.run
    for note in notes_on(config, splits):
        console.print(f"note: {note}")
    with console.working("loading TensorFlow"):
        import_tensorflow()
        from ferkeras.fit.outcome import print_outcome
        from ferkeras.fit.run import train

    if note := note_on_average(config, splits):
        console.print(f"note: {note}")
    watch = [] if reports is None else [_reporting(reports, config.train.epochs)]
    outcome = train(config, splits, console, run, watch=watch)
    print_outcome(outcome, config, console)
    return outcome


def _move(config: Config, console: Console, unfinished: UnfinishedRun) -> None:
    """Write down that the faces of a complete run lie elsewhere now, if they are the same."""
    folder = unfinished.run.folder
    demand_room(unfinished.run.inner)
    unfinished.check_faces(splits_of_run(config, console, "fit", "--resume", folder))
    write_changes(unfinished.run, config, config.train.epochs)
    console.print(f"{folder}: its faces are the same, now at {config.data.path}")


def _reporting(reports: Reports, epochs: int) -> keras.callbacks.Callback:
    import keras

    def report(epoch: int, logs: Mapping[str, Any]) -> None:
        reports.epoch(epoch + 1, epochs, {key: float(value) for key, value in logs.items()})

    return keras.callbacks.LambdaCallback(on_epoch_end=report)
