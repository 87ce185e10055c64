"""A number of output units that does not fit the classes."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.finding import PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change


def units_are_wrong(program: Program) -> bool:
    """Whether the outputs cannot hold the classes of the labels."""
    labels, units = program.labels, program.head.units
    if labels.form in ("text",):
        return False
    if labels.columns:
        return labels.values.shape[-1] != units
    if labels.form == "fractions" and units == 1 and _are_shares(labels.values):
        return False
    if program.loss.kind == "sparse" and units > 1:
        return len(labels.classes) > units
    return len(labels.classes) > max(2, units)


def _are_shares(values: np.ndarray) -> bool:
    """Whether fractions are parts of a whole, as those of several raters' answers are."""
    return bool(values.min() >= 0 and values.max() <= 1)


def output_units(program: Program) -> ProgramFinding | None:
    """Fewer units than classes, columns that do not match, or a unit for no class."""
    labels, units = program.labels, program.head.units
    unused = padding_classes(program)
    if units_are_wrong(program):
        needed = labels.values.shape[-1] if labels.columns else len(labels.classes)
        verdict = (
            f"The labels have {needed} classes, but {program.head.layer!r} has {units} "
            f"unit{'s' * (units != 1)}."
        )
    elif len(unused) and units > (real := len(np.setdiff1d(labels.classes, unused))):
        needed = real
        verdict = (
            f"Class {', '.join(f'{v:g}' for v in unused)} only fills sequences up, so a unit of "
            f"{program.head.layer!r} is for a class that is none."
        )
    else:
        return None
    return ProgramFinding(
        cause="output_units",
        verdict=verdict,
        evidence=(
            Evidence("output units", f"{units}", f"{needed}, one a class", units),
            Evidence(
                "classes in the labels that count",
                f"{len(labels.classes)}",
                f"{units}",
                len(labels.classes),
            ),
        ),
        remedies=(
            CodeRemedy(
                f"give {program.head.layer!r} {needed} units, with softmax",
                "an output for every class",
                code=f'Dense({needed}, activation="softmax")',
                change=Change(repaired=True)
                if program.objective.can_be_repaired and not units_are_wrong(program)
                else None,
            ),
        ),
        reason="Labels and output shape are counted.",
        source="Keras documentation: losses",
        confidence=PROVEN,
    )


def padding_classes(program: Program) -> np.ndarray:
    """Classes that are none: they occur where steps are masked, or fill sequences up, only."""
    labels = program.labels
    if labels.columns or labels.values.dtype.kind not in "biuf" or labels.counted.ndim == 1:
        return np.array([])
    if not labels.counted.all():
        masked = np.setdiff1d(np.unique(labels.values), labels.classes)
        if len(masked):
            return masked
    return _padding(labels.values.reshape(labels.counted.shape))


def _padding(values: np.ndarray) -> np.ndarray:
    """The class that only fills sequences up: it stands at their ends and never before another."""
    if values.ndim != 2 or values.shape[1] < 4:
        return np.array([])
    last = np.unique(values[:, -1])
    for value in last:
        there = values == value
        # From its first place on, every step of the row is of this class.
        only_ends = bool((np.maximum.accumulate(there, axis=1) == there).all())
        lengths = len(np.unique(there.sum(axis=1)))
        if only_ends and there.any(axis=1).mean() > 0.5 and lengths > 2:
            return np.array([value])
    return np.array([])
