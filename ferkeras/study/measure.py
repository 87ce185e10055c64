"""What comparisons need of a finished run."""

from __future__ import annotations

import math
import zlib

from ferkeras.cli.errors import InputError
from ferkeras.cli.quiet import import_tensorflow
from ferkeras.metrics.predictions import read_predictions
from ferkeras.runs.division import held_out
from ferkeras.runs.finished import FinishedRun
from ferkeras.runs.history import read_history
from ferkeras.study.effects import Measured

_HALF = 0.5


def measured(run: FinishedRun) -> Measured:
    """Read the predictions and the course of a run.

    Raises:
        InputError: a file of it is missing or damaged.
    """
    import_tensorflow()

    from ferkeras.callbacks import find_collapse

    predictions = read_predictions(run.run.predictions, run.task.classes)
    history = read_history(run)
    if "val_accuracy" not in history:
        raise InputError(
            f"{run.run.history}: damaged: no column val_accuracy; take the file from a copy "
            "of the run, or train again"
        )
    reached = history["epoch"][history["val_accuracy"] >= _HALF]
    threshold = run.config.monitor.collapse_fraction
    # Of runs from before divisions were recorded the labels tell.
    rows = zlib.crc32(predictions.labels.tobytes())
    return Measured(
        predictions,
        f"{held_out(run.environment)}-{rows:08x}",
        float(reached.iloc[0]) if len(reached) else math.nan,
        find_collapse(predictions.matrix(), threshold) is not None,
    )
