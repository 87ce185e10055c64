"""Class indices from labels and predictions in any of the shapes that Keras's classifiers have."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def true_classes(y_true: Any, y_pred: Any) -> Any:
    """Class index of each sample from its label: an integer tensor of shape (N,).

    Args:
        y_true: class indices (N,) or (N, 1); one-hot or soft labels (N, K), of which the largest
            counts; or, where `y_pred` has one column, labels of two classes from 0 to 1.
        y_pred: predictions (N, K), which tell the two apart.
    """
    classes = y_pred.shape[-1]
    if classes == 1:
        # A smoothed label of the second class is below 1.
        return ops.cast(ops.cast(ops.reshape(y_true, (-1,)), "float32") > 0.5, "int32")
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == classes:
        return ops.reshape(ops.argmax(y_true, axis=-1), (-1,))
    return ops.cast(ops.reshape(y_true, (-1,)), "int32")


def has_several_classes(y_true: Any, y_pred: Any) -> Any:
    """Whether the label of each sample has more than one class: an integer tensor of 0 and 1.

    Two entries above a half are no soft label, whose entries have the sum 1.

    Args:
        y_true: as for `true_classes`.
        y_pred: predictions (N, K).
    """
    classes = y_pred.shape[-1]
    if classes == 1 or len(y_true.shape) != len(y_pred.shape) or y_true.shape[-1] != classes:
        return ops.zeros((1,), dtype="int32")
    above = ops.sum(ops.cast(ops.cast(y_true, "float32") > 0.5, "int32"), axis=-1)
    return ops.cast(ops.reshape(above, (-1,)) > 1, "int32")


def predicted_classes(y_pred: Any, threshold: float = 0.5) -> Any:
    """Class index of each prediction: an integer tensor of shape (N,).

    Args:
        y_pred: probabilities or logits (N, K), of which the largest counts; or one column (N, 1),
            the second of two classes where it is above the threshold.
        threshold: 0.5 for probabilities, 0 for logits; without effect on several columns.
    """
    if y_pred.shape[-1] == 1:
        return ops.cast(ops.reshape(y_pred, (-1,)) > threshold, "int32")
    return ops.reshape(ops.argmax(y_pred, axis=-1), (-1,))


def number_of_classes(y_pred: Any) -> int:
    """How many classes predictions tell apart: their columns, or two where there is one."""
    return 2 if y_pred.shape[-1] == 1 else int(y_pred.shape[-1])


def decision_threshold(model: keras.Model) -> float:
    """What one column of predictions must exceed: 0 where the compiled loss reads logits."""
    loss = getattr(model, "loss", None)
    configuration = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    return 0.0 if configuration.get("from_logits") else 0.5
