"""Optimizers like the program's own, which hold no variables yet."""

from __future__ import annotations

from typing import Any

import keras


def settings_of(optimizer: Any) -> dict[str, Any]:
    """What makes another optimizer like it; a schedule of the rate is the same object.

    A schedule of the program's own need not say how it is made, nor be known to Keras.
    """
    schedule = getattr(optimizer, "_learning_rate", None)
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return dict(optimizer.get_config())
    object.__setattr__(optimizer, "_learning_rate", 0.0)
    try:
        return {**optimizer.get_config(), "learning_rate": schedule}
    finally:
        object.__setattr__(optimizer, "_learning_rate", schedule)


def another_optimizer(optimizer: Any) -> Any:
    """One with the same settings, which scales the loss if the other does."""
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is None:
        return type(optimizer).from_config(settings_of(optimizer))
    return type(optimizer)(
        another_optimizer(inner),
        initial_scale=optimizer.initial_scale,
        dynamic_growth_steps=optimizer.dynamic_growth_steps,
    )
