"""Train the head of a backbone first, then all of it, at once or from the top."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from ferkeras.network.architectures.backbone import backbone_layers


def freeze_backbone(model: keras.Model, thawed: float) -> bool:
    """Freeze the backbone of a network but for its last layers.

    While a layer is frozen its BatchNormalization normalises as in inference, and keeps its
    statistics. The optimizer must have been built with nothing frozen: it then knows all weights.

    Args:
        model: the network.
        thawed: part of the backbone's layers that have weights, from the last on, that is trained:
            0 none, 1 all.

    Returns:
        Whether that changed anything, so that a compiled training step is out of date.
    """
    layers = backbone_layers(model)
    having = [layer for layer in layers if layer.weights]
    free = math.ceil(thawed * len(having))
    first = layers.index(having[-free]) if free else len(layers)
    # Those without weights before the first layer that has any go with it.
    first = 0 if free == len(having) else first
    changed = False
    for place, layer in enumerate(layers):
        trainable = place >= first
        changed |= layer.trainable != trainable
        layer.trainable = trainable
    return changed


class Unfreezing(keras.callbacks.Callback):
    """Freeze the backbone in the first epochs, and train ever more of it from then on.

    What is frozen follows from the epoch alone, so that a resumed training, and one that goes back
    to a checkpoint, does the same. The training step is traced once more where it changes.

    Args:
        thawed: gives the part of the backbone, from its last layers on, that an epoch (from 1)
            trains.
        log: called with a line when more of the backbone begins to be trained.

    Source:
        Howard & Ruder 2018, "Universal language model fine-tuning for text classification"
        (gradual unfreezing).
    """

    def __init__(self, thawed: Callable[[int], float], log: Callable[[str], None] = print) -> None:
        super().__init__()
        self._thawed = thawed
        self._log = log

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Freeze and unfreeze, if this epoch trains another part than the one before."""
        epoch += 1
        part = self._thawed(epoch)
        if freeze_backbone(self.model, part):
            self.model.make_train_function(force=True)
            if part == 1:
                self._log(f"epoch {epoch}: all of the backbone is trained from here on")
            elif part:
                self._log(
                    f"epoch {epoch}: the last {part:.0%} of the backbone's layers are trained too"
                )
