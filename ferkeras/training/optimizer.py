"""The configured optimizer."""

from __future__ import annotations

from typing import Any

import keras

from ferkeras.config.schema import Train


def build_optimizer(settings: Train) -> keras.optimizers.Optimizer:
    """Return Adam, AdamW or SGD with Nesterov momentum 0.9.

    Gradients are clipped by their norm over all weights together (`global_clipnorm`; Keras's
    `clipnorm` would clip each weight by itself). Weight decay is decoupled and spares biases and
    BatchNormalization (Loshchilov & Hutter 2019). The moving average of the weights, if one is
    asked for, is the optimizer's own.
    """
    common: dict[str, Any] = {
        "learning_rate": settings.first_learning_rate,
        "global_clipnorm": settings.global_clip_norm,
    }
    if settings.ema_momentum is not None:
        common |= {"use_ema": True, "ema_momentum": settings.ema_momentum}
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(**common)
    if settings.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(**common, weight_decay=settings.weight_decay)
    else:
        decay = settings.weight_decay or None
        optimizer = keras.optimizers.SGD(**common, momentum=0.9, nesterov=True, weight_decay=decay)
    if optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
