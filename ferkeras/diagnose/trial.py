"""Short trainings from the same start with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from ferkeras.config.file import with_values
from ferkeras.data.pipeline import untuned
from ferkeras.diagnose.case import Case, isolated_rng, sample, schedule
from ferkeras.diagnose.skill import counts, kappa
from ferkeras.metrics.inference import logits_of

BATCH_FACES = 32
BATCH_STEPS = 150


@dataclass(frozen=True)
class Trial:
    """What came of a short training.

    Attributes:
        overrides: the settings that were changed.
        steps: that were done.
        on_train: Cohen's kappa in use on training faces, without augmentation.
        on_validation: the same on validation faces.
        train_accuracy: fraction of right predictions on training faces.
        validation_accuracy: the same on validation faces.
    """

    overrides: Mapping[str, Any]
    steps: int
    on_train: float
    on_validation: float
    train_accuracy: float
    validation_accuracy: float


def try_out(case: Case, overrides: Mapping[str, Any], steps: int) -> Trial:
    """Train from the start of a case with other settings; the case stays as it is.

    Args:
        case: what is examined.
        overrides: values by dotted key.
        steps: steps of training.

    Raises:
        InputError: the values break a rule of the configuration.
    """
    config = with_values(case.config, overrides)
    with isolated_rng(config), case.begun(config) as setup:
        epochs = -(-steps // setup.pipeline.steps_per_epoch)
        setup.model.fit(
            setup.pipeline.dataset(1, epochs),
            steps_per_epoch=steps,
            epochs=1,
            class_weight=setup.balance.weights,
            callbacks=schedule(config, steps, epochs=1),
            shuffle=False,
            verbose=0,
        )
        figures = []
        for faces in (case.splits.train, case.splits.validation):
            faces = sample(faces, case.config.seed)
            predicted = logits_of(setup.model, faces).argmax(axis=1)
            figures.append(
                (
                    kappa(counts(faces.labels, predicted, len(faces.classes))),
                    (predicted == faces.labels).mean(),
                )
            )
    (train, train_accuracy), (validation, validation_accuracy) = figures
    return Trial(
        overrides, steps, train, validation, float(train_accuracy), float(validation_accuracy)
    )


def learn_one_batch(case: Case, overrides: Mapping[str, Any]) -> float:
    """Accuracy of training at the end of `BATCH_STEPS` steps on the same `BATCH_FACES` faces.

    Step, loss and optimizer are the configured ones, from the start of the case; the faces are not
    augmented. The case stays as it is.

    Args:
        case: what is examined.
        overrides: values by dotted key.

    Raises:
        InputError: the values break a rule of the configuration.
    """
    config = with_values(case.config, overrides)
    faces = sample(case.splits.train, config.seed, BATCH_FACES)
    batch = untuned(tf.data.Dataset.from_tensors((faces.images, faces.labels)).repeat())
    parts = 5
    with isolated_rng(config), case.begun(config) as setup:
        history = setup.model.fit(
            batch, steps_per_epoch=BATCH_STEPS // parts, epochs=parts, shuffle=False, verbose=0
        ).history
    return float(history["accuracy"][-1])
