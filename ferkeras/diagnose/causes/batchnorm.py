"""Running statistics of BatchNormalization that are not those of the faces."""

from __future__ import annotations

import math

import keras

from ferkeras.config.schema import Config
from ferkeras.diagnose.causes.step_size import enough_epochs
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.skill import CHANCE
from ferkeras.diagnose.symptoms import HALF, is_not_learning

_NOT_MOVED = 0.1
_LOST = 0.2
"""Fraction of the skill lost by the running statistics where they are known to be wrong."""

_CLEAR = 0.1
"""Skill by which a gap is more than two samples of little skill differ: five standard errors."""

_MIN_MEMORY = 10.0
"""Batches that a running average must remember, as PyTorch's default of 0.1 does."""

_SMALL_BATCH = 8
_MOMENTUM = 0.9
_BATCH = 32
_SOURCE = "Ioffe & Szegedy 2015; Wu & Johnson 2021, Rethinking Batch in BatchNorm"


def batchnorm_too_slow(m: Measurements) -> Finding | None:
    """Statistics that are still those of an untrained network."""
    momentum = _momentum(m)
    left = momentum**m.case.steps
    if left <= _NOT_MOVED or not _has_gap(m, 1 - _LOST):
        return None
    return Finding(
        "batchnorm_too_slow",
        f"BatchNormalization's running statistics are still {left:.0%} those it began with, so "
        "that the network in use is another one than in training.",
        (
            Evidence(
                f"fraction of the initial statistics that is left after {m.case.steps:,} steps",
                f"{left:.0%}",
                f"below {_NOT_MOVED:.0%}",
                left,
            ),
            _gap(m),
        ),
        (
            _momentum_remedy(m.case.config.train.batch_size),
            _enough_steps(m.case.config, momentum, m.case.setup.pipeline.steps_per_epoch),
        ),
        "a tenth of wrong statistics is as much as PyTorch's default forgets in one step",
        _SOURCE,
    )


def batchnorm_too_fast(m: Measurements) -> Finding | None:
    """Statistics of the last batch or two, or of batches that are too small to have any."""
    momentum = _momentum(m)
    memory = 1 / (1 - momentum)
    batch = m.case.config.train.batch_size
    remembered = memory * batch
    if remembered >= _MIN_MEMORY * _SMALL_BATCH:
        return None
    # What jumps may stand well at the moment that is looked at.
    if not _has_gap(m, 1 - _LOST) and not is_not_learning(m):
        return None
    return Finding(
        "batchnorm_too_fast",
        f"BatchNormalization's running statistics are made of about {remembered:.0f} faces: they "
        "jump from step to step, and so does the skill of the network.",
        (
            Evidence(
                "faces that the running statistics remember (batch size times memory)",
                f"{remembered:.0f}",
                f"at least {_MIN_MEMORY * _SMALL_BATCH:.0f}",
                remembered,
            ),
            _gap(m),
        ),
        _steadier(m),
        "PyTorch's default remembers ten batches, and eight faces are a small batch",
        _SOURCE,
    )


def batchnorm_gap(m: Measurements) -> Finding | None:
    """The network is good with the statistics of a batch and bad with the running ones."""
    lost = m.with_batch_statistics.skill - m.on_train.skill
    if not _has_gap(m, HALF) or lost < _CLEAR:
        return None
    return Finding(
        "batchnorm_gap",
        "BatchNormalization's running statistics are not those of the faces, so that the network "
        "in use is another one than in training.",
        (_gap(m),),
        _alike(m.case.config),
        "half of the skill is lost by nothing but the choice of statistics",
        "Li et al. 2019, Understanding the disharmony between dropout and batch normalization",
    )


def _momentum(m: Measurements) -> float:
    return float(
        next(
            layer.momentum
            for layer in m.case.setup.model.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        )
    )


def _has_gap(m: Measurements, fraction: float) -> bool:
    """Whether less than this fraction of the skill is left with the running statistics."""
    trained = m.with_batch_statistics
    return trained.above_chance >= CHANCE and m.on_train.skill < fraction * trained.skill


def _gap(m: Measurements) -> Evidence:
    return Evidence(
        "skill on training faces with running statistics",
        f"{m.on_train.skill:.2f}",
        f"about {m.with_batch_statistics.skill:.2f}, that with the statistics of each batch",
        m.on_train.skill,
    )


def _steadier(m: Measurements) -> tuple[Remedy, ...]:
    """A longer memory first; larger batches first where training itself has no statistics."""
    batch = m.case.config.train.batch_size
    size = max(_BATCH, 2 * batch)
    epochs = enough_epochs(m, size)
    larger = Remedy(
        f"batches of {size} faces, and a running average over ten of them"
        + (", for more epochs" if epochs else ""),
        f"{'' if epochs else 'fewer steps; '}statistics of enough faces, in training and in use",
        {"train.batch_size": size, "network.batchnorm_momentum": _MOMENTUM, **epochs},
    )
    if batch < _SMALL_BATCH:
        return larger, _momentum_remedy(batch)
    return _momentum_remedy(batch), larger


def _alike(config: Config) -> tuple[Remedy, ...]:
    """What makes statistics in training and in use more alike."""
    remedies = []
    average = config.train.ema_momentum
    if average is not None and average > config.network.batchnorm_momentum:
        remedies.append(
            Remedy(
                "let the running statistics remember the steps that the averaged weights are of",
                "statistics of the network that is in use",
                {"network.batchnorm_momentum": average},
            )
        )
    if config.network.conv_dropout:
        remedies.append(
            Remedy(
                "dropout before BatchNormalization changes what it sees: less of it",
                "the same statistics in training and in use",
                {"network.conv_dropout": 0.0},
            )
        )
    return *remedies, _momentum_remedy(config.train.batch_size)


def _momentum_remedy(batch_size: int) -> Remedy:
    """A memory of ten usual batches, or of as many faces where batches are smaller."""
    momentum = max(_MOMENTUM, 1 - batch_size * (1 - _MOMENTUM) / _BATCH)
    return Remedy(
        f"a running average over about {batch_size / (1 - momentum):,.0f} faces",
        "statistics of the present network that do not jump",
        {"network.batchnorm_momentum": round(momentum, 4)},
    )


def _enough_steps(config: Config, momentum: float, steps_per_epoch: int) -> Remedy:
    """As many epochs as it takes to forget the initial statistics."""
    steps = math.ceil(math.log(_NOT_MOVED) / math.log(momentum))
    epochs = max(config.train.epochs + 1, math.ceil(steps / steps_per_epoch))
    return Remedy(
        f"train for {epochs} epochs: {steps:,} steps forget the initial statistics",
        "statistics of the faces, once they have had the steps for it",
        {"train.epochs": epochs},
    )
