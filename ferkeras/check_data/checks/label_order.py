"""Labels written in another order of the classes: in one split only, or in all of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from ferkeras.check_data.finding import Finding, Level
from ferkeras.check_data.material import HELD_OUT, SPLITS, Material
from ferkeras.data.presets.fer2013 import FER2013, TRAINING_COUNTS
from ferkeras.data.task import Classes

SURE = 6.0
"""Standard errors by which another order must do better. The best of 5,040 orders is tried: at
chance that is exceeded once in 200,000 times."""

FITS, DIFFERS = 0.02, 0.04
"""Total variation distance of class fractions from those of FER2013: nearer than the first is the
same data, further than the second is not. The alphabetical order is 0.063 away."""

_FEWEST = 1_000
_RIDGE = 1e-3


class Order(NamedTuple):
    """The order of classes that fits best, and how much better than the labels as they are.

    Attributes:
        truth_of: `truth_of[k]` is the class that label k seems to mean.
        errors: by how many standard errors the mean recall is higher than with the labels as
            they are; 0 if they fit best.
        recall: mean recall over the classes, with the labels as they are.
    """

    truth_of: tuple[int, ...]
    errors: float
    recall: float


def alphabetical(classes: Classes) -> tuple[int, ...]:
    """Class index of the k-th name of the alphabet, for each k."""
    return tuple(classes.index(name) for name in sorted(classes))


def best_order(labels: np.ndarray, predicted: np.ndarray, classes: int) -> Order:
    """Find the meaning of the labels under which the predictions have the highest mean recall.

    Mean recall gives every class the same weight, so that neither the fractions of the classes nor
    a bias of the predictions towards some of them can favour another order.

    Args:
        labels: int, shape (N,), 0 to K - 1.
        predicted: int, shape (N,), of something that does not know these labels.
        classes: their number K.
    """
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, predicted), 1)
    faces = counts.sum(axis=1)
    # Orders of the classes that occur: a class that is predicted but never true would otherwise
    # make a present for whoever takes its place.
    present = np.flatnonzero(faces)
    recall = counts[np.ix_(present, present)] / faces[present, None]
    rows, columns = linear_sum_assignment(recall, maximize=True)
    truth_of = np.arange(classes)
    truth_of[present[rows]] = present[columns]
    # Of a few faces all may get one prediction; one face more, with a part of every prediction,
    # keeps the error honest.
    smoothed = (counts[present] + 1 / classes) / (faces[present, None] + 1)
    here = np.arange(len(present))
    other, same = smoothed[here, truth_of[present]], smoothed[here, present]
    moved = truth_of[present] != present
    variance = np.where(moved, other + same - (other - same) ** 2, 0) / faces[present]
    gain = np.where(moved, other - same, 0).sum()
    errors = float(gain / np.sqrt(variance.sum())) if moved.any() else 0.0
    return Order(tuple(truth_of.tolist()), errors, float(np.diag(recall).mean()))


def linear_predictions(material: Material, training: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Predictions of a ridge regression on thumbnails, classes weighted equally: int64, shape (M,).

    Args:
        material: what is checked.
        training: indices of the faces to learn from.
        others: int, shape (M,), indices of the faces to predict.
    """
    classes = len(material.faces.classes)
    labels = material.faces.labels[training]
    weight = 1 / np.bincount(labels, minlength=classes)[labels]
    x = _with_constant(material.thumbnails[training])
    weighted = (x * weight[:, None]).T
    square = weighted @ x
    square += np.eye(len(square)) * _RIDGE * np.trace(square) / len(square)
    weights = np.linalg.solve(square, weighted @ np.eye(classes)[labels])
    return (_with_constant(material.thumbnails[others]) @ weights).argmax(axis=1)


def check_label_order(material: Material) -> Finding:
    """Whether a split, or the whole source, has its labels in another order.

    Split against split: a linear classifier is trained on the training faces and predicts the
    others; if another order of the classes fits its predictions better by `SURE` standard errors,
    one of the two is in another order. The whole source: its class fractions are those of FER2013
    in alphabetical order, and are not those of FER2013 as they are.
    """
    training = material.members("train")
    faces, classes = material.faces, material.faces.classes
    chance = 1 / len(classes)
    numbers: dict[str, Any] = {"splits": {}}
    wrong, said, look = [], [], ""
    for split in material.present(SPLITS):
        counts = faces.take(material.members(split)).counts()
        if material.official and alphabetical_fractions(counts, classes):
            wrong.append(f"{split} has the class fractions of FER2013 in alphabetical order")
    if not material.official and alphabetical_fractions(faces.counts(), classes):
        wrong.append("it has the class fractions of FER2013 in alphabetical order")
    for split in material.present(HELD_OUT) if len(training) else ():
        members = material.members(split)
        predicted = linear_predictions(material, training, members)
        order = best_order(faces.labels[members], predicted, len(classes))
        numbers["splits"][split] = order._asdict()
        said.append(
            f"{split}: a linear classifier recalls {order.recall:.0%} (chance {chance:.0%})"
        )
        if order.errors > SURE:
            wrong.append(f"{split}: {_meaning(order, classes)}")
        elif len(members) >= _FEWEST and order.recall < 1.25 * chance:
            look = f"labels of {split} hardly follow from the pixels: shuffled, or other rows?"
    level = Level.WRONG if wrong else Level.LOOK if look else Level.OK if said else Level.NOT_ASKED
    advice = "give labels by name, in the order " + ", ".join(classes) if wrong else look
    return Finding(
        "label order", level, "; ".join(wrong or said) or "not measured", advice, numbers
    )


def alphabetical_fractions(counts: np.ndarray, classes: Classes) -> bool:
    """Whether counts by class are in proportion to FER2013's, but in alphabetical order."""
    if counts.sum() < _FEWEST or classes != FER2013.classes:
        return False
    fraction = counts / counts.sum()
    own = np.array(TRAINING_COUNTS) / sum(TRAINING_COUNTS)
    as_they_are = np.abs(fraction - own).sum() / 2
    sorted_by_name = np.abs(fraction - own[list(alphabetical(classes))]).sum() / 2
    return bool(sorted_by_name < FITS and as_they_are > DIFFERS)


def _meaning(order: Order, classes: Classes) -> str:
    moved = [k for k in range(len(classes)) if order.truth_of[k] != k]
    pairs = ", ".join(f"its {classes[k]} is {classes[order.truth_of[k]]}" for k in moved)
    inverse = tuple(int(k) for k in np.argsort(order.truth_of))
    whose = ""
    if order.truth_of == alphabetical(classes):
        whose = " (it is in alphabetical order)"
    elif inverse == alphabetical(classes):
        whose = " (training is in alphabetical order)"
    return f"another order than training{whose}: {pairs} there; {order.errors:.0f} standard errors"


def _with_constant(x: np.ndarray) -> np.ndarray:
    return np.hstack([x, np.ones((len(x), 1), x.dtype)])
