"""What is learnt of training rows alone, and holds for no others."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.causes.validation_labels import has_other_shares
from ferkeras.diagnose.program.comparison import told
from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Trial

_FEWEST = 50

_KNOWN = 0.15
"""Skill from which on training rows are known, where there are enough validation rows."""

_HOLDS = 0.6
"""Of the skill on training rows, the share on validation rows from which on it holds there."""


def learnt_by_heart(program: Program) -> ProgramFinding | None:
    """It comes to know its training rows, and nothing of that holds for validation rows."""
    basis, held = program.trials.basis, program.validation
    if held is None or len(held) < _FEWEST or not _holds(basis, len(held), at_most=_HOLDS):
        return None
    if has_other_shares(program):
        return None
    known = max(_KNOWN, 4 / np.sqrt(min(len(held), 512)))
    # So little may be chance, and what holds is learnt later than what is known by heart.
    basis = program.trials.longer()
    if basis is None or basis.skill < known or not _holds(basis, len(held), at_most=0.0):
        return None
    return ProgramFinding(
        cause="learnt_by_heart",
        verdict="It learns its training rows and knows no more of validation rows than guessing "
        "gives: what tells the classes apart is not in the inputs, or is prepared otherwise for "
        "validation.",
        evidence=(
            Evidence(
                f"rows named rightly, above the majority, after {basis.steps:,} steps: training; "
                "validation",
                f"{told(basis.skill)}; {told(basis.held_skill or 0.0)}",
                "about the same",
                basis.held_skill or 0.0,
            ),
        ),
        remedies=(
            CodeRemedy(
                "look at a few rows as the model gets them, of both splits: is what a person "
                "would go by still there?",
                "something that holds for other rows",
                code="print(next(iter(train)), next(iter(validation)))",
            ),
        ),
        reason="Both splits are asked after the same brief training.",
        source="Zhang et al. 2017, Understanding deep learning requires rethinking generalization",
        confidence=MEASURED,
    )


def _holds(trial: Trial | None, rows: int, *, at_most: float) -> bool:
    """Whether so little of the skill on training rows, or no more than chance, holds elsewhere."""
    if trial is None or trial.held_skill is None:
        return False
    # About three standard errors.
    noise = 2 / np.sqrt(min(rows, 512))
    return trial.skill > noise and trial.held_skill < max(at_most * trial.skill, noise)
