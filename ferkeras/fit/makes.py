"""Which files of a run folder each part of a training makes, and may remove again."""

from __future__ import annotations

from collections.abc import Sequence

from ferkeras.diagnose.report import JSON, PAGE, PICTURE
from ferkeras.export.card.file import CARD, is_edited
from ferkeras.export.folder import LIST, WRITTEN
from ferkeras.export.saved_model import SAVED_MODEL
from ferkeras.files.inner import InnerPath
from ferkeras.runs.record import Run
from ferkeras.tensorboard.projector import PROJECTION


def what_a_training_makes(run: Run) -> list[InnerPath]:
    """What may be left of a training that was cut off, but for event files and checkpoints."""
    return [
        run.best,
        run.last,
        run.history,
        *(run.tensorboard / "validation" / name for name in PROJECTION),
        *what_an_export_makes(run),
    ]


def what_an_alarm_makes(run: Run) -> list[InnerPath]:
    """What a diagnosis leaves."""
    return [run.diagnosis / name for name in (PAGE, PICTURE, JSON)]


def what_an_end_makes(run: Run) -> list[InnerPath]:
    """Figures, records and pictures of a training that has ended."""
    pictures = ("train_batch", "curves", "confusion_matrix", "per_class")
    records = (run.trackers, run.metrics, run.predictions, run.calibration, run.report)
    return [*records, *(run.picture(name) for name in pictures)]


def what_an_export_makes(run: Run) -> list[InnerPath]:
    """What an export of the best network leaves."""
    return [
        *(run.export / name for name in SAVED_MODEL),
        run.litert,
        *(run.exports / name for name in WRITTEN),
    ]


def but_an_edited_card(run: Run, made: Sequence[InnerPath]) -> list[InnerPath]:
    """The same without the list of exports, and without a model card that somebody has edited.

    What `export` has made stays, and the list says of which epoch it is.
    """
    kept = {run.exports / LIST} | ({run.exports / CARD} if is_edited(run.exports / CARD) else set())
    return [path for path in made if path not in kept]
