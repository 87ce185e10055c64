"""Short trainings with one thing changed: from the same start, or from where it ended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from ferkeras.config.file import with_values
from ferkeras.config.schema import Config
from ferkeras.data.pipeline import untuned
from ferkeras.diagnose.case import Case, isolated_rng, sample, schedule
from ferkeras.diagnose.skill import counts, kappa, mean_recall
from ferkeras.metrics.inference import logits_of
from ferkeras.training.setup import TrainingSetup
from ferkeras.training.state import restored_after

BATCH_FACES = 32
BATCH_STEPS = 150

_NOISE = 0.02
"""About the standard error of kappa on 1,500 faces."""


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
        balanced: mean recall of the classes on validation faces; NaN where it was not measured.
    """

    overrides: Mapping[str, Any]
    steps: int
    on_train: float
    on_validation: float
    train_accuracy: float
    validation_accuracy: float
    balanced: float = math.nan


def teaches_more(before: Trial, after: Trial) -> bool:
    """Whether the second teaches more that holds for validation faces, by a tenth and noise."""
    return bool(after.on_validation > 1.1 * max(0.0, before.on_validation) + _NOISE)


def gains(before: float, after: float, noise: float = 2.5 * _NOISE) -> bool:
    """Whether a skill is higher by a quarter and noise: 2.5 standard errors of kappa on 1,500 faces
    where nothing else is said.
    """
    return bool(after >= 1.25 * max(0.0, before) + noise)


def steps_for_one(config: Config, values: Mapping[str, Any]) -> int:
    """How many steps with other values go through the faces of one step as configured.

    More than one where they make batches smaller, which is done for that: of a pair of trials the
    other has as many faces then, not as many steps.
    """
    now = config.train.batch_size
    return max(1, now // values.get("train.batch_size", now))


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
        _train(setup, steps, schedule(config, steps, epochs=1))
        return _trial(case, setup.model, overrides, steps)


def go_on(case: Case, learning_rate: float, steps: int) -> Trial:
    """Train on from where a case ended, with another learning rate; the case stays as it is.

    Args:
        case: what is examined.
        learning_rate: of all these steps.
        steps: steps of training.
    """
    model = case.setup.model
    with isolated_rng(case.config), restored_after(model):
        model.optimizer.learning_rate.assign(learning_rate)
        _train(case.setup, steps)
        return _trial(case, model, {"train.learning_rate": learning_rate}, steps)


def _train(
    setup: TrainingSetup, steps: int, callbacks: Sequence[keras.callbacks.Callback] = ()
) -> None:
    epochs = -(-steps // setup.pipeline.steps_per_epoch)
    setup.model.fit(
        setup.pipeline.dataset(1, epochs),
        steps_per_epoch=steps,
        epochs=1,
        class_weight=setup.balance.weights,
        callbacks=list(callbacks),
        shuffle=False,
        verbose=0,
    )


def _trial(case: Case, model: keras.Model, overrides: Mapping[str, Any], steps: int) -> Trial:
    figures = []
    for faces in (case.splits.train, case.splits.validation):
        faces = sample(faces, case.config.seed)
        predicted = logits_of(model, faces).argmax(axis=1)
        matrix = counts(faces.labels, predicted, len(faces.classes))
        figures.append(
            (kappa(matrix), float((predicted == faces.labels).mean()), mean_recall(matrix))
        )
    (train, train_accuracy, _), (validation, validation_accuracy, balanced) = figures
    return Trial(overrides, steps, train, validation, train_accuracy, validation_accuracy, balanced)


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
