"""What a change of configuration does, judged over seeds and faces together.

A difference varies with the seed of the training and with the faces on which it is measured, so
both are counted (crossed random effects; Owen 2007, "The pigeonhole bootstrap", Annals of Applied
Statistics 1). Over faces: a paired bootstrap, the same draws for all runs on the same faces; of it
only what the seeds have in common, for each seed's own part shows in the spread of the seeds. Over
seeds: the spread that runs have besides the means of arms and seeds, which is estimated from all
arms together, as in Dunnett's test, because three seeds of two arms tell too little; the arms' own
spread counts where it is larger, with its own few degrees of freedom where it is much larger (F
test). Intervals and p values are those
of Student's t with Satterthwaite's degrees of freedom. All p values of an ablation are corrected
together after Holm 1979, so that of all that is called a difference nothing is one by chance in at
least 95 of 100 ablations.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from ferkeras.metrics.bootstrap import figures_of, resample
from ferkeras.metrics.measures import MEASURES, Measure
from ferkeras.metrics.predictions import Predictions

ERROR_RATE = 0.05
"""Chance that anything is called a difference where there is none."""

_FROM_FACES = ("accuracy", "balanced_accuracy", "log_loss")

COMPARED = {key: MEASURES[key] for key in _FROM_FACES} | {
    "epochs_to_half": Measure(
        "epochs_to_half", "epochs to 50 %", percent=False, lower_is_better=True
    )
}
"""What is compared, by key."""

MARGIN = 0.01
"""Differences of accuracies of less than this, either way, make no difference worth having."""

_RESAMPLES = 1000
_ODD_SPREAD = 0.05


@dataclass(frozen=True)
class Measured:
    """One run, as a comparison sees it.

    Attributes:
        predictions: on its validation faces.
        faces: names those faces; runs with the same name have them in the same order.
        epochs_to_half: the first epoch with a validation accuracy of 50 %, NaN without one.
        collapsed: whether its predictions fell on one class.
    """

    predictions: Predictions
    faces: str
    epochs_to_half: float
    collapsed: bool


@dataclass(frozen=True)
class Comparison:
    """An arm against another.

    Attributes:
        name: of the change.
        arm: with it.
        reference: without it.
        kind: in which part of the table it stands.
    """

    name: str
    arm: str
    reference: str
    kind: str


@dataclass(frozen=True)
class Effect:
    """What a change does to one measure.

    Attributes:
        comparison: which change.
        key: of `COMPARED`.
        value: mean over the seeds that both arms have, of the measure with less that without;
            NaN where there is none, or one of these trainings has no such figure.
        low: lower end of its 95 % interval, NaN where there is none.
        high: upper end.
        p: of no difference, before the correction; NaN where it cannot be tested.
        adjusted: after the correction.
        seeds: that both arms have.
    """

    comparison: Comparison
    key: str
    value: float
    low: float
    high: float
    p: float
    adjusted: float
    seeds: int

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` if decided, ``same`` if within `MARGIN`, else ``open``."""
        if self.adjusted < ERROR_RATE:
            lower_is_better = COMPARED[self.key].lower_is_better
            return "worse" if (self.value > 0) == lower_is_better else "better"
        if self.key in ("accuracy", "balanced_accuracy") and (
            self.low > -MARGIN and self.high < MARGIN
        ):
            return "same"
        return "open"


Arms = Mapping[str, Mapping[int, Measured]]
"""Runs by arm and seed."""


def effects(
    arms: Arms,
    comparisons: Sequence[Comparison],
    resamples: int = _RESAMPLES,
    failed: Collection[str] = (),
) -> list[Effect]:
    """Every comparison in every measure, corrected together.

    Args:
        arms: the runs that there are.
        comparisons: what is compared; those without a common seed give NaN.
        resamples: draws of the bootstrap over faces.
        failed: arms of which a training came to nothing: their differences are given and never
            decided, for the seeds that are left would praise an arm that fails.
    """
    runs = {(arm, seed): run for arm, seeds in arms.items() for seed, run in seeds.items()}
    groups = sorted({run.faces for run in runs.values()})
    draws = {
        key: resample(run.predictions, resamples, seed=groups.index(run.faces))
        for key, run in runs.items()
    }
    results = {key: _figures(run.predictions) for key, run in runs.items()}
    found = []
    for measure in COMPARED:
        drawn = {}
        if measure in _FROM_FACES:
            values = {key: results[key][measure] for key in runs}
            drawn = {key: each[measure] for key, each in draws.items()}
        else:
            values = {
                key: run.epochs_to_half
                for key, run in runs.items()
                if not math.isnan(run.epochs_to_half)
            }
        spread, freedom = spread_of_runs(values)
        for each in comparisons:
            pairs = {
                seed: ((each.arm, seed), (each.reference, seed))
                for arm, seed in runs
                if arm == each.arm and (each.reference, seed) in runs
            }
            # Where one never got so far, the others alone would praise the arm that fails.
            complete = all(key in values for pair in pairs.values() for key in pair)
            seeds = sorted(pairs) if complete else []
            effect = _effect(each, measure, seeds, values, drawn, runs, spread, freedom)
            if each.arm in failed or each.reference in failed:
                effect = replace(effect, low=math.nan, high=math.nan, p=math.nan)
            found.append(effect)
    return holm(found)


