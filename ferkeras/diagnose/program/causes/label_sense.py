"""Training labels that do not belong to their rows."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.material import Material
from ferkeras.diagnose.program.program import Program

_FEWEST = 100
_MOST = 1500
_COLUMNS = 512


def labels_without_meaning(program: Program) -> ProgramFinding | None:
    """Trees read the classes from other validation rows, but not from other training rows."""
    basis, held = program.trials.basis, program.validation
    if (
        basis is None
        or program.trials.learns(basis)
        or held is None
        or program.first_input is None
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


def read_by_trees(material: Material, labels: np.ndarray) -> float:
    """Skill of trees on rows that they were not grown on, above the majority."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import cross_val_predict

    rng = np.random.default_rng(0)
    rows = rng.permutation(len(material))[:_MOST]
    columns = np.concatenate(
        [each[rows].reshape(len(rows), -1) for each in material.arrays], axis=1
    )
    if columns.shape[1] > _COLUMNS:
        columns = columns[:, rng.choice(columns.shape[1], _COLUMNS, replace=False)]
    truth = labels[rows]
    trees = ExtraTreesClassifier(60, random_state=0)
    said = cross_val_predict(trees, np.nan_to_num(columns.astype(np.float32)), truth, cv=2)
    base = np.bincount(truth).max() / len(truth)
    return float(((said == truth).mean() - base) / max(1e-9, 1 - base))
