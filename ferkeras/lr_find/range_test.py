"""The learning-rate range test: train a few steps at ever higher rates, and record the loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from ferkeras.lr_find.limits import FEWEST, HIGHEST, LOWEST, MOST, STEPS
from ferkeras.lr_find.rules import (
    LONGEST_STEP,
    RunningSmooth,
    noise,
    smooth,
    steepest,
    suggest,
    valley,
)
from ferkeras.training.movement import movement_of_kernels, weights_of
from ferkeras.training.setup import TrainingSetup
from ferkeras.training.state import restored_after

_DIVERGED = 4.0
"""A smoothed loss this many times the lowest ends the test (fastai's threshold)."""

_LEARNT = 7.0
"""The loss has to fall by this many times its own noise to count as learning: losses that are
nothing but noise fall by three on average, and by seven once in several hundred tests."""

_LEAST = 1e-3
"""And by this fraction of itself, for losses without noise."""


@dataclass(frozen=True, eq=False)
class LrRange:
    """What a range test found.

    Attributes:
        rates: learning rate of each step, rising evenly in its logarithm, shape (N,).
        losses: loss of each step's own batch at that rate, with class weights and label
            smoothing as in training, shape (N,); the steps up to the divergence.
        smoothed: the same, averaged over neighbouring rates; what lies above the divergence limit
            counts as the limit, so that a last loss of thousands does not reach far back.
        steepest: rate where the smoothed loss falls fastest; None if no rate lowers the loss.
        valley: rate half way down the longest valley; None if no rate lowers the loss.
        longest: rate whose steps change the middle kernel by `LONGEST_STEP` of its size; None if
            the test ended before that was measured.
        suggestion: the rate to train with, see `suggest`; None if no rate lowers the loss, or
            even the first is above `longest`.
        reason: why there is none; None if there is one.
        stopped_at: rate at which the loss diverged or was not finite; None if it never did.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    steepest: float | None
    valley: float | None
    longest: float | None
    suggestion: float | None
    reason: str | None
    stopped_at: float | None

    def to_json(self) -> dict[str, Any]:
        """All of it in what JSON knows."""
        return {
            "suggestion": self.suggestion,
            "reason": self.reason,
            "steepest": self.steepest,
            "valley": self.valley,
            "longest": self.longest,
            "stopped_at": self.stopped_at,
            "rates": self.rates.tolist(),
            "losses": self.losses.tolist(),
            "smoothed": self.smoothed.tolist(),
        }


def lr_range_test(
    setup: TrainingSetup,
    *,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
    steps: int = STEPS,
    progress: Callable[[int], None] = lambda steps: None,
) -> LrRange:
    """Train with a rising learning rate, then put everything back; see `LrRange`.

    The setup's own training step, faces in the order of its first epochs, class weights and
    smoothing are used; it is left bit for bit as it was. When its epoch has fewer steps, it goes
    over as many as it takes.

    Args:
        setup: compiled.
        lowest: first learning rate, above 0.
        highest: last learning rate.
        steps: how many to make; it ends earlier when the loss diverges.
        progress: called with the number of steps just done.

    Raises:
        ValueError: the rates do not rise, or there are fewer than 10 steps or more than 2,000.

    Source:
        Smith 2017, "Cyclical learning rates for training neural networks", section 3.3.
    """
    if not 0 < lowest < highest or not FEWEST <= steps <= MOST:
        raise ValueError(
            f"expected 0 < lowest < highest and {FEWEST} to {MOST:,} steps. "
            f"Received: lowest={lowest}, highest={highest}, steps={steps}"
        )
    sweep = _Sweep(np.geomspace(lowest, highest, steps), progress)
    with restored_after(setup.model):
        setup.model.fit(
            setup.pipeline.dataset(1, math.ceil(steps / setup.pipeline.steps_per_epoch)),
            steps_per_epoch=steps,
            epochs=1,
            class_weight=setup.balance.weights,
            callbacks=[sweep],
            shuffle=False,
            verbose=0,
        )
    return conclude(
        sweep.rates[: len(sweep.losses)],
        np.array(sweep.losses),
        sweep.stopped_at,
        sweep.longest,
    )


def conclude(
    rates: np.ndarray,
    losses: np.ndarray,
    stopped_at: float | None,
    longest: float | None = None,
) -> LrRange:
    """Judge the losses of a range test.

    Args:
        rates: rising, shape (N,).
        losses: finite, shape (N,).
        stopped_at: rate at which it was ended; None if it was not.
        longest: as in `LrRange`.
    """
    limit = _DIVERGED * smooth(rates, losses).min(initial=math.inf)
    smoothed = smooth(rates, np.minimum(losses, limit))
    reason = _why_nothing(rates, losses, smoothed, stopped_at)
    if reason is not None:
        return LrRange(rates, losses, smoothed, None, None, longest, None, reason, stopped_at)
    steep, middle = steepest(rates, smoothed), valley(rates, smoothed)
    reason = _why_too_long(rates, longest)
    suggestion = None
    if reason is None:
        suggestion = suggest(rates, smoothed, math.inf if longest is None else longest)
    return LrRange(rates, losses, smoothed, steep, middle, longest, suggestion, reason, stopped_at)


def _why_nothing(
    rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, stopped_at: float | None
) -> str | None:
    if len(rates) < FEWEST:
        return (
            f"the loss diverged or was not finite within {len(rates) + 1} steps, at a learning "
            f"rate of {stopped_at:.3g}: that is not the learning rate's doing, or even the lowest "
            "is too high"
        )
    lowest = int(np.argmin(smoothed))
    fall = float(smoothed[: lowest + 1].max() - smoothed[lowest])
    threshold = max(_LEARNT * noise(rates, losses), _LEAST * float(smoothed[lowest]))
    if fall <= threshold:
        return (
            f"the loss fell by {fall:.3g} at most, which is within its noise (from {threshold:.3g} "
            f"it counts as learning): no rate lowers the loss from {rates[0]:.3g} to "
            f"{rates[-1]:.3g}"
        )
    return None


def _why_too_long(rates: np.ndarray, longest: float | None) -> str | None:
    if longest is None or rates[0] <= longest:
        return None
    return (
        f"even the lowest rate, {rates[0]:.3g}, is above the longest, {longest:.2g}: a step "
        f"changes the weights by more than {LONGEST_STEP:.1%}; begin lower (--lowest)"
    )


class _Sweep(keras.callbacks.Callback):
    """Set the rate of each step, and read the loss of its own batch."""

    def __init__(self, rates: np.ndarray, progress: Callable[[int], None]) -> None:
        super().__init__()
        self.rates = rates
        self.losses: list[float] = []
        self._smooth = RunningSmooth(rates)
        self.stopped_at: float | None = None
        self.longest: float | None = None
        # In the middle the rate is high enough to move a float32, and has not yet moved much.
        self._measured = len(rates) // 2
        self._before: list[np.ndarray] = []
        self._progress = progress

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Logs hold means over the epoch: of this one step, when nothing is remembered.
        self.model.reset_metrics()
        self.model.optimizer.learning_rate.assign(self.rates[batch])
        if batch == self._measured:
            self._before = weights_of(self.model)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {})["loss"])
        self._progress(1)
        if batch == self._measured:
            moved = float(np.median(list(movement_of_kernels(self.model, self._before).values())))
            if moved > 0:
                self.longest = float(self.rates[batch]) * LONGEST_STEP / moved
        if math.isfinite(loss):
            self.losses.append(loss)
            smoothed = self._smooth.add(loss)
            diverged = bool(smoothed[-1] > _DIVERGED * smoothed.min())
        else:
            # The model has skipped the step: its loss or gradient was not finite.
            diverged = True
        if diverged:
            self.stopped_at = float(self.rates[batch])
            self.model.stop_training = True
