"""Count true against predicted classes during Keras's own validation."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from .class_indices import (
    has_several_classes,
    mask_of,
    number_of_classes,
    predicted_classes,
    true_classes,
)


@keras.saving.register_keras_serializable(package="ferkeras")
class ConfusionMatrix(keras.metrics.Metric):
    """Count true against predicted classes; as a number, the balanced accuracy.

    Keras's own validation pass fills `matrix`, so that reports per class need no forward pass of
    their own: after ``evaluate`` (and in callbacks from `on_test_end` on) it holds the counts.
    The result is the mean recall over the classes that occur (0 before any sample was seen; NaN
    where a prediction is not a number). What Keras masks (the padding of a sequence) and labels
    outside of 0 to K - 1 (an ``ignore_class=-1``) are not counted.

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
        broken: integer variable: samples that are not in it because their prediction is not a
            number.
        of_several: integer variable: samples whose label has more than one class, for which the
            matrix has no meaning.

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
        self.broken = self.add_variable((), "zeros", dtype="int", name="broken")
        self.of_several = self.add_variable((), "zeros", dtype="int", name="of_several")

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
        mask = mask_of(y_pred)
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        if number_of_classes(y_pred) != self.num_classes:
            raise ValueError(
                f"Expected predictions of {self.num_classes} classes, one for each name. "
                f"Received: predictions of shape {tuple(y_pred.shape)}"
            )
        truths = true_classes(y_true, y_pred, mask)
        predictions = predicted_classes(y_pred, self.threshold)
        rows = ops.one_hot(truths, self.num_classes, dtype="float32")
        columns = ops.one_hot(predictions, self.num_classes, dtype="float32")
        counts = ops.matmul(ops.transpose(rows), columns)
        self.matrix.assign_add(ops.cast(counts, self.matrix.dtype))
        broken = ops.logical_and(truths >= 0, predictions < 0)
        self.broken.assign_add(ops.sum(ops.cast(broken, self.broken.dtype)))
        several = ops.logical_and(truths >= 0, has_several_classes(y_true, y_pred))
        self.of_several.assign_add(ops.sum(ops.cast(several, self.of_several.dtype)))

    def result(self) -> Any:
        """Balanced accuracy, a scalar from 0 to 1, or NaN."""
        matrix = ops.cast(self.matrix, self.dtype)
        support = ops.sum(matrix, axis=1)
        recalls = ops.divide_no_nan(ops.diagonal(matrix), support)
        present = ops.cast(support > 0, self.dtype)
        mean = ops.divide_no_nan(ops.sum(recalls), ops.sum(present))
        return ops.where(self.broken > 0, np.nan, mean)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "threshold": self.threshold,
        }
