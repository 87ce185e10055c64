"""Compare training and validation accuracy on the same footing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np


def inference_accuracy(model: keras.Model, batches: Iterable[tuple[Any, Any]]) -> float:
    """Share of right answers in inference mode, without touching the model's metrics.

    Args:
        model: gives logits or probabilities of shape (N, K).
        batches: pairs of inputs and integer labels of shape (N,) or (N, 1).

    Raises:
        ValueError: there is no sample.
    """
    right = seen = 0
    for x, y in batches:
        labels = np.asarray(y).reshape(-1)
        # Unlike `evaluate`, this leaves metrics and callbacks of the running `fit` alone.
        answers = model.predict_on_batch(x).argmax(axis=-1)
        right += int((answers == labels).sum())
        seen += len(labels)
    if not seen:
        raise ValueError("Expected batches with samples. Received: none")
    return right / seen


class OverfittingWatch(keras.callbacks.Callback):
    """Measure accuracy on training samples as validation does, and warn when they part.

    Use it instead of comparing ``accuracy`` with ``val_accuracy``: the former is a running mean
    over an epoch of changing weights, measured with dropout and augmentation, and so may stay
    below validation while the model already overfits.

    Reads: ``val_accuracy``. Publishes: ``inference_accuracy`` every epoch; NaN in the epochs
    between two measurements. Costs a forward pass over `dataset` every few epochs: keep it to a
    sample. It traces the model's prediction function, never the training step.

    Args:
        dataset: training samples without augmentation, as batches of inputs and integer
            labels that can be iterated again and again (a `tf.data.Dataset`, a list).
        every: epochs between two measurements, at least 1.
        gap: alarm when accuracy on training samples is at least this much higher, 0 to 1.
        monitor: key of the validation accuracy in the logs.
        say: called when the gap has closed.
        alarm: called when it opens.

    Raises:
        ValueError: an argument is out of its range, or `dataset` is empty or can be iterated
            only once.
    """

    def __init__(
        self,
        dataset: Iterable[tuple[Any, Any]],
        every: int = 2,
        gap: float = 0.15,
        monitor: str = "val_accuracy",
        say: Callable[[str], None] = print,
        alarm: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(
                "Invalid value received for argument `every`. Expected at least 1. "
                f"Received: every={every}"
            )
        if not 0 <= gap <= 1:
            raise ValueError(
                "Invalid value received for argument `gap`. Expected a float from 0 to 1. "
                f"Received: gap={gap}"
            )
        if iter(dataset) is dataset:
            raise ValueError(
                "Invalid value received for argument `dataset`. Expected batches that can be "
                f"iterated again and again. Received: dataset={dataset}"
            )
        self.dataset = dataset
        self.every = every
        self.gap = gap
        self.monitor = monitor
        self.say = say
        self.alarm = alarm
        self._since: int | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure every few epochs; publish; compare."""
        logs = {} if logs is None else logs
        logs["inference_accuracy"] = math.nan
        epoch += 1
        if epoch % self.every:
            return
        accuracy = inference_accuracy(self.model, self.dataset)
        logs["inference_accuracy"] = accuracy
        validation = float(logs.get(self.monitor, math.nan))
        if math.isnan(validation):
            return
        figures = (
            f"{accuracy:.1%} on training samples, {validation:.1%} on validation, both in "
            "inference mode"
        )
        if accuracy - validation >= self.gap:
            if self._since is None:
                self._since = epoch
                self.alarm(f"epoch {epoch}: overfitting: accuracy {figures}")
        elif self._since is not None:
            self.say(
                f"epoch {epoch}: the gap since epoch {self._since} has closed: accuracy {figures}"
            )
            self._since = None

    def get_state(self) -> dict[str, Any]:
        """Since when the gap has been open, for JSON."""
        return {"since": self._since}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        self._since = state["since"]
