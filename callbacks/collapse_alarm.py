"""Notice that a classifier answers one class for nearly everything, and name it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from .confusion import read_confusion_matrix


@dataclass(frozen=True)
class Collapse:
    """A classifier whose answers fall on one class, or that is no better for leaning to it.

    Attributes:
        label: the class.
        complete: whether its answers fall on the class. If not, the classifier is no more
            accurate than the best constant answer, and this class is the one that it answers
            most beyond its share of the samples.
        share: share of all answers that it gets, 0 to 1.
        constant_accuracy: the accuracy of always answering it (its share of the samples).
        best_constant: the class that occurs most.
        best_constant_accuracy: the accuracy of always answering that one.
        accuracy: the accuracy that was reached.
        samples: number of samples.
        never: labels of classes that occur and are never answered.
    """

    label: int
    complete: bool
    share: float
    constant_accuracy: float
    best_constant: int
    best_constant_accuracy: float
    accuracy: float
    samples: int
    never: tuple[int, ...]


def find_collapse(matrix: np.ndarray, share: float) -> Collapse | None:
    """Judge a confusion matrix of counts (K, K), truth by row.

    It is a complete collapse when one class gets at least `share` of the answers although it has
    less than that of the samples, or all answers although it is not all of the samples. It is an
    incomplete one when the accuracy is not above that of always answering the most frequent class.
    """
    total = int(matrix.sum())
    if not total:
        return None
    answers = matrix.sum(axis=0) / total
    truths = matrix.sum(axis=1) / total
    accuracy = float(np.trace(matrix) / total)
    label, best = int(answers.argmax()), int(truths.argmax())
    complete = bool(answers[label] >= share > truths[label] or answers[label] == 1 > truths[label])
    if not complete:
        label = int((answers - truths).argmax())
        if accuracy > truths[best] or answers[label] == truths[label]:
            return None
    return Collapse(
        label=label,
        complete=complete,
        share=float(answers[label]),
        constant_accuracy=float(truths[label]),
        best_constant=best,
        best_constant_accuracy=float(truths[best]),
        accuracy=accuracy,
        samples=total,
        never=tuple(int(k) for k in np.flatnonzero((answers == 0) & (truths > 0))),
    )


def describe(collapse: Collapse, names: Sequence[str]) -> str:
    """Say which class it is, its share, and what its accuracy amounts to."""
    name = names[collapse.label]
    if not collapse.complete:
        return (
            f"NOT LEARNING: accuracy {collapse.accuracy:.1%} is not above the "
            f"{collapse.best_constant_accuracy:.1%} of always answering "
            f"{names[collapse.best_constant]!r}; the answers lean to {name!r}, "
            f"{collapse.share:.1%} of {collapse.samples:,}, which is "
            f"{collapse.constant_accuracy:.1%} of the samples"
        )
    text = (
        f"COLLAPSE onto {name!r}: {collapse.share:.1%} of the {collapse.samples:,} validation "
        f"answers; accuracy {collapse.accuracy:.2%} "
    )
    if collapse.accuracy == collapse.constant_accuracy:
        text += f"is exactly the accuracy of always answering {name!r}"
    else:
        text += f"where always answering {name!r} gives {collapse.constant_accuracy:.2%}"
    # Of a model that gives one answer only, the list would name all others.
    if collapse.share < 1 and collapse.never:
        text += f"; never answered: {', '.join(names[label] for label in collapse.never)}"
    return text


class CollapseAlarm(keras.callbacks.Callback):
    """Raise an alarm when the validation answers fall on one class; stop, if asked to.

    Use it in every training of a classifier: a collapsed model can have the accuracy of a large
    class for many epochs, or of a tiny one after strong reweighting, and its loss looks sane.
    The answers come from the confusion matrix that a compiled metric has kept during Keras's
    validation, so they cost no forward pass.

    Reads: a compiled metric with a variable ``matrix`` (see `read_confusion_matrix`).
    Publishes, every epoch: ``collapse_fraction``, the share of the most frequent answer; NaN in an
    epoch without validation. It speaks when a collapse begins, when it becomes complete or moves
    to another class, and when it is over. A model that is no better than the best constant answer
    is told as well, with the class that it leans to; only a complete collapse stops a training.

    Args:
        names: names of the classes in the order of their labels, at least two.
        share: share of all answers from which one class is a collapse, above 0, at most 1.
        action: ``"warn"``, or ``"stop"`` to end the training as well.
        suspects: what is likely to be the cause, one text each, to be named in the alarm.
        first_epoch: from 1; before it nothing is an alarm. Give it where an average of the weights
            is validated, which at first is mostly the weights of the start.
        say: called when a collapse is over.
        alarm: called with each alarm.

    Attributes:
        stopped: why the training was ended, None if it was not.

    Raises:
        ValueError: an argument is out of its range, or the model keeps no such matrix.
    """

    def __init__(
        self,
        names: Sequence[str],
        share: float = 0.8,
        action: Literal["warn", "stop"] = "warn",
        suspects: Sequence[str] = (),
        first_epoch: int = 1,
        say: Callable[[str], None] = print,
        alarm: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        if len(names) < 2:
            raise ValueError(
                "Invalid value received for argument `names`. Expected at least two names. "
                f"Received: names={names}"
            )
        if not 0 < share <= 1:
            raise ValueError(
                "Invalid value received for argument `share`. Expected a float above 0 and at "
                f"most 1. Received: share={share}"
            )
        if action not in ("warn", "stop"):
            raise ValueError(
                "Invalid value received for argument `action`. Expected 'warn' or 'stop'. "
                f"Received: action={action!r}"
            )
        self.names = tuple(names)
        self.share = share
        self.action = action
        self.suspects = tuple(suspects)
        self.first_epoch = first_epoch
        self.say = say
        self.alarm = alarm
        self.stopped: str | None = None
        self._matrix: np.ndarray | None = None
        self._label: int | None = None
        self._since: int | None = None
        self._complete: bool | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Wait for this epoch's validation."""
        self._matrix = None

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Keep the matrix of the validation that has just ended."""
        self._matrix = read_confusion_matrix(self.model, len(self.names))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Publish the largest share; raise the alarm if it is a collapse."""
        logs = {} if logs is None else logs
        matrix = self._matrix
        if matrix is None or not matrix.any():
            logs["collapse_fraction"] = math.nan
            return
        logs["collapse_fraction"] = float(matrix.sum(axis=0).max() / matrix.sum())
        if epoch + 1 >= self.first_epoch:
            self._tell(epoch + 1, find_collapse(matrix, self.share))

    @property
    def collapsed_since(self) -> int | None:
        """The epoch, from 1, in which the present collapse began; None if there is none."""
        return self._since

    def get_state(self) -> dict[str, Any]:
        """The collapse that lasts, for JSON."""
        return {
            "label": self._label,
            "since": self._since,
            "complete": self._complete,
            "stopped": self.stopped,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        self._label = state["label"]
        self._since = state["since"]
        self._complete = state["complete"]
        self.stopped = state["stopped"]

    def _tell(self, epoch: int, collapse: Collapse | None) -> None:
        if collapse is None:
            if self._label is not None:
                self.say(
                    f"epoch {epoch}: the collapse onto {self.names[self._label]!r} since epoch "
                    f"{self._since} is over"
                )
            self._label = self._since = self._complete = None
            return
        if (self._label, self._complete) != (collapse.label, collapse.complete):
            message = f"epoch {epoch}: {describe(collapse, self.names)}"
            if self.suspects:
                message += f". Suspected: {'; '.join(self.suspects)}"
            self.alarm(message)
            if self._label != collapse.label:
                self._since = epoch
            self._label, self._complete = collapse.label, collapse.complete
        if self.action == "stop" and collapse.complete:
            self.stopped = f"epoch {epoch}: {describe(collapse, self.names)}"
            self.model.stop_training = True
