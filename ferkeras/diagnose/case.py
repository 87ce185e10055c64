"""A case for diagnosis: faces, settings, a network that was trained with them, and its history."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import keras
import numpy as np
import pandas as pd

from ferkeras.callbacks import CosineLearningRate
from ferkeras.config.file import with_values
from ferkeras.config.keys import flat
from ferkeras.config.networks.backbone import Backbone
from ferkeras.config.schema import Config
from ferkeras.data.faces import Faces, Splits
from ferkeras.data.pipeline import plain_dataset
from ferkeras.training.movement import weights_of
from ferkeras.training.setup import TrainingSetup, build_setup, make_reproducible
from ferkeras.training.state import copy_variables, restored_after, same_variables

MOST_FACES = 1500
"""Faces of each split that measurements are made on: the standard error of kappa is about 0.02."""

Begin = Callable[[Config, Splits], TrainingSetup]
"""Builds a training setup, before its first step."""

Advance = Callable[[int], None]
"""Called with the number of steps done since the last call."""


@dataclass(frozen=True)
class Case:
    """A training that is to be explained.

    Attributes:
        config: its configuration.
        splits: its faces.
        setup: its network with the weights that it came to.
        start: the trainable weights that it began with.
        history: one row an epoch, columns as in `history.csv`; empty where it is not known.
        steps: steps that were done.
        begin: builds its training setup anew, before the first step.
    """

    config: Config
    splits: Splits
    setup: TrainingSetup
    start: list[np.ndarray]
    history: pd.DataFrame
    steps: int
    begin: Begin = build_setup

    @contextmanager
    def begun(self, config: Config) -> Iterator[TrainingSetup]:
        """A setup before its first step, of other settings, without average and teachers.

        Where these settings leave the training step what it is in `setup`, that network trains,
        from the values that a new one has, and is put back afterwards: its step is traced already.

        Args:
            config: the settings.
        """
        config = without_ema_and_teachers(config)
        setup, own = self.begin(config, self.splits), self.setup
        if _step(config) != _step(self.config) or not same_variables(setup.model, own.model):
            yield setup
            return
        with restored_after(own.model):
            copy_variables(setup.model, own.model)
            yield replace(setup, model=own.model, confusion=own.confusion)


_STEP = ("optimizer", "weight_decay", "global_clip_norm", "precision")
"""Settings in `train` that a step is built from."""

_VALUES = ("network.conv_dropout", "network.dense_dropout")
"""Settings of a network that are values of variables."""


def _step(config: Config) -> object:
    """What a training step is built from; equal to no other where layers thaw."""
    if isinstance(config.network, Backbone):
        return object()
    settings = flat(config)
    network = {key for key in settings if key.startswith("network.")}.difference(_VALUES)
    return {key: settings[key] for key in (*network, *(f"train.{name}" for name in _STEP))}


def train_briefly(
    config: Config,
    splits: Splits,
    steps: int,
    begin: Begin = build_setup,
    advance: Advance | None = None,
) -> Case:
    """Train as configured, but no longer than `steps`, and keep what is needed to explain it.

    Args:
        config: the configuration; its calendar of ramps is not reached in so few steps.
        splits: the faces; validation is made on a sample of them.
        steps: at most.
        begin: builds the training setup.
        advance: called with the number of steps done.
    """
    with isolated_rng(config):
        setup = begin(without_ema_and_teachers(config), splits)
        start = weights_of(setup.model)
        per_epoch = setup.pipeline.steps_per_epoch
        planned = per_epoch * config.train.epochs
        total = min(steps, planned)
        parts = min(config.train.epochs, 4) if total < planned else config.train.epochs
        part = max(1, total // parts)
        history = setup.model.fit(
            setup.pipeline.dataset(1, config.train.epochs),
            steps_per_epoch=part,
            epochs=parts,
            validation_data=plain_dataset(sample(splits.validation, config.seed)),
            class_weight=setup.balance.weights,
            callbacks=[
                *schedule(config, part, -(-planned // part)),
                *([] if advance is None else [_Progress(part, advance)]),
            ],
            shuffle=False,
            verbose=0,
        ).history
    frame = pd.DataFrame({"epoch": range(1, parts + 1), **history})
    return Case(config, splits, setup, start, frame, part * parts, begin)


def schedule(config: Config, steps: int, epochs: int) -> list[CosineLearningRate]:
    """The configured schedule, spread over so many epochs of so many steps."""
    train = config.train
    if train.learning_rate_schedule == "constant":
        return []
    warmup = train.warmup_epochs / train.epochs * epochs
    return [CosineLearningRate(train.first_learning_rate, steps, epochs, warmup)]


def without_ema_and_teachers(config: Config) -> Config:
    """The configuration without average and teachers, nor a second head that learns from votes.

    An average of few steps is of the start, and a cause is sought in faces, labels and settings.
    """
    values = {"train.ema_momentum": None, "distill.teachers": ()}
    if config.data.votes_as == "auxiliary":
        values |= {"data.votes": None, "data.votes_as": None}
    return with_values(config, values)


def sample(faces: Faces, seed: int, most: int = MOST_FACES) -> Faces:
    """At most so many of the faces, sampled without replacement."""
    if len(faces) <= most:
        return faces
    return faces.take(np.random.default_rng(seed).choice(len(faces), most, replace=False))


@contextmanager
def isolated_rng(config: Config) -> Iterator[None]:
    """Seed as a training of `config` does, and give the process its random states back."""
    states = random.getstate(), np.random.get_state()
    try:
        make_reproducible(config)
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


class _Progress(keras.callbacks.Callback):
    def __init__(self, steps: int, advance: Advance) -> None:
        super().__init__()
        self._steps, self._advance = steps, advance

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._advance(self._steps)
