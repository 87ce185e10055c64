"""Regularisation that is too much for a network that has learned nothing yet."""

from __future__ import annotations

from typing import Any

from ferkeras.config.networks.plain import Plain
from ferkeras.config.schema import Augment, Config, Train
from ferkeras.diagnose.causes.dropout import dropout_overrides
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import HALF, is_not_learning, skill_evidence
from ferkeras.diagnose.trial import Trial

_FLIP_ONLY = {
    f"augment.{key}": 0.0
    for key in ("shift", "rotate_degrees", "zoom", "brightness", "contrast", "erase")
}
_WORDS = {
    "dropout": "dropout",
    "label_smoothing": "label smoothing",
    "augmentation": "augmentation",
}


def too_much_regularisation(m: Measurements) -> Finding | None:
    """Without it, a short training from the same start learns what the long one did not."""
    config = m.case.config
    suspects = _suspects(config)
    if not suspects or not is_not_learning(m):
        return None
    without = {name: _off(name, config) for name in suspects}
    together = m.trial({key: off for values in without.values() for key, off in values.items()})
    if not fixes(m, together):
        return None
    best, trial = suspects[0], together
    if len(suspects) > 1:
        alone = {name: m.trial(values) for name, values in without.items()}
        best = max(alone, key=lambda name: alone[name].on_train)
        trial = alone[best]
    return Finding(
        f"too_much_{best}",
        f"Too much {_WORDS[best]} for a network that has learned nothing yet: without it "
        f"{trial.steps} steps teach more than {m.case.steps} did with it.",
        (
            Evidence(
                f"skill on training faces after {trial.steps} steps without {_WORDS[best]}",
                f"{trial.on_train:.2f}",
                f"about {m.on_train.skill:.2f}, that after {m.case.steps} steps with it",
                trial.on_train,
            ),
            skill_evidence(m),
        ),
        (
            Remedy(
                f"begin with light {_WORDS[best]} and add to it once the network learns",
                f"skill {trial.on_train:.2f} or more on training faces",
                _light(best, config),
            ),
            Remedy(
                f"begin without {_WORDS[best]}",
                f"skill {trial.on_train:.2f} on training faces",
                without[best],
            ),
        ),
        "twice the skill in no more steps is no accident",
        "the analysis that ferkeras began with, no. 1; Morerio et al. 2017, Curriculum dropout",
    )


def fixes(m: Measurements, trial: Trial) -> bool:
    """Whether a trial learns at least twice as much, and half of what a simple classifier can."""
    needed = max(m.on_train.skill / HALF, HALF * m.reference_within_train.skill)
    return trial.on_train >= needed


def _suspects(config: Config) -> list[str]:
    """Kinds of regularisation of which there is more than in the recommended recipe."""
    network, train, augment = config.network, config.train, config.augment
    usual = Plain()
    found = {
        "dropout": network.conv_dropout > usual.conv_dropout
        or (bool(network.dense_units) and network.dense_dropout > usual.dense_dropout),
        "label_smoothing": train.label_smoothing > Train().label_smoothing,
        "augmentation": any(
            getattr(augment, key.partition(".")[2]) > getattr(Augment(), key.partition(".")[2])
            for key in _FLIP_ONLY
        ),
    }
    return [name for name, holds in found.items() if holds]


def _off(name: str, config: Config) -> dict[str, Any]:
    if name == "dropout":
        return dropout_overrides(config, conv=0.0, dense=0.0)
    return {"train.label_smoothing": 0.0} if name == "label_smoothing" else _FLIP_ONLY


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
