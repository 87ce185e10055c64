"""The configured optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from ferkeras.config.sections.train import Train
from ferkeras.training.rates import with_rates

_KINDS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
}


def build_optimizer(
    settings: Train, factors: Sequence[float] | None = None
) -> keras.optimizers.Optimizer:
    """Return Adam, AdamW or SGD with Nesterov momentum 0.9.

    Gradients are clipped by their norm over all weights together (`global_clipnorm`; Keras's
    `clipnorm` would clip each weight by itself). Weight decay is decoupled and spares biases and
    BatchNormalization (Loshchilov & Hutter 2019). The moving average of the weights, if one is
    asked for, is the optimizer's own.

    Args:
        settings: which optimizer, its rate and decay.
        factors: of the learning rate of each trainable weight; None: one rate for all.
    """
    common: dict[str, Any] = {
        "learning_rate": settings.first_learning_rate,
        "global_clipnorm": settings.global_clip_norm,
    }
    kind = _KINDS[settings.optimizer]
    if settings.ema_momentum is not None:
        common |= {"use_ema": True, "ema_momentum": settings.ema_momentum}
        kind = with_averages_found(kind)
    if factors is not None:
        kind = with_rates(kind, factors)
    if settings.optimizer == "adam":
        return kind(**common)
    if settings.optimizer == "adamw":
        optimizer = kind(**common, weight_decay=settings.weight_decay)
    else:
        decay = settings.weight_decay or None
        optimizer = kind(**common, momentum=0.9, nesterov=True, weight_decay=decay)
    if optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def with_averages_found(
    kind: type[keras.optimizers.Optimizer],
) -> type[keras.optimizers.Optimizer]:
    """The same optimizer, which gives every weight its own average where some are frozen.

    At the end of `fit` Keras pairs the weights that are trained then with the averages of all that
    the optimizer was built with, in order: those of frozen layers would go to others.

    Args:
        kind: Keras's class.
    """
    # Where Keras writes it down, as it does for a copy of the model, it is the class of Keras.
    return type(kind.__name__, (_AveragesFound, kind), {"__module__": kind.__module__})


class _AveragesFound:
    """Goes before a class of optimizer."""

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        super().finalize_variable_values(  # type: ignore[misc]
            self._trainable_variables  # type: ignore[attr-defined]
        )
