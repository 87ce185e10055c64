"""Which faces to show: the worst mistakes, and some of every emotion."""

from __future__ import annotations

import numpy as np

from ferkeras.data.labels import EMOTIONS
from ferkeras.metrics.predictions import Predictions


def worst_mistakes(predictions: Predictions, count: int) -> np.ndarray:
    """Indices of at most `count` wrong answers, the surest first: int64, shape (n,)."""
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    confidence = predictions.probabilities[wrong].max(axis=1)
    return wrong[np.argsort(-confidence, kind="stable")[:count]]


def examples_of_each(predictions: Predictions, each: int, seed: int = 0) -> np.ndarray:
    """Indices of up to `each` faces of every emotion, drawn by chance, emotion by emotion.

    Half of them are rightly answered and half wrongly, as far as there are any; right ones first.

    Args:
        predictions: answers on N faces.
        each: faces of an emotion.
        seed: of the draw.

    Returns:
        int64, shape (n,), n at most 7 times `each`.
    """
    rng = np.random.default_rng(seed)
    right = predictions.predicted == predictions.labels
    chosen = []
    for code in range(len(EMOTIONS)):
        good = rng.permutation(np.flatnonzero((predictions.labels == code) & right))
        bad = rng.permutation(np.flatnonzero((predictions.labels == code) & ~right))
        goods = max(each - each // 2, each - len(bad))
        taken = good[:goods]
        chosen += [taken, bad[: each - len(taken)]]
    return np.concatenate(chosen)
