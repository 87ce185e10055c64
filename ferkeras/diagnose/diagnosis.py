"""All probes, in the order in which one cause explains what another would be blamed for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import ferkeras
from ferkeras.cli.errors import InputError
from ferkeras.diagnose.case import Advance, Case
from ferkeras.diagnose.causes import (
    balance,
    batchnorm,
    begun_broken,
    capacity,
    classes,
    decay,
    decayed_rate,
    held_back,
    images,
    labels,
    leak,
    normalisation,
    one_batch,
    overfitting,
    regularisation,
    repeated,
    shift,
    signal,
    step_size,
    teacher,
    unfinished,
)
from ferkeras.diagnose.finding import Finding
from ferkeras.diagnose.measurements import TRIAL_STEPS, Measurements
from ferkeras.diagnose.ranking import WORTH_SAYING, is_unsure, ranked
from ferkeras.diagnose.symptoms import can_be_learned, collapse_evidence, is_not_learning

Probe = Callable[[Measurements], Finding | None]

MEASURED: tuple[Probe, ...] = (
    # Faces and labels: what is wrong here makes everything after it look wrong.
    images.blank_images,
    images.scrambled_images,
    images.blurred_images,
    classes.validation_cannot_measure,
    balance.class_imbalance,
    classes.missing_class,
    repeated.repeated_faces,
    labels.random_labels,
    labels.permuted_labels,
    classes.missing_class_beside,
    # What it is given beside them: teachers, and weights to begin with.
    teacher.teacher_knows_nothing,
    begun_broken.starts_from_a_broken_network,
    # Steps: weights that run away, are dead or stand still look like every other fault.
    step_size.learning_rate_too_high,
    signal.dead_units,
    step_size.gradients_clipped_away,
    step_size.learning_rate_too_low,
    decayed_rate.learning_rate_fell_too_early,
    step_size.too_few_steps,
    decay.weight_decay_too_strong,
    balance.rare_classes_overweighted,
    # The network: statistics, then what passes through it.
    batchnorm.batchnorm_too_slow,
    batchnorm.batchnorm_too_fast,
    signal.vanishing_gradients,
    # What was learned does not generalise.
    shift.unlike_validation,
    normalisation.wrong_normalisation,
    leak.leakage,
    labels.noisy_labels,
    labels.noisy_validation_labels,
    overfitting.overfitting,
    # What nothing learns, no trial explains: what it knows it may know by heart.
    unfinished.unreadable_faces,
)
"""Probes that measure what is there."""

TRIED: tuple[Probe, ...] = (
    regularisation.too_much_regularisation,
    capacity.network_too_small,
    batchnorm.batchnorm_gap,
    held_back.held_back,
    one_batch.regularised_beyond_one_batch,
)
"""Probes that train a little with other settings; asked in this order, until one finds it, where
nothing was found by measuring, or something that was often wrong. What a trial shows goes first."""

LEFT: tuple[Probe, ...] = (
    one_batch.cannot_learn_one_batch,
    unfinished.not_finished,
    unfinished.unexplained,
)
"""What is left to say where none of them found anything."""

_STEPS = (TRIAL_STEPS, 3 * TRIAL_STEPS)
"""Steps of trials: longer ones where a training learns nothing and the short ones showed nothing,
for some learn nothing in so few steps whatever is changed; or where a setting is far from usual."""


@dataclass(frozen=True)
class Diagnosis:
    """Why a training did not learn, or that it did.

    Attributes:
        case: what was examined.
        measurements: what was measured on the way.
        findings: the causes, the first one first; empty for a healthy training.
        unlikely: what was found beside them and mostly follows from them.
        learns: whether the network knows at least half of what a simple classifier knows.
    """

    case: Case
    measurements: Measurements
    findings: tuple[Finding, ...]
    learns: bool
    unlikely: tuple[Finding, ...] = ()

    @cached_property
    def symptoms(self) -> tuple[str, ...]:
        """A collapse onto one class in words, which is no cause: what, since when, its loss."""
        return tuple(
            f"{each.what}: {each.measured} (expected: {each.expected})"
            for each in collapse_evidence(self.measurements)
        )

    @property
    def severity(self) -> Literal["healthy", "suspicious", "broken"]:
        """Healthy, or that of the findings."""
        return self.findings[0].severity if self.findings else "healthy"

    @property
    def verdict(self) -> str:
        """The verdict in a sentence."""
        if self.findings:
            return self.findings[0].verdict
        return (
            "No cause for concern was found: the network's skill on validation faces is "
            f"{self.measurements.on_validation.skill:.2f}, that of linear regression on gradients "
            f"{self.measurements.reference.skill:.2f}."
        )

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        m = self.measurements
        return {
            "ferkeras": ferkeras.__version__,
            "source": self.case.splits.source,
            "fingerprint": self.case.splits.fingerprint,
            "steps": self.case.steps,
            "learns": self.learns,
            "verdict": self.verdict,
            "severity": self.severity,
            "cause": self.findings[0].cause if self.findings else None,
            "findings": [finding.as_json() for finding in self.findings],
            "unlikely": [finding.as_json() for finding in self.unlikely],
            "skill": {
                "measure": "Cohen's kappa",
                "validation": m.on_validation.skill,
                "train": m.on_train.skill,
                "linear_regression_on_gradients": m.reference.skill,
            },
            "accuracy": {"validation": m.on_validation.accuracy, "train": m.on_train.accuracy},
            "symptoms": list(self.symptoms),
        }


def diagnose(case: Case, advance: Advance | None = None) -> Diagnosis:
    """Ask every probe what it finds.

    Args:
        case: what is examined; it is left as it was.
        advance: called with the steps of trials.
    """
    measurements = Measurements(case, advance)
    found = measured(measurements)
    if not found or (is_unsure(found[0]) and can_be_learned(measurements)):
        found = [*_tried(measurements), *found]
    if not found:
        found = _left(measurements)
    everything = ranked(measurements, [finding.for_config(case.config) for finding in found])
    said = (*everything[:1], *(each for each in everything[1:] if each.confidence >= WORTH_SAYING))
    return Diagnosis(
        case,
        measurements,
        said,
        not is_not_learning(measurements),
        tuple(each for each in everything if each not in said),
    )


def measured(measurements: Measurements) -> list[Finding]:
    """What is found by measuring alone, in the order in which one explains another."""
    return [finding for probe in MEASURED if (finding := _asked(probe, measurements))]


def _asked(probe: Callable[[Measurements], Finding | None], m: Measurements) -> Finding | None:
    """What a probe finds; nothing where it would try what cannot be built here."""
    try:
        return probe(m)
    except InputError:
        return None


def _tried(measurements: Measurements) -> list[Finding]:
    """The first thing that brief trials show, if they show anything."""
    for steps in _STEPS:
        measurements.trial_steps = min(steps, measurements.case.steps)
        for probe in TRIED:
            if finding := _asked(probe, measurements):
                return [finding]
        more = is_not_learning(measurements) or held_back.is_far_from_usual(measurements)
        if measurements.case.steps <= steps or not more:
            break
    return []


def _left(measurements: Measurements) -> list[Finding]:
    return [finding for probe in LEFT if (finding := _asked(probe, measurements))][:1]
