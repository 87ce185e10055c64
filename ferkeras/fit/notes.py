"""Settings that do nothing with these faces, or in so few epochs, for people."""

from __future__ import annotations

import math

from ferkeras.cli.wording import listed
from ferkeras.config.schema import Config
from ferkeras.config.sections.data import Data
from ferkeras.data.faces import Splits

_SET_IN = ("dropout_from_epoch", "smoothing_from_epoch", "plateau_from_epoch")


def note_on_average(config: Config, splits: Splits) -> str:
    """That a training is too short for its moving average of the weights; else empty.

    Imports Keras.
    """
    from ferkeras.callbacks import average_is_trained_after

    train = config.train
    steps = math.ceil(len(splits.train) / train.batch_size) * train.epochs
    if train.ema_momentum is None or average_is_trained_after(steps, train.ema_momentum):
        return ""
    return (
        f"train.ema_momentum={train.ema_momentum:g} is not used: after {steps} steps the average "
        "is still of the weights that the training begins with, so these are kept as they are; "
        "lower it, or train longer"
    )


def notes_on(config: Config, splits: Splits) -> list[str]:
    """A line for each, where there are any."""
    notes = []
    fraction = config.data.validation_fraction
    if splits.official and fraction != Data().validation_fraction:
        notes.append(
            f"data.validation_fraction={fraction:g} is not used: {splits.source} has a split of "
            "its own (data.folds divides it anew)"
        )
    if config.data.drop_leaked and not splits.leaked:
        notes.append(
            "data.drop_leaked leaves nothing out: no training face is a validation or test face too"
        )
    if config.data.folds and fraction != Data().validation_fraction:
        notes.append(
            f"data.validation_fraction={fraction:g} is not used: data.folds={config.data.folds} "
            "says how many faces are validated on"
        )
    ramp, smoothing = config.schedule, config.train.label_smoothing
    least = min(ramp.smoothing_begin, ramp.smoothing_end)
    if ramp.smoothing_from_epoch is not None and least < smoothing:
        notes.append(
            f"the ramp of label smoothing goes from {ramp.smoothing_begin:g} to "
            f"{ramp.smoothing_end:g}, below train.label_smoothing={smoothing:g}; "
            "schedule.smoothing_from_epoch=null keeps that"
        )
    epochs = {key: getattr(config.schedule, key) for key in _SET_IN}
    late = [
        f"schedule.{key}={epoch}"
        for key, epoch in epochs.items()
        if epoch is not None and epoch > config.train.epochs
    ]
    if late:
        notes.append(
            f"nothing sets in at {listed(late)}: the training ends with epoch {config.train.epochs}"
        )
    return notes
