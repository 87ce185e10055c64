"""Classes that one of the splits lacks, or has nearly alone."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.skill import FEWEST_OTHERS, can_measure
from ferkeras.diagnose.symptoms import HALF

_ONE_CLASS = 0.8
"""Fraction of the validation faces above which it is one class that they are of."""

_NOT_BY_CHANCE = 10.0
"""Faces of a class that a drawn split is expected to have, where it has none by no accident."""

_FEW, _LITTLE = 5, 0.01
"""Validation faces of classes that training lacks, and their fraction, below which figures hardly
show it."""

_EXPLAINS = 0.1
"""Fraction of the misclassified faces below which something else is wrong with the others."""


def validation_cannot_measure(m: Measurements) -> Finding | None:
    """Nearly all validation faces are of one class, or none is of one that training has plenty of.

    Then no figure on them means anything, or none of that class does.
    """
    if can_measure(m.validation.labels):
        return _classes_not_measured(m)
    counts = m.case.splits.validation.counts()
    majority, others = int(counts.argmax()), int(counts.sum() - counts.max())
    if others >= FEWEST_OTHERS:
        return None
    name, fraction = m.classes[majority], counts[majority] / counts.sum()
    if fraction < _ONE_CLASS:
        verdict = (
            f"Validation cannot measure: it has {int(counts.sum())} faces in all, and each is "
            f"worth {1 / counts.sum():.0%} of its accuracy."
        )
        remedy = Remedy(
            "hold all faces out in turn (data.folds), or more of them (data.validation_fraction, "
            "where the source has no split of its own); better still, gather more",
            "accuracy on validation faces that means something",
        )
    else:
        verdict = (
            f"Validation cannot measure: "
            f"{'every face' if not others else f'all but {others} faces'} in it "
            f"{'is' if not others else 'are'} {name}, so its accuracy says nothing about the "
            "other classes."
        )
        remedy = Remedy(
            "split the faces anew, shuffled and with every class on both sides; a file that is "
            "sorted by class must not be cut into splits as it stands",
            "accuracy on validation faces that means something",
        )
    return Finding(
        "validation_cannot_measure",
        verdict,
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
        (remedy,),
        "what says one class for everything is right on all of them"
        if fraction >= _ONE_CLASS
        else "two networks of which one is clearly better may get the same figure",
        "counting",
    )


def _classes_not_measured(m: Measurements) -> Finding | None:
    train = m.case.splits.train.counts()
    validation = m.case.splits.validation.counts()
    expected = train / train.sum() * validation.sum()
    lacking = np.flatnonzero((validation == 0) & (expected >= _NOT_BY_CHANCE))
    if not len(lacking):
        return None
    names = " and ".join(m.classes[int(label)] for label in lacking)
    fraction = float(train[lacking].sum() / train.sum())
    return Finding(
        "validation_cannot_measure",
        f"Validation has no face that is {names}, {fraction:.0%} of the training faces: its "
        "figures say nothing about whether they are recognised.",
        (
            Evidence(
                f"validation faces that are {names}",
                f"0 of {int(validation.sum()):,}",
                f"about {expected[lacking].sum():.0f}, as in training",
                0.0,
            ),
        ),
        (
            Remedy(
                "split the faces anew, shuffled and with every class on both sides; check how the "
                "labels of validation are written",
                "a figure for every class",
            ),
        ),
        f"by chance a class of which {_NOT_BY_CHANCE:g} faces are expected is missing once in "
        "20,000 splits",
        "counting",
    )


def missing_class(m: Measurements) -> Finding | None:
    """A class that validation has and training lacks: no network can learn it."""
    return _missing(m, explains=True)


def missing_class_beside(m: Measurements) -> Finding | None:
    """The same where most of what is misclassified is of other classes, which has another cause."""
    return _missing(m, explains=False)


def _missing(m: Measurements, explains: bool) -> Finding | None:
    train = m.case.splits.train.counts()
    validation = m.case.splits.validation.counts()
    missing = np.flatnonzero((train == 0) & (validation > 0))
    if validation[missing].sum() < max(_FEW, _LITTLE * validation.sum()):
        return None
    matrix = m.on_validation.matrix
    wrong = matrix.sum() - np.trace(matrix)
    if (matrix[missing].sum() >= _EXPLAINS * wrong) != explains:
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
