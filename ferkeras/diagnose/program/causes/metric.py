"""A metric that does not measure what its name says."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program

_APART = 0.1
"""An accuracy this far from the counted one measures something else."""


def wrong_metric(program: Program) -> ProgramFinding | None:
    """A compiled accuracy is not the fraction of rows whose class was named."""
    labels = program.labels
    if (
        not labels.exclusive
        or labels.form not in ("index", "one_hot")
        or not labels.counted.all()
        or program.loss.kind == "unknown"
        or not _can_be_right(program)
    ):
        return None
    for name, metric, value, counted in program.metric_values:
        if min(abs(value - counted)) <= _APART:
            continue
        place = int(np.argmin(abs(value - counted)))
        return ProgramFinding(
            cause="wrong_metric",
            verdict=f"The metric {name} ({metric}) says {value[place]:.1%} where "
            f"{counted[place]:.1%} of the rows are named rightly.",
            evidence=(
                Evidence(
                    f"{name} of outputs that were made up, some right and some wrong",
                    f"{value[place]:.1%}",
                    f"{counted[place]:.1%}",
                    float(value[place]),
                ),
            ),
            remedies=(
                CodeRemedy(
                    f"use {_fitting(program)}",
                    "a metric that counts right answers",
                    code=f'metrics=["{_fitting(program)}"]',
                ),
            ),
            reason="The metric is given outputs of which it is known how many are right, of two "
            "kinds; it is called wrong where it is far from both counts.",
            source="Keras documentation: accuracy metrics",
            severity="suspicious",
            confidence=MEASURED,
        )
    return None


def _can_be_right(program: Program) -> bool:
    """Whether outputs can name the classes of the labels, so that some can be made up."""
    classes, units = program.labels.classes, program.head.units
    if units == 1:
        return len(classes) == 2
    return bool(program.loss_works and classes.min() >= 0 and classes.max() < units)


def _fitting(program: Program) -> str:
    labels = program.labels
    if program.head.units == 1:
        return "binary_accuracy"
    return "categorical_accuracy" if labels.columns else "sparse_categorical_accuracy"
