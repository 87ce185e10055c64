"""Cross-entropy whose label smoothing can be changed while a compiled training step runs."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="ferkeras")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of labels and logits, with label smoothing that can be assigned.

    The target is (1 - smoothing) on the true class plus smoothing / K on each of the K classes;
    of soft labels, (1 - smoothing) times the probability of each class in place of the former.
    Keras's own smoothing is a Python float, baked into the traced training step, and is not
    offered for integer labels. Here `smoothing` is a variable:
    ``loss.smoothing.assign(0.1)`` acts from the next step on, without a retrace. It is no weight
    of a model: `.keras` restores it through the configuration, `.weights.h5` does not.
    At smoothing 0 this is `keras.losses.SparseCategoricalCrossentropy(from_logits=True)`.

    The default reduction divides by the sum of the sample weights, so that
    ``fit(class_weight=...)`` means what weighted cross-entropy means in PyTorch: weights shift
    the balance between classes, and a batch of rare faces makes no larger step than another.
    Keras's usual ``"sum_over_batch_size"`` divides by the batch size instead, and weights then
    act on the learning rate too. Without weights the two are the same. The loss that `fit`
    reports weighs each batch by its number of samples either way.

    Args:
        smoothing: label smoothing at first, 0 <= smoothing < 1.
        reduction: as in `keras.losses.Loss`.
        name: name of the loss.
        dtype: dtype of the computation; float32 also under mixed precision.

    Raises:
        ValueError: the smoothing is outside [0, 1), or the reduction is unknown.

    Source:
        Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision", §7.
    """

    def __init__(
        self,
        smoothing: float = 0.0,
        reduction: str | None = "mean_with_sample_weight",
        name: str = "smoothed_crossentropy",
        dtype: str = "float32",
    ) -> None:
        if not 0 <= smoothing < 1:
            raise ValueError(
                "Invalid value received for argument `smoothing`. Expected a float of at least 0 "
                f"and below 1. Received: smoothing={smoothing}"
            )
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.smoothing = keras.Variable(
            smoothing, trainable=False, dtype="float32", autocast=False, name="smoothing"
        )

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each sample, shape (N,).

        Args:
            y_true: labels, class indices (N,) or (N, 1), or probabilities (N, K), K above 1.
            y_pred: logits, (N, K).
        """
        smoothing = ops.cast(self.smoothing, y_pred.dtype)
        if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] != 1:
            soft = ops.cast(y_true, y_pred.dtype)
            against_label = ops.categorical_crossentropy(soft, y_pred, from_logits=True)
        else:
            if len(y_true.shape) == len(y_pred.shape):
                y_true = ops.squeeze(y_true, axis=-1)
            labels = ops.cast(y_true, "int32")
            against_label = ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=True)
        against_uniform = ops.logsumexp(y_pred, axis=-1) - ops.mean(y_pred, axis=-1)
        return (1.0 - smoothing) * against_label + smoothing * against_uniform

    def get_config(self) -> dict[str, Any]:
        """The arguments, with the smoothing that is in force now."""
        smoothing = float(ops.convert_to_numpy(self.smoothing))
        return {**super().get_config(), "smoothing": smoothing, "dtype": self.dtype}
