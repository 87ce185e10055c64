"""Intervals of figures, honest for few faces too: by formula where there is one, else bootstrap.

- Proportions (accuracy, top-2 accuracy, precision and recall of a class): Wilson's interval, which
  holds at its rate from a handful of cases on, and does not shrink to nothing where all are right.
- Balanced accuracy: draws of each class's recall from Jeffreys' posterior, as a class of a few
  faces makes most of its error; none where a class has fewer than five.
- All else: percentiles of the bootstrap, from `LEAST` cases on; with fewer there is no interval.

Each holds the figure that it belongs to, and a figure that is not defined has none.

Sources: Wilson 1927, "Probable inference, the law of succession, and statistical inference";
Brown, Cai & DasGupta 2001, "Interval estimation for a binomial proportion"; Efron & Tibshirani
1993, "An introduction to the bootstrap", chapter 13.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np

from ferkeras.metrics.bootstrap import CONFIDENCE, Samples, figures_of, intervals, resample
from ferkeras.metrics.measures import FEWEST
from ferkeras.metrics.predictions import Predictions

Interval = tuple[float, float]

LEAST = {"ece": 500, "f1": 10, "recall": 10}
"""Faces (for F1 and recall: of the class) below which the bootstrap does not hold at its rate;
`FEWEST` else.

The calibration error is a sum of absolute values, to which noise adds: with few faces it is too
large itself, and its interval leaves the truth out.
"""

_DRAWS = 4000
_LEAST_OF_A_CLASS = 5
"""Faces that each class must have, or its recall alone makes the mean of all a guess."""


def intervals_of(
    predictions: Predictions,
    samples: Samples | None = None,
    *,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> dict[str, Interval]:
    """Return the intervals of the figures of `Predictions.metrics`, those of classes as `recall/x`.

    Args:
        predictions: N predictions.
        samples: what `resample` gave for them; made here if None.
        seed: of the draws.
        confidence: rate at which they are to hold.

    Returns:
        Lower and upper end by name; figures that are not defined, or known too badly, left out.
    """
    samples = resample(predictions, seed=seed) if samples is None else samples
    matrix = predictions.matrix()
    names = [name.partition("/")[2] for name in samples if name.startswith("recall/")]
    support, predicted, hits = matrix.sum(axis=1), matrix.sum(axis=0), np.diagonal(matrix)
    found = {
        name: interval
        for name, interval in intervals(samples, confidence).items()
        if enough(name, len(predictions), dict(zip(names, support.tolist(), strict=True)))
    }
    found["accuracy"] = wilson(int(hits.sum()), len(predictions), confidence)
    found["top2_accuracy"] = wilson(int(predictions.in_top2.sum()), len(predictions), confidence)
    found.pop("balanced_accuracy", None)
    if support[support > 0].min() >= _LEAST_OF_A_CLASS:
        found["balanced_accuracy"] = _mean_recall(hits, support, seed, confidence)
    for at, name in enumerate(names):
        for figure, whole in (("recall", support), ("precision", predicted)):
            found.pop(f"{figure}/{name}", None)
            if whole[at] and support[at]:
                found[f"{figure}/{name}"] = wilson(int(hits[at]), int(whole[at]), confidence)
    once = figures_of(predictions, np.ones((1, len(predictions)), np.int64))
    return {name: _around(float(once[name][0]), ends) for name, ends in found.items()}


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's interval of a proportion.

    Args:
        successes: 0 to `trials`.
        trials: 1 or more.
        confidence: rate at which it is to hold, above 0 and below 1.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = successes / trials
    scale = 1 + z**2 / trials
    middle = (rate + z**2 / (2 * trials)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    # At the ends rounding must not lead beyond them, nor leave the rate out.
    return min(rate, max(0.0, middle - half)), max(rate, min(1.0, middle + half))


def _around(figure: float, ends: Interval) -> Interval:
    return min(figure, ends[0]), max(figure, ends[1])


def enough(name: str, faces: int, support: Mapping[str, int]) -> bool:
    """Whether there are enough faces for the bootstrap of a figure, see `LEAST`.

    Args:
        name: of the figure, such as ``accuracy`` or ``recall/happy``.
        faces: how many there are.
        support: how many of each class.
    """
    figure, _, label = name.partition("/")
    return (support[label] if label else faces) >= LEAST.get(figure, FEWEST)


def _mean_recall(hits: np.ndarray, support: np.ndarray, seed: int, confidence: float) -> Interval:
    there = support > 0
    rng = np.random.default_rng(seed)
    right, wrong = hits[there] + 0.5, (support - hits)[there] + 0.5
    means = rng.beta(right, wrong, (_DRAWS, int(there.sum()))).mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
