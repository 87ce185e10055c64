"""Knowledge distillation: training on the soft targets of teachers besides the labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class Distillation:
    """Knowledge distillation: the loss is partly the cross-entropy with the teachers' soft targets.

    Teachers see the very faces that the trained network sees, augmented alike, and predict
    together, with the mean of their probabilities. Labels of facial expressions are often wrong or
    one of several that would do; what networks agree on is less so.

    Args:
        models: faces to logits (N, K), one or more; used as in inference.
        weight: of the teachers' soft targets in the loss, 0 to 1; the labels have the rest.

    Raises:
        ValueError: there is no model, or the weight is outside [0, 1].

    Source:
        Hinton, Vinyals & Dean 2015, "Distilling the knowledge in a neural network"; that both see
        the same augmented picture is Beyer et al. 2022, "Knowledge distillation: a good teacher is
        patient and consistent".
    """

    def __init__(self, models: Sequence[keras.Model], weight: float) -> None:
        if not models or not 0 <= weight <= 1:
            raise ValueError(
                "Expected at least one model, and a weight of 0 to 1. "
                f"Received: {len(models)} models, weight={weight}"
            )
        self._models = tuple(models)
        self._weight = weight

    def soft_targets(self, faces: Any) -> Any:
        """Mean of the teachers' probabilities: float32 (N, K)."""
        logits = [model(faces, training=False) for model in self._models]
        return tf.reduce_mean([tf.nn.softmax(tf.cast(each, tf.float32)) for each in logits], axis=0)

    def mix(self, loss: Any, soft_targets: Any, logits: Any, sample_weight: Any = None) -> Any:
        """The loss of the labels, a scalar, mixed with that of the teachers' soft targets.

        Args:
            loss: of the labels.
            soft_targets: of the teachers, (N, K); taken outside of a tape.
            logits: of the trained network, (N, K).
            sample_weight: (N,), or None for all alike; divides by its sum, as
                `ferkeras.network.loss.SmoothedCrossentropy` does.
        """
        each = tf.nn.softmax_cross_entropy_with_logits(tf.stop_gradient(soft_targets), logits)
        against_teachers = weighted_mean(each, sample_weight)
        return (1.0 - self._weight) * loss + self._weight * against_teachers


def weighted_mean(each: Any, sample_weight: Any = None) -> Any:
    """Mean of a loss, a scalar; 0 where the weights come to nothing.

    Args:
        each: the loss of each sample, (N,).
        sample_weight: (N,), or None for all alike.
    """
    weights = tf.ones_like(each) if sample_weight is None else tf.cast(sample_weight, each.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum(weights * each), tf.reduce_sum(weights))
