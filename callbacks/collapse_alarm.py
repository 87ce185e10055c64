"""Notice that a classifier predicts one class for nearly everything, and name it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from .averaged_weights import average_is_trained
from .counting import count_confusion, read_confusion_matrix


@dataclass(frozen=True)
class Collapse:
    """A classifier that predicts one class, or that is no better for leaning to it.

    Attributes:
        label: the class.
        complete: whether its predictions fall on the class. If not, the classifier is no more
            accurate than the best constant prediction, and this class is the one that it predicts
            most beyond its fraction of the samples.
        fraction: fraction of all predictions that it gets, 0 to 1.
        constant_accuracy: the accuracy of always predicting it (its fraction of the samples).
        majority: the class that occurs most.
        majority_accuracy: the accuracy of always predicting that one.
        accuracy: the accuracy that was reached.
        samples: number of samples.
        never: indices of classes that occur and are never predicted.
    """

    label: int
    complete: bool
    fraction: float
    constant_accuracy: float
    majority: int
    majority_accuracy: float
    accuracy: float
    samples: int
    never: tuple[int, ...]


def find_collapse(matrix: np.ndarray, fraction: float) -> Collapse | None:
    """Judge a confusion matrix of counts (K, K), truth by row; None if it is sound.

    It is a complete collapse when one class gets at least `fraction` of the predictions although
    it has less than that of the samples, and the accuracy is nearer to that of always predicting
    the class than to 1; or when it gets all predictions and is not all of the samples. It is an
    incomplete one when the accuracy is not above that of always predicting the most frequent
    class, the mean recall is nearer to chance than to 1 (class weights may cost accuracy while
    every class is recognised), and a class gets more of the predictions than it has of the
    samples: predictions that are wrong in equal shares lean to none.
    """
    total = int(matrix.sum())
    if not total:
        return None
    predictions = matrix.sum(axis=0) / total
    truths = matrix.sum(axis=1) / total
    accuracy = float(np.trace(matrix) / total)
    label, best = int(predictions.argmax()), int(truths.argmax())
    most, truth = predictions[label], truths[label]
    alone = most == 1 > truth
    complete = bool(alone or (most >= fraction > truth and accuracy < (1 + truth) / 2))
    if not complete:
        label = int((predictions - truths).argmax())
        recalls = (np.diag(matrix) / total)[truths > 0] / truths[truths > 0]
        recognised = recalls.mean() >= (1 + 1 / len(recalls)) / 2
        if accuracy > truths[best] or recognised or predictions[label] == truths[label]:
            return None
    return Collapse(
        label=label,
        complete=complete,
        fraction=float(predictions[label]),
        constant_accuracy=float(truths[label]),
        majority=best,
        majority_accuracy=float(truths[best]),
        accuracy=accuracy,
        samples=total,
        never=tuple(int(k) for k in np.flatnonzero((predictions == 0) & (truths > 0))),
    )


def describe(collapse: Collapse, names: Sequence[str]) -> str:
    """Say which class it is, its fraction, and what its accuracy amounts to."""
    name = names[collapse.label]
    if not collapse.complete:
        return (
            f"NOT LEARNING: accuracy {collapse.accuracy:.1%} is not above the "
            f"{collapse.majority_accuracy:.1%} of always predicting "
            f"{names[collapse.majority]!r}; the predictions lean to {name!r}, "
            f"{collapse.fraction:.1%} of {collapse.samples:,}, which is "
            f"{collapse.constant_accuracy:.1%} of the samples"
        )
    text = (
        f"COLLAPSE onto {name!r}: {collapse.fraction:.1%} of the {collapse.samples:,} validation "
        f"predictions; accuracy {collapse.accuracy:.2%} "
    )
    if collapse.accuracy == collapse.constant_accuracy:
        text += f"is exactly the accuracy of always predicting {name!r}"
    else:
        text += f"where always predicting {name!r} gives {collapse.constant_accuracy:.2%}"
    # Of a model that predicts one class only, the list would name all others.
    if collapse.fraction < 1 and collapse.never:
        text += f"; never predicted: {', '.join(names[label] for label in collapse.never)}"
    return text


class CollapseAlarm(keras.callbacks.Callback):
    """Raise an alarm when the validation predictions fall on one class; stop, if asked to.

    Use it in every training of a classifier: a collapsed model can have the accuracy of a large
    class for many epochs, or of a tiny one after strong reweighting, and its loss looks sane.
    The predictions come from a confusion matrix that the model keeps during Keras's validation,
    so they cost no forward pass. Labels may be class indices, one-hot, or 0 and 1.

    It speaks when a collapse begins, when it becomes complete or moves to another class, and when
    it is over. A model that is no better than the best constant prediction, and recognises the
    classes hardly better than chance, is reported as well, with the class that it leans to; only a
    complete collapse stops a training. Of a model with a
    moving average of its weights nothing is said while a twentieth of the average is the weights of
    the start, unless the training ends there: what is validated then is not what is kept.
    Predictions that are not numbers (NaN) are no collapse, and told by themselves in each epoch.
    A training that begins (at epoch 1, and not from a state) begins without a collapse.

    Reads: a compiled `ConfusionMatrix`; where there is none, the callback adds one that leaves
    logs and files alone.
    Publishes, in every epoch with a validation: ``val_collapse_fraction``, the fraction of the
    predictions that the most frequent one has; NaN where a prediction is NaN.

    Args:
        names: names of the classes in the order of their indices, at least two.
        fraction: of all predictions, from which one class is a collapse; above 0, at most 1.
        action: ``"warn"``, or ``"stop"`` to end the training as well.
        suspects: what is likely to be the cause, one text each, to be named in the alarm.
        log: called when a collapse is over.
        alarm: called with each alarm.
        threshold: what one column of predictions must exceed for the second of two classes; by
            default as the compiled loss says: 0 where it reads logits or is a hinge, or is a
            function of one's own behind a linear output; else 0.5.

    Attributes:
        stopped: why the training was ended, None if it was not.

    Raises:
        ValueError: an argument is out of its range, or the model has another number of classes.

    Example:

    ```python
    alarm = CollapseAlarm(["cat", "dog", "bird"], action="stop")
    model.fit(x, y, validation_data=(x, y), epochs=2, verbose=0, callbacks=[alarm])
    alarm.stopped  # None, or why the training was ended
    ```
    """

    def __init__(
        self,
        names: Sequence[str],
        fraction: float = 0.8,
        action: Literal["warn", "stop"] = "warn",
        suspects: Sequence[str] = (),
        log: Callable[[str], None] = print,
        alarm: Callable[[str], None] = print,
        threshold: float | None = None,
    ) -> None:
        super().__init__()
        if len(names) < 2:
            raise ValueError(
                "Invalid value received for argument `names`. Expected at least two names. "
                f"Received: names={names}"
            )
        if not 0 < fraction <= 1:
            raise ValueError(
                "Invalid value received for argument `fraction`. Expected a float above 0 and at "
                f"most 1. Received: fraction={fraction}"
            )
        if action not in ("warn", "stop"):
            raise ValueError(
                "Invalid value received for argument `action`. Expected 'warn' or 'stop'. "
                f"Received: action={action!r}"
            )
        self.names = tuple(names)
        self.fraction = fraction
        self.action = action
        self.suspects = tuple(suspects)
        self.log = log
        self.alarm = alarm
        self.threshold = threshold
        self.stopped: str | None = None
        self._matrix: np.ndarray | None = None
        self._broken = False
        self._label: int | None = None
        self._since: int | None = None
        self._complete: bool | None = None
        self._sound = False
        self._restored = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Wait for this epoch's validation; forget an earlier training where one begins."""
        self._matrix, self._broken, self._sound = None, False, False
        if epoch == 0 and not self._restored:
            self._label = self._since = self._complete = self.stopped = None
        self._restored = False

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Have the model count, if it does not."""
        count_confusion(self.model, len(self.names), self.threshold)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Keep the matrix of the validation that has just ended."""
        self._matrix = read_confusion_matrix(self.model, len(self.names), self.threshold)
        self._broken = self._matrix is None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Publish the largest fraction; raise the alarm if it is a collapse."""
        logs = {} if logs is None else logs
        matrix = self._matrix
        if self._broken:
            self.alarm(
                f"epoch {epoch + 1}: predictions of the validation are not numbers (NaN); lower "
                "the learning rate or look at the data"
            )
            logs["val_collapse_fraction"] = math.nan
        if matrix is None or not matrix.any():
            return
        logs["val_collapse_fraction"] = float(matrix.sum(axis=0).max() / matrix.sum())
        ends = epoch + 1 >= (self.params or {}).get("epochs", 0) or self.model.stop_training
        if ends or not self._average_is_to_come():
            self._report(epoch + 1, find_collapse(matrix, self.fraction))

    @property
    def collapsed_since(self) -> int | None:
        """The epoch, from 1, in which the present collapse, complete or not, began; or None."""
        return self._since

    @property
    def description(self) -> str | None:
        """The collapse that the last validation found, in words; None if it found none."""
        collapse = None if self._matrix is None else find_collapse(self._matrix, self.fraction)
        return None if collapse is None else describe(collapse, self.names)

    def get_state(self) -> dict[str, Any]:
        """The collapse that lasts, and whether the last validation was found to be none, for JSON.

        Neither is so of a validation that was not judged.
        """
        return {
            "sound": self._sound,
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
        self._sound = state.get("sound", self._since is None)
        self._restored = True

    def _average_is_to_come(self) -> bool:
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        return bool(getattr(optimizer, "use_ema", False)) and not average_is_trained(optimizer)

    def _report(self, epoch: int, collapse: Collapse | None) -> None:
        self._sound = collapse is None
        if collapse is None:
            if self._label is not None:
                what = f"the collapse onto {self.names[self._label]!r}"
                if not self._complete:
                    what = "predicting no better than a constant"
                self.log(f"epoch {epoch}: {what} since epoch {self._since} is over")
            self._label = self._since = self._complete = None
            return
        if (self._label, self._complete) != (collapse.label, collapse.complete):
            message = f"epoch {epoch}: {describe(collapse, self.names)}"
            if self.suspects:
                message += f". Suspected: {'; '.join(self.suspects)}"
            self.alarm(message)
            # What leans to one class now and to another then is one state.
            leans_on = self._complete is False and not collapse.complete
            if self._label != collapse.label and not leans_on:
                self._since = epoch
            self._label, self._complete = collapse.label, collapse.complete
        if self.action == "stop" and collapse.complete:
            self.stopped = f"epoch {epoch}: {describe(collapse, self.names)}"
            self.model.stop_training = True
