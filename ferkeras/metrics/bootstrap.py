"""Confidence intervals of figures: the bootstrap over faces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ferkeras.data.task import Classes
from ferkeras.metrics.calibration import BINS, bin_of
from ferkeras.metrics.predictions import Predictions

RESAMPLES = 2000
CONFIDENCE = 0.95

_CHUNK_BYTES = 1 << 25

Samples = Mapping[str, np.ndarray]
"""Figures by name, each float64, shape (resamples,)."""


def resample(predictions: Predictions, resamples: int = RESAMPLES, seed: int = 0) -> Samples:
    """Draw as many faces as there are, with replacement, again and again; measure each draw.

    Every figure is made of sums over faces, so that a draw is one row of counts, and all draws
    are a product of two matrices. Two predictions of the same length get the same draws from the
    same seed: the difference of their samples is that of a paired bootstrap.

    Args:
        predictions: N predictions.
        resamples: draws.
        seed: of the draws.

    Returns:
        The figures of `ferkeras.metrics.measures.MEASURES`, and ``precision/<emotion>``,
        ``recall/<emotion>``, ``f1/<emotion>``; NaN where a draw leaves one undefined.
    """
    rng = np.random.default_rng(seed)
    count = len(predictions)
    chunk = max(1, _CHUNK_BYTES // (8 * count))
    parts = []
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        resampled = rng.integers(0, count, (rows, count)) + count * np.arange(rows)[:, None]
        times = np.bincount(resampled.reshape(-1), minlength=rows * count).reshape(rows, count)
        parts.append(figures_of(predictions, times))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def figures_of(predictions: Predictions, times: np.ndarray) -> Samples:
    """The figures of draws in which each face occurs so many times.

    Args:
        predictions: N predictions.
        times: counts of 0 or more, shape (draws, N); each row sums to N.
    """
    sums = times.astype(np.float64) @ _features(predictions)
    return _figures(sums, len(predictions), predictions.classes)


def intervals(samples: Samples, confidence: float = CONFIDENCE) -> dict[str, tuple[float, float]]:
    """Percentile intervals that hold `confidence` of the samples; figures without any left out.

    Those of the calibration error lean upwards: noise adds to a sum of absolute values.

    Source: Efron & Tibshirani 1993, "An introduction to the bootstrap", chapter 13.
    """
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    result = {}
    for name, values in samples.items():
        there = values[~np.isnan(values)]
        if len(there):
            low, high = np.quantile(there, ends)
            result[name] = (float(low), float(high))
    return result


def differences(first: Samples, second: Samples) -> Samples:
    """`second` minus `first`, draw by draw, for the figures that both have."""
    return {name: second[name] - first[name] for name in first if name in second}


def _features(predictions: Predictions) -> np.ndarray:
    """What the figures are sums of, by face: float64, shape (N, 3 * K + 3 + 15)."""
    labels, probabilities = predictions.labels, predictions.float64_probabilities
    count = len(labels)
    row = np.arange(count)
    truth = probabilities[row, labels]
    size = len(predictions.classes)
    # Of each class: whether the face is of it, is said to be of it, and both.
    classes = np.zeros((count, 3, size))
    classes[row, 0, labels] = 1
    classes[row, 1, predictions.predicted] = 1
    classes[row, 2] = classes[row, 0] * classes[row, 1]
    # As scikit-learn breaks ties: the later class ranks higher.
    order = np.argsort(probabilities, axis=1, kind="stable")[:, -2:]
    in_top2 = (order == labels[:, None]).any(axis=1)
    tiny = np.finfo(np.float64).eps
    log_loss = -np.log(np.clip(truth, tiny, 1 - tiny))
    brier = (probabilities**2).sum(axis=1) - 2 * truth + 1
    confidence = probabilities.max(axis=1)
    gaps = np.zeros((count, BINS))
    gaps[row, bin_of(confidence)] = (predictions.predicted == labels) - confidence
    measured = np.stack([in_top2, log_loss, brier], axis=1)
    return np.concatenate([classes.reshape(count, -1), measured, gaps], axis=1)


def _figures(sums: np.ndarray, count: int, classes: Classes) -> dict[str, np.ndarray]:
    cells = 3 * len(classes)
    support, predicted, hits = sums[:, :cells].reshape(-1, 3, len(classes)).swapaxes(0, 1)
    right = hits.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hits / support
        # A class that is never predicted has precision 0, as `Predictions.metrics` has it.
        precision = np.where(predicted > 0, hits / predicted, 0.0)
        f1 = np.where(support > 0, 2 * hits / (support + predicted), np.nan)
        chance = (support * predicted).sum(axis=1)
        spread = np.sqrt(
            (count**2 - (predicted**2).sum(axis=1)) * (count**2 - (support**2).sum(axis=1))
        )
        matthews = np.where(spread > 0, (right * count - chance) / spread, 0.0)
        present = support > 0
        several = present.sum(axis=1) > 1
        kappa = np.where(several, (right * count - chance) / (count**2 - chance), np.nan)
        balanced = np.where(present, recall, 0).sum(axis=1) / present.sum(axis=1)
        macro_f1 = np.where(present, f1, 0).sum(axis=1) / present.sum(axis=1)
    top2, log_loss, brier = sums[:, cells : cells + 3].T / count
    figures = {
        "accuracy": right / count,
        "balanced_accuracy": balanced,
        "macro_f1": macro_f1,
        "cohen_kappa": kappa,
        "matthews": matthews,
        "top2_accuracy": top2,
        "log_loss": log_loss,
        "brier": brier,
        "ece": np.abs(sums[:, cells + 3 :]).sum(axis=1) / count,
    }
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
        for at, emotion in enumerate(classes):
            figures[f"{name}/{emotion}"] = values[:, at]
    return figures
