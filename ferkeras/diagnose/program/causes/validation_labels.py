"""Validation rows for which what the training rows say of their classes does not hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ferkeras.diagnose.program.causes.inputs import validation_scaled_otherwise
from ferkeras.diagnose.program.causes.leakage import column_of_the_labels
from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.labels import Labels
from ferkeras.diagnose.program.material import Material
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trees import (
    FEWEST,
    counted,
    frequent,
    nearness,
    none_of,
    read_across,
    read_by_trees,
    told_apart,
)
from ferkeras.diagnose.program.ways_back import EXPECTED, GAIN, way_back

_APART = 0.6
"""How surely rows of two splits are told apart whose inputs differ."""

_HALF = 0.5
"""Of the skill within a split, the most that is left of it where pictures were turned."""

_COPIES = 0.8
"""How near training rows are to one another, of how near validation rows are to them, below which
they are copies of each other."""

_SHIFT = 0.2
"""Part of the rows that would have to be of another class for both splits to have them alike."""

_NEARLY = 0.9
"""Of the skill within a split, what other numbers must bring at least."""

_UNREAD = 0.2
"""Of the skill within a split, the most that is left of it in the other."""


def _validation_destroyed(
    train: Material, held: Material, in_training: float, in_validation: float, across: float
) -> ProgramFinding | None:
    """Rows of both splits are alike, and labels that can be read in one say nothing in the other.

    None where the rows are not alike, or training's are many times the same.
    """
    apart = told_apart(train, held)
    if apart > _APART or nearness(train, held) < _COPIES:
        return None
    return ProgramFinding(
        cause="validation_labels_do_not_fit",
        verdict="The validation labels do not belong to their rows: what tells the classes apart "
        "in the training split tells nothing in the validation split, whose rows look the same.",
        evidence=(
            Evidence(
                "validation rows named rightly, above the majority, by trees grown on training "
                "rows; by trees grown on other validation rows",
                f"{across:.2f}; {in_validation:.2f}",
                f"{in_training:.2f}, as within training",
                across,
            ),
            _told(apart, "about 0, as here"),
        ),
        remedies=(
            CodeRemedy(
                "look where rows and labels part: one of them shuffled, sorted or joined alone; "
                "some functions shuffle the list that they are given",
                "figures of validation that mean what they say",
                code="x_val, y_val = x[rows], y[rows]  # with the same rows; labels=list(labels)",
            ),
        ),
        reason="Both splits are read in the same way, by trees grown on rows of one and held "
        "against others of it, and of the other.",
        source="Northcutt et al. 2021, Confident learning: out-of-fold predictions",
        severity="suspicious",
        confidence=MEASURED,
    )


def validation_labels_of_others(program: Program) -> ProgramFinding | None:
    """Trees read the classes from rows within each split, but not from one in the other."""
    held, other = program.validation, program.validation_labels
    if (
        held is None
        or other is None
        or (program.inputs.first is None and not _is_words(program))
        or min(len(program.train), len(held)) < FEWEST
        or not {program.labels.form, other.form} <= {"index", "one_hot"}
        or not program.labels.counted.all()
        or program.labels.counted.ndim > 1
        or len(other.classes) < 2
        or [each.shape[1:] for each in held.arrays]
        != [each.shape[1:] for each in program.train.arrays]
        or validation_scaled_otherwise(program) is not None
        or column_of_the_labels(program) is not None
    ):
        return None
    truth, said = _numbered(program.labels, other)
    train, words = program.train, _is_words(program)
    if words:
        known = frequent(train.arrays[0])
        train, held = (replace(each, x=counted(each.arrays[0], known)) for each in (train, held))
    across = read_across(train, truth, held, said)
    if across > EXPECTED:
        return None
    in_training, in_validation = read_by_trees(train, truth), read_by_trees(held, said)
    nothing = max(in_validation, across) < none_of(in_training, len(held))
    if nothing and in_training > EXPECTED and not has_other_shares(program):
        return _validation_destroyed(train, held, in_training, in_validation, across)
    within = min(in_training, in_validation)
    if not words and _shares_are_renamed(truth, said) and across < within - GAIN:
        renamed = read_across(train, truth, held, said, renamed=True)
        if renamed > max(_NEARLY * within, none_of(0.0, len(held))):
            return _numbered_anew(across, renamed, within)
    if within < EXPECTED or across > _HALF * within:
        return None
    measured = Evidence(
        "validation rows named rightly, above the majority, by trees grown on training rows",
        f"{across:.2f}",
        f"{within:.2f}, as within each split",
        across,
    )
    if words:
        renamed = read_across(train, truth, held, said, renamed=True)
        if across > _UNREAD * within and renamed < _HALF * within:
            return None
        if renamed < _HALF * within:
            return _numbered_otherwise(measured)
    apart = told_apart(train, held)
    way = way_back(train, truth, held, said, across)
    if way is None and across > _UNREAD * within:
        return None
    if way is not None or apart > _APART:
        return _inputs_differ(way, (measured, _told(apart, "about 0")))
    return ProgramFinding(
        cause="validation_labels_do_not_fit",
        verdict="The labels of the validation split do not mean what those of the training split "
        "mean: the classes can be read within each split, and not from one in the other.",
        evidence=(measured, _told(apart, "about 0, as here")),
        remedies=(
            CodeRemedy(
                "number the classes of both splits by one list, and keep labels with their rows",
                "figures of validation that mean what they say",
                code="classes = sorted(set(names_train)); y_val = encode(names_val, classes)",
            ),
        ),
        reason="Both splits are read in the same way, by trees grown on rows of one and held "
        "against others of it, and of the other.",
        source="Breck et al. 2019, Data validation for machine learning",
        severity="suspicious",
        confidence=MEASURED,
    )


def _shares_are_renamed(truth: np.ndarray, said: np.ndarray) -> bool:
    """Whether each class is as frequent in one split as another class is in the other."""
    count = int(max(truth.max(), said.max())) + 1
    first, second = (np.bincount(each, minlength=count) / len(each) for each in (truth, said))
    as_named = float(np.abs(first - second).sum()) / 2
    by_size = float(np.abs(np.sort(first) - np.sort(second)).sum()) / 2
    return as_named > _SHIFT / 2 and by_size < as_named / 2


def _numbered_anew(across: float, renamed: float, within: float) -> ProgramFinding:
    return ProgramFinding(
        cause="validation_labels_do_not_fit",
        verdict="The validation split numbers its classes otherwise than the training split: with "
        "other numbers for its classes what is learnt of training rows holds for validation rows, "
        "and as they are it does not.",
        evidence=(
            Evidence(
                "validation rows named rightly, above the majority, by trees grown on training "
                "rows, as they are numbered and as they fit best",
                f"{across:.2f}; {renamed:.2f}",
                f"{within:.2f}, as within each split",
                across,
            ),
        ),
        remedies=(
            CodeRemedy(
                "number the classes of both splits by one list: what numbers them in the order in "
                "which they come (pd.factorize, a set) numbers each split by itself",
                "figures of validation that mean what they say",
                code="classes = sorted(set(names)); y = [classes.index(name) for name in names]",
            ),
        ),
        reason="Trees grown on training rows are held against validation rows, once with the "
        "classes exchanged; each class is as frequent in one split as another one in the other.",
        source="Breck et al. 2019, Data validation for machine learning",
        severity="broken",
        confidence=MEASURED,
    )


def has_other_shares(program: Program) -> bool:
    """Whether classes are far more or less frequent in validation: a skill above the majority of
    the one split is then another thing than one above that of the other."""
    other = program.validation_labels
    if other is None:
        return False
    truth, said = _numbered(program.labels, other)
    count = int(max(truth.max(), said.max())) + 1
    shares = [np.bincount(each, minlength=count) / len(each) for each in (truth, said)]
    return float(np.abs(shares[0] - shares[1]).sum()) / 2 > _SHIFT


def _is_words(program: Program) -> bool:
    """Whether the rows are numbers of words, shape (N, words), as the program gives them."""
    arrays = program.train.arrays
    numbers = len(arrays) == 1 and arrays[0].ndim == 2 and arrays[0].dtype.kind in "iuf"
    return numbers and program.inputs.looked_up is not None


def _numbered_otherwise(measured: Evidence) -> ProgramFinding:
    return ProgramFinding(
        cause="validation_inputs_unlike",
        verdict="The words of the validation rows have other numbers than those of the training "
        "rows: the classes can be read from them within each split, and not from one in the other.",
        evidence=(measured,),
        remedies=(
            CodeRemedy(
                "make the vocabulary once, from training texts, and number both splits by it",
                "figures of validation that mean what they say",
                code="vectorizer.adapt(train_texts); x_val = vectorizer(val_texts)",
            ),
        ),
        reason="How often each number is in a row is read by trees, grown on rows of one split and "
        "held against others of it, and of the other.",
        source="Breck et al. 2019, Data validation for machine learning (training-serving skew)",
        severity="suspicious",
        confidence=MEASURED,
    )


def _inputs_differ(way: tuple[str, str] | None, evidence: tuple[Evidence, ...]) -> ProgramFinding:
    what = "" if way is None else f": with {way[0]} these are read"
    code = "x_train, x_val = prepare(x_train), prepare(x_val)" if way is None else way[1]
    return ProgramFinding(
        cause="validation_inputs_unlike",
        verdict="The inputs of the two splits are not alike, so what is learnt from training rows "
        f"does not hold for validation rows{what}.",
        evidence=evidence,
        remedies=(
            CodeRemedy(
                "prepare both splits by the same function; it may be the training rows that are "
                "turned, such as by `.map`",
                "figures of validation that mean what they say",
                code=code,
            ),
        ),
        reason="Trees that are grown on rows of both splits say of others which split they are "
        "of; within each split the classes are read.",
        source="Lopez-Paz and Oquab 2017, Revisiting classifier two-sample tests",
        severity="suspicious",
        confidence=MEASURED,
    )


def _told(apart: float, usual: str) -> Evidence:
    return Evidence(
        "training and validation rows told apart by their inputs, 1 for always",
        f"{apart:.2f}",
        usual,
        apart,
    )


def _numbered(labels: Labels, others: Labels) -> tuple[np.ndarray, np.ndarray]:
    """The class of each row of two splits, by one numbering of their values."""
    values = [each.classes[each.index] for each in (labels, others)]
    number = np.unique(np.concatenate(values), return_inverse=True)[1]
    return number[: len(values[0])], number[len(values[0]) :]
