"""A finished run as a case."""

from __future__ import annotations

import keras
import pandas as pd

from ferkeras.cli.errors import InputError
from ferkeras.config.networks.backbone import Backbone
from ferkeras.data.faces import Splits
from ferkeras.diagnose.case import Case, isolated_rng, without_ema_and_teachers
from ferkeras.network.model import dropout_layers
from ferkeras.network.served import copy_weights
from ferkeras.runs.finished import FinishedRun
from ferkeras.runs.history import read_history
from ferkeras.runs.moved import PATH
from ferkeras.runs.network import load_network
from ferkeras.training.movement import weights_of
from ferkeras.training.setup import build_setup
from ferkeras.training.unfreezing import freeze_backbone


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
            f"{finished.fingerprint[:12]}); restore them, name where they are now ({PATH}=PATH), "
            f"or diagnose the configuration: --config {run.config}"
        )
    history = read_history(finished)
    with isolated_rng(config):
        setup = build_setup(without_ema_and_teachers(config), splits)
    start = weights_of(setup.model)
    ended_with = load_network(
        config, finished.environment, run.last if run.last.exists() else run.best
    )
    copy_weights(ended_with, setup.model)
    _set_rates(setup.model, history)
    if isinstance(config.network, Backbone):
        freeze_backbone(setup.model, config.network.thawed(int(finished.metrics["epochs"])))
    steps = int(finished.metrics["epochs"]) * setup.pipeline.steps_per_epoch
    return Case(config, splits, setup, start, history, steps)


def _set_rates(model: keras.Model, history: pd.DataFrame) -> None:
    """Give dropout the rates that ramps had brought it to when the run ended."""
    for name, layers in zip(("conv_dropout", "dense_dropout"), dropout_layers(model), strict=True):
        rate = history[name].iloc[-1] if name in history and len(history) else None
        for layer in layers:
            if rate is not None and 0 <= rate < 1:
                layer.rate.assign(rate)
