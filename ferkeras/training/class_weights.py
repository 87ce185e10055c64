"""Weights of the loss by class, and what they and the sampler come to together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from ferkeras.config.sections.class_weight import ClassWeight

POWERS = {"cube_root": 1 / 3, "square_root": 1 / 2, "inverse": 1.0}
"""Exponent of the inverse class frequency by rule."""


def class_weights(labels: np.ndarray, settings: ClassWeight) -> dict[int, float]:
    """Return ``clip((N / (K n_c)) ** power, min, max)`` for every class c.

    N faces, K classes that occur, n_c faces of class c. The cube root is the rule of the
    analysis that ferkeras began with; scikit-learn computes N / (K n_c) ("balanced").

    Args:
        labels: class indices, shape (N,); classes that do not occur get no weight.
        settings: rule and caps; the rule "none" gives 1 to every class, whatever the caps.
    """
    classes = np.unique(labels)
    if settings.rule == "none":
        return {int(c): 1.0 for c in classes}
    balanced = compute_class_weight("balanced", classes=classes, y=labels)
    weights = np.clip(balanced ** POWERS[settings.rule], settings.min, settings.max)
    return {int(c): float(w) for c, w in zip(classes, weights, strict=True)}


@dataclass(frozen=True)
class ClassBalance:
    """How much each class counts in training.

    Attributes:
        weights: factor of the loss by class.
        effective: how many times as much a class counts in the loss as its faces alone would
            make it count; 1 everywhere for shuffled faces without weights. Sums to 1 when
            multiplied with the classes' fractions of the faces.
    """

    weights: dict[int, float]
    effective: dict[int, float]


def class_balance(labels: np.ndarray, settings: ClassWeight, *, balanced: bool) -> ClassBalance:
    """Weights by class together with what the sampler adds to them.

    Args:
        labels: class indices of the training faces, shape (N,).
        settings: rule and caps of the weights.
        balanced: whether the sampler draws every class equally often.
    """
    weights = class_weights(labels, settings)
    classes, counts = np.unique(labels, return_counts=True)
    natural = counts / counts.sum()
    sampled = np.full(len(classes), 1 / len(classes)) if balanced else natural
    weighted = sampled * [weights[int(c)] for c in classes]
    effective = weighted / weighted.sum() / natural
    return ClassBalance(
        weights, {int(c): float(e) for c, e in zip(classes, effective, strict=True)}
    )
