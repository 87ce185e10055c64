"""A network with too little capacity."""

from __future__ import annotations

from ferkeras.diagnose.causes.regularisation import fixes
from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import is_not_learning, skill_evidence
from ferkeras.diagnose.trial import Trial

_FILTERS = [16, 32, 64]
_DENSE = [128]
_NARROW = 4, 8
"""Widths below which a layer may be too narrow, at least and at most: as many as there are classes.
"""

_PARAMETERS = 50_000
"""Mini-Xception, the smallest network that is known to learn FER2013, has 58,000."""


WIDER = {
    "network.kind": "plain",
    "network.filters": _FILTERS,
    "network.dense_units": _DENSE,
}
"""Settings of a network that is wide enough for faces."""


def is_narrow(m: Measurements) -> bool:
    """Whether the network, or one layer that all must pass through, is smaller than is known to do.

    The layers are convolutions and those before the last one.
    """
    network = m.case.config.network
    widths = [*getattr(network, "filters", ()), *network.dense_units]
    least, most = _NARROW
    narrow = min(max(least, len(m.classes)), most)
    return _parameters(m) < _PARAMETERS or min(widths, default=narrow) < narrow


def network_too_small(m: Measurements) -> Finding | None:
    """A usual network learns from the same start what this one does not."""
    if not is_narrow(m) or not is_not_learning(m):
        return None
    trial = m.trial(WIDER)
    return too_small(m, trial) if fixes(m, trial) else None


def too_small(m: Measurements, trial: Trial) -> Finding:
    """The finding that a wider network learns more, as a trial has shown."""
    return Finding(
        "network_too_small",
        f"A network of {_parameters(m):,} parameters is too small for {len(m.classes)} classes: "
        "one of three blocks learns more in fewer steps."
        if _parameters(m) < _PARAMETERS
        else "A layer of the network is too narrow for what has to pass through it: one of three "
        "usual blocks learns more in fewer steps.",
        (
            Evidence(
                f"skill on training faces after {trial.steps} steps of filters 16, 32, 64",
                f"{trial.on_train:.2f}",
                f"about {m.on_train.skill:.2f}, that of this network after {m.case.steps}",
                trial.on_train,
            ),
            Evidence("parameters", f"{_parameters(m):,}", f"above {_PARAMETERS:,}", _parameters(m)),
            skill_evidence(m),
        ),
        (Remedy("a wider network", f"skill {trial.on_train:.2f} or more", WIDER),),
        "mini-Xception, the smallest network that is known to do well, has 58,000 parameters",
        "Arriaga et al. 2017, Real-time convolutional neural networks for emotion classification",
    )


def _parameters(m: Measurements) -> int:
    return int(m.case.setup.model.count_params())
