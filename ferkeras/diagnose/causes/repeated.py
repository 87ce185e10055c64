"""Few images, many times each."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.skill import FEWEST_OTHERS
from ferkeras.diagnose.symptoms import HALF

_FEWEST = 5


def repeated_faces(m: Measurements) -> Finding | None:
    """Training faces, or those of a class, of which most are copies, and that teach nothing.

    Rare faces that were copied on purpose, and from which validation faces are recognised, are
    none of it.
    """
    labels, digests = m.case.splits.train.labels, m.train_digests
    distinct = _distinct(digests, np.ones(len(labels), bool))
    if distinct < HALF * len(labels) and m.on_validation.skill < HALF * m.on_train.skill:
        return _finding(m, "training faces", distinct, len(labels), m.on_validation.skill)
    for label in np.unique(labels):
        mine = labels == label
        distinct = _distinct(digests, mine)
        if mine.sum() < FEWEST_OTHERS or distinct >= HALF * mine.sum():
            continue
        known = _recall(m.on_validation.matrix, int(label))
        if known < HALF * _recall(m.on_train.matrix, int(label)):
            what = f"training faces that are {m.classes[int(label)]}"
            return _finding(m, what, distinct, int(mine.sum()), known)
    return None


def _distinct(digests: list[bytes], mask: np.ndarray) -> int:
    return len({digests[row] for row in np.flatnonzero(mask)})


def _recall(matrix: np.ndarray, label: int) -> float:
    """NaN, with which nothing compares, where too few faces are of this class to tell."""
    count = int(matrix[label].sum())
    return float(matrix[label, label] / count) if count >= _FEWEST else float("nan")


def _finding(m: Measurements, what: str, distinct: int, faces: int, known: float) -> Finding:
    whole = faces == len(m.case.splits.train)
    return Finding(
        "repeated_faces",
        f"The {faces:,} {what} are copies of {distinct:,} image{'s' * (distinct > 1)}: "
        "they can be known by heart, and nothing follows for other faces.",
        (
            Evidence(
                f"distinct images among the {what}",
                f"{distinct:,} of {faces:,}",
                "nearly all",
                distinct / faces,
            ),
            Evidence(
                "skill on validation faces" if whole else "validation faces of it that are right",
                f"{known:.2f}" if whole else f"{known:.0%}",
                f"above {HALF * m.on_train.skill:.2f}, half of that on training faces"
                if whole
                else "more than half as many as of training",
                known,
            ),
        ),
        (
            Remedy(
                "read the images anew from where they came from: a placeholder, or one picture "
                "for many rows, has taken their place (python -m ferkeras.check_data lists copies)",
                "faces that differ",
            ),
        ),
        "where more than half are copies, an epoch shows the same picture more than twice",
        "Barz & Denzler 2020, Do we train on test data?",
    )
