"""Remedies, tried out briefly: which of them works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ferkeras.cli.errors import InputError
from ferkeras.diagnose.case import Advance, isolated_rng, train_briefly
from ferkeras.diagnose.causes.regularisation import as_ended, as_it_would_end
from ferkeras.diagnose.diagnosis import Diagnosis, measured
from ferkeras.diagnose.finding import Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.trial import Trial, steps_for_one, teaches_more, try_out

MOST = 3
STEPS = 300


@dataclass(frozen=True)
class Treatment:
    """A remedy and what came of it.

    Attributes:
        cause: what it is for.
        remedy: what was done.
        untreated: as many steps from the same start without it, or as many faces, where it makes
            batches smaller.
        treated: the steps with it.
    """

    cause: str
    remedy: Remedy
    untreated: Trial
    treated: Trial

    @property
    def works(self) -> bool:
        """Whether it teaches more, see `ferkeras.diagnose.trial.teaches_more`."""
        return teaches_more(self.untreated, self.treated)


def best_of(treatments: Sequence[Treatment]) -> Treatment | None:
    """The one that teaches most among those that work; None where none does."""
    working = (each for each in treatments if each.works)
    return max(working, key=lambda each: each.treated.on_validation, default=None)


def can_be_tried(diagnosis: Diagnosis) -> list[tuple[str, Remedy]]:
    """The first remedies that settings can bring about, with the causes that they are for.

    More epochs are none of them: they differ from the present ones in nothing but their number.
    """
    remedies = [
        (finding.cause, remedy)
        for finding in diagnosis.findings
        for remedy in finding.remedies
        if remedy.overrides.keys() - {"train.epochs"}
    ]
    return remedies[:MOST]


def steps_of(diagnosis: Diagnosis) -> int:
    """Steps that each trial takes."""
    return min(STEPS, max(diagnosis.case.steps, STEPS // 2))


def steps_of_all(diagnosis: Diagnosis) -> int:
    """Steps of all the trials together, for a progress bar."""
    remedies = can_be_tried(diagnosis)
    without = {_steps_without(diagnosis, remedy) for _, remedy in remedies}
    return sum(without) + len(remedies) * steps_of(diagnosis)


def _steps_without(diagnosis: Diagnosis, remedy: Remedy) -> int:
    """Steps that a remedy's trial is compared with."""
    times = steps_for_one(diagnosis.case.config, remedy.overrides)
    return max(1, steps_of(diagnosis) // times)


def first_of_several(diagnosis: Diagnosis) -> Remedy | None:
    """The first remedy where there are several causes and settings put the first right."""
    if len(diagnosis.findings) < 2 or not diagnosis.findings[0].remedies:
        return None
    first = diagnosis.findings[0].remedies[0]
    return first if first.overrides else None


def what_remains(diagnosis: Diagnosis, advance: Advance | None = None) -> tuple[Finding, ...]:
    """What is measured in a brief training with the first remedy, where there is more than one.

    Args:
        diagnosis: with its findings.
        advance: called with the steps of the training, `steps_of` of them.
    """
    remedy = first_of_several(diagnosis)
    if remedy is None:
        return ()
    case = diagnosis.case
    config, steps = remedy.applied_to(case.config), steps_of(diagnosis)
    treated = train_briefly(config, case.splits, steps, case.begin, advance)
    return tuple(finding.for_config(config) for finding in measured(Measurements(treated)))


def treat(diagnosis: Diagnosis, advance: Advance | None = None) -> list[Treatment]:
    """Try the first remedies from the same start, each alone; those that can be built here.

    Args:
        diagnosis: whose remedies.
        advance: called with the steps of each trial.
    """
    remedies, steps = can_be_tried(diagnosis), steps_of(diagnosis)
    if not remedies:
        return []

    def attempt(values: Mapping[str, Any], steps: int) -> Trial:
        trial = try_out(diagnosis.case, values, steps)
        if advance is not None:
            advance(steps)
        return trial

    untreated: dict[int, Trial] = {}
    treatments = []
    with isolated_rng(diagnosis.case.config):
        # So few steps reach no ramp: both begin at what ramps come to.
        m = diagnosis.measurements
        ended = as_ended(m)
        for cause, remedy in remedies:
            fewer = _steps_without(diagnosis, remedy)
            if fewer not in untreated:
                untreated[fewer] = attempt(ended, fewer)
            try:
                ends = as_it_would_end(m, remedy.applied_to(diagnosis.case.config))
                treated = attempt({**remedy.overrides, **ends}, steps)
            except InputError:
                continue  # It contradicts the rest, or cannot be built here.
            treatments.append(Treatment(cause, remedy, untreated[fewer], treated))
    return treatments
