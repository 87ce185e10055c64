"""What experiment trackers are told of a training that has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferkeras.export.card.file import current_card
from ferkeras.export.folder import LIST
from ferkeras.fit.makes import what_an_alarm_makes
from ferkeras.runs.record import Run
from ferkeras.trackers.tracker import Results

_PICTURES = ("curves", "confusion_matrix", "per_class")


def results_of(run: Run, metrics: Mapping[str, Any], *, brief: bool) -> Results:
    """Gather figures, files and the network.

    Args:
        run: its folder.
        metrics: what `metrics.json` will hold.
        brief: whether it is one of many, without pictures and exports.
    """
    validation = metrics["validation"]
    figures = {key: value for key, value in validation.items() if isinstance(value, float)}
    figures |= {f"recall_{name}": each["recall"] for name, each in validation["emotions"].items()}
    pictures = [] if brief else [run.picture(name).for_library() for name in _PICTURES]
    files = {
        "": [run.config, run.environment, run.history, *([] if brief else [run.report])],
        "export": [] if brief else [current_card(run.exports), run.exports / LIST],
        "diagnosis": [each for each in what_an_alarm_makes(run) if each.is_file()],
    }
    return Results(
        metrics["best_epoch"],
        {f"best_{key}": float(value) for key, value in figures.items()},
        [
            *((path, "") for path in pictures),
            *((each.for_library(), folder) for folder in files for each in files[folder]),
        ],
        pictures,
        None if brief else run.best.for_library(),
    )
