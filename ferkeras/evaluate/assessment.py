"""All figures of a network on a set of faces, in the ways that matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import keras
import numpy as np
from scipy.special import softmax

from ferkeras.data.faces import Faces
from ferkeras.data.leakage import occurs_in
from ferkeras.data.test_time_augmentation import VIEWS, TestTimeAugmentation, augmented_views
from ferkeras.evaluate.subject import Subject
from ferkeras.metrics.bootstrap import CONFIDENCE, RESAMPLES
from ferkeras.metrics.calibration import log_mean
from ferkeras.metrics.inference import logits_of, predictions_of
from ferkeras.metrics.intervals import intervals_of
from ferkeras.metrics.predictions import Predictions

PLAIN, FLIP, MULTISCALE = "plain", "flip", "multiscale"
CALIBRATED, FLIP_CALIBRATED = "calibrated", "flip_calibrated"
MULTISCALE_CALIBRATED = "multiscale_calibrated"
VARIANTS = (PLAIN, FLIP, MULTISCALE)
"""As trained, in the order of `VIEWS`."""
CALIBRATED_VARIANTS = (CALIBRATED, FLIP_CALIBRATED, MULTISCALE_CALIBRATED)
"""With the run's temperatures, in the same order."""
ALL, UNSEEN = "all", "not_in_training"

PASSES: Final = VIEWS["multiscale"]
"""Passes of the network over the faces in `logits_of_views`."""


@dataclass(frozen=True)
class Result:
    """Figures of one variant of the predictions, on some of the faces.

    Attributes:
        variant: `PLAIN`; `FLIP` and `MULTISCALE`: with test-time augmentation, see
            `ferkeras.data.test_time_augmentation`; `CALIBRATED`, `FLIP_CALIBRATED`,
            `MULTISCALE_CALIBRATED`: the same with the run's temperatures.
        faces: `ALL`, or `UNSEEN`: those that are not, pixel for pixel, training faces too.
        predictions: of that variant.
        metrics: their figures.
        ranges: intervals of the figures, by name.
    """

    variant: str
    faces: str
    predictions: Predictions
    metrics: dict[str, Any]
    ranges: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Assessment:
    """Everything that was measured.

    Attributes:
        results: one for every variant and choice of faces; the plain one on all comes first.
        logits: float32, shape (N, K).
        in_training: bool, shape (N,); None where that cannot be known or all are.
        temperature: of the run; 1.0 if it was not calibrated.
        left_out: how many faces of the data were not measured, by class or by the reason.
    """

    results: list[Result]
    logits: np.ndarray
    in_training: np.ndarray | None
    temperature: float
    left_out: Mapping[str, int] = field(default_factory=dict)
    _by_name: dict[tuple[str, str], Result] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found = {(result.variant, result.faces): result for result in self.results}
        object.__setattr__(self, "_by_name", found)

    def result(self, variant: str = PLAIN, faces: str = ALL) -> Result | None:
        """The result of a variant on a choice of faces, None where there is none."""
        return self._by_name.get((variant, faces))

    @property
    def plain(self) -> Result:
        """The network as it was trained, on all faces."""
        return self.results[0]

    def as_json(self) -> dict[str, Any]:
        """The figures, for `evaluation-<split>.json`."""
        return {
            "temperature": self.temperature,
            "faces_also_in_training": None
            if self.in_training is None
            else int(self.in_training.sum()),
            "faces_left_out": dict(self.left_out),
            "bootstrap": {"resamples": RESAMPLES, "confidence": CONFIDENCE},
            "results": [
                {
                    "variant": result.variant,
                    "faces": result.faces,
                    "metrics": result.metrics,
                    "intervals": result.ranges,
                    "confusion_matrix": result.predictions.matrix().tolist(),
                }
                for result in self.results
            ],
        }


def logits_of_views(
    model: keras.Model, faces: Faces, progress: Callable[[int], None] = lambda steps: None
) -> list[np.ndarray]:
    """Logits (N, K) of the faces in each view of multi-scale test-time augmentation.

    Args:
        model: uint8 faces to logits.
        faces: N of them.
        progress: called with 1 after each of `PASSES` passes over the faces.
    """
    views = []
    for images in augmented_views(faces.images, "multiscale"):
        views.append(logits_of(model, Faces(images, faces.labels, faces.classes)))
        progress(1)
    return views


def assess(
    subject: Subject,
    *,
    temperatures: Mapping[TestTimeAugmentation, float],
    seed: int,
    views: Sequence[np.ndarray],
) -> Assessment:
    """Measure a network on a subject.

    Args:
        subject: the faces.
        temperatures: of the run, see `ferkeras.metrics.calibration.temperatures_of`.
        seed: of the bootstrap.
        views: what the network makes of the faces, see `logits_of_views`.
    """
    faces = subject.faces

    probabilities = [predictions_of(each, faces).probabilities for each in views]
    means = {tta: np.mean(probabilities[:count], axis=0) for tta, count in VIEWS.items()}
    variants = dict(zip(VARIANTS, means.values(), strict=True))
    if temperatures:
        for (tta, count), name in zip(VIEWS.items(), CALIBRATED_VARIANTS, strict=True):
            logits = log_mean(views[:count]) / temperatures.get(tta, 1.0)
            variants[name] = softmax(logits, axis=1).astype(np.float32)
    in_training = None if subject.train is None else occurs_in(faces.images, subject.train.images)
    choices: dict[str, np.ndarray | None] = {ALL: None}
    if in_training is not None and in_training.any() and not in_training.all():
        choices[UNSEEN] = ~in_training
    results = []
    for chosen, index in choices.items():
        for variant, mean in variants.items():
            predictions = Predictions(mean, faces.labels, faces.classes)
            part = predictions if index is None else predictions.take(index)
            ranges = intervals_of(part, seed=seed)
            results.append(Result(variant, chosen, part, part.metrics(), ranges))
    temperature = temperatures.get("none", 1.0)
    return Assessment(results, views[0], in_training, temperature, subject.left_out)
