"""A signal that does not get through the network."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.causes.step_size import rate_of_usual_steps
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import SILENT, has_died, is_not_learning, skill_evidence

_VANISHED = 1e-3
_SLOW = 0.1
"""The rate of first layers that have learned elsewhere, in the recommended recipes."""


def dead_units(m: Measurements) -> Finding | None:
    """A layer whose units are zero for every face: nothing passes, and no gradient returns."""
    if not has_died(m) or not is_not_learning(m):
        return None
    silent = m.silent_units
    layer = max(silent, key=silent.__getitem__)
    lower = min(m.case.config.train.first_learning_rate / 10, rate_of_usual_steps(m))
    return Finding(
        "dead_units",
        f"{silent[layer]:.0%} of the units of {layer} are zero for every face: nothing gets "
        "through, and no gradient comes back.",
        (
            Evidence(
                f"units of {layer} that are zero for all of {min(250, len(m.train))} faces",
                f"{silent[layer]:.0%}",
                f"below {SILENT:.0%}",
                silent[layer],
            ),
            skill_evidence(m),
        ),
        (
            Remedy(
                "begin anew from random weights",
                "units that respond to some faces",
                {"network.start_from": None} if m.case.config.network.start_from else {},
            ),
            Remedy(
                "begin anew with a lower learning rate: a long step may have killed them",
                "steps that leave units alive",
                {"train.learning_rate": lower},
            ),
        ),
        "where nine units of ten are silent, the tenth carries all that passes",
        "Lu et al. 2020, Dying ReLU and initialization",
    )


def begins_slowly(m: Measurements) -> bool:
    """Whether its first layers are given a far lower rate, and nothing that they have learned."""
    network = m.case.config.network
    learned = network.start_from is not None or getattr(network, "has_learned", False)
    return not learned and network.first_layer_rate < _SLOW


def first_layers_too_slow(m: Measurements, evidence: Evidence) -> Finding:
    """`network.first_layer_rate` keeps the first layers from learning."""
    rate = m.case.config.network.first_layer_rate
    return Finding(
        "first_layers_too_slow",
        f"The first layer has {rate:g} of the learning rate, and begins at random: it stays as "
        "random as it is.",
        (
            evidence,
            Evidence(
                "network.first_layer_rate",
                f"{rate:g}",
                "1 for a network that begins at random",
                rate,
            ),
            skill_evidence(m),
        ),
        (
            Remedy(
                "give every layer the same rate",
                "first layers that learn too",
                {"network.first_layer_rate": 1.0},
            ),
        ),
        "lower rates keep what first layers have learned elsewhere; random ones have nothing to "
        "keep",
        "Howard & Ruder 2018, Universal language model fine-tuning (discriminative rates)",
    )


def vanishing_gradients(m: Measurements) -> Finding | None:
    """A layer that moves a thousand times less than the middle one."""
    train = m.case.config.train
    # Decay moves a weight that no gradient reaches.
    decay = train.first_learning_rate * train.weight_decay
    movement = {path: max(0.0, way - decay) for path, way in m.first_steps.movement.items()}
    layer = min(movement, key=movement.__getitem__)
    typical = float(np.median(list(movement.values())))
    if not typical or movement[layer] >= _VANISHED * typical or not is_not_learning(m):
        return None
    fraction = movement[layer] / typical
    if begins_slowly(m) and fraction >= m.case.config.network.first_layer_rate / 10:
        return first_layers_too_slow(
            m,
            Evidence(
                f"speed of {layer} relative to the middle layer",
                f"{fraction:.2g}",
                f"above {_VANISHED:g}",
                fraction,
            ),
        )
    return Finding(
        "vanishing_gradients",
        f"The gradient does not reach {layer}: it moves {fraction:.1g} times as fast as "
        "the others.",
        (
            Evidence(
                f"speed of {layer} relative to the middle layer",
                f"{fraction:.2g}",
                f"above {_VANISHED:g}",
                fraction,
            ),
            skill_evidence(m),
        ),
        (Remedy("begin anew from random weights", "layers that move alike"),),
        "a thousandth of the usual speed is no movement within a training",
        "Glorot & Bengio 2010, Understanding the difficulty of training deep networks",
    )
