"""Regularisation that is too much for a network that has learned nothing yet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ferkeras.check_data.checks.empty import stds
from ferkeras.config.keys import flat
from ferkeras.config.networks.plain import Plain
from ferkeras.config.schema import Config
from ferkeras.config.sections.augment import Augment
from ferkeras.config.sections.schedule import Schedule
from ferkeras.config.sections.train import Train
from ferkeras.diagnose.causes.dropout import dropout_overrides
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import HALF, is_not_learning, skill_evidence
from ferkeras.diagnose.trial import Trial

_FLIP_ONLY = {
    f"augment.{key}": 0.0
    for key in ("shift", "rotate_degrees", "zoom", "brightness", "contrast", "erase")
}
_KEYS = {
    "dropout": ("network.conv_dropout", "network.dense_dropout"),
    "label_smoothing": ("train.label_smoothing",),
}
WORDS = {
    "dropout": "dropout",
    "label_smoothing": "label smoothing",
    "augmentation": "augmentation",
}


def too_much_regularisation(m: Measurements) -> Finding | None:
    """Without it, a short training from the same start learns what the long one did not.

    A trial reaches no ramp: where a ramp has raised something, the trial begins at its end.
    """
    config = m.case.config
    suspects = suspected(m)
    if not suspects or not is_not_learning(m):
        return None
    without = {name: off(name, config) for name in suspects}
    together = m.trial(
        as_ended(m) | {key: value for values in without.values() for key, value in values.items()}
    )
    if not fixes(m, together):
        return None
    best, trial = suspects[0], together
    if len(suspects) > 1:
        alone = {name: m.trial(as_ended(m) | values) for name, values in without.items()}
        best = max(alone, key=lambda name: alone[name].on_train)
        trial = alone[best]
    return too_much(
        best,
        m,
        (
            Evidence(
                f"skill on training faces after {trial.steps} steps without {WORDS[best]}",
                f"{trial.on_train:.2f}",
                f"about {m.on_train.skill:.2f}, that after {m.case.steps} steps with it",
                trial.on_train,
            ),
            skill_evidence(m),
        ),
        f"without it {trial.steps} steps teach more than {m.case.steps} did with it",
        f"skill {trial.on_train:.2f}",
        "twice the skill in no more steps is no accident",
    )


def too_much(
    name: str, m: Measurements, evidence: tuple[Evidence, ...], shown: str, gain: str, reason: str
) -> Finding:
    """One kind of regularisation is too much for the network.

    Args:
        name: dropout, label_smoothing or augmentation.
        m: what was measured.
        evidence: of the trials.
        shown: what they showed, the second half of a sentence.
        gain: what is expected of less.
        reason: of the threshold.
    """
    config = m.case.config
    ramp = _ramp(name, m)
    where = (
        f" at the end of its ramp ({ramp})"
        if ramp
        else " for images of so little contrast"
        if name == "augmentation" and _pale(m)
        else " for a network that has learned nothing yet"
        if is_not_learning(m)
        else ""
    )
    first, second = (
        (
            Remedy(f"let the ramp of {WORDS[name]} end lower", gain, _lower_ramp(name, config)),
            Remedy(f"leave out the ramp of {WORDS[name]}", gain, _no_ramp(name)),
        )
        if ramp
        else (
            Remedy(
                f"begin with light {WORDS[name]} and add to it once the network learns",
                f"{gain} or more on training faces",
                _light(name, config),
            ),
            Remedy(f"begin without {WORDS[name]}", f"{gain} on training faces", off(name, config)),
        )
    )
    if name == "augmentation" and _pale(m):
        first, second = (
            second,
            replace(second, what="stretch the contrast of the images", overrides={}),
        )
    return Finding(
        f"too_much_{name}",
        f"Too much {WORDS[name]}{where}: {shown}.",
        (*evidence, *_pale_evidence(name, m)),
        (first, second),
        reason,
        "the analysis that ferkeras began with, no. 1; Morerio et al. 2017, Curriculum dropout",
    )


def fixes(m: Measurements, trial: Trial) -> bool:
    """Whether a trial learns at least twice as much, and half of what a simple classifier can."""
    needed = max(m.on_train.skill / HALF, HALF * m.reference_within_train.skill)
    return trial.on_train >= needed


def suspected(m: Measurements) -> list[str]:
    """Kinds of regularisation of which there is, or came to be, more than is usual.

    Than what a beginning takes where nothing was learned, else than at the end of the recommended
    ramps: what learns is slowed down by any of it in its first steps, and gains by it later.
    """
    config, ramped = m.case.config, m.ramped
    network, train, augment = config.network, config.train, config.augment
    usual = _usual(m)
    found = {
        "dropout": any(key in ramped for key in _KEYS["dropout"])
        or network.conv_dropout > usual.conv_dropout
        or (bool(network.dense_units) and network.dense_dropout > usual.dense_dropout),
        "label_smoothing": any(key in ramped for key in _KEYS["label_smoothing"])
        or train.label_smoothing > usual.label_smoothing,
        "augmentation": any(
            getattr(augment, key.partition(".")[2]) > getattr(Augment(), key.partition(".")[2])
            for key in _FLIP_ONLY
        )
        or (_pale(m) and bool(augment.brightness or augment.contrast)),
    }
    return [name for name, holds in found.items() if holds]


class _Usual(NamedTuple):
    conv_dropout: float
    dense_dropout: float
    label_smoothing: float


def _usual(m: Measurements) -> _Usual:
    if is_not_learning(m):
        network = Plain()
        return _Usual(network.conv_dropout, network.dense_dropout, Train().label_smoothing)
    ends = Schedule()
    return _Usual(ends.conv_dropout_end, ends.dense_dropout_end, ends.smoothing_end)


def as_ended(m: Measurements) -> dict[str, Any]:
    """Settings under which a training begins as this one ended, where a ramp has raised any."""
    if not m.ramped:
        return {}
    return m.ramped | _no_ramp("dropout") | _no_ramp("label_smoothing")


def as_it_would_end(m: Measurements, config: Config) -> dict[str, Any]:
    """The same under other settings: with what their ramps would have come to in as many epochs."""
    if not m.ramped:
        return {}
    values, ramps = flat(config), config.schedule
    for key in m.ramped:
        name = key.partition(".")[2]
        dropout = name != "label_smoothing"
        end = getattr(ramps, f"{name}_end" if dropout else "smoothing_end")
        begun = ramps.dropout_from_epoch if dropout else ramps.smoothing_from_epoch
        values[key] = values[key] if begun is None else min(m.ramped[key], end)
    return {k: values[k] for k in m.ramped} | _no_ramp("dropout") | _no_ramp("label_smoothing")


def off(name: str, config: Config) -> dict[str, Any]:
    """Settings that are without a kind of regularisation."""
    if name == "dropout":
        return dropout_overrides(config, conv=0.0, dense=0.0)
    return {"train.label_smoothing": 0.0} if name == "label_smoothing" else _FLIP_ONLY


def _pale(m: Measurements) -> bool:
    """Whether a usual change of brightness is larger than what there is to see."""
    return bool(np.median(stds(m.train.images)) < 255 * Augment().brightness)


def _pale_evidence(name: str, m: Measurements) -> tuple[Evidence, ...]:
    if name != "augmentation" or not _pale(m):
        return ()
    contrast = float(np.median(stds(m.train.images)))
    change = 255 * m.case.config.augment.brightness
    return (
        Evidence(
            "standard deviation of the grey values of a training image, median",
            f"{contrast:.1f} of 255",
            f"above {change:.0f}, by which augment.brightness changes an image",
            contrast,
        ),
    )


def _ramp(name: str, m: Measurements) -> str:
    """What a ramp has come to, ``network.dense_dropout 0.97``; empty where none has begun."""
    return ", ".join(
        f"{key.partition('.')[2]} {m.ramped[key]:.2g}"
        for key in _KEYS.get(name, ())
        if key in m.ramped
    )


def _lower_ramp(name: str, config: Config) -> dict[str, Any]:
    """As in the recommended recipe, but not below where it begins."""
    usual, ramp = Schedule(), config.schedule
    if name == "label_smoothing":
        return {
            "schedule.smoothing_begin": min(ramp.smoothing_begin, usual.smoothing_begin),
            "schedule.smoothing_end": min(ramp.smoothing_end, usual.smoothing_end),
        }
    return {
        f"schedule.{key}_end": max(
            getattr(config.network, key),
            min(getattr(ramp, f"{key}_end"), getattr(usual, f"{key}_end")),
        )
        for key in ("conv_dropout", "dense_dropout")
    }


def _no_ramp(name: str) -> dict[str, Any]:
    return {f"schedule.{'dropout' if name == 'dropout' else 'smoothing'}_from_epoch": None}


def _light(name: str, config: Config) -> dict[str, Any]:
    """As in the recommended recipe; what is lighter already stays as it is."""
    if name == "dropout":
        network, usual = config.network, Plain()
        return dropout_overrides(
            config,
            conv=min(network.conv_dropout, usual.conv_dropout),
            dense=min(network.dense_dropout, usual.dense_dropout),
        )
    if name == "label_smoothing":
        return {"train.label_smoothing": Train().label_smoothing}
    keys = {key: key.partition(".")[2] for key in _FLIP_ONLY}
    return {
        key: min(getattr(config.augment, name), getattr(Augment(), name))
        for key, name in keys.items()
    }
