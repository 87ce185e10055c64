"""Runs that are the folds of one data set: what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferkeras.compare.comparison import Compared, differing_settings, same_data
from ferkeras.metrics.bootstrap import CONFIDENCE
from ferkeras.metrics.intervals import intervals_of
from ferkeras.metrics.measures import MEASURES, formatted, formatted_interval
from ferkeras.metrics.predictions import Predictions

_OF_PEOPLE = (
    " Intervals count each face by itself: of people with several pictures they are too narrow."
)


@dataclass(frozen=True)
class FoldFigure:
    """One figure of a cross-validation.

    Attributes:
        key: of `ferkeras.metrics.measures`.
        name: for people.
        value: over the faces of all folds together, as text.
        interval: its interval over faces, as text.
        folds: mean and standard deviation over the folds, then the lowest and highest, as text.
    """

    key: str
    name: str
    value: str
    interval: str
    folds: str


@dataclass(frozen=True)
class CrossValidation:
    """The folds of one data set, each validated on faces that it was not trained on.

    Attributes:
        folds: how many there are in all.
        missing: those that no run was given for, from 1.
        faces: N, how many faces were predicted.
        results: figures over all of them, as `Predictions.metrics` gives them.
        figures: the same by measure, with their spread over folds.
        by_person: whether people are known, who may have several faces each.
    """

    folds: int
    missing: tuple[int, ...]
    faces: int
    results: dict[str, Any]
    figures: list[FoldFigure]
    by_person: bool

    @property
    def verdict(self) -> str:
        """What they say together, in a sentence or two."""
        accuracy = self.figures[0]
        what = f"These runs are folds of one data set ({self.folds} in all"
        if self.missing:
            one = len(self.missing) == 1
            numbers = ", ".join(map(str, self.missing))
            what += f"; {'fold' if one else 'folds'} {numbers} {'is' if one else 'are'} missing"
        return (
            f"{what}). {self.faces:,} faces, each predicted by a network that was not trained on "
            f"it: accuracy {accuracy.value}, {CONFIDENCE:.0%} interval {accuracy.interval}."
            + _OF_PEOPLE
            * self.by_person
        )


def cross_validation(runs: Sequence[Compared]) -> CrossValidation | None:
    """What runs say together that differ in nothing but their fold; None if they are not such.

    The seed divides the faces, so folds of other seeds overlap and say nothing together.
    """
    configs = [run.finished.config for run in runs]
    folds, taken = configs[0].data.folds, [config.data.fold for config in configs]
    differing = {key for key, _ in differing_settings([run.finished for run in runs])}
    if folds is None or len(set(taken)) < len(taken) or differing != {"data.fold"}:
        return None
    if not same_data(runs) or any(r.validation.classes != runs[0].validation.classes for r in runs):
        return None
    together = Predictions(
        np.concatenate([run.validation.probabilities for run in runs]),
        np.concatenate([run.validation.labels for run in runs]),
        runs[0].validation.classes,
    )
    results, intervals = together.metrics(), intervals_of(together)
    return CrossValidation(
        folds,
        tuple(fold for fold in range(1, folds + 1) if fold not in taken),
        len(together),
        results,
        [
            FoldFigure(
                key,
                measure.name,
                formatted(key, results[key]),
                formatted_interval(key, intervals.get(key)),
                _spread(key, [run.results[key] for run in runs]),
            )
            for key, measure in MEASURES.items()
        ],
        any(run.finished.environment["data"].get("by_person", False) for run in runs),
    )


def _spread(key: str, values: Sequence[float | None]) -> str:
    defined = [value for value in values if value is not None and value == value]
    if len(defined) < 2:
        return ""
    mean, std = float(np.mean(defined)), float(np.std(defined, ddof=1))
    low, high = (formatted(key, end, unit=False) for end in (min(defined), max(defined)))
    return f"{formatted(key, mean, unit=False)} ± {formatted(key, std)} ({low} to {high})"
