"""Which of several findings is the cause: how often each was right, and what its remedy teaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ferkeras.cli.errors import InputError
from ferkeras.diagnose.causes.regularisation import as_ended
from ferkeras.diagnose.finding import UNEXPLAINED, Evidence, Finding, Severity
from ferkeras.diagnose.measurements import TRIAL_STEPS, Measurements
from ferkeras.diagnose.symptoms import is_not_learning
from ferkeras.diagnose.track_record import track_record
from ferkeras.diagnose.trial import Trial, steps_for_one, teaches_more

_SURE = 0.8
"""Confidence below which a finding is tried, also where no other contests it."""

WORTH_SAYING = 0.25
"""Confidence below which nothing is said behind another cause: it mostly follows from that one."""

_MOST = 2
"""Findings that are held against each other."""

_SLOW = ("overfitting",)
"""Causes that no brief training shows, nor what is done about them."""


def ranked(m: Measurements, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings with severity and confidence, the most likely first.

    Where the first two could be put right by settings, or the first was often wrong, the same
    steps are taken with and without the first remedy of each: one that does not work gives way
    to one that does.

    Args:
        m: what was measured.
        findings: in the order in which one explains what another would be blamed for.
    """
    record = track_record()
    contested = contestants(findings)
    unsure = bool(contested) and is_unsure(findings[0])
    trials = tried(m, contested) if len(contested) > 1 or unsure else {}
    works = {cause: teaches_more(*pair) for cause, pair in trials.items()}
    ordered = list(findings)
    if len(contested) > 1 and findings[0] is contested[0]:
        first, second = contested
        if works[second.cause] and not works[first.cause]:
            ordered.remove(second)
            ordered.insert(0, second)
    severity: Severity = "broken" if is_not_learning(m) else "suspicious"
    certain = [
        # Not to have found a cause is no guess.
        1.0
        if each.cause == UNEXPLAINED
        else record.confidence(each.cause, not place, works.get(each.cause))
        for place, each in enumerate(ordered)
    ]
    return tuple(
        replace(
            each,
            evidence=each.evidence + _evidence(trials.get(each.cause)),
            severity=severity,
            confidence=confidence,
        )
        for each, confidence in zip(ordered, certain, strict=True)
    )


def is_unsure(first: Finding) -> bool:
    """Whether what is named first has often been wrong when it was."""
    return track_record().confidence(first.cause, first=True) < _SURE


def contestants(findings: Sequence[Finding]) -> list[Finding]:
    """The first findings whose first remedy is a setting that a brief trial can show."""
    return [
        each
        for each in findings
        if each.cause not in (*_SLOW, UNEXPLAINED)
        and each.remedies
        and each.remedies[0].overrides.keys() - {"train.epochs"}
    ][:_MOST]


def tried(m: Measurements, findings: Sequence[Finding]) -> Mapping[str, tuple[Trial, Trial]]:
    """By cause, the same steps without and with the first remedy.

    Where it makes batches smaller, the same faces.
    """
    ended = as_ended(m)
    most = max(TRIAL_STEPS, m.trial_steps)
    pairs = {}
    for each in findings:
        values = each.remedies[0].overrides
        times = steps_for_one(m.case.config, values)
        steps = min(most, times * m.trial_steps)
        try:
            pairs[each.cause] = (
                m.trial(ended, max(1, steps // times)),
                m.trial(ended | dict(values), steps),
            )
        except InputError:
            continue  # It cannot be built here, where weights may be missing, say.
    return pairs


def _evidence(pair: tuple[Trial, Trial] | None) -> tuple[Evidence, ...]:
    if pair is None:
        return ()
    before, after = pair
    return (
        Evidence(
            f"skill on validation faces after {after.steps} steps with the first remedy",
            f"{after.on_validation:.2f}",
            f"above {before.on_validation:.2f}, that after "
            f"{'as many' if before.steps == after.steps else before.steps} steps without it",
            after.on_validation,
        ),
    )
