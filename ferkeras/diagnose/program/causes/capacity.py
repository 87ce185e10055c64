"""A network too narrow for what it is to learn."""

from __future__ import annotations

import keras

from ferkeras.diagnose.program.finding import CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.rebuilt import widened
from ferkeras.diagnose.program.trees import readable

_NARROW = 16
"""Hidden layers of more units are not called narrow."""

_TINY = 4
_TIMES = 8
_BY_HEART = 64
"""So many rows, any network should be able to learn."""


def is_tiny(program: Program) -> bool:
    """Whether a layer is so narrow that other changes may help it for want of units."""
    narrowest = _narrowest(program)
    return narrowest is not None and narrowest <= _TINY


def network_too_small(program: Program) -> ProgramFinding | None:
    """Generously trained, it stays behind the same network with eight times the units."""
    basis, narrowest = program.trials.basis, _narrowest(program)
    if basis is None or program.trials.learns(basis) or narrowest is None or narrowest > _NARROW:
        return None
    # A wide network also learns noise by heart; of many rows the classes must be in them.
    if len(program.train) > _BY_HEART and (readable(program) or 0.0) < 0.5:
        return None
    wide = widened(program, _TIMES)
    if wide is None:
        return None
    small, large = program.trials.generous(), wide.trials.generous()
    if not small or not large:
        return None
    # The best of several draws of the small one, the worst of the wide one.
    best, worst = max(t.skill for t in small), min(t.skill for t in large)
    if worst < 0.5 or best > 0.6 * worst:
        return None
    return ProgramFinding(
        cause="network_too_small",
        verdict=f"With {narrowest} units in its narrowest hidden layer the network cannot learn "
        f"its own training rows; with {_TIMES * narrowest} it does.",
        evidence=(
            Evidence(
                "units of the narrowest hidden layer",
                f"{narrowest}",
                f"{_TIMES * narrowest}",
                narrowest,
            ),
            Evidence(
                f"training rows named rightly, above the majority, best of {len(small)} draws of "
                f"weights and {small[0].steps:,} steps; worst with {_TIMES} times the units",
                f"{best:.2f}",
                f"{worst:.2f}",
                best,
            ),
        ),
        remedies=(
            CodeRemedy(
                f"give the hidden layers {_TIMES * narrowest} units",
                "training rows that can be learnt",
                code=f"Dense({_TIMES * narrowest}, ...)",
                tried=f"{min(t.accuracy for t in large):.1%} of the training rows are right with "
                f"{_TIMES} times the units, {max(t.accuracy for t in small):.1%} at most as it is",
            ),
        ),
        reason="Both are trained for many steps at a fitting rate from several draws of weights; "
        "the best small one is held against the worst wide one.",
        source="Goodfellow et al., Deep Learning, 5.2: capacity and underfitting",
        confidence=0.85,
    )


def _narrowest(program: Program) -> int | None:
    """Units of the narrowest hidden layer; None where there is no hidden layer."""
    widths = [
        getattr(layer, "units", None) or getattr(layer, "filters", None)
        for layer in program.model._flatten_layers(include_self=False)
        if layer is not program.head.last_weighted
        and isinstance(layer, (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D))
    ]
    return min((int(width) for width in widths if width), default=None)
