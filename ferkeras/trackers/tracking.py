"""One training, told to every tracker that its configuration names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from ferkeras.cli.console import Console
from ferkeras.config.keys import flat
from ferkeras.config.schema import Config
from ferkeras.files.writing import write_json
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, TrackersRecord, read_record
from ferkeras.trackers.tracker import Ending, Results, Tracker, Training, reason, unreachable
from ferkeras.training.history import CSVHistory


class Tracking(keras.callbacks.Callback):
    """Tells a training to trackers, epoch by epoch.

    Which run of a tracker belongs to it stands in `trackers.json`, so that a training that is cut
    off goes on in the same one; after a healing, which gives it other settings and takes epochs
    back, it is a new one. A tracker that fails on the way does not end the training: what it has
    not got is told it with the next epoch.

    Args:
        trackers: as `ferkeras.trackers.opening.open_trackers` returns them.
        run: the run's folder.
        config: the resolved configuration.
        environment: what `environment.json` holds.
        history: the callback that keeps the epochs; stands before this one.
        console: where messages are printed.

    Raises:
        InputError: a tracker cannot be reached, or does not know the run any more.
    """

    def __init__(
        self,
        trackers: Sequence[Tracker],
        run: Run,
        config: Config,
        environment: EnvironmentRecord,
        history: CSVHistory,
        console: Console,
    ) -> None:
        super().__init__()
        self._trackers: list[Tracker] = []
        self._history = history
        self._console = console
        self._told: dict[str, int] = {}
        self._ended = 0
        self._failing: set[str] = set()
        if trackers:
            self._begin(trackers, run, config, environment)

    def _begin(
        self,
        trackers: Sequence[Tracker],
        run: Run,
        config: Config,
        environment: EnvironmentRecord,
    ) -> None:
        healings = sum(bool(each["changes"]) for each in environment.get("healings", []))
        known: dict[str, Any] = {}
        if run.trackers.exists():
            known.update(read_record(run.trackers, TrackersRecord))
        training = training_of(run, config, environment, healings)
        for tracker in trackers:
            before = known.get(tracker.name)
            same = before is not None and before["healings"] == healings
            try:
                with self._console.working(f"opening {tracker.name}"):
                    name = tracker.begin(training, before["id"] if before and same else None)
                    self._trackers.append(tracker)
                    self._told[tracker.name] = tracker.last_epoch()
                    place = tracker.place()
            except Exception as error:  # a server's, a file's, a library's: of any kind
                self._each(lambda begun: begun.close("failed"), "does not begin")
                raise unreachable(tracker.name, tracker.advice, error) from error
            self._console.print(f"{tracker.name}: {training.name}, {place}")
            known[tracker.name] = {"id": name, "healings": healings}
            write_json(run.trackers, known)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tell what is new in the history; of an epoch that is done anew, what it comes to now."""
        if epoch + 1 <= self._ended:
            self._told = {name: min(told, epoch) for name, told in self._told.items()}
        self._ended = epoch + 1
        self._each(self._tell_new, "goes on, and is told it with the next epoch")

    def conclude(self, results: Results) -> None:
        """Tell what came of it."""

        def conclude(tracker: Tracker) -> None:
            with self._console.working(f"telling {tracker.name} what came of it"):
                self._tell_new(tracker)
                tracker.conclude(results)

        self._failing.clear()
        self._each(conclude, "has ended all the same; its folder has everything")

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Say at the end of the block how it ended."""
        ending: Ending = "interrupted"
        try:
            yield
            ending = "finished"
        except Exception:
            ending = "failed"
            raise
        finally:
            self._failing.clear()
            self._each(lambda tracker: tracker.close(ending), "has ended")

    def _tell_new(self, tracker: Tracker) -> None:
        for row in self._history.rows:
            epoch = int(row["epoch"])
            if epoch > self._told[tracker.name]:
                tracker.tell(epoch, {key: row[key] for key in row if key != "epoch"})
                self._told[tracker.name] = epoch

    def _each(self, tell: Callable[[Tracker], None], training: str) -> None:
        for tracker in self._trackers:
            try:
                tell(tracker)
            except Exception as error:  # as above; what was trained must not be lost by it
                if tracker.name not in self._failing:
                    self._console.alarm(
                        f"{tracker.name} could not be told: {reason(error)}; the training "
                        f"{training}"
                    )
                self._failing.add(tracker.name)
            else:
                self._failing.discard(tracker.name)


def training_of(
    run: Run, config: Config, environment: EnvironmentRecord, healings: int
) -> Training:
    """What a tracker is told of a training when it begins."""
    data = environment["data"]
    name = run.folder.resolve().name
    return Training(
        f"{name}-healed-{healings}" if healings else name,
        {key: str(value) for key, value in flat(config).items()},
        {
            "folder": str(run.folder.resolve()),
            "version": environment["ferkeras"],
            "data": data["source"],
            "fingerprint": data["fingerprint"],
            **{f"{split}_faces": str(count) for split, count in data["faces"].items()},
        },
    )
