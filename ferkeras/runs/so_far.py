"""Runs that have a network, also those that were cut off or are still being trained.

Imports no TensorFlow, so that a wrong path is reported at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, shown
from ferkeras.runs.configured import config_of
from ferkeras.runs.embedded import enclosed_in
from ferkeras.runs.finished import (
    TrainedRun,
    check_task,
    find_folder,
    not_finished,
    open_run,
)
from ferkeras.runs.history import read_so_far
from ferkeras.runs.records import EnvironmentRecord, read_record

_LARGEST = 2 << 30


@dataclass(frozen=True)
class RunSoFar(TrainedRun):
    """A run without an end, with the best network of the epochs that it has.

    Attributes:
        done: how many epochs are done.
        best: the epoch of the network, from 1, and its accuracy on the validation faces, 0 to 1.
    """

    done: int
    best: tuple[int, float]

    @property
    def epochs(self) -> int:
        """How many epochs it was trained."""
        return self.done

    @property
    def best_epoch(self) -> int:
        """The epoch of its network, from 1."""
        return self.best[0]

    @property
    def accuracy(self) -> float:
        """Of its network on the validation faces, 0 to 1."""
        return self.best[1]

    @property
    def unfinished(self) -> str:
        """What is to be said of it."""
        return f"unfinished after epoch {self.epochs} of {self.config.train.epochs}"


def open_trained(path: str | Path) -> TrainedRun:
    """Open a run by the path of its folder; of an unfinished one the network that it keeps so far.

    Raises:
        InputError: there is no such folder, it is no run, it has no network yet, or a file of it
            is damaged.
    """
    run = find_folder(path)
    if run.metrics.is_file():
        return open_run(path)
    if not run.best.is_file() or not run.environment.is_file():
        raise not_finished(run)

    environment = read_record(run.environment, EnvironmentRecord)
    check_task(run, environment)
    try:
        about = enclosed_in(run.best.read_bytes(_LARGEST), run.best)
    except OSError as error:
        raise cannot_read(run.best, error) from None
    epoch, accuracy = (about.provenance.get(key) for key in ("epoch", "validation_accuracy"))
    if epoch is None or accuracy is None:
        raise InputError(
            f"{shown(run.best)}: damaged: does not say of which epoch it is; resume the run"
        )
    # A process that is cut off between the two has written the network, not yet its epoch.
    epochs = max(epoch, len(read_so_far(run.history, "epoch")))
    return RunSoFar(run, config_of(run), environment, epochs, (epoch, accuracy))
