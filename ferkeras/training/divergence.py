"""Diagnosis of a training that has diverged, and what to do about it."""

from __future__ import annotations

import math

import numpy as np

from ferkeras.callbacks import MonitoredModel
from ferkeras.config.schema import Config

_HIGH = {"adam": 3e-3, "adamw": 3e-3, "sgd": 0.1}
"""Learning rates above which networks like this one often diverge."""

_LARGE = 1e3
"""A weight that large has run away; healthy ones are around 1."""


def diagnose_divergence(config: Config, model: MonitoredModel) -> str:
    """Say in a few lines what the training was like, and which settings are suspected.

    Args:
        config: the resolved configuration.
        model: as it is when steps are skipped: its weights are those of the last applied step.
    """
    train = config.train
    rate = float(model.optimizer.learning_rate.numpy())
    norms = model.gradient_norms.figures()
    sizes = {v.path: float(np.abs(v.numpy()).max()) for v in model.trainable_weights}
    broken = [path for path, size in sizes.items() if not math.isfinite(size)]
    name = max(sizes, key=sizes.__getitem__)
    largest = (
        f"weights that are not finite: {', '.join(broken)}"
        if broken
        else f"largest weight: {sizes[name]:.3g} in {name}"
    )
    clip = "none" if train.global_clip_norm is None else f"{train.global_clip_norm:g}"
    facts = (
        f"learning rate {rate:.3g}, clip norm {clip}; gradient norm of the applied steps of the "
        f"epoch: mean {norms['gradient_norm']:.3g}, largest {norms['gradient_norm_max']:.3g}; "
        f"{largest}"
    )
    suspects = []
    # A schedule is at the peak, or goes there, or was there.
    highest = rate if train.learning_rate_schedule == "constant" else train.first_learning_rate
    if highest > _HIGH[train.optimizer]:
        suspects.append(
            f"the learning rate is high for {train.optimizer}; try train.learning_rate="
            f"{highest / 10:.1g}"
        )
    if train.global_clip_norm is None:
        suspects.append("gradients are not clipped; try train.global_clip_norm=5")
    if broken or sizes[name] > _LARGE:
        suspects.append("weights have run away: each step was too long for the network")
    if train.precision != "float32":
        suspects.append(f"{train.precision} has few digits; try train.precision=float32")
    if not suspects:
        suspects.append(
            f"none of the usual causes; try train.learning_rate={highest / 10:.1g}, and see "
            "gradient_norm in history.csv"
        )
    return "\n".join([facts, *(f"suspected: {text}" for text in suspects)])
