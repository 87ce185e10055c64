"""The configured optimizer."""

from __future__ import annotations

import keras

from ferkeras.config import Train


def build_optimizer(settings: Train) -> keras.optimizers.Optimizer:
    """Return Adam, AdamW or SGD with Nesterov momentum 0.9.

    Clipping is not the optimizer's: the training step clips by the norm that it logs. Weight decay
    is decoupled and spares biases and BatchNormalization (Loshchilov & Hutter 2019).
    """
    rate = settings.learning_rate
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    if settings.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
    else:
        decay = settings.weight_decay or None
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)
    if optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
