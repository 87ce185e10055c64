"""Compare training and validation accuracy on the same footing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from .class_indices import (
    decision_threshold,
    mask_of,
    number_of_classes,
    predicted_classes,
    true_classes,
)
from .counting import compiled_matrix, count_confusion, read_confusion_matrix

_BATCH = 256
"""Samples that arrays are predicted by."""


def inference_accuracy(
    model: keras.Model, batches: Iterable[Sequence[Any]], threshold: float | None = None
) -> float:
    """Fraction of right predictions in inference mode, without touching the model's metrics.

    Args:
        model: compiled; gives logits or probabilities of shape (N, K), or one column for two
            classes.
        batches: inputs and labels, which are class indices, one-hot, or 0 and 1. What Keras
            masks, and labels that are no index of a class, are not counted.
        threshold: what one column must exceed for the second class; None for what the compiled
            loss says.

    Returns:
        0 to 1; NaN where a prediction is not a number.

    Raises:
        ValueError: there is no sample, or the model has several outputs.
    """
    if threshold is None:
        threshold = decision_threshold(model)
    right = seen = broken = 0
    masked: bool | None = None
    for x, y, *_ in _each(batches):
        if masked is None:
            masked = _is_masked(model, x)
        # Unlike `evaluate`, this leaves metrics and callbacks of the running `fit` alone.
        scores = _only(model(x, training=False) if masked else model.predict_on_batch(x))
        mask = mask_of(scores)
        # Under a `tf.distribute` strategy each device predicts the whole batch.
        scores = keras.ops.convert_to_tensor(scores)[: len(y := np.asarray(y))]
        truths = true_classes(keras.ops.convert_to_tensor(y), scores, mask)
        truths = keras.ops.convert_to_numpy(truths)
        found = keras.ops.convert_to_numpy(predicted_classes(scores, threshold))
        counted = truths >= 0
        right += int((found == truths)[counted].sum())
        seen += int(counted.sum())
        broken += int((found < 0)[counted].sum())
    if not seen:
        raise ValueError("Expected batches with samples. Received: none")
    return math.nan if broken else right / seen


class OverfittingWatch(keras.callbacks.Callback):
    """Measure accuracy on training samples as validation does, and warn when they part.

    Use it instead of comparing ``accuracy`` with ``val_accuracy``: the former is a running mean
    over an epoch of changing weights, measured with dropout and augmentation, and so may stay
    below validation while the model already overfits.

    Reads: the confusion matrix of the validation, from a compiled `ConfusionMatrix`; where there
    is none, the callback adds one that leaves logs and files alone.
    Publishes: ``inference_accuracy`` every epoch; NaN in the epochs between two measurements, and
    where a prediction is not a number.
    Without validation it is published all the same, and there is no alarm.
    Costs a forward pass over `dataset` every few epochs: keep it to a sample. It traces the
    model's prediction function, never the training step. A training that begins (at epoch 1, and
    not from a state) begins without a gap.

    Args:
        dataset: training samples without augmentation: inputs and labels as arrays, as
            `validation_data` takes them (weights are not used), or batches of inputs and labels
            that come to an end and can be iterated again and again (a `tf.data.Dataset`, a list).
            A dataset that is known to be endless is refused; one from a generator does not say
            whether it is: `dataset.take(steps)` ends.
        every: epochs between two measurements, at least 1.
        gap: alarm when accuracy on training samples is at least this much higher, 0 to 1.
        log: called when the gap has closed.
        alarm: called when it opens.
        threshold: what one column of predictions must exceed for the second of two classes; by
            default as the compiled loss says: 0 where it reads logits or is a hinge, or is a
            function of one's own behind a linear output; else 0.5.

    Raises:
        ValueError: an argument is out of its range, `dataset` is empty or can be iterated only
            once, or the model has several outputs.

    Example:

    ```python
    watch = OverfittingWatch((x[:500], y[:500]), every=2, gap=0.1)
    history = model.fit(x, y, validation_data=(x, y), epochs=4, verbose=0, callbacks=[watch])
    history.history["inference_accuracy"]
    ```
    """

    def __init__(
        self,
        dataset: Iterable[Sequence[Any]],
        every: int = 2,
        gap: float = 0.15,
        log: Callable[[str], None] = print,
        alarm: Callable[[str], None] = print,
        threshold: float | None = None,
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
        if _is_endless(dataset):
            raise ValueError(
                "Invalid value received for argument `dataset`. Expected batches that come to an "
                "end; of a repeated dataset some of them: dataset.take(steps). "
                f"Received: dataset={dataset}"
            )
        self.dataset = _batches(dataset)
        self.every = every
        self.gap = gap
        self.log = log
        self.alarm = alarm
        self.threshold = threshold
        self._since: int | None = None
        self._validation: float | None = None
        self._number: int | None = None
        self._restored = False

    def set_model(self, model: Any) -> None:
        """Forget how many classes another model has."""
        super().set_model(model)
        self._number = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Wait for this epoch's validation; forget an earlier training where one begins."""
        self._validation = None
        if epoch == 0 and not self._restored:
            self._since = None
        self._restored = False

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Have the model count, if it does not."""
        count_confusion(self.model, self._classes(), self.threshold)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Keep the accuracy of the validation that has just ended."""
        matrix = read_confusion_matrix(self.model, self._classes(), self.threshold)
        self._validation = None
        if matrix is not None and matrix.any():
            self._validation = float(np.trace(matrix) / matrix.sum())

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure every few epochs; publish; compare."""
        logs = {} if logs is None else logs
        logs["inference_accuracy"] = math.nan
        epoch += 1
        if epoch % self.every:
            return
        threshold = self.threshold
        if threshold is None:
            threshold = getattr(compiled_matrix(self.model), "threshold", None)
        accuracy = inference_accuracy(self.model, self.dataset, threshold)
        logs["inference_accuracy"] = accuracy
        if self._validation is None or math.isnan(accuracy):
            return
        figures = (
            f"{accuracy:.1%} on training samples, {self._validation:.1%} on validation, both in "
            "inference mode"
        )
        if accuracy - self._validation >= self.gap:
            if self._since is None:
                self._since = epoch
                self.alarm(f"epoch {epoch}: overfitting: accuracy {figures}")
        elif self._since is not None:
            self.log(
                f"epoch {epoch}: the gap since epoch {self._since} has closed: accuracy {figures}"
            )
            self._since = None

    def get_state(self) -> dict[str, Any]:
        """Since when the gap has been open, for JSON."""
        return {"since": self._since}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        self._since = state["since"]
        self._restored = True

    def _classes(self) -> int:
        if self._number is None:
            metric = compiled_matrix(self.model)
            if metric is None:
                x = next(iter(self.dataset))[0]
                self._number = number_of_classes(_only(self.model.predict_on_batch(x)))
            else:
                self._number = int(metric.matrix.shape[0])
        return self._number


def _only(outputs: Any) -> Any:
    """The one output of a model."""
    each = keras.tree.flatten(outputs)
    if len(each) != 1:
        raise ValueError(
            "OverfittingWatch measures a model with one output. Leave it out of the training of "
            f"one with several. Received: {len(each)} outputs"
        )
    return each[0]


def _is_masked(model: keras.Model, x: Any) -> bool:
    """Whether predictions of a model have a mask, which `predict_on_batch` would lose."""
    outputs = getattr(model, "outputs", None)
    if outputs is None and isinstance(model, keras.Model):
        # Not functional: only a call tells.
        outputs = model(x, training=False)
    return any(
        mask_of(each) is not None for each in keras.tree.flatten(outputs) if each is not None
    )


def _each(batches: Iterable[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    """What is iterated: a `PyDataset` by its index, as Keras 3.6 itself would never end."""
    if isinstance(batches, keras.utils.PyDataset):
        return (batches[at] for at in range(batches.num_batches))
    return batches


def _is_endless(dataset: Any) -> bool:
    """Whether a `tf.data.Dataset` or a `PyDataset` says that it has no end."""
    if isinstance(dataset, keras.utils.PyDataset):
        return dataset.num_batches is None
    cardinality = getattr(dataset, "cardinality", None)
    # tf.data.INFINITE_CARDINALITY
    return callable(cardinality) and int(cardinality()) == -1


def _batches(dataset: Iterable[Any]) -> Iterable[Sequence[Any]]:
    """Arrays of inputs, labels and, where there are, weights, in batches; else as it is."""
    if not isinstance(dataset, list | tuple) or len(dataset) not in (2, 3):
        return dataset
    x, y = dataset[:2]
    arrays = [*keras.tree.flatten(x), y]
    # A list of two batches has a batch in the place of the labels.
    if not all(hasattr(each, "shape") for each in arrays):
        return dataset
    return [
        (
            keras.tree.map_structure(lambda each, at=at: each[at : at + _BATCH], x),
            y[at : at + _BATCH],
        )
        for at in range(0, len(y), _BATCH)
    ]
