"""Train the head of a backbone first, then all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from ferkeras.network.architectures.backbone import backbone_layers


def freeze_backbone(model: keras.Model, epoch: int, frozen_epochs: int) -> bool:
    """Freeze or unfreeze the backbone of a network as it is in an epoch (from 1).

    While it is frozen its BatchNormalization normalises as in inference, and keeps its statistics.
    The optimizer must have been built with nothing frozen: it then knows all weights.

    Returns:
        Whether that changed anything, so that a compiled training step is out of date.
    """
    trainable = epoch > frozen_epochs
    layers = backbone_layers(model)
    if all(layer.trainable == trainable for layer in layers):
        return False
    for layer in layers:
        layer.trainable = trainable
    return True


class Unfreezing(keras.callbacks.Callback):
    """Freeze the backbone in the first epochs, and train all of the network from then on.

    What is frozen follows from the epoch alone, so that a resumed training, and one that goes back
    to a checkpoint, does the same. The training step is traced once more where it changes.

    Args:
        frozen_epochs: at least 1.
        log: called with a line when the backbone begins to be trained.
    """

    def __init__(self, frozen_epochs: int, log: Callable[[str], None] = print) -> None:
        super().__init__()
        self._frozen_epochs = frozen_epochs
        self._log = log

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Freeze or unfreeze, if this epoch is the first of its kind."""
        epoch += 1
        if freeze_backbone(self.model, epoch, self._frozen_epochs):
            self.model.make_train_function(force=True)
            if epoch > self._frozen_epochs:
                self._log(f"epoch {epoch}: the backbone is trained too from here on")
