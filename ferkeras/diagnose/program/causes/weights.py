"""First weights that make all units of a layer the same, explode, or are no numbers."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change

_HUGE = 50.0
"""Times the cross-entropy of always answering alike; a random start has 1 to 3."""


def initialisation(program: Program) -> ProgramFinding | None:
    """Weights of the start from which no training can go on."""
    broken = [v.path for v in program.model.weights if not np.isfinite(v.numpy()).all()]
    if broken:
        return _finding(
            f"{len(broken)} weights are not finite, {broken[0]} first.",
            Evidence("weights that are not finite", f"{len(broken)}", "none", len(broken)),
            PROVEN,
        )
    if twins := program.twin_units:
        path, units = twins[0]
        return _finding(
            f"All {units} units of {path} begin with the same weights and get the same gradient: "
            "they stay copies of one.",
            Evidence(
                "units of one layer with the same weights and gradient",
                f"{units}",
                "all different",
                units,
            ),
            PROVEN,
        )
    return _exploding(program)


def _exploding(program: Program) -> ProgramFinding | None:
    if program.inputs_are_unscaled or program.loss.kind == "unknown":
        return None
    reached = program.largest_activation
    if reached is None or reached < _HUGE:
        return None
    change = program.compared(Change(fresh=True))
    if change is None or not change.helps:
        return None
    return _finding(
        f"The first weights make outputs of {reached:,.0f} times the size of the inputs.",
        Evidence(
            "outputs of the last layer, in sizes of the inputs",
            f"{reached:,.0f}",
            "about 1",
            reached,
        ),
        MEASURED,
        change.words,
    )


def _finding(
    verdict: str, evidence: Evidence, confidence: float, tried: str = ""
) -> ProgramFinding:
    return ProgramFinding(
        cause="initialisation",
        verdict=verdict,
        evidence=(evidence,),
        remedies=(
            CodeRemedy(
                "leave the initialiser out, which draws weights by the Glorot rule",
                "units that differ, and outputs about as large as inputs",
                code='kernel_initializer="glorot_uniform"',
                change=Change(fresh=True),
                tried=tried,
            ),
        ),
        reason="Equal units get equal gradients for ever; only a random start tells them apart.",
        source="Glorot and Bengio 2010",
        confidence=confidence,
    )
