"""Count true against predicted classes during Keras's own validation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from .class_indices import (
    decision_threshold,
    has_several_classes,
    number_of_classes,
    predicted_classes,
    true_classes,
)


@keras.saving.register_keras_serializable(package="ferkeras")
class ConfusionMatrix(keras.metrics.Metric):
    """Count true against predicted classes; as a number, the balanced accuracy.

    Keras's own validation pass fills `matrix`, so that reports per class need no forward pass of
    their own: after ``evaluate`` (and in callbacks from `on_test_end` on) it holds the counts.
    The result is the mean recall over the classes that occur (0 before any sample was seen).

    Callbacks that need the counts add them to a compiled model themselves; compile this metric
    where the balanced accuracy shall stand in the logs as well, or where a model has several
    outputs.

    Args:
        num_classes: number of classes K, at least 2.
        name: name of the metric.
        dtype: dtype of the result.
        threshold: what a single column of predictions must exceed for the second of two classes;
            0.5 for probabilities, 0 for logits. Without effect on several columns.

    Attributes:
        matrix: integer variable of shape (K, K); row is the truth, column the prediction.

    Raises:
        ValueError: fewer than two classes, predictions of another number of classes, or sample
            weights are given: these are counts, so pass the metric in ``metrics=``, not in
            ``weighted_metrics=``.

    Example:

    ```python
    metric = ConfusionMatrix(3)
    metric.update_state([0, 1, 2], keras.ops.one_hot([0, 1, 1], 3))
    keras.ops.convert_to_numpy(metric.matrix)  # [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    ```
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        name: str = "balanced_accuracy",
        dtype: str | None = None,
        threshold: float = 0.5,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if num_classes < 2:
            raise ValueError(
                "Invalid value received for argument `num_classes`. Expected at least 2. "
                f"Received: num_classes={num_classes}"
            )
        self.num_classes = num_classes
        self.threshold = threshold
        # float32 would stop counting at 2 ** 24.
        self.matrix = self.add_variable(
            shape=(num_classes, num_classes), initializer="zeros", dtype="int", name="matrix"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: class indices (N,) or (N, 1), one-hot labels (N, K), or 0 and 1.
            y_pred: logits or probabilities (N, K), or one column (N, 1) for two classes.
            sample_weight: refused unless None.
        """
        if sample_weight is not None:
            raise ValueError(
                "ConfusionMatrix counts samples and takes no weights; pass it in `metrics=`, not "
                f"in `weighted_metrics=`. Received: sample_weight={sample_weight}"
            )
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        if number_of_classes(y_pred) != self.num_classes:
            raise ValueError(
                f"Expected predictions of {self.num_classes} classes, one for each name. "
                f"Received: predictions of shape {tuple(y_pred.shape)}"
            )
        truths, predictions = (
            true_classes(y_true, y_pred),
            predicted_classes(y_pred, self.threshold),
        )
        rows = ops.one_hot(truths, self.num_classes, dtype="float32")
        columns = ops.one_hot(predictions, self.num_classes, dtype="float32")
        counts = ops.matmul(ops.transpose(rows), columns)
        self.matrix.assign_add(ops.cast(counts, self.matrix.dtype))

    def result(self) -> Any:
        """Balanced accuracy, a scalar from 0 to 1."""
        matrix = ops.cast(self.matrix, self.dtype)
        support = ops.sum(matrix, axis=1)
        recalls = ops.divide_no_nan(ops.diagonal(matrix), support)
        present = ops.cast(support > 0, self.dtype)
        return ops.divide_no_nan(ops.sum(recalls), ops.sum(present))

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "threshold": self.threshold,
        }


class _Counts(ConfusionMatrix):
    """The counts alone, without a key in the logs, so that a model stays as it was.

    Attributes:
        of_several: integer variable: samples whose label has more than one class.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.of_several = self.add_variable((), "zeros", dtype="int", name="of_several")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(y_true, y_pred, sample_weight)
        several = ops.sum(has_several_classes(ops.convert_to_tensor(y_true), y_pred))
        self.of_several.assign_add(ops.cast(several, self.of_several.dtype))

    def result(self) -> dict[str, Any]:
        return {}


def count_confusion(model: keras.Model, num_classes: int) -> None:
    """Have a compiled model count true against predicted classes, if it does not yet.

    Where no compiled metric does, one is added to the model as it is: logs, files and the list
    that ``evaluate`` returns stay as they were.

    Args:
        model: compiled, with one output of probabilities or logits.
        num_classes: K; 2 for a model with one column of predictions.
    """
    if counting_metric(model) is not None:
        return
    metric = _Counts(num_classes, name="confusion_counts", threshold=decision_threshold(model))
    inherited = model.compute_metrics

    def compute_metrics(x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        if len(keras.tree.flatten(y_pred)) != 1:
            raise ValueError(
                "Expected a model with one output. Where there are several, compile a "
                "ConfusionMatrix for the one that is meant, in `compile(metrics={...})`. "
                f"Received: {len(keras.tree.flatten(y_pred))} outputs"
            )
        metric.update_state(keras.tree.flatten(y)[0], keras.tree.flatten(y_pred)[0])
        return inherited(x, y, y_pred, sample_weight)

    model.compute_metrics = compute_metrics
    # Not an attribute: a subclassed model takes none once it is built, and would save it.
    model._metrics.append(metric)
    if model.test_function is not None:
        # What is compiled already does not count.
        model.make_test_function(force=True)


def read_confusion_matrix(model: keras.Model, num_classes: int) -> np.ndarray:
    """Read the counts of the last validation.

    Any compiled metric will do that has a variable `matrix` of shape (K, K) with counts, truth by
    row and prediction by column; or see `count_confusion`.

    Args:
        model: a compiled model that has been evaluated.
        num_classes: K.

    Returns:
        int64 array of shape (K, K), a copy.

    Raises:
        ValueError: nothing has been counted, it is for another number of classes, or labels have
            several classes each.
    """
    metric = counting_metric(model)
    if metric is None:
        raise ValueError(
            "Expected a metric with a variable `matrix` of shape (classes, classes), for instance "
            "a ConfusionMatrix; add one to `compile(metrics=[...])`. "
            f"Received: metrics={[metric.name for metric in _flatten(model.metrics)]}"
        )
    matrix = np.array(keras.ops.convert_to_numpy(metric.matrix)).astype(np.int64)
    if matrix.shape != (num_classes, num_classes):
        raise ValueError(
            f"Expected a confusion matrix for {num_classes} classes, one for each name. "
            f"Received: {metric.name}.matrix with shape {matrix.shape}"
        )
    if isinstance(metric, _Counts) and (several := int(ops.convert_to_numpy(metric.of_several))):
        raise ValueError(
            "Expected labels of one class each: a confusion matrix, and whatever is computed from "
            "it, has no meaning for classes that do not exclude each other. "
            f"Received: {several:,} of {matrix.sum():,} samples with several classes"
        )
    if isinstance(metric, _Counts) and not matrix.any():
        raise ValueError(
            "Expected a validation that counts its samples. Does the model's `test_step` call "
            "`compute_metrics`, and are the labels class indices from 0? Else add a "
            "ConfusionMatrix to what it updates. Received: no count"
        )
    return matrix


def counting_metric(model: keras.Model) -> Any:
    """The metric of a model that keeps a confusion matrix, or None."""
    return next(
        (m for m in _flatten(model.metrics) if getattr(m, "matrix", None) is not None), None
    )


def _flatten(metrics: Iterable[Any]) -> Iterator[Any]:
    for metric in metrics:
        yield metric
        # Keras keeps those passed to `compile` in a container that is itself a metric.
        yield from _flatten(getattr(metric, "metrics", ()))
