"""Class indices from labels and predictions in any of the shapes that Keras's classifiers have."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from keras.src.backend import get_keras_mask  # of Keras 3.6 and later

_ABOVE_ZERO = ("hinge", "squared_hinge")
"""Losses whose predictions change from one class to the other at 0."""

_BY_SHAPE = ("crossentropy", "ce")
"""Names of `compile` alone, for the cross-entropy that suits the model's output."""


def mask_of(y_pred: Any) -> Any:
    """Keras's mask of predictions (..., K): False where there is nothing to predict; or None."""
    mask = get_keras_mask(y_pred)
    return mask if mask is not None and len(mask.shape) == len(y_pred.shape) - 1 else None


def true_classes(y_true: Any, y_pred: Any, mask: Any = None) -> Any:
    """Class index of each sample from its label: an integer tensor of shape (N,).

    It is -1 where there is none: masked, not an index of one of several classes, or a row of zeros.

    Args:
        y_true: class indices (N,) or (N, 1); one-hot or soft labels (N, K), of which the largest
            counts; or, where `y_pred` has one column, labels of two classes from 0 to 1.
        y_pred: predictions (N, K), which tell the two apart.
        mask: of any shape, False for samples that do not count.
    """
    classes = y_pred.shape[-1]
    if classes == 1:
        # A smoothed label of the second class is below 1.
        truths = ops.cast(ops.cast(ops.reshape(y_true, (-1,)), "float32") > 0.5, "int32")
    elif _is_by_class(y_true, y_pred):
        # A row of zeros is what `one_hot` makes of -1.
        largest = ops.cast(ops.argmax(y_true, axis=-1), "int32")
        named = ops.any(ops.cast(y_true, "bool"), axis=-1)
        truths = ops.reshape(ops.where(named, largest, -1), (-1,))
    else:
        truths = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        truths = ops.where(truths < classes, truths, -1)
        truths = ops.maximum(truths, -1)
    return truths if mask is None else ops.where(ops.reshape(mask, (-1,)), truths, -1)


def has_several_classes(y_true: Any, y_pred: Any) -> Any:
    """Whether the label of each sample has more than one class: a boolean tensor, (N,) or (1,).

    Two entries above a half are no soft label, whose entries have the sum 1.

    Args:
        y_true: as for `true_classes`.
        y_pred: predictions (N, K).
    """
    if y_pred.shape[-1] == 1 or not _is_by_class(y_true, y_pred):
        return ops.zeros((1,), dtype="bool")
    above = ops.sum(ops.cast(ops.cast(y_true, "float32") > 0.5, "int32"), axis=-1)
    return ops.reshape(above, (-1,)) > 1


def predicted_classes(y_pred: Any, threshold: float = 0.5) -> Any:
    """Class index of each prediction: an integer tensor of shape (N,); -1 where it is NaN.

    Args:
        y_pred: probabilities or logits (N, K), of which the largest counts; or one column (N, 1),
            the second of two classes where it is above the threshold.
        threshold: 0.5 for probabilities, 0 for logits; without effect on several columns.
    """
    broken = ops.reshape(ops.any(ops.isnan(y_pred), axis=-1), (-1,))
    if y_pred.shape[-1] == 1:
        classes = ops.cast(ops.reshape(y_pred, (-1,)) > threshold, "int32")
    else:
        classes = ops.cast(ops.reshape(ops.argmax(y_pred, axis=-1), (-1,)), "int32")
    return ops.where(broken, -1, classes)


def number_of_classes(y_pred: Any) -> int:
    """How many classes predictions tell apart: their columns, or two where there is one."""
    return 2 if y_pred.shape[-1] == 1 else int(y_pred.shape[-1])


def decision_threshold(model: keras.Model) -> float:
    """What one column of predictions must exceed for the second class, as the compiled loss says.

    It is 0 where the loss reads logits or is a hinge, and 0.5 for every other loss of Keras. A
    loss that does not say (a function of one's own, or one that is not compiled) is taken to read
    what the output is: 0 where that is linear or a tanh, and 0.5 where a model does not tell, as
    one that is not functional.
    """
    losses = [loss for loss in keras.tree.flatten(getattr(model, "loss", None)) if loss is not None]
    loss = losses[0] if losses else None
    if loss in _BY_SHAPE:
        return 0.5
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.Loss):
        configuration = loss.get_config()
        if "from_logits" in configuration:
            return 0.0 if configuration["from_logits"] else 0.5
        loss = getattr(loss, "fn", loss)
    name = getattr(loss, "__name__", "")
    if loss is not None and getattr(loss, "__module__", "keras").split(".")[0] == "keras":
        return 0.0 if name in _ABOVE_ZERO else 0.5
    return 0.0 if _final_activation(model) in ("linear", "tanh") else 0.5


def _final_activation(model: keras.Model) -> str | None:
    """The name of the activation that a functional model ends in, if it tells."""
    outputs = keras.tree.flatten(getattr(model, "outputs", None) or [])
    if len(outputs) != 1:
        return None
    operation = outputs[0]._keras_history.operation
    # A cast to float32 behind the activation, as for mixed precision, is none itself.
    while isinstance(operation, keras.layers.Activation) and _name_of(operation) == "linear":
        operation = operation.input._keras_history.operation
    return _name_of(operation)


def _name_of(operation: Any) -> str | None:
    return getattr(getattr(operation, "activation", None), "__name__", None)


def _is_by_class(y_true: Any, y_pred: Any) -> bool:
    """Whether labels have a number for each class."""
    return len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == y_pred.shape[-1]
