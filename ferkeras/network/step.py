"""The training step of ferkeras's networks: monitored, distilled where there are teachers, and with
a second head where people have voted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from ferkeras.callbacks import MonitoredModel
from ferkeras.network.distillation import Distillation, weighted_mean


@keras.saving.register_keras_serializable(package="ferkeras")
class DistilledModel(MonitoredModel):
    """A `MonitoredModel` whose loss may hold more than the labels, in training only.

    Set `distillation` before the first step, and the soft targets of its teachers are part of the
    loss (regularisation included). Call `predict_votes` before the model is compiled, and a second
    head on the features of the first predicts what people voted for. Neither is saved with the
    model, nor part of it outside of training. Labels may be soft: the metrics go by the most
    probable class.

    Args:
        *args: as for `keras.Model`: inputs, outputs.
        **kwargs: as for `keras.Model`: inputs, outputs, name, trainable.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.distillation: Distillation | None = None
        self._votes_head: keras.layers.Dense | None = None
        self._with_features: Callable[[Any], tuple[Any, Any]] | None = None

    def predict_votes(self, opinions: int) -> None:
        """Add the second head.

        Training then takes rows of ``K + opinions`` numbers for labels: the probabilities of the
        K classes, and the fractions of the votes, times their weight in the loss.

        Args:
            opinions: what there was to vote for.
        """
        features = self.get_layer("logits").input
        trunk = keras.Model(self.input, [self.output, features])
        # A function, which Keras does not take for a part of the model.
        self._with_features = lambda faces: trunk(faces, training=True)
        self._votes_head = keras.layers.Dense(opinions, dtype="float32", name="votes")
        self._votes_head.build(features.shape)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Logits (N, K); in training followed by those of the second head, where there is one."""
        if self._with_features is None or self._votes_head is None or not training:
            return super().call(inputs, training=training, mask=mask)
        logits, features = self._with_features(inputs)
        return tf.concat([logits, self._votes_head(features)], axis=-1)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of the labels, in training mixed with that of the soft targets and votes."""
        votes, vote_logits = None, None
        if training and self._votes_head is not None:
            classes = self.output_shape[-1]
            y, votes = y[:, :classes], y[:, classes:]
            y_pred, vote_logits = y_pred[:, :classes], y_pred[:, classes:]
        loss = super().compute_loss(x, y, y_pred, sample_weight, training=training)
        if self.distillation is not None and training:
            targets = tf.stop_gradient(self.distillation.soft_targets(x))
            loss = self.distillation.mix(loss, targets, y_pred, sample_weight)
        if votes is not None:
            each = -tf.reduce_sum(votes * tf.nn.log_softmax(vote_logits), axis=-1)
            loss += weighted_mean(each, sample_weight)
        return loss

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Metrics of the labels; of soft ones, of the most probable class."""
        if len(y.shape) == 2 and y.shape[-1] != 1:
            classes = self.output_shape[-1]
            y = tf.argmax(y[:, :classes], axis=-1, output_type=tf.int32)
            y_pred = y_pred[:, :classes]
        return super().compute_metrics(x, y, y_pred, sample_weight)
