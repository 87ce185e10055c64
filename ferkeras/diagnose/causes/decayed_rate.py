"""A learning rate that fell before there was nothing left to learn."""

from __future__ import annotations

import numpy as np

from ferkeras.config.sections.schedule import Schedule
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.trial import gains

_FELL = 0.1
_EARLY = 0.5
"""Fraction of the first rate that is left, and of the epochs in which it is still higher."""


def learning_rate_fell_too_early(m: Measurements) -> Finding | None:
    """More steps at the rate that it began with teach what those at the lower one did not."""
    config, history = m.case.config, m.case.history
    if config.train.learning_rate_schedule != "constant" or "learning_rate" not in history:
        return None
    rates = history["learning_rate"].to_numpy()
    fallen = np.flatnonzero(rates <= _FELL * config.train.first_learning_rate)
    if not len(fallen) or fallen[0] >= _EARLY * len(rates):
        return None
    more, now = m.went_on, m.on_validation.skill
    if not gains(now, more.on_validation):
        return None
    usual = Schedule()
    epoch = int(history["epoch"].iloc[fallen[0]])
    return Finding(
        "learning_rate_fell_too_early",
        f"The learning rate fell to {rates[fallen[0]]:.2g} in epoch {epoch}, before the network "
        "had learned what it can.",
        (
            Evidence(
                f"skill on validation faces after {more.steps} more steps at "
                f"{config.train.first_learning_rate:g}",
                f"{more.on_validation:.2f}",
                f"about {now:.2f}, that of the network as it is",
                more.on_validation,
            ),
            Evidence(
                "learning rate in the last epoch, as a fraction of the first",
                f"{rates[-1] / config.train.first_learning_rate:.2g}",
                f"above {_FELL:g} for half of the epochs",
                float(rates[-1] / config.train.first_learning_rate),
            ),
        ),
        (
            Remedy(
                "leave the learning rate as it is until the network has learned",
                f"skill {more.on_validation:.2f} or more",
                {"schedule.plateau_from_epoch": None},
            ),
            Remedy(
                "lower it less, and later",
                "a rate that falls where nothing is gained any more",
                {
                    "schedule.plateau_from_epoch": max(
                        config.schedule.plateau_from_epoch or 0, config.train.epochs // 2
                    ),
                    "schedule.plateau_patience": max(
                        config.schedule.plateau_patience, usual.plateau_patience
                    ),
                    "schedule.plateau_factor": max(
                        config.schedule.plateau_factor, usual.plateau_factor
                    ),
                },
            )
            if config.train.epochs > 1
            else Remedy("more epochs", "a rate that is high for longer"),
        ),
        "a quarter more, and more than 2.5 standard errors of skill, in so few more steps",
        "the analysis that ferkeras began with: no plateau rule before the network learns",
    )
