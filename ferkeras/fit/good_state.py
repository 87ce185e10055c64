"""The good state before a collapse: kept, tried from, and gone on with."""

from __future__ import annotations

import keras

from ferkeras.callbacks import CollapseAlarm
from ferkeras.cli.console import Alarm, Console
from ferkeras.cli.errors import InputError
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.diagnose.case import Begin, isolated_rng
from ferkeras.network.served import copy_weights
from ferkeras.runs.embedded import enclosed_in
from ferkeras.runs.healings import last_change
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord, HealingRecord
from ferkeras.training import state
from ferkeras.training.checkpoints import Checkpoint, CheckpointFolder
from ferkeras.training.loop import TrainingLoop
from ferkeras.training.setup import TrainingSetup, build_setup


def checkpoints_of(run: Run, config: Config, environment: EnvironmentRecord) -> CheckpointFolder:
    """The checkpoints of a run; where it heals, the last good state is kept besides the newest."""
    healing = last_change(environment)
    return CheckpointFolder(
        run.checkpoints,
        after=healing.get("checkpoint", 0) if healing else 0,
        keep=_is_good if config.monitor.collapse_action == "heal" else None,
    )


def good_state(checkpoints: CheckpointFolder, run: Run, config: Config) -> Checkpoint | None:
    """The end of the last epoch that was no collapse; None if there was none."""
    checkpoint = checkpoints.newest_kept()
    if checkpoint is None or not run.best.is_file():
        return None
    if config.train.keep == "last":
        # The next epoch's network takes the place of whatever is kept now.
        return checkpoint
    best = enclosed_in(run.best.read_bytes(), run.best).provenance.get("epoch")
    # Else the best network is of an epoch that would be lost.
    return checkpoint if best is not None and best < checkpoint.epoch else None


def fits(checkpoint: Checkpoint, before: Config, config: Config, splits: Splits) -> bool:
    """Whether a training of a configuration could go on from a checkpoint.

    Args:
        checkpoint: of a training.
        before: the configuration of that training.
        config: of the one that would go on.
        splits: the faces.
    """
    if _callbacks_of(before) != _callbacks_of(config):
        return False
    try:
        with isolated_rng(config):
            model = build_setup(config, splits).model
    except InputError:
        return False
    return state.fits(model, checkpoint)


def _callbacks_of(config: Config) -> tuple[object, ...]:
    """What says which callbacks there are, whose states a checkpoint holds."""
    schedule, train = config.schedule, config.train
    return (
        schedule.dropout_from_epoch is None,
        schedule.smoothing_from_epoch is None,
        schedule.plateau_from_epoch is None,
        train.learning_rate_schedule,
        train.ema_momentum is None,
        train.keep,
    )


def begin_from(checkpoint: Checkpoint, config: Config) -> Begin:
    """Builds training setups with the weights of a checkpoint, where their network has such.

    Args:
        checkpoint: of a training.
        config: the configuration of that training.
    """

    def begin(other: Config, splits: Splits) -> TrainingSetup:
        setup = build_setup(other, splits)
        source = build_setup(config, splits).model
        if state.fits(source, checkpoint) and _shapes(setup.model) == _shapes(source):
            state.restore_variables(source, checkpoint)
            copy_weights(source, setup.model)
        return setup

    return begin


def go_on_healed(
    loop: TrainingLoop, checkpoints: CheckpointFolder, healing: HealingRecord, console: Console
) -> bool:
    """Go on after a healing of which there is no checkpoint yet; False: from the start.

    Raises:
        InputError: the good state does not fit.
    """
    alarms = [Alarm(each["epoch"], each["text"]) for each in healing.get("alarms", [])]
    console.alarms[:] = alarms
    good = checkpoints.newest_kept(former=True) if healing.get("restored") else None
    if good is None:
        return False
    loop.go_on_changed(good, {each["key"] for each in healing["changes"]}, alarms)
    return True


def _is_good(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint is the end of an epoch that the alarm judged to be no collapse."""
    alarm = dict(checkpoint.state["callbacks"]).get(CollapseAlarm.__name__)
    at_an_end = checkpoint.epoch > 1 and not checkpoint.step
    return at_an_end and alarm is not None and alarm.get("sound", alarm["since"] is None)


def _shapes(model: keras.Model) -> list[tuple[int, ...]]:
    # By layer: what is trained beside the network, such as a head for votes, is none of them.
    return [tuple(weight.shape) for layer in model.layers for weight in layer.weights]
