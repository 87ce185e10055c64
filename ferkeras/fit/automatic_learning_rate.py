"""The learning rate of `train.learning_rate=auto`: found by a range test before training."""

from __future__ import annotations

from ferkeras.cli.console import Console
from ferkeras.cli.errors import RunError
from ferkeras.config.schema import Config
from ferkeras.lr_find.limits import STEPS
from ferkeras.lr_find.range_test import LrRange, lr_range_test
from ferkeras.training.setup import TrainingSetup


def with_automatic_learning_rate(
    config: Config, setup: TrainingSetup, console: Console
) -> tuple[Config, LrRange]:
    """Let a range test find the learning rate, and set it in configuration and optimizer.

    A training from here on is, bit for bit, that of the configuration which is returned.

    Args:
        config: what the training setup was built from.
        setup: as it will be trained; only its learning rate is changed.
        console: shows how far the test is.

    Raises:
        RunError: no rate lowers the loss, or the lowest one tried is above the longest allowed.
    """
    with console.progress("looking for the learning rate", STEPS) as advance:
        found = lr_range_test(setup, progress=advance)
    if found.suggestion is None:
        raise RunError(
            f"train.learning_rate=auto: {found.reason}; lr_find draws the "
            "curve; to train all the same, give a number"
        )
    setup.model.optimizer.learning_rate.assign(found.suggestion)
    return config.with_learning_rate(found.suggestion), found
