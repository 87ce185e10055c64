"""The report of a run, `report.html`, from its results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import keras
import numpy as np

from ferkeras.config.schema import Config
from ferkeras.data.faces import Faces
from ferkeras.files.writing import write_text
from ferkeras.fit.page import Mosaic, run_page
from ferkeras.metrics.examples import examples_of_each, worst_mistakes
from ferkeras.metrics.predictions import Predictions
from ferkeras.network.grad_cam import grad_cam
from ferkeras.report.html.inline import labelled_tiles, prediction_tiles
from ferkeras.runs.finished import FinishedRun
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, MetricsRecord, read_record

if TYPE_CHECKING:
    import pandas as pd

_MISTAKES = 36
_EXAMPLES = 6
_BATCH = 24


def write_run_report(
    run: Run,
    config: Config,
    metrics: dict[str, Any],
    history: pd.DataFrame,
    model: keras.Model,
    faces: Faces,
    validation: Predictions,
    batch: Faces,
) -> None:
    """Write the report of a run that is done but for its `metrics.json`.

    Args:
        run: its folder, with `environment.json`.
        config: its resolved configuration.
        metrics: what `metrics.json` will hold.
        history: one row an epoch.
        model: the best network.
        faces: the validation faces.
        validation: the network's predictions on them.
        batch: augmented training faces, as the network saw them in its first step.
    """
    environment = read_record(run.environment, EnvironmentRecord)
    mosaics = [
        mistakes_mosaic(faces, validation),
        grad_cam_mosaic(model, faces, validation, config.seed),
        Mosaic(
            "Training faces as the network sees them in its first step",
            "Augmented: flip, shift, turn, zoom, brightness, contrast and erasing, as configured.",
            labelled_tiles(batch.take(np.arange(min(_BATCH, len(batch))))),
        ),
    ]
    page = run_page(
        FinishedRun(run, config, environment, cast(MetricsRecord, metrics)),
        history,
        validation,
        mosaics,
    )
    write_text(run.report, page)


def mistakes_mosaic(faces: Faces, predictions: Predictions) -> Mosaic:
    """The most confident wrong predictions."""
    worst = worst_mistakes(predictions, _MISTAKES)
    return Mosaic(
        "Worst mistakes",
        "Wrong predictions, the most confident first: truth, then prediction with its "
        "confidence. Look for wrong labels among them.",
        prediction_tiles(faces.images[worst], predictions.take(worst)),
    )


def grad_cam_mosaic(
    model: keras.Model, faces: Faces, predictions: Predictions, seed: int
) -> Mosaic:
    """Some faces of every class with what speaks for the network's prediction."""
    chosen = examples_of_each(predictions, _EXAMPLES, seed)
    images = faces.images[chosen]
    heat = grad_cam(model, images, predictions.predicted[chosen])
    return Mosaic(
        "Grad-CAM",
        "Grad-CAM (Selvaraju et al. 2017): the warmer, the more a place speaks for the prediction. "
        "On a face that stays grey no place does. Faces of the classes, chosen at random, half of "
        "them predicted correctly if there are any.",
        prediction_tiles(images, predictions.take(chosen), np.asarray(heat)),
    )
