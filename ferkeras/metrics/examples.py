"""Which faces to show: the worst mistakes, and some of every class."""

from __future__ import annotations

import numpy as np

from ferkeras.metrics.predictions import Predictions


def worst_mistakes(predictions: Predictions, count: int) -> np.ndarray:
    """Indices of at most `count` wrong predictions, the most confident first: int64, shape (n,)."""
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    confidence = predictions.probabilities[wrong].max(axis=1)
    return wrong[np.argsort(-confidence, kind="stable")[:count]]


def examples_of_each(
    predictions: Predictions, each: int, seed: int = 0, most: int = 84
) -> np.ndarray:
    """Indices of up to `each` faces of every class, chosen at random, class by class.

    Half of them are predicted correctly and half wrongly, as far as there are any; correct ones
    first.

    Args:
        predictions: of N faces.
        each: faces of a class.
        seed: of the draw.
        most: faces in all; of many classes fewer faces each are taken, then not of every class.

    Returns:
        int64, shape (n,), n at most K times `each`, and at most `most`.
    """
    rng = np.random.default_rng(seed)
    each = max(1, min(each, most // len(predictions.classes)))
    right = predictions.predicted == predictions.labels
    chosen = []
    for label in range(len(predictions.classes)):
        good = rng.permutation(np.flatnonzero((predictions.labels == label) & right))
        bad = rng.permutation(np.flatnonzero((predictions.labels == label) & ~right))
        goods = max(each - each // 2, each - len(bad))
        taken = good[:goods]
        chosen += [taken, bad[: each - len(taken)]]
    found = np.concatenate(chosen)
    return found[np.linspace(0, len(found) - 1, min(len(found), most)).astype(int)]
