"""The learning rate that a range test suggests: smoothing and rules, as pure functions."""

from __future__ import annotations

import numpy as np

_WIDTH = 0.2
"""Standard deviation of the smoothing, in decades of the rate."""

_FALLEN = 0.9
_ROOM = 5.0

LONGEST_STEP = 0.015
"""Relative change of the middle kernel in one step that a suggestion keeps to. The usual is a
thousandth, give or take a factor of ten (Karpathy, CS231n); at 0.1 ten steps replace every weight.
In between, ``benchmarks/lr_find.py`` decided: FER2013 in batches of 128 trained best at 0.02,
synthetic faces in batches of 64 at 0.01."""


def smooth(rates: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Mean of the losses at neighbouring rates, by a Gaussian of 0.2 decades.

    The test is over when it is read, so the mean can look both ways; fastai's running mean looks
    back only and shows each fall late, which is at a higher rate than the one that caused it.

    Args:
        rates: rising, shape (N,).
        losses: finite, shape (N,).
    """
    return _weights(rates) @ losses


class RunningSmooth:
    """`smooth` of the losses so far, one more at a time, for a fraction of its cost.

    Args:
        rates: of all losses to come, rising, shape (N,).
    """

    def __init__(self, rates: np.ndarray) -> None:
        self._places = np.log10(rates)
        self._losses = np.zeros(len(rates))
        self._weighted = np.zeros(len(rates))
        self._weights = np.zeros(len(rates))
        self._count = 0

    def add(self, loss: float) -> np.ndarray:
        """Take the loss of the next rate; return all so far, smoothed."""
        at, end = self._count, self._count + 1
        self._losses[at] = loss
        weights = _nearness(self._places[:end], self._places[at])
        self._weighted[:at] += weights[:at] * loss
        self._weights[:at] += weights[:at]
        self._weighted[at] = weights @ self._losses[:end]
        self._weights[at] = weights.sum()
        self._count = end
        return self._weighted[:end] / self._weights[:end]


def noise(rates: np.ndarray, losses: np.ndarray) -> float:
    """Standard error of `smooth` that comes from the batches being small and different.

    From the median difference of successive losses, which a divergence does not disturb.
    """
    if len(losses) < 2:
        return 0.0
    spread = float(np.median(np.abs(np.diff(losses)))) / 0.6745 / np.sqrt(2)
    return spread * float(np.sqrt(np.median((_weights(rates) ** 2).sum(axis=1))))


def suggest(rates: np.ndarray, smoothed: np.ndarray, longest: float = np.inf) -> float:
    """A fifth of the rate at which nine tenths of the fall are done, to two digits.

    The loss falls until the rate is too high to learn anything more; a training stays at its rate
    for longer than the test does, and wants some room below that. The end of the fall is read from
    nine tenths of it, because the curve is often flat for decades behind it, where its very lowest
    point is chance. A flat curve can put even that far too high, and a network that has met each
    rate for one step only does not diverge in time: so the suggestion is never above `longest`.

    `steepest` and `valley` hang on bumps of the falling part: on FER2013 (100 steps of 128 faces,
    three seeds) they differed by factors of 3 to 4 between seeds, and twice of what they named
    trained better. ``benchmarks/lr_find.py`` compares the suggestion with half and twice of it.

    Args:
        rates: rising, shape (N,).
        smoothed: the smoothed losses, shape (N,).
        longest: the rate whose steps change the weights by `LONGEST_STEP`.
    """
    lowest = int(np.argmin(smoothed))
    highest = float(smoothed[: lowest + 1].max())
    down = smoothed[lowest] + (1 - _FALLEN) * (highest - smoothed[lowest])
    begin = int(np.argmax(smoothed[: lowest + 1]))
    end = begin + int(np.argmax(smoothed[begin : lowest + 1] <= down))
    return float(f"{min(longest, max(float(rates[0]), float(rates[end]) / _ROOM)):.2g}")


def steepest(rates: np.ndarray, smoothed: np.ndarray) -> float:
    """The rate at which the smoothed loss falls fastest over the logarithm of the rate.

    Looked for up to the lowest loss; the first rate where nothing falls.

    Source:
        Smith 2017, "Cyclical learning rates for training neural networks", section 3.3, as fastai
        and many others read it.
    """
    end = int(np.argmin(smoothed)) + 1
    if end < 2:
        return float(rates[0])
    slopes = np.diff(smoothed[:end]) / np.diff(np.log(rates[:end]))
    at = int(np.argmin(slopes))
    return float(np.sqrt(rates[at] * rates[at + 1]))


def valley(rates: np.ndarray, smoothed: np.ndarray) -> float:
    """The rate half way down the longest valley; the first rate where nothing falls.

    The longest valley is the longest subsequence, not necessarily without gaps, in which each loss
    is below the one before; of several as long, the first. As in fastai's `valley`, its length
    in steps is counted back from its end.

    Source:
        fastai 2, `fastai.callback.schedule.valley`, which is its default and comes from ESRI.
    """
    lengths = np.ones(len(smoothed), int)
    for at in range(1, len(smoothed)):
        higher = smoothed[:at] > smoothed[at]
        lengths[at] = 1 + lengths[:at][higher].max(initial=0)
    end = int(np.argmax(lengths))
    start = end - int(lengths[end])
    third = (end - start) / 3
    return float(rates[max(0, start + int(third) + int(third / 2))])


def _weights(rates: np.ndarray) -> np.ndarray:
    places = np.log10(rates)
    weights = _nearness(places[:, None], places[None, :])
    return weights / weights.sum(axis=1, keepdims=True)


def _nearness(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How much losses at places of the logarithm count for each other, 0 to 1."""
    return np.exp(-0.5 * ((one - other) / _WIDTH) ** 2)
