"""What a training ends with: the network that is kept, evaluated, drawn, exported and reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import keras
import pandas as pd

from ferkeras.callbacks import Collapse, find_collapse
from ferkeras.cli.console import Console
from ferkeras.cli.errors import RunError
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.export.card.file import note_on
from ferkeras.export.folder import forget_unknown, write_model_card
from ferkeras.export.formats import export_network
from ferkeras.export.probe import Probe, mixed
from ferkeras.files.made import Made
from ferkeras.files.writing import write_json, write_npz
from ferkeras.fit.first_batch import first_batch
from ferkeras.fit.makes import but_an_edited_card, what_an_export_makes
from ferkeras.fit.report import write_run_report
from ferkeras.fit.tracked import results_of
from ferkeras.metrics.inference import Predictions, predict
from ferkeras.report.events import events_of
from ferkeras.report.pictures import draw_confusion_matrix, draw_curves, draw_per_class
from ferkeras.runs.embedded import enclosed_in
from ferkeras.runs.finished import FinishedRun
from ferkeras.runs.healings import healing_text
from ferkeras.runs.lock import exclusive_lock
from ferkeras.runs.network import load_network
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, MetricsRecord, read_record
from ferkeras.tensorboard.writer import write_predictions, write_text
from ferkeras.trackers.tracking import Tracking
from ferkeras.training.callbacks import RunCallbacks
from ferkeras.training.setup import TrainingSetup

_PROBE = 64
"""Validation faces on which the exports are compared with the network."""

_PATIENCE = 600.0
"""Seconds that another export in the run's folder is waited for."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        run: its folder.
        best_epoch: the epoch of the network that is kept, see `train.keep`, from 1.
        validation: predictions of that network on the validation faces.
        metrics: what `metrics.json` holds.
        stopped: why the run was ended early, None if it was not.
        collapse: what is wrong with the predictions of the network that is kept; None if nothing.
    """

    run: Run
    best_epoch: int
    validation: Predictions
    metrics: dict[str, Any]
    stopped: str | None
    collapse: Collapse | None

    @property
    def failed(self) -> bool:
        """Whether an alarm ended the run, or the network that is kept predicts one class."""
        return bool(self.stopped or (self.collapse and self.collapse.complete))


def finish(
    config: Config,
    splits: Splits,
    setup: TrainingSetup,
    run: Run,
    run_callbacks: RunCallbacks,
    diagnosis: dict[str, Any] | None,
    tracking: Tracking,
    console: Console,
    brief: bool,
) -> Outcome:
    """Evaluate, export and draw the network that is kept; `metrics.json` comes last."""
    if not run.best.exists():
        raise RunError(
            f"{run.folder}: no epoch had a validation accuracy, so no network was kept; "
            "history.csv shows whether the loss was finite"
        )
    history = run_callbacks.history.frame()
    best_epoch = enclosed_in(run.best.read_bytes(), run.best).provenance["epoch"]
    # From the configuration, with the file's numbers: a run that goes on may be a stranger's.
    environment = read_record(run.environment, EnvironmentRecord)
    with console.working(f"evaluating the network of epoch {best_epoch}"):
        model = load_network(config, environment, run.best)
        validation = predict(model, splits.validation)
        write_npz(run.predictions, probabilities=validation.probabilities, labels=validation.labels)
    metrics: dict[str, Any] = {
        "best_epoch": best_epoch,
        "epochs": len(history),
        "stopped": run_callbacks.collapse.stopped,
        "parameters": int(model.count_params()),
        "validation": validation.metrics(),
        "alarms": [alarm._asdict() for alarm in console.alarms],
        "diagnosis": diagnosis,
    }
    if not brief:
        with console.working("drawing curves and matrices"):
            _draw(config, splits, run, history, best_epoch, model, validation)
        run.exports.mkdir(parents=True, exist_ok=True)
        # Somebody may be exporting what there was so far.
        with (
            console.working("exporting the network"),
            exclusive_lock(run.exports.path, _PATIENCE),
        ):
            metrics["export_difference"] = _export(config, splits, run, model, metrics, console)
        with console.working("writing the report"):
            batch = first_batch(setup)
            write_run_report(
                run, config, metrics, history, model, splits.validation, validation, batch
            )
    tracking.conclude(results_of(run, metrics, brief=brief))
    write_json(run.metrics, metrics)
    collapse = find_collapse(validation.matrix(), config.monitor.collapse_fraction)
    stopped = run_callbacks.collapse.stopped
    return Outcome(run, best_epoch, validation, metrics, stopped, collapse)


def _draw(
    config: Config,
    splits: Splits,
    run: Run,
    history: pd.DataFrame,
    best_epoch: int,
    model: keras.Model,
    validation: Predictions,
) -> None:
    """Curves and matrices as pictures, and what TensorBoard shows of the best network."""
    matrix = validation.matrix()
    draw_curves(
        history,
        run.picture("curves"),
        [(event.first, event.text) for event in events_of(history, config.schedule)],
        clip_norm=config.train.global_clip_norm,
    )
    draw_confusion_matrix(matrix, validation.classes.names, run.picture("confusion_matrix"))
    draw_per_class(matrix, validation.classes.names, run.picture("per_class"))
    if config.monitor.tensorboard:
        write_predictions(run.tensorboard, best_epoch, model, splits.validation, validation)
        healings = read_record(run.environment, EnvironmentRecord).get("healings", [])
        if healings:
            write_text(run.tensorboard, "healing", "\n\n".join(map(healing_text, healings)))


def _export(
    config: Config,
    splits: Splits,
    run: Run,
    model: keras.Model,
    metrics: dict[str, Any],
    console: Console,
) -> float:
    """Write SavedModel, LiteRT file and model card; return the largest difference found."""
    # Parts of it are there if the run was cut off here.
    Made(run.inner).remove(but_an_edited_card(run, what_an_export_makes(run)))
    finished = FinishedRun(
        run, config, read_record(run.environment, EnvironmentRecord), cast(MetricsRecord, metrics)
    )
    exported = export_network(
        model,
        ("saved_model", "litert"),
        run.exports,
        finished.about(),
        probe=Probe(mixed(splits.validation.images, config.seed)[:_PROBE]),
    )
    forget_unknown(run.exports)
    if note := note_on(write_model_card(run.exports, finished, exported)):
        console.print(f"note: {note}")
    return max(each.parity.largest_difference for each in exported)
