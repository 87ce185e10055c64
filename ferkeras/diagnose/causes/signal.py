"""A signal that does not get through the network."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.causes.step_size import rate_of_usual_steps
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import is_not_learning, skill_evidence

_SILENT = 0.9
_VANISHED = 1e-3


def dead_units(m: Measurements) -> Finding | None:
    """A layer whose units are zero for every face: nothing passes, and no gradient returns."""
    silent = m.silent_units
    if not silent:
        return None
    layer = max(silent, key=silent.__getitem__)
    if silent[layer] < _SILENT or not is_not_learning(m):
        return None
    lower = min(m.case.config.train.first_learning_rate / 10, rate_of_usual_steps(m))
    return Finding(
        "dead_units",
        f"{silent[layer]:.0%} of the units of {layer} are zero for every face: nothing gets "
        "through, and no gradient comes back.",
        (
            Evidence(
                f"units of {layer} that are zero for all of {min(250, len(m.train))} faces",
                f"{silent[layer]:.0%}",
                f"below {_SILENT:.0%}",
                silent[layer],
            ),
            skill_evidence(m),
        ),
        (
            Remedy("begin anew from random weights", "units that respond to some faces"),
            Remedy(
                "begin anew with a lower learning rate: a long step may have killed them",
                "steps that leave units alive",
                {"train.learning_rate": lower},
            ),
        ),
        "where nine units of ten are silent, the tenth carries all that passes",
        "Lu et al. 2020, Dying ReLU and initialization",
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
