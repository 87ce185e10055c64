"""Trainings of a study, each done once: a run is found by its configuration and its faces."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.cli.figures import percent
from ferkeras.cli.invocation import command_line
from ferkeras.config.file import load_config
from ferkeras.config.keys import flat
from ferkeras.config.schema import HIGHEST_SEED, Config
from ferkeras.data.faces import Splits
from ferkeras.data.load import load_splits
from ferkeras.files.inner import InnerPath, folder_of
from ferkeras.files.writing import demand_room
from ferkeras.runs.changes import EPOCHS
from ferkeras.runs.division import had_same_splits
from ferkeras.runs.finished import FinishedRun, open_run
from ferkeras.runs.lock import AtWork, exclusive_lock
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, read_record
from ferkeras.runs.unfinished import reopened
from ferkeras.study.storage import LOGS

if TYPE_CHECKING:
    import keras

ELSEWHERE = (
    "name",
    "output.folder",
    "data.path",
    "data.votes",
    "data.cache",
    "data.follow_symlinks",
    "monitor.trackers",
)
"""Keys that do not change what a training on the same faces comes to."""


LOOK_SECONDS = 1.0
"""Between two looks at what other processes do."""


class Train(Protocol):
    """How a configuration is trained."""

    def __call__(
        self,
        config: Config,
        splits: Splits,
        console: Console,
        run: Run | None,
        *,
        watch: Sequence[keras.callbacks.Callback],
        epoch_done: Callable[[], None],
    ) -> Run:
        """Train it; return the folder of the finished run."""


def identity(config: Config) -> str:
    """What two configurations have in common if their trainings on the same faces are one."""
    values = {key: value for key, value in flat(config).items() if key not in ELSEWHERE}
    return json.dumps(values, sort_keys=True)


def refuse_found_rate(config: Config) -> None:
    """Refuse a configuration whose learning rate is found by its training.

    Raises:
        InputError: it is.
    """
    if config.train.learning_rate == "auto":
        raise InputError(
            "train.learning_rate=auto: trainings would differ in what is found; give a number "
            f"({command_line('lr_find')} suggests one)"
        )


def need_seeds(config: Config, count: int) -> None:
    """Refuse a configuration from whose seed on there are not so many.

    Raises:
        InputError: the last of them would be above the highest.
    """
    if config.seed + count - 1 > HIGHEST_SEED:
        raise InputError(
            f"seed {config.seed}: up to {count:,} seeds are counted from it on, and the highest is "
            f"{HIGHEST_SEED}; give one that is at most {HIGHEST_SEED - count + 1}"
        )


def refuse_healing(config: Config) -> None:
    """Refuse a configuration that would not stay the one that it is compared as.

    Raises:
        InputError: it is changed where an alarm fires.
    """
    if config.monitor.collapse_action == "heal":
        raise InputError(
            "monitor.collapse_action=heal: such a training changes its own settings, and would be "
            "compared under settings that it no longer has; set monitor.collapse_action=warn"
        )


def slug(title: str) -> str:
    """A title as the name of a run."""
    return (re.sub(r"[^A-Za-z0-9.-]+", "-", title).strip("-.") or "run")[:50]


class _OfAnother(Exception):
    """A training that another process is at work on.

    Attributes:
        folder: of its run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder


