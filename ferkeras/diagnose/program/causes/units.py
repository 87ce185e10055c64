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
    if program.loss.kind == "unknown" and units > 1 and len(labels.classes) == units + 1:
        # A loss of its own may ask between which two classes a row lies.
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
    """Classes that are none: they only fill sequences up, and count in the loss all the same.

    Where a mask or weights leave steps out, what is left counts. The last stage of an order of
    stages stands at the ends too, but the inputs go on there.
    """
    labels = program.labels
    counted = labels.counted
    if labels.columns or labels.values.dtype.kind not in "biuf" or not counted.all():
        return np.array([])
    for value in _last(labels.values.reshape(counted.shape)):
        there = labels.values.reshape(counted.shape) == value
        if _nothing_comes_in(program, there) and _counts(program, there):
            return np.array([value])
    return np.array([])


def _last(values: np.ndarray) -> list[float]:
    """Classes that stand at the ends of sequences, and never before another one."""
    if values.ndim != 2 or values.shape[1] < 4:
        return []
    found = []
    for value in np.unique(values[:, -1]):
        there = values == value
        # From its first place on, every step of the row is of this class.
        only_ends = bool((np.maximum.accumulate(there, axis=1) == there).all())
        lengths = len(np.unique(there.sum(axis=1)))
        if only_ends and there.any(axis=1).mean() > 0.5 and lengths > 2:
            found.append(value)
    return found


def _nothing_comes_in(program: Program, there: np.ndarray) -> bool:
    """Whether an input that has the same steps holds one and the same at those."""
    return any(
        each.shape[:2] == there.shape
        and each.dtype.kind in "biuf"
        and bool((np.ptp(each[there].reshape(int(there.sum()), -1), axis=0) == 0).all())
        for each in program.train.arrays
    )


def _counts(program: Program, there: np.ndarray) -> bool:
    """Whether the compiled loss asks for those steps; one of the program's own may not."""
    if not program.objective.works:
        return True
    rows = program.forward.portions(program.judged_rows(32))[0]
    output = program.forward.predict(rows, program.train.x)
    if output.shape[:2] != (len(rows), there.shape[1]):
        return True
    other = output.copy()
    other[there[rows]] = np.linspace(0.1, 0.9, output.shape[-1])
    before, after = (program.objective.loss_of(rows, each) for each in (output, other))
    return not np.isclose(before, after, rtol=1e-6)
