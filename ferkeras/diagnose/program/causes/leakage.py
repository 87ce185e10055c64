"""Validation rows that are training rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.material import Material
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trees import FEWEST, read_across, read_by_one_column

_MANY = 0.05
_FEW_ROWS = 50

_COLUMNS = 200
_TELLS = 0.7
"""Skill of one column that is hardly ever a measurement's."""

_HOLDS = 0.3
"""Skill from the other columns from which on labels mean the same in both splits."""

_UNTOLD = 0.4
"""Of that, the most that is left of it in the other split."""


def _weighed(material: Material) -> np.ndarray:
    """Digests of the rows that count: a weight of 0 may part one table into splits."""
    weight = material.weight
    if weight is None or weight.shape[:1] != (len(material),):
        return material.digests
    return material.digests[weight.reshape(len(material), -1).any(axis=1)]


def leakage(program: Program) -> ProgramFinding | None:
    """Rows of the validation split stand in the training split as well."""
    train, validation = program.train, program.validation
    if validation is None or len(validation) < _FEW_ROWS:
        return None
    known, found = _weighed(train), _weighed(validation)
    if not len(known) or not len(found):
        return None
    shared = float(np.isin(found, known).mean())
    within = 1 - len(set(known)) / len(known)
    # Of a sample of the training rows as many are missed as were not drawn.
    labelled = (program.rows or len(train)) * train.labelled
    seen = min(1.0, len(train) / labelled)
    if seen < 1:
        # So are those that repeat: one half is held against the other, as the splits are.
        mixed = np.random.default_rng(0).permutation(known)
        within = float(np.isin(mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]).mean())
        shared, within = min(1.0, shared / seen), min(1.0, within / seen)
    # Rows of few different values repeat by themselves.
    if shared < _MANY or shared < 3 * within:
        return None
    remedy = CodeRemedy(
        "split once, before anything repeats, oversamples or augments rows",
        "a validation score that holds elsewhere",
        code="train_test_split(...)",
    )
    return ProgramFinding(
        cause="leakage",
        verdict=f"{shared:.0%} of the validation rows are training rows, value by value: "
        "validation tells what was memorised.",
        evidence=(
            Evidence("validation rows that are training rows", f"{shared:.0%}", "none", shared),
            Evidence("training rows that repeat another", f"{within:.0%}", "-", within),
        ),
        remedies=(*_drawn_once(program), remedy),
        reason="One row in twenty, and three times as often as rows repeat by themselves.",
        source="Kaufman et al. 2012, Leakage in data mining",
        severity="broken" if shared > 0.5 else "suspicious",
        confidence=MEASURED,
    )


def _drawn_once(program: Program) -> tuple[CodeRemedy, ...]:
    """What is to be done where both splits are taken from one Dataset that is shuffled anew."""
    if program.validation is None or not (program.train.streamed and program.validation.streamed):
        return ()
    return (
        CodeRemedy(
            "shuffle after `take` and `skip`, or once for all: `shuffle` draws anew each time that "
            "a Dataset is read, so every epoch has other rows on either side",
            "rows that stay on their side",
            code="dataset.shuffle(len(x), reshuffle_each_iteration=False)",
        ),
    )


def column_of_the_labels(program: Program) -> ProgramFinding | None:
    """One column tells the classes of training rows, and nothing of validation rows."""
    train, held = program.train, program.validation
    labels, others = program.labels, program.validation_labels
    if (
        held is None
        or others is None
        or program.inputs.first is None
        or len(train.arrays) != 1
        or train.arrays[0].ndim != 2
        or min(len(train), len(held)) < FEWEST
        or not {labels.form, others.form} <= {"index", "one_hot"}
        or not labels.counted.all()
        or labels.counted.ndim > 1
        or list(labels.classes) != list(others.classes)
    ):
        return None
    for column in range(min(train.arrays[0].shape[1], _COLUMNS)):
        inside, outside = read_by_one_column(
            train.arrays[0][:, column], labels.index, held.arrays[0][:, column], others.index
        )
        if inside < _TELLS or outside > _UNTOLD * inside or not _others_hold(program, column):
            continue
        return ProgramFinding(
            cause="leakage",
            verdict=f"Column {column} alone tells the classes of training rows, and next to "
            "nothing of validation rows: it was made from the labels of the training split.",
            evidence=(
                Evidence(
                    f"rows named rightly, above the majority, from column {column}: other training "
                    "rows; validation rows",
                    f"{inside:.2f}; {outside:.2f}",
                    "about the same",
                    inside,
                ),
            ),
            remedies=(
                CodeRemedy(
                    "make such a column from other rows than those that it stands in, or leave it "
                    "out",
                    "a model that learns what holds elsewhere",
                    code="sklearn.preprocessing.TargetEncoder().fit_transform(x, y)",
                ),
            ),
            reason="A small tree is grown on one column of half of the training rows, and held "
            "against the other half and against the validation rows.",
            source="Kaufman et al. 2012, Leakage in data mining",
            confidence=MEASURED,
        )
    return None


def _others_hold(program: Program, column: int) -> bool:
    """Whether validation rows are read from the other columns: their labels mean the same."""
    train, held = program.train, program.validation
    others = program.validation_labels
    if held is None or others is None:
        return False
    rest = [replace(each, x=np.delete(each.arrays[0], column, axis=1)) for each in (train, held)]
    return read_across(rest[0], program.labels.index, rest[1], others.index) > _HOLDS
