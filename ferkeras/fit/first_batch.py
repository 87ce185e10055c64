"""The first batch of a training, as the network sees it."""

from __future__ import annotations

from ferkeras.data.faces import Faces
from ferkeras.report.pictures import draw_mosaic
from ferkeras.runs.record import Run
from ferkeras.training.setup import TrainingSetup

_MOSAIC = 40
"""Augmented training faces shown in `train_batch.png`."""


def draw_first_batch(run: Run, setup: TrainingSetup) -> None:
    """Write `train_batch.png`: faces of the first step, augmented."""
    batch = first_batch(setup)
    draw_mosaic(
        batch.images[:_MOSAIC],
        [batch.classes[label] for label in batch.labels[:_MOSAIC]],
        run.picture("train_batch"),
        title="Training faces as the network sees them in its first step",
    )


def first_batch(setup: TrainingSetup) -> Faces:
    """Faces and labels of the first step."""
    images, targets = (each.numpy() for each in next(iter(setup.pipeline.dataset(1, 1))))
    labels = targets if targets.ndim == 1 else targets.argmax(axis=1)
    return Faces(images, labels, setup.task.classes)
