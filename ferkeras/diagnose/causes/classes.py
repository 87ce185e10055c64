"""Classes that one of the splits lacks, or has nearly alone."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.skill import FEWEST_OTHERS, can_measure
from ferkeras.diagnose.symptoms import HALF


def validation_cannot_measure(m: Measurements) -> Finding | None:
    """Nearly all validation faces are of one class: no figure on them means anything."""
    if can_measure(m.validation.labels):
        return None
    counts = m.case.splits.validation.counts()
    majority, others = int(counts.argmax()), int(counts.sum() - counts.max())
    if others >= FEWEST_OTHERS:
        return None
    name, fraction = m.classes[majority], counts[majority] / counts.sum()
    return Finding(
        "validation_cannot_measure",
        f"Validation cannot measure: {'every face' if not others else f'all but {others} faces'} "
        f"in it {'is' if not others else 'are'} {name}, so its accuracy says nothing about the "
        "other classes.",
        (
            Evidence(
                f"validation faces that are {name}",
                f"{counts[majority]:,} of {int(counts.sum()):,} ({fraction:.0%})",
                f"at least {FEWEST_OTHERS} faces of others, and some of each class",
                float(fraction),
            ),
            Evidence(
                "skill on training faces (Cohen's kappa)",
                f"{m.on_train.skill:.2f}",
                f"above {HALF * m.reference_within_train.skill:.2f}, half of linear regression on "
                "gradients",
                m.on_train.skill,
            ),
        ),
        (
            Remedy(
                "split the faces anew, shuffled and with every class on both sides; a file that is "
                "sorted by class must not be cut into splits as it stands",
                "accuracy on validation faces that means something",
            ),
        ),
        "what says one class for everything is right on all of them",
        "counting",
    )


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
                "class is on both sides; check how their labels are written",
                "every class can be predicted",
            ),
        ),
        "a class that never occurs cannot be learned",
        "counting",
    )