class Trainer:
    """Trains configurations one after the other, unless that was done before.

    Args:
        folder: of the runs that are begun.
        others: folders of runs, in which one that is wanted may be found, finished.
        console: shows one line a training, and how far it is.
        train: does one training, as `ferkeras.fit.brief.train_one`.
    """

    def __init__(
        self, folder: Path, others: Sequence[Path], console: Console, train: Train
    ) -> None:
        self._folder = folder
        self._own = InnerPath(folder.parent, folder.name)
        self._others = others
        self._console = console
        self._train_one = train
        self._faces: tuple[str, Splits] | None = None

    def splits(self, config: Config) -> Splits:
        """The faces of a configuration; those of the last one stay in memory."""
        key = json.dumps([config.data.model_dump(mode="json"), config.seed])
        if self._faces is None or self._faces[0] != key:
            self._faces = None
            self._faces = key, load_splits(config, self._console)
        return self._faces[1]

    def obtain(
        self,
        config: Config,
        title: str,
        watch: Callable[[Run | None], Sequence[keras.callbacks.Callback]] = lambda run: (),
    ) -> FinishedRun:
        """The finished run of a configuration: found, gone on with, or trained.

        One that another process trains is waited for.

        Args:
            config: without a name or a folder of its own.
            title: what the training is called.
            watch: makes further callbacks, for the run that is gone on with or None.

        Raises:
            InputError: see `ferkeras.fit.run.train`.
            RunError: likewise.
            Interrupted: likewise.
        """
        config = config.model_copy(
            update={
                "name": slug(f"{title}-seed{config.seed}"),
                "output": config.output.model_copy(update={"folder": str(self._folder)}),
            }
        )
        splits = self.splits(config)
        waited_for: set[Path] = set()
        while True:
            try:
                return self._obtained(config, splits, title, watch)
            except _OfAnother as other:
                if other.folder not in waited_for:
                    self._console.print(f"{title}: waiting for another process, which trains it")
                waited_for.add(other.folder)
                time.sleep(LOOK_SECONDS)

    def discard(self, config: Config) -> None:
        """Remove what a training that is not gone on with has left of itself.

        One that another process is at work on is its own.
        """
        for run in self._runs([self._folder], identity(config)):
            if not run.metrics.is_file():
                with suppress(OSError, AtWork), exclusive_lock(run.folder):
                    run.inner.remove_tree()

    def _obtained(
        self,
        config: Config,
        splits: Splits,
        title: str,
        watch: Callable[[Run | None], Sequence[keras.callbacks.Callback]],
    ) -> FinishedRun:
        wanted = identity(config)
        for run in self._runs([self._folder, *self._others], wanted):
            if not run.metrics.is_file() or _was_prolonged(run, config):
                continue
            if _trained_on(run, splits):
                return open_run(run.folder)
        for run in self._runs([self._folder], wanted):
            if run.metrics.is_file():
                continue
            with ExitStack() as stack:
                try:
                    unfinished = stack.enter_context(reopened(run))
                except AtWork as error:
                    raise _OfAnother(run.folder) from error
                if unfinished is None:
                    return open_run(run.folder)
                unfinished.check_faces(splits)
                return self._train(unfinished.config, splits, title, watch(run), run)
        return self._train(config, splits, title, watch(None), None)

    def _train(
        self,
        config: Config,
        splits: Splits,
        title: str,
        watch: Sequence[keras.callbacks.Callback],
        run: Run | None,
    ) -> FinishedRun:
        title = f"{title}, seed {config.seed}"
        begun = self._console.clock()
        demand_room(self._own, "name another with output.folder=DIR")
        log = InnerPath(self._folder.parent, LOGS, f"{config.name}.txt")
        log.parent.mkdir(parents=True, exist_ok=True)
        with (
            os.fdopen(log.append(), "w", encoding="utf-8") as file,
            self._console.progress(title, config.train.epochs) as advance,
        ):
            done = self._train_one(
                config, splits, Console(file), run, watch=watch, epoch_done=lambda: advance(1)
            )
        seconds = self._console.clock() - begun
        finished = open_run(done.folder)
        results = finished.metrics["validation"]
        self._console.print(
            f"{title}: accuracy {percent(results['accuracy'])}, balanced "
            f"{percent(results['balanced_accuracy'])}, log loss {results['log_loss']:.3f}, "
            f"{seconds:.0f} s"
        )
        return finished

    def _runs(self, folders: Iterable[Path], wanted: str) -> list[Run]:
        found = []
        for folder in folders:
            own = folder == self._folder
            for path in (self._own if own else folder_of(folder)).iterdir():
                if own:
                    # What is begun there is gone on with, or removed: no link leads elsewhere.
                    path.exists()
                run = Run(path.path)
                try:
                    if run.config.is_file() and identity(load_config(run.config)) == wanted:
                        found.append(run)
                except InputError:
                    continue  # another program's folder, or a run of another version
        return found


def _was_prolonged(run: Run, config: Config) -> bool:
    """Whether epochs were added to a run that is another than one begun with so many."""
    if config.train.learning_rate_schedule != "cosine":
        return False
    with suppress(InputError):
        changes = read_record(run.environment, EnvironmentRecord).get("changes", [])
        return any(each["key"] == EPOCHS for each in changes)
    return False


def _trained_on(run: Run, splits: Splits) -> bool:
    try:
        environment = read_record(run.environment, EnvironmentRecord)
    except InputError:
        return False
    votes = environment["data"].get("votes")
    return had_same_splits(environment, splits) and votes == splits.votes_fingerprint
