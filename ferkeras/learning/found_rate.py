"""The learning rate of `train.learning_rate=auto`: found out before training, then a number."""

from __future__ import annotations

from ferkeras.config import Config
from ferkeras.errors import RunError
from ferkeras.insight.lr_range import LrRange, lr_range_test
from ferkeras.insight.lr_rules import STEPS
from ferkeras.learning.learner import Learner
from ferkeras.report.console import Console


def with_found_rate(config: Config, learner: Learner, console: Console) -> tuple[Config, LrRange]:
    """Let a range test find the learning rate, and set it in configuration and optimizer.

    A training from here on is, bit for bit, that of the configuration which is returned.

    Args:
        config: what the learner was built from.
        learner: as it will be trained; only its learning rate is changed.
        console: shows how far the test is.

    Raises:
        RunError: nothing is learnt at any rate.
    """
    with console.progress("looking for the learning rate", STEPS) as advance:
        found = lr_range_test(learner, progress=advance)
    if found.suggestion is None:
        raise RunError(
            f"train.learning_rate=auto: {found.reason}; python -m ferkeras.lr_find draws the "
            "curve; to train all the same, give a number"
        )
    learner.model.optimizer.learning_rate.assign(found.suggestion)
    return config.with_learning_rate(found.suggestion), found
