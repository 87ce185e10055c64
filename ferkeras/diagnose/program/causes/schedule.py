"""A schedule that takes the learning rate away too early."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np

from ferkeras.diagnose.program.asked_schedule import rates_of, rates_over
from ferkeras.diagnose.program.finding import MEASURED, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program

_GONE = 1e-3
"""Of the highest rate, what moves next to nothing."""

_ENDING = (
    keras.optimizers.schedules.CosineDecay,
    keras.optimizers.schedules.PolynomialDecay,
)

_EARLY = 0.4
"""Of the training, the part after which a rate may be gone."""

_HALF = 0.5

_KNOWN = 0.9
"""Skill with which there is next to nothing left to learn."""


def schedule_ends_too_early(program: Program) -> ProgramFinding | None:
    """A schedule takes the rate away in the first part of the training."""
    schedule = getattr(program.optimizer, "_learning_rate", None)
    planned = program.planned_steps
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule) or not planned:
        return None
    steps, rates = rates_over(schedule, planned)
    gone = _gone(rates)
    if gone is None or not _matters(program, int(steps[gone])):
        return None
    ends = isinstance(schedule, _ENDING)
    return _fell_too_early(
        f"The schedule {type(schedule).__name__} has taken the learning rate away by step "
        f"{steps[gone]:,} of {planned:,}: it counts steps, not epochs.",
        rates,
        CodeRemedy(
            "let it fall over the steps of the whole training",
            "steps that still move the weights",
            # Some end with these steps, others fall by a factor in as many.
            code=f"decay_steps={planned if ends else max(1, planned // 4)}",
        ),
        "The schedule is asked for its rate at every part of the training.",
    )


def scheduler_ends_too_early(program: Program) -> ProgramFinding | None:
    """A LearningRateScheduler takes the rate away in the first part of the training."""
    epochs = program.fit.epochs
    scheduler = next(
        (
            each
            for each in program.rehearsals.given
            if isinstance(each, keras.callbacks.LearningRateScheduler)
        ),
        None,
    )
    if scheduler is None or epochs is None:
        return None
    rates = rates_of(scheduler, program.rate, epochs)
    if rates is not None and not rates.any():
        return _never_above_zero(program.rate, rates)
    gone = None if rates is None else _gone(rates)
    if rates is None or gone is None:
        return None
    if not _matters(program, gone * (program.planned_steps or 0) // epochs):
        return None
    alone = rates_of(scheduler, program.rate, epochs, goes_on=False)
    # By itself it would fall over the whole training, and what it is given has fallen too.
    twice = alone is not None and _gone(alone) is None and alone[-1] < _HALF * alone[0]
    basis = program.trials.basis
    finding = _fell_too_early(
        f"The schedule of LearningRateScheduler has taken the learning rate away by epoch "
        f"{gone + 1:,} of {epochs:,}"
        + (": it lowers the rate that it is given, which it has lowered before." if twice else "."),
        rates,
        CodeRemedy(
            "compute it from the first rate, not from the one that the epoch before had"
            if twice
            else "let it fall over the epochs of the whole training",
            "steps that still move the weights",
            code=f"lambda epoch: {rates[0]:g} * drop**epoch",
        ),
        "The schedule is asked for the rate of every epoch.",
    )
    learns = basis is not None and program.trials.learns(basis)
    return replace(finding, severity="suspicious") if learns and not twice else finding


def _never_above_zero(rate: float, rates: np.ndarray) -> ProgramFinding:
    return _fell_too_early(
        f"The schedule of LearningRateScheduler gives a learning rate of 0 for each of the "
        f"{len(rates):,} epochs: nothing is trained.",
        rates,
        CodeRemedy(
            "look at how it is computed: a division without a remainder (//) of a smaller number "
            "is 0, and a warm-up may be as long as the training",
            "steps that move the weights",
            code=f"lambda epoch: {rate:g} * min(1, (epoch + 1) / warm_up_epochs)",
        ),
        "The schedule is asked for the rate of every epoch.",
        rate,
    )


def _matters(program: Program, until: int) -> bool:
    """Whether a rate that is gone after so many steps costs anything, as far as is known."""
    basis = program.trials.basis
    if basis is None or until < basis.steps:
        return True
    # All there is to learn was learnt before; or the epochs are as many as there may be at most.
    stops = any(isinstance(c, keras.callbacks.EarlyStopping) for c in program.rehearsals.given)
    return not stops and basis.skill <= _KNOWN


def _gone(rates: np.ndarray) -> int | None:
    """Where rates, even over a training, are gone for good; None unless that is early."""
    highest = float(rates.max(initial=0.0))
    if not highest > 0:
        return None
    last = int(np.flatnonzero(rates > _GONE * highest).max())
    return None if last + 1 > _EARLY * len(rates) else min(last + 1, len(rates) - 1)


def _fell_too_early(
    verdict: str, rates: np.ndarray, remedy: CodeRemedy, reason: str, rate: float | None = None
) -> ProgramFinding:
    usual = float(rates.max()) if rate is None else rate
    later = float(rates[int(_EARLY * (len(rates) - 1))])
    return ProgramFinding(
        cause="learning_rate_fell_too_early",
        verdict=verdict,
        evidence=(
            Evidence(
                f"learning rate after {_EARLY:.0%} of the training",
                f"{later:.2g}",
                f"a good part of {usual:.2g}",
                later,
            ),
        ),
        remedies=(remedy,),
        reason=reason,
        source="Keras documentation: learning rate schedules",
        confidence=MEASURED,
    )
