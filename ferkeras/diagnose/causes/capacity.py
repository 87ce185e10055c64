"""A network with too little capacity."""

from __future__ import annotations

from ferkeras.diagnose.causes.regularisation import fixes
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import is_not_learning, skill_evidence

_FILTERS = [16, 32, 64]
_DENSE = [128]
_PARAMETERS = 50_000
"""Mini-Xception, the smallest network that is known to learn FER2013, has 58,000."""


def network_too_small(m: Measurements) -> Finding | None:
    """A usual network learns from the same start what this one does not."""
    parameters = m.case.setup.model.count_params()
    if parameters >= _PARAMETERS or not is_not_learning(m):
        return None
    wider = {
        "network.kind": "plain",
        "network.filters": _FILTERS,
        "network.dense_units": _DENSE,
    }
    trial = m.trial(wider)
    if not fixes(m, trial):
        return None
    return Finding(
        "network_too_small",
        f"A network of {parameters:,} parameters is too small for {len(m.classes)} classes: one "
        "of three blocks learns more in fewer steps.",
        (
            Evidence(
                f"skill on training faces after {trial.steps} steps of filters 16, 32, 64",
                f"{trial.on_train:.2f}",
                f"about {m.on_train.skill:.2f}, that of this network after {m.case.steps}",
                trial.on_train,
            ),
            Evidence("parameters", f"{parameters:,}", f"above {_PARAMETERS:,}", parameters),
            skill_evidence(m),
        ),
        (Remedy("a wider network", f"skill {trial.on_train:.2f} or more", wider),),
        "mini-Xception, the smallest network that is known to do well, has 58,000 parameters",
        "Arriaga et al. 2017, Real-time convolutional neural networks for emotion classification",
    )
