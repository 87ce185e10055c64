"""How much better than chance predictions are, and how certain that is."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

_SHUFFLES = 200
_RENAMINGS = 40
CHANCE = 4.0
"""Standard deviations above chance that mean skill: by chance once in 30,000."""


FEWEST_OTHERS = 20
"""Faces outside the most frequent class below which a set cannot tell skill from chance: one
right guess among 20 is already 5 points of balanced accuracy."""


def can_measure(labels: np.ndarray, fewest: int = FEWEST_OTHERS) -> bool:
    """Whether so many of these class indices, shape (N,), are not of the most frequent class."""
    return len(labels) - int(np.bincount(labels).max(initial=0)) >= fewest


def counts(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts [truth, prediction] of so many classes K, int64, shape (K, K)."""
    # What sklearn.metrics.confusion_matrix gives, which takes longer for its checks than this.
    cells = np.bincount(classes * labels + predicted, minlength=classes**2)
    return cells.reshape(classes, classes)


def kappa(matrix: np.ndarray) -> float:
    """Cohen's kappa of counts (K, K): 0 for predictions by chance or of one class, 1 for the truth.

    Unlike accuracy it does not reward predicting the majority class, and unlike balanced accuracy
    it does not hang on the handful of faces of the rarest.

    Source:
        Cohen 1960, "A coefficient of agreement for nominal scales".
    """
    total = matrix.sum()
    if not total:
        return 0.0
    chance = float(matrix.sum(axis=0) @ matrix.sum(axis=1)) / total**2
    return (float(np.trace(matrix)) / total - chance) / (1 - chance) if chance < 1 else 0.0


def kappa_error(matrix: np.ndarray) -> float:
    """Standard error of Cohen's kappa of counts (K, K); infinite where there are none.

    Source:
        Cohen 1960, "A coefficient of agreement for nominal scales", equation 6.
    """
    total = matrix.sum()
    if not total:
        return float("inf")
    chance = float(matrix.sum(axis=0) @ matrix.sum(axis=1)) / total**2
    agreed = float(np.trace(matrix)) / total
    return float(np.sqrt(agreed * (1 - agreed) / total)) / max(1 - chance, 1e-9)


def mean_recall(matrix: np.ndarray) -> float:
    """Balanced accuracy of counts [truth, prediction] (K, K), over the classes that there are."""
    support = matrix.sum(axis=1)
    there = support > 0
    return float((np.diag(matrix)[there] / support[there]).mean()) if there.any() else 0.0


def above_chance(labels: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """Kappa in standard deviations of kappa for shuffled labels; 0 for predictions of one class."""
    rng = np.random.default_rng(0)
    shuffled = [
        kappa(counts(rng.permutation(labels), predicted, classes)) for _ in range(_SHUFFLES)
    ]
    std = float(np.std(shuffled))
    if std < 1e-9:
        return 0.0
    return (kappa(counts(labels, predicted, classes)) - float(np.mean(shuffled))) / std


def best_renaming(matrix: np.ndarray) -> np.ndarray:
    """Which class each prediction should be called for the most right predictions, int, shape (K,).

    Args:
        matrix: counts [truth, prediction], shape (K, K).

    Source:
        Kuhn 1955, "The Hungarian method for the assignment problem".
    """
    # A touch of the diagonal: classes that are never predicted keep their names.
    truths, predicted = linear_sum_assignment(matrix + 1e-6 * np.eye(len(matrix)), maximize=True)
    renamed = np.empty(len(matrix), np.int64)
    renamed[predicted] = truths
    return renamed


def renamed_by_chance(
    labels: np.ndarray, predicted: np.ndarray, classes: int
) -> tuple[float, float]:
    """Kappa after the best renaming where there is nothing to be found: mean, standard deviation.

    The best of all renamings of predictions by chance is above chance: how far, says renaming them
    for shuffled labels.
    """
    rng = np.random.default_rng(0)
    found = []
    for _ in range(_RENAMINGS):
        shuffled = rng.permutation(labels)
        named = best_renaming(counts(shuffled, predicted, classes))
        found.append(kappa(counts(shuffled, named[predicted], classes)))
    return float(np.mean(found)), float(np.std(found))
