"""Class weights that keep classes out of the loss."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.finding import PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program

_NOTHING = 0.01
"""Of its even share: a class that weighs less is not learnt before all others are."""


def classes_without_weight(program: Program) -> ProgramFinding | None:
    """Classes whose rows, all together, weigh next to nothing in the loss."""
    labels, weight = program.labels, program.objective.row_weights()
    if (
        not program.fit.class_weight
        or weight is None
        or not labels.exclusive
        or labels.counted.ndim != 1
    ):
        return None
    share = np.bincount(labels.index, weight[labels.counted], len(labels.classes))
    if share.sum() <= 0:
        left_out = np.arange(len(share))
    else:
        left_out = np.flatnonzero(share / share.sum() * len(share) < _NOTHING)
    if not len(left_out):
        return None
    names = ", ".join(str(labels.classes[at]) for at in left_out[:5])
    names += ", ..." if len(left_out) > 5 else ""
    one = len(left_out) == 1
    return ProgramFinding(
        cause="classes_without_weight",
        verdict=f"class_weight leaves {len(left_out)} of {len(share)} classes out of the loss "
        f"({names}): {'it is' if one else 'they are'} never learnt.",
        evidence=(
            Evidence(
                "classes that weigh less than a hundredth of their even share",
                f"{len(left_out)}",
                "none",
                float(len(left_out)),
            ),
        ),
        remedies=(
            CodeRemedy(
                "give every class a weight, rare ones more, within a factor of about ten",
                "every class counts",
                code="class_weight={0: 1.0, 1: 1.5, ...}",
            ),
        ),
        reason="Weights and rows are counted.",
        source="Cui et al. 2019, Class-balanced loss based on effective number of samples",
        confidence=PROVEN,
    )
