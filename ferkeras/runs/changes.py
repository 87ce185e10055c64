"""What may be changed in a run that goes on, and how that is written down.

A run goes on with more epochs, with data that have moved, or told to other trackers. A kill at any
moment leaves a folder that can be opened or resumed: first comes the new `config.yaml`, from which
a later `fit --resume` sees by itself that epochs are missing, then the record of what was changed;
then the calibration goes, `metrics.json`, without which the run is not complete, and last its
report.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ferkeras.config.file import dump_config
from ferkeras.config.schema import Config
from ferkeras.files.writing import write_json, write_text
from ferkeras.runs.conditions import Change, changed_conditions
from ferkeras.runs.configured import config_of
from ferkeras.runs.moved import PATH, VOTES, settings_asked
from ferkeras.runs.record import Run
from ferkeras.runs.records import CalibrationRecord, ChangeRecord, EnvironmentRecord, read_record

EPOCHS = "train.epochs"

TRACKERS = "monitor.trackers"

CHANGEABLE = (EPOCHS, PATH, VOTES, TRACKERS)
"""Keys that may be given with `fit --resume`."""


def changes_asked(overrides: Sequence[str]) -> dict[str, Any]:
    """What ``section.key=value`` beside `--resume` asks for; the values are not checked.

    Raises:
        InputError: another key is given, or one twice.
    """
    return settings_asked(
        overrides,
        CHANGEABLE,
        "--resume continues a run as it was configured, so that its figures belong to one recipe; "
        "only train.epochs (more epochs), data.path and data.votes (the same at another place) and "
        "monitor.trackers (who is told) may be given; for anything else begin a new run, with "
        "network.start_from=RUN where it shall begin from this one's network",
    )


def write_changes(run: Run, config: Config, epochs: int) -> list[Change]:
    """Write down under what a run goes on; idempotent.

    Args:
        run: its folder, locked, with `config.yaml` and `environment.json`.
        config: what it goes on with.
        epochs: how many it has trained.

    Returns:
        What is not as it was before.
    """
    before = config_of(run)
    environment = read_record(run.environment, EnvironmentRecord)
    changes = changed_conditions(environment, config)
    changes += moved(before, config)
    if before != config:
        write_text(run.config, dump_config(config))
    if changes:
        when = datetime.now(UTC).isoformat(timespec="seconds")
        records: list[ChangeRecord] = [
            {"when": when, "epoch": epochs, **change._asdict()}  # type: ignore[typeddict-item]
            for change in changes
        ]
        write_json(
            run.environment,
            {**environment, "changes": [*environment.get("changes", []), *records]},
        )
    return changes


def moved(before: Config, config: Config) -> list[Change]:
    """Which of the faces and the votes on them are looked for at another place."""
    places = (
        Change(PATH, before.data.path, config.data.path),
        Change(VOTES, before.data.votes, config.data.votes),
    )
    return [each for each in places if each.was != each.now]


def remove_end(run: Run) -> None:
    """Take from a complete run what says that it is complete, and what holds of that end only.

    Pictures and exports stay until they are made anew.
    """
    if run.calibration.exists():
        # It was fitted to a network that may not stay the best one; before the run is unfinished,
        # so that an unfinished run never has one.
        read_record(run.calibration, CalibrationRecord)
        run.calibration.unlink()
    for path in (run.metrics, run.report, run.predictions):
        path.unlink(missing_ok=True)
