"""The classic test: whether the network can memorise a single batch."""

from __future__ import annotations

from typing import Any

from ferkeras.config.networks.plain import Plain
from ferkeras.config.sections.train import Train
from ferkeras.diagnose.causes.regularisation import WORDS, as_ended, off, suspected, too_much
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import is_not_learning, skill_evidence
from ferkeras.diagnose.trial import BATCH_FACES, BATCH_STEPS

_MEMORISED = 0.5
"""A healthy network knows nearly all of them; half of them leaves room for slow steps, and is more
than predicting the majority class gives."""

_ALL = 0.9
"""Of so few faces, the fraction that a network knows which nothing keeps from it: all but three."""

_FREE: dict[str, Any] = {
    "network.conv_dropout": 0.0,
    "network.dense_dropout": 0.0,
    "train.label_smoothing": 0.0,
}
_SOURCE = 'Karpathy 2019, "A recipe for training neural networks": overfit one batch'


def cannot_learn_one_batch(m: Measurements) -> Finding | None:
    """Not even without dropout and smoothing: network, loss or steps are broken, not the faces."""
    if not is_not_learning(m):
        return None
    memorised = m.one_batch(_FREE)
    if memorised >= _MEMORISED:
        return None
    network, train = Plain(), Train()
    return Finding(
        "cannot_learn_one_batch",
        f"Not even {BATCH_FACES} faces can be memorised: what is wrong is the network, the "
        "loss or the optimizer, not the faces.",
        (
            _evidence(memorised, "without dropout and smoothing"),
            skill_evidence(m),
        ),
        (
            Remedy(
                "take network and optimizer from the recommended recipe",
                f"{BATCH_FACES} faces memorised in {BATCH_STEPS} steps",
                {
                    "network.kind": network.kind,
                    "network.filters": network.filters,
                    "network.dense_units": list(network.dense_units),
                    "train.optimizer": train.optimizer,
                    "train.weight_decay": train.weight_decay,
                    "train.learning_rate": train.learning_rate,
                    "train.global_clip_norm": train.global_clip_norm,
                },
            ),
            Remedy("where the loss or a layer is your own, look there first", "the same"),
        ),
        "half of so few faces is little more than predicting the majority class",
        _SOURCE,
    )


def regularised_beyond_one_batch(m: Measurements) -> Finding | None:
    """With what is configured not even one batch is memorised, and without one thing all of it."""
    if not is_not_learning(m):
        return None
    ended, config = as_ended(m), m.case.config
    suspects = [name for name in suspected(m) if name != "augmentation"]
    if not suspects or (configured := m.one_batch(ended)) >= _MEMORISED:
        return None
    without = {name: m.one_batch(ended | off(name, config)) for name in suspects}
    best = max(without, key=lambda name: without[name])
    if without[best] < _ALL:
        return None
    word = WORDS[best]
    return too_much(
        best,
        m,
        (
            _evidence(configured, "as it ended" if ended else "as configured"),
            _evidence(without[best], f"without {word}"),
            skill_evidence(m),
        ),
        f"with it not even {BATCH_FACES} faces are memorised, without it they are",
        f"{BATCH_FACES} faces memorised in {BATCH_STEPS} steps",
        "half of so few faces is little more than predicting the majority class",
    )


def one_batch_evidence(m: Measurements) -> tuple[Evidence, Evidence]:
    """What the test gives with the configured dropout and smoothing, and without."""
    return (
        _evidence(m.one_batch({}), "as configured"),
        _evidence(m.one_batch(_FREE), "without dropout and smoothing"),
    )


def _evidence(memorised: float, how: str) -> Evidence:
    return Evidence(
        f"accuracy on {BATCH_FACES} faces after {BATCH_STEPS} steps on nothing else, {how}",
        f"{memorised:.0%}",
        f"near 100%, above {_MEMORISED:.0%}",
        memorised,
    )
