"""The files and the console output of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import keras
import numpy as np

from ferkeras.cli.console import Console
from ferkeras.cli.figures import Cell, percent
from ferkeras.cli.wording import shown
from ferkeras.data.test_time_augmentation import TestTimeAugmentation
from ferkeras.evaluate.assessment import (
    ALL,
    CALIBRATED,
    CALIBRATED_VARIANTS,
    FLIP,
    MULTISCALE,
    PLAIN,
    UNSEEN,
    VARIANTS,
    Assessment,
)
from ferkeras.evaluate.subject import Subject
from ferkeras.files.inner import InnerPath
from ferkeras.files.writing import make_results_folder, write_json, write_npz
from ferkeras.metrics.bootstrap import CONFIDENCE
from ferkeras.metrics.calibration import Calibration, reliability
from ferkeras.metrics.examples import examples_of_each, worst_mistakes
from ferkeras.metrics.measures import MEASURES, formatted, formatted_interval
from ferkeras.metrics.predictions import Predictions
from ferkeras.network.grad_cam import grad_cam
from ferkeras.report.pictures import (
    draw_confusion_matrix,
    draw_grad_cam,
    draw_mosaic,
    draw_per_class,
    draw_reliability,
)
from ferkeras.report.verdict import verdict_on
from ferkeras.runs.finished import TrainedRun
from ferkeras.runs.records import EvaluationRecord, read_record

_MISTAKES = 40
_EXAMPLES = 4
_CONFIDENCE = ("log_loss", "brier", "ece")
"""Measures that a temperature changes."""


def write_evaluation(
    finished: TrainedRun, subject: Subject, assessment: Assessment, model: keras.Model
) -> InnerPath:
    """Write pictures, `predictions.npz` and, last, `evaluation-<split>.json`.

    Args:
        finished: the run.
        subject: the faces.
        assessment: what was measured on them.
        model: the run's network.

    Returns:
        The folder `evaluation/<split>` of the run's results.
    """
    subject = replace(subject, name=_free_name(finished, subject))
    folder = finished.run.evaluation(subject.name)
    make_results_folder(folder)
    plain = assessment.plain.predictions
    faces = subject.faces
    title = shown(f"{finished.name}, {subject.name}")
    matrix = plain.matrix()
    draw_confusion_matrix(matrix, faces.classes.names, folder / "confusion_matrix.png", title)
    draw_per_class(matrix, faces.classes.names, folder / "per_class.png", title)
    curves = {"as trained": reliability(plain.float64_probabilities, plain.labels)}
    calibrated = assessment.result(CALIBRATED)
    if calibrated is not None:
        curves[f"temperature {assessment.temperature:.3g}"] = reliability(
            calibrated.predictions.float64_probabilities, plain.labels
        )
    draw_reliability(curves, folder / "reliability.png", title)
    worst = worst_mistakes(plain, _MISTAKES)
    if len(worst):
        draw_mosaic(
            faces.images[worst],
            _captions(plain.take(worst)),
            folder / "mistakes.png",
            title="The most confident wrong predictions: truth, then prediction",
        )
    else:
        # One of an evaluation before would be taken for these.
        (folder / "mistakes.png").unlink(missing_ok=True)
    chosen = examples_of_each(plain, _EXAMPLES, finished.config.seed)
    draw_grad_cam(
        faces.images[chosen],
        grad_cam(model, faces.images[chosen], plain.predicted[chosen]),
        _captions(plain.take(chosen)),
        folder / "grad_cam.png",
        np.where(plain.predicted[chosen] == plain.labels[chosen], "green", "firebrick").tolist(),
    )
    tta = {
        f"{name}_probabilities": result.predictions.probabilities
        for name in (FLIP, MULTISCALE)
        if (result := assessment.result(name)) is not None
    }
    in_training = {} if assessment.in_training is None else {"in_training": assessment.in_training}
    write_npz(
        folder / "predictions.npz",
        probabilities=plain.probabilities,
        logits=assessment.logits,
        labels=plain.labels,
        **tta,
        **in_training,
    )
    write_json(
        folder / f"evaluation-{subject.name}.json",
        {
            "run": finished.name,
            **({"unfinished": finished.unfinished} if finished.unfinished else {}),
            "epoch": finished.best_epoch,
            "split": subject.name,
            "source": subject.source,
            "fingerprint": subject.fingerprint,
            "same_data_as_training": subject.same_data,
            "remark": subject.remark,
            **assessment.as_json(),
        },
    )
    return folder


def _free_name(finished: TrainedRun, subject: Subject) -> str:
    """The subject's name, with a number where an evaluation of other faces has it already."""
    name, number = subject.name, 1
    while subject.name.startswith("data-"):
        path = finished.run.figures(name)
        if (
            not path.exists()
            or read_record(path, EvaluationRecord)["fingerprint"] == subject.fingerprint
        ):
            break
        number += 1
        name = f"{subject.name}-{number}"
    return name


