"""The picture of a diagnosis: predictions by class, and skill on training and validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ferkeras.diagnose.diagnosis import Diagnosis
from ferkeras.diagnose.treatment import Treatment
from ferkeras.report.palette import MUTED, THIRD, TRAIN, VALIDATION, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_MOST_CLASSES = 14
"""Classes whose names stand beside each other."""


def diagnosis_figure(diagnosis: Diagnosis, treatments: Sequence[Treatment]) -> Figure:
    """Predictions against truth by class, and the skill of the network and of what was tried."""
    figure = new_figure(11, 4.2)
    left, right = figure.subplots(1, 2)
    _predictions(left, diagnosis)
    _skills(right, diagnosis, treatments)
    return figure


def _predictions(axes: Axes, diagnosis: Diagnosis) -> None:
    matrix = diagnosis.measurements.on_validation.matrix
    total = matrix.sum()
    names = diagnosis.measurements.classes.names
    true, predicted = (100 * matrix.sum(axis=axis) / total for axis in (1, 0))
    furthest = np.argsort(-np.abs(predicted - true), kind="stable")
    shown = np.sort(furthest[:_MOST_CLASSES]).tolist()
    places = np.arange(len(shown))
    axes.bar(places - 0.2, true[shown], 0.4, color=MUTED, label="faces")
    axes.bar(places + 0.2, predicted[shown], 0.4, color=VALIDATION, label="predicted")
    axes.set_xticks(places, [names[which] for which in shown], rotation=30, ha="right")
    if len(shown) < len(names):
        axes.set_xlabel(f"{len(shown)} of {len(names):,} classes, where the two differ most")
    axes.set_ylabel("% of validation faces")
    axes.legend(frameon=False, fontsize=9)
    tidy(axes, "Predictions and truth")


def _skills(axes: Axes, diagnosis: Diagnosis, treatments: Sequence[Treatment]) -> None:
    m = diagnosis.measurements
    bars = [
        ("linear regression on gradients", m.reference.skill, MUTED),
        ("training faces, statistics of the batch", m.with_batch_statistics.skill, TRAIN),
        ("training faces, in use", m.on_train.skill, TRAIN),
        ("validation faces, in use", m.on_validation.skill, VALIDATION),
    ]
    for number, each in enumerate(treatments, start=1):
        bars.append((f"validation, remedy {number} tried", each.treated.on_validation, THIRD))
    places = np.arange(len(bars))[::-1]
    values = [value for _, value, _ in bars]
    axes.barh(places, values, 0.62, color=[colour for *_, colour in bars])
    axes.set_yticks(places, [name for name, *_ in bars])
    for place, value in zip(places, values, strict=True):
        # Adding zero makes a rounded -0.00 a 0.00.
        axes.text(
            max(value, 0) + 0.01, place, f"{round(value, 2) + 0.0:.2f}", va="center", fontsize=9
        )
    axes.set_xlim(min(0.0, *values) - 0.02, max(0.5, *values) + 0.1)
    axes.set_xlabel("skill (Cohen's kappa; 0 is chance, 1 is the truth)")
    tidy(axes, "What is known")
