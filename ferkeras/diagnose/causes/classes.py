"""Emotions that occur in validation and never in training."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements


def missing_class(m: Measurements) -> Finding | None:
    """A class that validation has and training lacks: no network can learn it."""
    train = m.case.splits.train.counts()
    validation = m.case.splits.validation.counts()
    missing = np.flatnonzero((train == 0) & (validation > 0))
    if not len(missing):
        return None
    names = " and ".join(m.classes[int(label)] for label in missing)
    asked = int(validation[missing].sum())
    return Finding(
        "missing_class",
        f"Training has no face that is {names}, so every such validation face is misclassified.",
        (
            Evidence(
                f"validation faces that are {names}",
                f"{asked:,} of {int(validation.sum()):,}",
                "none, or some in training too",
                asked / int(validation.sum()),
            ),
        ),
        (
            Remedy(
                f"add training faces that are {names}, or split the faces anew so that each "
                "emotion is on both sides; check how their labels are written",
                "every emotion can be predicted",
            ),
        ),
        "a class that never occurs cannot be learned",
        "counting",
    )
