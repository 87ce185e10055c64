"""Short trainings from the same start with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferkeras.config_file import with_values
from ferkeras.insight.causes.case import Case, aside, sample, without_average
from ferkeras.insight.causes.skill import counts, kappa
from ferkeras.insight.evaluation import logits_of


@dataclass(frozen=True)
class Trial:
    """What came of a short training.

    Attributes:
        overrides: the settings that were changed.
        steps: that were done.
        on_train: Cohen's kappa in use on training faces, without augmentation.
        on_validation: the same on validation faces.
        train_accuracy: share of right answers on training faces.
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
    with aside(config):
        learner = case.begin(without_average(config), case.splits)
        epochs = -(-steps // learner.feed.steps_per_epoch)
        learner.model.fit(
            learner.feed.dataset(1, epochs),
            steps_per_epoch=steps,
            epochs=1,
            class_weight=learner.balance.weights,
            shuffle=False,
            verbose=0,
        )
    figures = []
    for faces in (case.splits.train, case.splits.validation):
        faces = sample(faces, case.config.seed)
        answers = logits_of(learner.model, faces).argmax(axis=1)
        figures.append((kappa(counts(faces.labels, answers)), (answers == faces.labels).mean()))
    (train, train_accuracy), (validation, validation_accuracy) = figures
    return Trial(
        overrides, steps, train, validation, float(train_accuracy), float(validation_accuracy)
    )
