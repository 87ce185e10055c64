"""Finished runs against each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkeras.cli.wording import listed, shown
from ferkeras.config.keys import flat
from ferkeras.metrics.bootstrap import CONFIDENCE, Samples, differences, intervals, resample
from ferkeras.metrics.intervals import LEAST, enough
from ferkeras.metrics.measures import FEWEST, MEASURES, formatted, measure_of
from ferkeras.metrics.predictions import Predictions, read_predictions
from ferkeras.runs.division import may_have_held_out_alike
from ferkeras.runs.finished import FinishedRun
from ferkeras.runs.history import read_history

if TYPE_CHECKING:
    import pandas as pd


_OF_RIGHT = ("accuracy", "balanced_accuracy")
_OF_PREDICTED = ("macro_f1", "cohen_kappa", "matthews")
"""Mistakes count in them too: two that are not the same are a difference."""

_OF_CLASSES = ("balanced_accuracy", "macro_f1")
"""Means over classes: of one with a few faces the draws hardly know how its figures vary.

Measured with 60 faces of each of six classes and five of a seventh, two equal networks: 9 % and 8 %
of the intervals miss 0; 7 % with ten.
"""

_FEWEST_CHANGED = 6
"""With five faces, all of them to the good of one run, the exact p of McNemar is 0.06."""


@dataclass(frozen=True)
class Compared:
    """One of the runs.

    Attributes:
        name: its own, unlike that of every other.
        finished: the run.
        history: one row an epoch.
        validation: its predictions on its validation faces.
        results: figures of those predictions.
        samples: the same figures of the bootstrap's draws.
    """

    name: str
    finished: FinishedRun
    history: pd.DataFrame
    validation: Predictions
    results: dict[str, Any]
    samples: Samples


@dataclass(frozen=True)
class Difference:
    """A figure of a run less that of the first run.

    Attributes:
        key: the figure's name, such as ``accuracy`` or ``recall/happy``.
        value: the difference.
        low: lower end of its interval.
        high: upper end.
    """

    key: str
    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` where the interval does not hold 0, else ``open``."""
        if self.low <= 0 <= self.high:
            return "open"
        return "worse" if (self.value > 0) == measure_of(self.key).lower_is_better else "better"


def load_compared(runs: Sequence[FinishedRun]) -> list[Compared]:
    """Read what the comparison of runs needs; no data and no network is loaded.

    Runs with the first one's validation faces get the same draws as it, others draws of their
    own.

    Raises:
        InputError: a file of a run is missing or damaged.
    """
    names = _names(runs)
    compared: list[Compared] = []
    for at, (name, finished) in enumerate(zip(names, runs, strict=True)):
        validation = read_predictions(finished.run.predictions, finished.task.classes)
        first = compared[0] if compared else None
        seed = 0 if first is None or same_faces(first, finished, validation) else at
        compared.append(
            Compared(
                name,
                finished,
                read_history(finished),
                validation,
                validation.metrics(),
                resample(validation, seed=seed),
            )
        )
    return compared


def same_faces(first: Compared, finished: FinishedRun, validation: Predictions) -> bool:
    """Whether a run was validated on the first one's faces, in the same order."""
    return (
        may_have_held_out_alike(first.finished.environment, finished.environment)
        and first.validation.classes == validation.classes
        and np.array_equal(first.validation.labels, validation.labels)
    )


def same_data(runs: Sequence[Compared]) -> bool:
    """Whether all runs had faces of the same data, be they split alike or not."""
    return len({run.finished.fingerprint for run in runs}) == 1


def ranking(runs: Sequence[Compared]) -> str:
    """Which run is the most accurate, in one sentence; or why nobody can say."""
    if lacking := _lacking(runs):
        return (
            f"These runs do not know the same classes ({lacking}), so their figures do not tell "
            "which network is better."
        )
    if not same_data(runs):
        return (
            "These runs were trained and validated on different data, so their figures do not "
            "tell which network is better: evaluate them on the same faces (evaluate RUN --data "
            "PATH)."
        )
    most = max(run.results["accuracy"] for run in runs)
    best = [run for run in runs if run.results["accuracy"] == most]
    paired = all(same_faces(runs[0], run.finished, run.validation) for run in runs[1:])
    faces = min(len(run.validation) for run in runs)
    few = faces < FEWEST
    if len(best) == 1:
        epoch = best[0].finished.metrics["best_epoch"]
        who, where = (
            f"The most accurate on its validation faces is {best[0].name}",
            f"epoch {epoch}",
        )
    else:
        who = f"{listed([run.name for run in best])} are equally accurate"
        where = "on their validation faces"
    return (
        f"{who}: {formatted('accuracy', most)}, {where}"
        + ("" if paired else "; but the split gave them different validation faces")
        + (f"; {faces} face{'s' * (faces > 1)} cannot tell which is better." if few else ".")
    )


