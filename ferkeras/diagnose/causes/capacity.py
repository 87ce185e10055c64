"""A network with too little capacity."""

from __future__ import annotations

from typing import Any

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


def has_narrow_layer(m: Measurements) -> bool:
    """Whether a layer that all must pass through is narrower than any that is known to do.

    The layers are convolutions and those before the last one.
    """
    widths = [width for layers in _layers(m).values() for width in layers]
    return any(width < _narrow(m) for width in widths)


def is_narrow(m: Measurements) -> bool:
    """Whether the network, or one layer of it, is smaller than is known to do."""
    return _parameters(m) < _PARAMETERS or has_narrow_layer(m)


def wider(m: Measurements) -> dict[str, Any]:
    """Settings of a wider network: its narrow layers alone where it has others too."""
    layers = _layers(m)
    filters = layers["network.filters"]
    if not has_narrow_layer(m) or (filters and max(filters) < _narrow(m)):
        return WIDER
    usual = {"network.filters": _FILTERS, "network.dense_units": _DENSE}
    found = {}
    for key, widths in layers.items():
        widest = max(widths, default=0)
        enough = widest if widest >= _narrow(m) else max(usual[key])
        found[key] = [width if width >= _narrow(m) else enough for width in widths]
    return {key: widths for key, widths in found.items() if widths != layers[key]}


def network_too_small(m: Measurements) -> Finding | None:
    """A usual network learns from the same start what this one does not."""
    if not is_narrow(m) or not is_not_learning(m):
        return None
    trial = m.trial(wider(m))
    return too_small(m, trial) if fixes(m, trial) else None


def too_small(m: Measurements, trial: Trial, before: Trial | None = None) -> Finding:
    """A wider network learns more, as a trial has shown.

    Args:
        m: what was measured.
        trial: of the wider network.
        before: of this one, as many steps; None: the trial is held against the whole training.
    """
    learned = m.on_train.skill if before is None else before.on_train
    steps = m.case.steps if before is None else before.steps
    fewer = "fewer" if before is None else "as many"
    return Finding(
        "network_too_small",
        "A layer of the network is too narrow for what has to pass through it: a wider one "
        f"learns more in {fewer} steps."
        if has_narrow_layer(m)
        else f"A network of {_parameters(m):,} parameters is too small for {len(m.classes)} "
        f"classes: one of three blocks learns more in {fewer} steps.",
        (
            Evidence(
                f"skill on training faces after {trial.steps} steps of {_written(trial)}",
                f"{trial.on_train:.2f}",
                f"about {learned:.2f}, that of this network after {steps}",
                trial.on_train,
            ),
            Evidence("parameters", f"{_parameters(m):,}", f"above {_PARAMETERS:,}", _parameters(m)),
            skill_evidence(m),
        ),
        (Remedy("a wider network", f"skill {trial.on_train:.2f} or more", wider(m)),),
        "mini-Xception, the smallest network that is known to do well, has 58,000 parameters",
        "Arriaga et al. 2017, Real-time convolutional neural networks for emotion classification",
    )


def _layers(m: Measurements) -> dict[str, list[int]]:
    """Widths of the network's layers, by key."""
    network = m.case.config.network
    return {
        "network.filters": list(getattr(network, "filters", None) or ()),
        "network.dense_units": list(network.dense_units),
    }


def _narrow(m: Measurements) -> int:
    """The width below which a layer is narrow."""
    least, most = _NARROW
    return min(max(least, len(m.classes)), most)


def _written(trial: Trial) -> str:
    """`filters 8, 32, 32`, as a trial had them."""
    return " and ".join(
        f"{key.partition('.')[2]} {', '.join(map(str, trial.overrides[key]))}"
        for key in ("network.filters", "network.dense_units")
        if key in trial.overrides
    )


def _parameters(m: Measurements) -> int:
    return int(m.case.setup.model.count_params())