def _figures(predictions: Predictions) -> dict[str, float]:
    """The measures of all faces, each taken once."""
    once = figures_of(predictions, np.ones((1, len(predictions))))
    return {key: float(once[key][0]) for key in _FROM_FACES}


def holm(found: Sequence[Effect]) -> list[Effect]:
    """Correct the p values of everything that was tested.

    Two arms that are compared in two parts of the table, such as the first step of the stairs and
    that change alone, are one test.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    tested = {what_is_compared(effect): effect.p for effect in found if not math.isnan(effect.p)}
    adjusted: dict[tuple[str, str, str], float] = {}
    reached = 0.0
    for at, (test, p) in enumerate(sorted(tested.items(), key=lambda each: each[1])):
        reached = max(reached, min(1.0, p * (len(tested) - at)))
        adjusted[test] = reached
    return [
        replace(effect, adjusted=adjusted.get(what_is_compared(effect), math.nan))
        for effect in found
    ]


def what_is_compared(effect: Effect) -> tuple[str, str, str]:
    """What is tested; effects that stand in several parts of the table may be one test."""
    return effect.comparison.arm, effect.comparison.reference, effect.key


def spread_of_runs(values: Mapping[tuple[str, int], float]) -> tuple[float, int]:
    """Variance of runs besides the means of arm and seed, and its degrees of freedom.

    Args:
        values: one figure for each arm and seed that there is.
    """
    if not values:
        return math.nan, 0
    arms = sorted({arm for arm, _ in values})
    seeds = sorted({seed for _, seed in values})
    design = np.zeros((len(values), len(arms) + len(seeds)))
    for row, (arm, seed) in enumerate(values):
        design[row, arms.index(arm)] = 1
        design[row, len(arms) + seeds.index(seed)] = 1
    figures = np.array(list(values.values()))
    fitted, _, rank, _ = np.linalg.lstsq(design, figures, rcond=None)
    freedom = len(values) - int(rank)
    if freedom < 1:
        return math.nan, 0
    return float(((figures - design @ fitted) ** 2).sum() / freedom), freedom


def _effect(
    comparison: Comparison,
    measure: str,
    seeds: Sequence[int],
    values: Mapping[tuple[str, int], float],
    drawn: Mapping[tuple[str, int], np.ndarray],
    runs: Mapping[tuple[str, int], Measured],
    spread: float,
    freedom: int,
) -> Effect:
    count = len(seeds)
    none = Effect(comparison, measure, math.nan, math.nan, math.nan, math.nan, math.nan, count)
    if not count:
        return none
    arm, reference = comparison.arm, comparison.reference
    each = np.array([values[arm, seed] - values[reference, seed] for seed in seeds])
    none = replace(none, value=float(each.mean()))
    if count > 1:
        own = float(each.var(ddof=1)) / 2
        odd = stats.f.isf(_ODD_SPREAD, count - 1, freedom)
        if freedom <= count - 1 or own > odd * spread:
            freedom = count - 1
        spread = max(own, spread)
    if not freedom:
        return none
    of_seeds = 2 * spread / count
    of_faces, faces = 0.0, math.inf
    if drawn:
        differences = [drawn[arm, seed] - drawn[reference, seed] for seed in seeds]
        names = [runs[arm, seed].faces for seed in seeds]
        of_faces = _common_variance(differences, names)
        faces = max(1, len(runs[arm, seeds[0]].predictions) - 1)
    variance = of_seeds + of_faces
    if not variance > 0:
        return none
    # Satterthwaite 1946
    effective = variance**2 / (of_seeds**2 / freedom + of_faces**2 / faces)
    error = math.sqrt(variance)
    reach = float(stats.t.isf(ERROR_RATE / 2, effective)) * error
    p = float(2 * stats.t.sf(abs(none.value) / error, effective))
    return replace(none, low=none.value - reach, high=none.value + reach, p=p)


def _common_variance(differences: Sequence[np.ndarray], faces: Sequence[str]) -> float:
    """Variance over the faces of what the differences of several seeds have in common.

    The covariance of the differences of two seeds on the same faces; none where each seed has
    faces of its own. Of a single seed all of its variance: what is its own cannot be told apart.
    """
    count = len(differences)
    if count == 1:
        return float(np.nanvar(differences[0], ddof=1))
    covariance = sum(
        float(_covariance(differences[a], differences[b]))
        for a in range(count)
        for b in range(count)
        if a != b and faces[a] == faces[b]
    )
    return max(0.0, covariance / (count * (count - 1)))


def _covariance(a: np.ndarray, b: np.ndarray) -> float:
    there = np.isfinite(a) & np.isfinite(b)
    return float(np.cov(a[there], b[there])[0, 1])