def _lacking(runs: Sequence[Compared]) -> str:
    """Which classes of the others each run does not know; empty where all know the same."""
    every = dict.fromkeys(name for run in runs for name in run.validation.classes)
    missing = {run.name: set(every).difference(run.validation.classes) for run in runs}
    return "; ".join(
        f"{name} lacks {listed([shown(each) for each in every if each in lacks])}"
        for name, lacks in missing.items()
        if lacks
    )


def differing_settings(runs: Sequence[FinishedRun]) -> list[tuple[str, list[Any]]]:
    """Keys whose values are not the same in all runs, with the values; names are left out.

    A run whose kind of network does not have a key has a dash.
    """
    flats = [flat(finished.config) for finished in runs]
    keys = dict.fromkeys(key for values in flats for key in values if key != "name")
    table = {key: [values.get(key, "-") for values in flats] for key in keys}
    return [(key, values) for key, values in table.items() if any(v != values[0] for v in values)]


def differences_to(first: Compared, other: Compared) -> list[Difference]:
    """The figures of `other` less those of `first`, with intervals; undefined ones left out.

    With few faces (`ferkeras.metrics.intervals`) nothing is said of a difference, nor where they
    are of different data, which says nothing about which network is better. Where two runs on the
    same faces agree on all but a few of them (`_FEWEST_CHANGED`), the interval reaches to 0.
    """
    faces = min(len(first.validation), len(other.validation))
    if faces < FEWEST or not same_data((first, other)):
        return []
    ranges = intervals(differences(first.samples, other.samples))
    both = [name for name in first.results["emotions"] if name in other.results["emotions"]]
    supports = [
        {name: each["support"] for name, each in run.results["emotions"].items()}
        for run in (first, other)
    ]
    found = []
    for key in [*MEASURES, *(f"{part}/{name}" for part in ("recall", "f1") for name in both)]:
        before, after = _value(first.results, key), _value(other.results, key)
        if (
            key in ranges
            and before is not None
            and after is not None
            and all(_enough(key, faces, each) for each in supports)
        ):
            low, high = ranges[key]
            if _changed(first, other, key) < _FEWEST_CHANGED:
                low, high = min(low, 0.0), max(high, 0.0)
            found.append(Difference(key, after - before, low, high))
    return found


def _enough(key: str, faces: int, support: Mapping[str, int]) -> bool:
    """Whether there are faces enough, and of each class where the figure is a mean over classes."""
    there = [count for count in support.values() if count]
    return enough(key, faces, support) and (
        key not in _OF_CLASSES or min(there, default=0) >= LEAST["recall"]
    )


def _changed(first: Compared, other: Compared, key: str) -> float:
    """How many faces, of those that a figure of labels counts, two runs do not agree on.

    Infinite for figures of probabilities, and for runs that were validated on faces of their own.
    """
    if not same_faces(first, other.finished, other.validation):
        return math.inf
    one, two = first.validation, other.validation
    part, _, emotion = key.partition("/")
    if emotion:
        label = one.classes.names.index(emotion)
        differ = (one.predicted == label) != (two.predicted == label)
        if part == "recall":
            differ = differ[one.labels == label]
    elif key in _OF_RIGHT:
        differ = (one.predicted == one.labels) != (two.predicted == two.labels)
    elif key in _OF_PREDICTED:
        differ = one.predicted != two.predicted
    elif key == "top2_accuracy":
        differ = one.in_top2 != two.in_top2
    else:
        return math.inf
    return int(differ.sum())


def by_chance(intervals: int) -> str:
    """How many of so many intervals miss 0 where nothing differs, in words."""
    return (
        f"of {intervals} intervals about 1 in {round(1 / (1 - CONFIDENCE))} misses 0 by chance "
        "alone"
    )


def _value(results: dict[str, Any], key: str) -> float | None:
    part, _, emotion = key.partition("/")
    if not emotion:
        return results[key]
    found = results["emotions"][emotion]
    return found[part] if found["support"] else None


def _names(runs: Sequence[FinishedRun]) -> list[str]:
    """Folder names, as they print; folders above go before those that are not unique."""
    parts = [(*run.run.folder.resolve().parent.parts, run.name) for run in runs]
    taken = [1] * len(runs)
    while True:
        names = ["/".join(each[-count:]) for each, count in zip(parts, taken, strict=True)]
        alike = [names.count(name) > 1 for name in names]
        longer = [
            count + 1 if twice and count < len(each) else count
            for twice, count, each in zip(alike, taken, parts, strict=True)
        ]
        if longer == taken:
            return [shown(name) for name in names]
        taken = longer
