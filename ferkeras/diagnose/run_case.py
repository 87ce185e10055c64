"""A finished run as a case."""

from __future__ import annotations

import pandas as pd

from ferkeras.cli.errors import InputError
from ferkeras.data.faces import Splits
from ferkeras.diagnose.case import Case, as_examined, aside
from ferkeras.runs.finished import FinishedRun
from ferkeras.runs.network import load_network
from ferkeras.training.movement import weights_of
from ferkeras.training.setup import build_learner


def case_of(finished: FinishedRun, splits: Splits) -> Case:
    """The network that a run ended with, its start, and its history.

    Args:
        finished: the run.
        splits: its faces.

    Raises:
        InputError: the faces are not those of the run, or a file of it is damaged.
    """
    run, config = finished.run, finished.config
    if splits.fingerprint != finished.fingerprint:
        raise InputError(
            f"{run.folder}: data.path = {config.data.path} holds other faces than the run was "
            f"trained on (fingerprint {splits.fingerprint[:12]}, then "
            f"{str(finished.fingerprint)[:12]}); restore them"
        )
    try:
        history = pd.read_csv(run.history)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:100]
        raise InputError(f"{run.history}: cannot be read as a table ({reason})") from None
    with aside(config):
        learner = build_learner(as_examined(config), splits)
    learner.model.optimizer.build(learner.model.trainable_weights)
    start = weights_of(learner.model)
    ended_with = load_network(finished, run.last if run.last.exists() else run.best)
    learner.model.set_weights(ended_with.get_weights())
    steps = int(finished.metrics["epochs"]) * learner.feed.steps_per_epoch
    return Case(config, splits, learner, start, history, steps)
