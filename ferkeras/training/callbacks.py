"""The callbacks of a run, in the one order in which they must stand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from ferkeras.callbacks import (
    AveragedWeights,
    CollapseAlarm,
    CosineLearningRate,
    DelayedReduceLROnPlateau,
    DivergenceGuard,
    GradientNormMonitor,
    OverfittingWatch,
    PerClassReport,
    PublishVariables,
    VariableRamp,
)
from ferkeras.cli.console import Console
from ferkeras.config.networks.backbone import Backbone
from ferkeras.config.schema import Config
from ferkeras.data.faces import Faces, Splits
from ferkeras.data.pipeline import plain_dataset
from ferkeras.network.model import dropout_layers
from ferkeras.runs.embedded import About
from ferkeras.runs.record import Run
from ferkeras.tensorboard.writer import TensorBoardWriter
from ferkeras.training.best import BestModelCheckpoint
from ferkeras.training.history import CSVHistory
from ferkeras.training.progress import EpochBar, EpochLine
from ferkeras.training.setup import TrainingSetup
from ferkeras.training.unfreezing import Unfreezing

_SAMPLES = 21
"""Validation faces whose predictions TensorBoard shows."""


@dataclass(frozen=True)
class RunCallbacks:
    """The callbacks of a run.

    Attributes:
        callbacks: all of them, in order: what sets the learning rate of each step, what is
            printed, what publishes, what alarms, what lowers the learning rate, what writes the
            logs down, and what takes the averaged weights out of the network last.
        history: the one that keeps the logs.
        collapse: the one that may stop the run.
        ramps: those that add regularisation.
    """

    callbacks: list[keras.callbacks.Callback]
    history: CSVHistory
    collapse: CollapseAlarm
    ramps: list[VariableRamp]

    def close(self) -> None:
        """Close the event files of a training that did not end."""
        for callback in self.callbacks:
            if isinstance(callback, TensorBoardWriter):
                callback.close()


def build_callbacks(
    config: Config,
    setup: TrainingSetup,
    splits: Splits,
    run: Run,
    console: Console,
    after_alarm: Callable[[CollapseAlarm, CSVHistory], keras.callbacks.Callback] | None = None,
    about: About | None = None,
) -> RunCallbacks:
    """Build the callbacks that the configuration asks for.

    Args:
        config: the resolved configuration.
        setup: what is trained.
        splits: the faces.
        run: its folder.
        console: where messages are printed.
        after_alarm: makes a callback that acts on an alarm, from the alarm and the history. What
            heals stands before all that takes the epoch for one of the training, anything else
            after them.
        about: enclosed in the file of the best network; by default no more than its classes.
    """
    monitor, schedule = config.monitor, config.schedule
    ramps = _ramps(config, setup, console)
    overfit_faces = math.ceil(monitor.overfit_fraction * len(splits.train))
    history = CSVHistory(run.history)
    collapse = CollapseAlarm(
        setup.task.classes.names,
        fraction=monitor.collapse_fraction,
        action="stop" if monitor.collapse_action == "stop" else "warn",
        suspects=collapse_suspects(config, setup),
        log=console.print,
        alarm=console.alarm,
    )
    per_class = PerClassReport(
        setup.task.classes.names, every=monitor.per_class_every, log=console.print
    )
    callbacks: list[keras.callbacks.Callback] = [
        EpochBar(console, config.train.batch_size),
        # Before everything that takes the epoch for a good one.
        DivergenceGuard(config.recovery.after_skipped_steps),
        PublishVariables(_settings_in_force(setup)),
        *ramps,
        EpochLine(console),
        GradientNormMonitor(
            layers_every=monitor.layer_norms_every,
            vanishing=monitor.vanishing_norm,
            exploding=monitor.exploding_norm,
            log=console.print,
            alarm=console.alarm,
        ),
        per_class,
        collapse,
        OverfittingWatch(
            plain_dataset(_sample(splits.train, overfit_faces, config.seed)),
            every=monitor.overfit_every,
            gap=monitor.overfit_gap,
            log=console.print,
            alarm=console.alarm,
        ),
    ]
    if schedule.plateau_from_epoch is not None:
        callbacks.append(
            DelayedReduceLROnPlateau(
                from_epoch=schedule.plateau_from_epoch,
                monitor="val_accuracy",
                mode="max",
                patience=schedule.plateau_patience,
                factor=schedule.plateau_factor,
                min_lr=schedule.plateau_min_learning_rate,
                min_delta=0.0,
                log=console.print,
            )
        )
    if isinstance(config.network, Backbone) and config.network.thawed(1) < 1:
        callbacks.insert(0, Unfreezing(config.network.thawed, console.print))
    if config.train.learning_rate_schedule == "cosine":
        callbacks.insert(
            0,
            CosineLearningRate(
                config.train.first_learning_rate,
                setup.pipeline.steps_per_epoch,
                config.train.epochs,
                config.train.warmup_epochs,
            ),
        )
    about = about or About(setup.task.classes.names, {})
    examination = [] if after_alarm is None else [after_alarm(collapse, history)]
    heals = monitor.collapse_action == "heal"
    if heals:
        callbacks += examination
    best = BestModelCheckpoint(run.best, about, keep=config.train.keep)
    callbacks += [best, history]
    if monitor.tensorboard:
        samples = _sample(splits.validation, _SAMPLES, config.seed)
        callbacks.append(
            TensorBoardWriter(
                run.tensorboard,
                config,
                setup.task.classes.names,
                lambda: keras.ops.convert_to_numpy(setup.confusion.matrix),
                np.asarray(samples.images),
                samples.labels,
                lambda: best.kept,
            )
        )
    if not heals:
        callbacks += examination
    if config.train.ema_momentum is not None:
        # After everything that reads the average.
        callbacks.append(AveragedWeights())
    return RunCallbacks(callbacks, history, collapse, ramps)


def collapse_suspects(config: Config, setup: TrainingSetup) -> list[str]:
    """What in the configuration is known to end in a collapse onto one class."""
    suspects = []
    effective = setup.balance.effective
    rarest = max(effective, key=effective.__getitem__)
    if config.train.sampler == "balanced" and config.class_weight.rule != "none":
        suspects.append(
            f"the balanced sampler and class weights (class_weight.rule="
            f"{config.class_weight.rule}) correct rare classes twice: "
            f"{setup.task.classes[rarest]} counts "
            f"{effective[rarest]:.0f} times as much as its faces; try train.sampler=shuffle"
        )
    return suspects


def _settings_in_force(setup: TrainingSetup) -> dict[str, keras.Variable]:
    conv, dense = dropout_layers(setup.model)
    settings = {"learning_rate": setup.model.optimizer.learning_rate}
    settings["conv_dropout"] = conv[0].rate
    if dense:
        settings["dense_dropout"] = dense[0].rate
    settings["label_smoothing"] = setup.model.loss.smoothing
    return settings


def _ramps(config: Config, setup: TrainingSetup, console: Console) -> list[VariableRamp]:
    schedule, network = config.schedule, config.network
    conv, dense = dropout_layers(setup.model)
    ramps = []
    if schedule.dropout_from_epoch is not None:
        for name, layers, begin, end in (
            ("conv_dropout", conv, network.conv_dropout, schedule.conv_dropout_end),
            ("dense_dropout", dense, network.dense_dropout, schedule.dense_dropout_end),
        ):
            if layers:
                ramps.append(
                    VariableRamp(
                        name,
                        [layer.rate for layer in layers],
                        begin=begin,
                        end=end,
                        from_epoch=schedule.dropout_from_epoch,
                        over_epochs=schedule.dropout_over_epochs,
                        gate=schedule.gate_accuracy,
                        log=console.print,
                    )
                )
    if schedule.smoothing_from_epoch is not None:
        ramps.append(
            VariableRamp(
                "label_smoothing",
                [setup.model.loss.smoothing],
                begin=schedule.smoothing_begin,
                end=schedule.smoothing_end,
                from_epoch=schedule.smoothing_from_epoch,
                over_epochs=schedule.smoothing_over_epochs,
                gate=schedule.gate_accuracy,
                log=console.print,
            )
        )
    return ramps


def _sample(faces: Faces, count: int, seed: int) -> Faces:
    rng = np.random.default_rng(seed)
    return faces.take(rng.choice(len(faces), min(count, len(faces)), replace=False))
