"""Training labels that do not belong to their rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ferkeras.diagnose.program.causes.inputs import validation_scaled_otherwise
from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.material import Material
from ferkeras.diagnose.program.program import Program

_FEWEST = 100
_MOST = 1500
_COLUMNS = 512
_READ = 0.5
"""Skill of trees within a split above which the other is expected to be read as well."""

_UNREAD = 0.2
"""Of the skill within a split, the most that is left of it in the other."""


def labels_without_meaning(program: Program) -> ProgramFinding | None:
    """Trees read the classes from other validation rows, but not from other training rows."""
    basis, held = program.trials.basis, program.validation
    if (
        basis is None
        or program.trials.learns(basis)
        or held is None
        or program.inputs.first is None
        or min(len(program.train), len(held)) < _FEWEST
        or program.labels.form not in ("index", "one_hot")
        or not program.labels.counted.all()
        or program.labels.counted.ndim > 1
        or program.validation_labels is None
    ):
        return None
    in_training = read_by_trees(program.train, program.labels.index)
    in_validation = read_by_trees(held, program.validation_labels.index)
    # The skill of that many rows without any meaning is known to twice this.
    noise = 1 / np.sqrt(min(len(program.train), _MOST))
    if in_validation < 0.3 or in_training > max(0.1 * in_validation, 2 * noise):
        return None
    return ProgramFinding(
        cause="labels_destroyed",
        verdict="The training labels do not belong to their rows: what tells the classes apart in "
        "the validation split tells nothing in the training split.",
        evidence=(
            Evidence(
                "training rows named rightly, above the majority, by trees grown on other "
                "training rows",
                f"{in_training:.2f}",
                f"{in_validation:.2f}, as within validation",
                in_training,
            ),
        ),
        remedies=(
            CodeRemedy(
                "look where rows and labels part: one of them shuffled, sorted or joined alone",
                "labels that are read from the rows",
                code="x, y = x[rows], y[rows], with the same rows",
            ),
        ),
        reason="Both splits are read in the same way, by trees grown on one half of each and "
        "held against the other.",
        source="Northcutt et al. 2021, Confident learning: out-of-fold predictions",
        confidence=MEASURED,
    )


def validation_labels_of_others(program: Program) -> ProgramFinding | None:
    """Trees read the classes from rows within each split, but not from one in the other."""
    held, other = program.validation, program.validation_labels
    if (
        held is None
        or other is None
        or program.inputs.first is None
        or min(len(program.train), len(held)) < _FEWEST
        or not {program.labels.form, other.form} <= {"index", "one_hot"}
        or not program.labels.counted.all()
        or program.labels.counted.ndim > 1
        or list(program.labels.classes) != list(other.classes)
        or validation_scaled_otherwise(program) is not None
    ):
        return None
    across = _across(program.train, program.labels.index, held, other.index)
    if across > _UNREAD:
        return None
    within = min(
        read_by_trees(program.train, program.labels.index), read_by_trees(held, other.index)
    )
    if within < _READ or across > _UNREAD * within:
        return None
    return ProgramFinding(
        cause="validation_labels_do_not_fit",
        verdict="The labels of the validation split do not mean what those of the training split "
        "mean: each split tells its classes apart, and neither those of the other.",
        evidence=(
            Evidence(
                "validation rows named rightly, above the majority, by trees grown on training "
                "rows",
                f"{across:.2f}",
                f"{within:.2f}, as within each split",
                across,
            ),
        ),
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


def readable(program: Program) -> float | None:
    """How well trees read the classes from the inputs; None where they cannot be asked."""
    labels = program.labels
    if (
        program.inputs.first is None
        or len(program.train) < _FEWEST
        or not labels.exclusive
        or not labels.counted.all()
        or labels.counted.ndim > 1
    ):
        return None
    return read_by_trees(program.train, labels.index)


def read_by_trees(material: Material, labels: np.ndarray) -> float:
    """Skill of trees on rows that they were not grown on, above the majority."""
    from sklearn.model_selection import cross_val_predict

    rows, columns = _table(material)
    truth = labels[rows]
    return _skill(cross_val_predict(_trees(), columns, truth, cv=2), truth)


def _across(train: Material, labels: np.ndarray, held: Material, others: np.ndarray) -> float:
    """Skill on one split's rows of trees that were grown on the other's."""
    rows, columns = _table(train)
    held_rows, held_columns = _table(held)
    said = _trees().fit(columns, labels[rows]).predict(held_columns)
    return _skill(said, others[held_rows])


def _trees() -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(60, random_state=0)


def _table(material: Material) -> tuple[np.ndarray, np.ndarray]:
    """Some rows, and their inputs in columns; the same columns for splits of one shape."""
    rng = np.random.default_rng(0)
    columns = np.concatenate([each[:1].reshape(1, -1) for each in material.arrays], axis=1).shape[1]
    kept = np.sort(rng.choice(columns, min(columns, _COLUMNS), replace=False))
    rows = rng.permutation(len(material))[:_MOST]
    values = np.concatenate([each[rows].reshape(len(rows), -1) for each in material.arrays], axis=1)
    return rows, np.nan_to_num(values[:, kept].astype(np.float32))


def _skill(said: np.ndarray, truth: np.ndarray) -> float:
    base = np.bincount(truth).max() / len(truth)
    return float(((said == truth).mean() - base) / max(1e-9, 1 - base))
