"""The training step of ferkeras's networks: monitored, and distilled where there are teachers."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from ferkeras.callbacks import MonitoredModel
from ferkeras.network.distillation import Distillation


@keras.saving.register_keras_serializable(package="ferkeras")
class DistilledModel(MonitoredModel):
    """A `MonitoredModel` whose loss may hold the predictions of trained networks.

    Set `distillation` before the first step, and the soft targets of its teachers are part of the
    loss (regularisation included), in training only. It is not saved with the model.

    Args:
        *args: as for `keras.Model`: inputs, outputs.
        **kwargs: as for `keras.Model`: inputs, outputs, name, trainable.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.distillation: Distillation | None = None

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of the labels, in training mixed with that of the soft targets."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training=training)
        if self.distillation is None or not training:
            return loss
        targets = tf.stop_gradient(self.distillation.soft_targets(x))
        return self.distillation.mix(loss, targets, y_pred, sample_weight)
