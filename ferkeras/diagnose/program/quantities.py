"""Labels that are no classes: what is measured, and what is made again from itself."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.program.compiled_metrics import measures_distances, named_metrics
from ferkeras.diagnose.program.labels import shown
from ferkeras.diagnose.program.program import Program

_SCALED = 20
"""Classes whose numbers somebody may have scaled by mistake, at most, under a loss of distances."""


def quantities_in_labels(program: Program) -> str | None:
    """What labels are that are no classes, in words; None where they may be classes."""
    y, kind = program.train.y, program.loss.kind
    classes = kind in ("categorical", "sparse")
    if not classes and any(
        each.shape == y.shape and np.array_equal(each, y) for each in program.train.arrays
    ):
        return "the inputs themselves, as an autoencoder has them"
    labels, loss = program.labels, program.loss
    of_a_distance = loss.kind == "regression" and program.head.activation == "linear"
    several = not labels.columns and len(labels.classes) > _SCALED
    if labels.is_a_quantity or (labels.form == "fractions" and of_a_distance and several):
        return "measured quantities (many different fractions)"
    if labels.form == "index" and of_a_distance and several and program.head.units == 1:
        return "measured quantities (many different numbers, one linear unit and a distance)"
    if _is_held_against_distances(program):
        return "measured quantities (one unit, and distances for a loss and for metrics)"
    if _are_ratings(program):
        return (
            f"quantities ({shown(labels.classes)}, one linear unit, a distance for a loss, "
            "and no metric that counts right answers; should they be classes, compile "
            "metrics=['accuracy'])"
        )
    return None


def _are_ratings(program: Program) -> bool:
    """Whether nothing says that whole numbers, which do not count from 0, are classes."""
    labels, head = program.labels, program.head
    return (
        head.units == 1
        and head.activation == "linear"
        and labels.form == "index"
        and len(labels.classes) > 2
        and not np.array_equal(labels.classes, np.arange(len(labels.classes)))
        and program.loss.kind == "regression"
        and not named_metrics(program.model, weighted=True)
    )


def _is_held_against_distances(program: Program) -> bool:
    """Whether loss, metrics and the one output are those of a quantity, however few values it has.

    Labels of two values are classes all the same.
    """
    labels, head = program.labels, program.head
    if head.units != 1 or labels.columns or labels.form == "text" or len(labels.classes) < 3:
        return False
    reached = head.activation not in ("softmax", "sigmoid") or (
        head.activation == "sigmoid" and labels.classes.min() >= 0 and labels.classes.max() <= 1
    )
    of_numbers = program.loss.kind in ("regression", "unknown")
    return reached and of_numbers and measures_distances(program.model)
