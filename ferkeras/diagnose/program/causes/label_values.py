"""Labels that outputs and loss cannot express, that were spoilt, or that say nothing."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.causes.order import begins_with_one_class, more_is_to_come
from ferkeras.diagnose.program.causes.units import padding_classes, units_are_wrong
from ferkeras.diagnose.program.finding import PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.labels import Labels, shown
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change

_SEEN = 200
"""Training rows below which a class may be missing by chance."""

_MAY_FOLLOW = 0.6
"""Confidence that classes are missing where only the beginning of a stream was read."""

_SHARE = 0.03
_CHANCE = 3


def labels_out_of_range(program: Program) -> ProgramFinding | None:
    """Class numbers beyond the outputs, or beyond 0 and 1 for one unit."""
    labels, units, kind = program.labels, program.head.units, program.loss.kind
    if labels.form == "text":
        expected, code = "whole numbers or one-hot", "y = np.unique(y, return_inverse=True)[1]"
    elif labels.columns or labels.form != "index":
        return None
    else:
        low, high = labels.classes.min(), labels.classes.max()
        signs = kind == "hinge" or (
            kind == "regression" and program.head.activation in ("linear", "tanh", "other")
        )
        if units == 1 and kind in ("binary", "regression"):
            if signs or (low >= 0 and high <= 1):
                return None
            expected = "0 and 1"
        elif units > 1 and kind == "sparse" and not units_are_wrong(program):
            if low >= 0 and high < units:
                return None
            expected = f"0 to {units - 1}"
        else:
            return None
        code = (
            f"y = y - {low:g}"
            if high - low < max(2, units)
            else ("y = np.unique(y, return_inverse=True)[1]")
        )
    values = labels.classes
    what = "number the classes from 0"
    if units == 1 and units_are_wrong(program) and np.array_equal(values, np.arange(len(values))):
        what, code = "leave the labels as they are, and give each a unit", f"Dense({len(values)})"
    return ProgramFinding(
        cause="labels_out_of_range",
        verdict=f"The labels are {shown(values)}, but {program.loss.name} with {units} "
        f"unit{'s' * (units != 1)} expects {expected}.",
        evidence=(Evidence("values of the labels", shown(values), expected, len(values)),),
        remedies=(
            CodeRemedy(
                what,
                "labels that an output can reach",
                code=code,
                change=Change(repaired=True) if program.objective.can_be_repaired else None,
            ),
        ),
        reason="The values are counted, over every label that was seen.",
        source="Keras documentation: losses",
        confidence=PROVEN,
    )


def labels_scaled(program: Program) -> ProgramFinding | None:
    """Class numbers that were divided, multiplied or averaged until they are none."""
    labels, units = program.labels, program.head.units
    if labels.form == "scaled_one_hot":
        value = float(np.unique(labels.flat).max())
        verdict = f"The one-hot labels hold {value:.4g} where 1 is expected: they were scaled."
    elif labels.form == "fractions" and not labels.columns and not labels.is_a_quantity:
        low, high = float(labels.classes.min()), float(labels.classes.max())
        soft = units == 1 and 0 <= low < 0.5 < high <= 1
        if soft:
            return None
        verdict = (
            f"The labels are {shown(labels.classes)}: {len(labels.classes)} classes, but no whole "
            "numbers. They were scaled like inputs"
        )
        left = len(np.unique(labels.flat.astype(np.int64)))
        verdict += (
            f"; as whole numbers, which {program.loss.name} makes of them, {left} "
            f"class{'es' * (left != 1)} remain{'s' * (left == 1)}."
            if program.loss.kind == "sparse"
            else "."
        )
    else:
        return None
    return ProgramFinding(
        cause="labels_destroyed",
        verdict=verdict,
        evidence=(
            Evidence(
                "values of the labels",
                shown(np.unique(labels.flat)),
                "whole numbers, or 0 and 1",
                float(labels.flat.max()),
            ),
        ),
        remedies=(
            CodeRemedy(
                "leave the labels as they are read; scale the inputs alone",
                "classes that differ",
                code="y = np.unique(y, return_inverse=True)[1]",
                change=Change(repaired=True) if program.objective.can_be_repaired else None,
            ),
        ),
        reason="The values are counted.",
        source="Stack Overflow 59325381 and others: labels divided by 255 with the images",
        confidence=PROVEN,
    )


def class_missing_in_training(program: Program) -> ProgramFinding | None:
    """Validation rows have a class that no training row has."""
    labels, held = program.labels, program.validation_labels
    forms = ("index", "one_hot")
    if held is None or labels.form not in forms or held.form not in forms:
        return None
    if labels.counted.ndim > 1 or labels.columns != held.columns:
        return None
    everything = program.all_index
    if everything is None or len(everything) < _SEEN:
        return None
    missing = np.setdiff1d(held.classes, _known_classes(program, _trained_on(program)))
    share = float(np.isin(held.classes[held.index], missing).mean())
    if not len(missing) or share < max(_SHARE, _CHANCE * _missed_by_chance(program, held)):
        return None
    return ProgramFinding(
        cause="class_missing_in_training",
        verdict=f"No training row is of class {shown(missing)}, and {share:.0%} of the validation "
        "rows are: it cannot be learnt.",
        evidence=(
            Evidence(
                f"rows of class {shown(missing)}: training; validation",
                f"0; {share:.0%}",
                "about the same",
                share,
            ),
        ),
        remedies=(
            CodeRemedy(
                "look where it is lost, such as in a filter or a comparison with 0",
                "rows of every class",
                code="dataset.filter(lambda x, label: label >= 0)",
            ),
        ),
        reason="Labels of both splits are counted.",
        source="-",
        confidence=PROVEN,
    )


def _known_classes(program: Program, every: np.ndarray) -> np.ndarray:
    """Classes of all labels that are at hand, not of the rows looked at alone."""
    labels = program.labels
    if labels.form == "index" and not labels.columns:
        return np.union1d(labels.classes, every.reshape(-1))
    if labels.columns and every.ndim == 2 and every.shape[1] == labels.values.shape[-1]:
        return np.union1d(labels.classes, np.flatnonzero((every > 0).any(axis=0)))
    return labels.classes


def _missed_by_chance(program: Program, held: Labels) -> float:
    """What part of validation rows is of classes that chance leaves out of the rows at hand."""
    train = program.train
    if train.ends:
        return 0.0
    parts = np.bincount(held.index) / len(held.index)
    return float((parts * (1 - parts) ** len(train.all_labels)).sum())


def _trained_on(program: Program) -> np.ndarray:
    """All labels at hand, without those that `validation_split` holds out."""
    every, held = program.train.all_labels, program.fit.validation_split
    return every[: int(len(every) * (1 - held))] if held else every


def _one_class(labels: Labels, more: bool) -> ProgramFinding:
    """All labels that were read are of one class; more may follow."""
    count = f"{len(labels.flat):,} training labels are {labels.classes[0]}"
    lost = CodeRemedy("find where the other classes were lost", "two classes or more")
    late = CodeRemedy(
        "where others follow, mix the rows; where they are rare, give validation rows that have "
        "some, which tells the one from the other",
        "batches with every class",
        code="dataset.shuffle(number_of_rows)  # before .batch()",
    )
    return ProgramFinding(
        cause="labels_ill_defined",
        verdict=f"The first {count}, and no more were read: there is nothing to tell apart in them."
        if more
        else f"All {count}: there is nothing to tell apart.",
        evidence=(Evidence("classes in the labels", "1", "at least 2", 1.0),),
        remedies=(lost, late) if more else (lost,),
        reason="The values are counted.",
        source="-",
        severity="suspicious" if more else "broken",
        confidence=_MAY_FOLLOW if more else PROVEN,
    )


def rows_without_class(program: Program) -> ProgramFinding | None:
    """One-hot rows that are zeros only, although the classes exclude each other."""
    fraction = program.labels.classless
    exclusive = program.head.activation == "softmax" or program.loss.kind == "categorical"
    if not fraction or not exclusive or program.head.units == 1:
        return None
    return ProgramFinding(
        cause="rows_without_class",
        verdict=f"{fraction:.0%} of the one-hot labels are zeros only: these rows have no class, "
        f"and {program.loss.name} learns nothing from them.",
        evidence=(
            Evidence("labels that are zeros only", f"{fraction:.0%}", "none", fraction),
            Evidence(
                "rows of each class",
                shown(program.labels.flat.sum(axis=0).astype(np.int64)),
                "-",
                float(program.labels.flat.shape[-1]),
            ),
        ),
        remedies=(
            CodeRemedy(
                "number the classes from 0 before they are made one-hot: an index that is not "
                "below the depth becomes zeros",
                "a class for each row",
                code="y = keras.ops.one_hot(np.unique(y, return_inverse=True)[1], num_classes)",
            ),
            CodeRemedy(
                "where it is meant that none is there, make it a class of its own, or use sigmoids",
                "an answer for these rows",
                code=f'Dense({program.head.units + 1}, activation="softmax")',
            ),
        ),
        reason="The labels of each row are summed.",
        source="Keras documentation: keras.ops.one_hot",
        severity="broken" if fraction > _SHARE else "suspicious",
        confidence=PROVEN,
    )


def labels_ill_defined(program: Program) -> ProgramFinding | None:
    """Only one class, or a class that never counts."""
    labels = program.labels
    unused = padding_classes(program)
    if labels.alike:
        every = program.train.all_labels
        if begins_with_one_class(program) or len(_known_classes(program, every)) > 1:
            return None  # Others come later, or were not drawn.
        return _one_class(labels, more=more_is_to_come(program))
    if not len(unused):
        return None
    fraction = float(np.isin(labels.values, unused).mean())
    return ProgramFinding(
        cause="labels_ill_defined",
        verdict=f"The class {shown(unused)} only fills the ends of sequences up ({fraction:.0%} of "
        "the labels): it is no class, and what is learnt of it is the length of a row.",
        evidence=(
            Evidence(
                "labels of a class that stands at the ends of sequences only",
                f"{fraction:.0%}",
                "masked, and of no class of their own",
                fraction,
            ),
        ),
        remedies=(
            CodeRemedy(
                f"number the classes without {shown(unused)}, and give those steps a weight of 0",
                "labels of which each is learnt",
                code="fit(x, np.maximum(y - 1, 0), sample_weight=(y > 0))"
                if unused.min() == 0
                else "fit(..., sample_weight=...)",
            ),
        ),
        reason="In more than half of the sequences it is the last class, and never stands before "
        "another one.",
        source="Keras documentation: masking and padding",
    )