def print_evaluation(subject: Subject, assessment: Assessment, console: Console) -> None:
    """Print the figures with their intervals, those by class, and the verdict."""
    plain = assessment.plain
    _print_measures(
        f"{subject.name}: {_which(subject)}{len(plain.predictions):,} faces",
        assessment,
        ALL,
        console,
    )
    unseen = assessment.result(PLAIN, UNSEEN)
    if unseen is not None:
        title = f"Without copies of training faces: {len(unseen.predictions):,} faces"
        _print_measures(title, assessment, UNSEEN, console)
    emotions = plain.metrics["emotions"]
    recalls: list[list[Cell]] = []
    for name, found in emotions.items():
        there = bool(found["support"])
        cells: list[Cell] = [name]
        for key in ("precision", "recall", "f1"):
            low, high = plain.ranges.get(f"{key}/{name}", (math.nan, math.nan))
            cells.append(percent(found[key]) if there else None)
            cells.append("-" if math.isnan(low) else f"{100 * low:.0f} to {100 * high:.0f}")
        recalls.append([*cells, found["support"]])
    console.table(
        f"By class, {_which(subject)}faces",
        ["class", "precision", "", "recall", "", "F1", "", "faces"],
        recalls,
    )
    console.print(verdict_on(plain.metrics))
    console.print("lower is better: log loss, Brier score, calibration error")
    if assessment.in_training is not None:
        seen = int(assessment.in_training.sum())
        without = f"; without them: accuracy {unseen.metrics['accuracy']:.1%}" if unseen else ""
        fraction = seen / len(plain.predictions)
        console.print(
            f"{seen:,} of these faces ({fraction:.1%}) are also training faces, pixel for pixel"
            f"{without}"
        )


def _which(subject: Subject) -> str:
    return "" if subject.left_out else "all "


def _print_measures(title: str, assessment: Assessment, faces: str, console: Console) -> None:
    every = tuple(MEASURES)
    for variants, how, keys in (
        (VARIANTS, "", every),
        (CALIBRATED_VARIANTS, ", with temperatures", _CONFIDENCE),
    ):
        results = [found for each in variants if (found := assessment.result(each, faces))]
        if not results:
            continue
        rows: list[list[Cell]] = []
        for key in keys:
            values = [formatted(key, result.metrics[key]) for result in results]
            interval = formatted_interval(key, results[0].ranges.get(key))
            rows.append([MEASURES[key].name, values[0], interval, *values[1:]])
        names = ["measure", "figure", f"{CONFIDENCE:.0%} interval", "tta flip", "tta multiscale"]
        console.table(title + how, names, rows)


def print_calibration(
    calibrations: Mapping[TestTimeAugmentation, Calibration], console: Console
) -> None:
    """Print what the temperatures did on the faces they were fitted on."""
    faces = calibrations["none"].faces
    rows: list[list[Cell]] = [
        [
            tta,
            f"{found.temperature:.3f}",
            f"{found.log_loss_before:.3f} -> {found.log_loss_after:.3f}",
            f"{found.ece_before:.1%} -> {found.ece_after:.1%}",
        ]
        for tta, found in calibrations.items()
    ]
    console.table(
        f"Temperatures, fitted on {faces:,} validation faces",
        ["tta", "temperature", "log loss", "calibration error"],
        rows,
    )
    limited = {tta: each for tta, each in calibrations.items() if each.at_limit}
    if any(each.temperature > 1 for each in limited.values()):
        console.print(
            f"warning: at the upper limit ({', '.join(limited)}): the network's answers carry no "
            "information about these faces, or its logits are too large for any temperature up to "
            "20; find out which before one is used"
        )
    elif limited:
        console.print(
            f"warning: at the lower limit ({', '.join(limited)}): the network is right on nearly "
            "all of these faces, and less sure than a temperature can make it; are they training "
            "faces?"
        )
    console.print("stored with the run; none changes a prediction\n")


def _captions(predictions: Predictions) -> list[str]:
    names = predictions.classes
    return [
        f"{names[label]}\n{names[prediction]} {probability:.0%}"
        for label, prediction, probability in zip(
            predictions.labels,
            predictions.predicted,
            predictions.probabilities.max(axis=1),
            strict=True,
        )
    ]
