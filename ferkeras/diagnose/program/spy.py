"""Callbacks watched at work: what they do to the weights, to the learning rate and to `fit`."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

_HOOKS = tuple(
    f"on_{what}_{when}"
    for what in ("train", "epoch", "train_batch", "test", "test_batch")
    for when in ("begin", "end")
)

_SMALL = 300_000
"""Weights that are looked at after every batch; of larger models after every epoch."""


@dataclass(frozen=True)
class Act:
    """Something that a callback did.

    Attributes:
        callback: its place among those that were called.
        hook: in which it did so.
        epoch: from 1; 0 before the first.
        what: rate: it set the learning rate; weights: it changed weights; stop: it ended `fit`;
            trainable: it said of weights whether they are trained.
        before: the rate; of weights their distance from the first ones, or how many are trained.
        after: likewise.
    """

    callback: int
    hook: str
    epoch: int
    what: str
    before: float
    after: float


class Watch(keras.callbacks.Callback):
    """Counts, and ends `fit` after the epoch in which so many steps are reached, or in time."""

    def __init__(self, steps: int, seconds: float) -> None:
        super().__init__()
        self._most, self._seconds = steps, seconds
        self._until: float | None = None
        self.steps = self.epochs = 0
        self.logs: set[str] = set()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count, and end in time."""
        self.steps += 1
        now = time.monotonic()
        if self._until is None:
            # The first call builds the step, which is no time of steps.
            self._until = now + self._seconds
        elif now > self._until:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Count, and end after so many steps."""
        self.epochs += 1
        self.logs |= set(logs or {})
        if self.steps >= self._most:
            self.model.stop_training = True


class Spy(keras.callbacks.Callback):
    """A callback, called as ever; notes what it does to the weights, the rate and the end."""

    def __init__(
        self, callback: keras.callbacks.Callback, place: int, acts: list[Act], watch: Watch
    ) -> None:
        super().__init__()
        self._callback, self._place, self._acts, self._watch = callback, place, acts, watch
        self._first: list[np.ndarray] | None = None

    def set_params(self, params: Any) -> None:
        """Hand them on."""
        super().set_params(params)
        self._callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Hand it on, and keep its weights."""
        super().set_model(model)
        self._callback.set_model(model)
        # Those that the step is built with; a callback may say otherwise later.
        self._variables = list(model.trainable_variables)
        self._first = [v.numpy() for v in self._variables]
        self._every_batch = sum(each.size for each in self._first) < _SMALL

    def _hand_on(self, hook: str, *arguments: Any) -> None:
        does = getattr(self._callback, hook)
        if not self._has(hook) or ("batch" in hook and not self._every_batch):
            does(*arguments)
            return
        before, built = self._state(), self.model.train_function
        does(*arguments)
        after = self._state()
        # A step that is built anew, or not at all, takes weights as they are said to be.
        heard = self.model.train_function is not built or self.model.run_eagerly
        kinds = ("rate", "weights", "stop", "trainable")
        for what, was, is_now in zip(kinds, before, after, strict=True):
            differs = was[0] != is_now[0] if what == "rate" else bool(was[1] != is_now[1])
            if what == "trainable" and (heard or not self._watch.steps):
                continue
            if differs:
                act = Act(self._place, hook, self._watch.epochs, what, was[0], is_now[0])
                self._acts.append(act)

    def _has(self, hook: str) -> bool:
        """Whether the callback does anything there; Keras knows training batches by two names."""
        return any(
            name in vars(self._callback)
            or getattr(type(self._callback), name) is not getattr(keras.callbacks.Callback, name)
            for name in {hook, hook.replace("train_batch", "batch")}
        )

    def _state(self) -> tuple[tuple[float, Any], ...]:
        weights = [v.numpy() for v in self._variables]
        first = self._first or weights
        away = math.sqrt(
            sum(
                float(np.square(a - b, dtype=np.float64).sum())
                for a, b in zip(weights, first, strict=True)
            )
        )
        stop = bool(self.model.stop_training)
        rate = float(np.asarray(self.model.optimizer.learning_rate))
        trained = len(self.model.trainable_variables)
        return (
            (rate, None),
            (away, [w.tobytes() for w in weights]),
            (float(stop), stop),
            (float(trained), trained),
        )


def _handed_on(hook: str) -> Any:
    def method(self: Spy, *arguments: Any, **named: Any) -> None:
        self._hand_on(hook, *arguments, *named.values())

    method.__name__ = hook
    return method


for _hook in _HOOKS:
    setattr(Spy, _hook, _handed_on(_hook))
