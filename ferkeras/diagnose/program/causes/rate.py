"""A learning rate with which the loss runs away, or the weights stand still."""

from __future__ import annotations

import keras
import numpy as np

from ferkeras.diagnose.program.comparison import CLEAR, told
from ferkeras.diagnose.program.finding import MEASURED, PROVEN, CodeRemedy, Evidence, ProgramFinding
from ferkeras.diagnose.program.program import Program
from ferkeras.diagnose.program.trial import Change, Trial

_UNUSUAL = 4.0
"""Times the usual rate."""

_HINT = 0.03
"""Gain of skill that may be chance, and is worth a closer look."""

_LOWER = (0.1, 0.01)
_HIGHER = (10.0, 100.0, 1e3, 1e4, 1e5, 1e6)
_STILL = 0.05
"""Of their size, the most that weights move in the whole training."""

_MOVES = 0.3
"""Of their size, about what weights move that learn."""

_MANY = 50
"""Steps below which an ordinary rate is not to blame for weights that stand still."""


def learning_rate_too_high(program: Program) -> ProgramFinding | None:
    """The loss does not fall below that of always answering alike, and does with a smaller rate."""
    basis = program.trials.basis
    if basis is None or program.trials.learns(basis):
        return None
    for factor in _LOWER:
        comparison = program.trials.compared(Change(rate=factor))
        if comparison is None or not comparison.helps:
            continue
        first, last = float(basis.losses[0]), basis.loss()
        falls = np.isfinite(last) and last < 0.7 * first
        if falls:
            continue
        rate = program.rate
        return ProgramFinding(
            cause="learning_rate_too_high",
            verdict=f"With the learning rate {rate:.3g} the loss does not fall ({first:.3g} at "
            f"first, {last:.3g} after {basis.steps} steps); with {rate * factor:.3g} the same "
            "steps learn.",
            evidence=(
                Evidence(
                    "loss of the last steps over that of the first",
                    f"{last / first:.2f}",
                    "well below 1",
                    last / first,
                ),
                Evidence(
                    f"training rows named rightly, above the majority, with {rate:.3g} and "
                    f"{rate * factor:.3g}",
                    told(comparison.skill_without),
                    told(comparison.skill_with),
                    comparison.skill_without,
                ),
            ),
            remedies=(
                CodeRemedy(
                    f"lower the learning rate to {rate * factor:.2g}",
                    "a loss that falls",
                    code=f"learning_rate={rate * factor:.2g}",
                    change=Change(rate=factor),
                    tried=comparison.words,
                ),
            ),
            reason="Named where a tenth or a hundredth of the rate, with everything else as it "
            "is, makes a training learn whose loss does not fall.",
            source="Goodfellow et al., Deep Learning, 11.4.1",
            confidence=comparison.confidence,
        )
    return None


def learning_rate_hurts(program: Program) -> ProgramFinding | None:
    """Hardly anything is learnt of hard data, and twice as much with a tenth of an unusual rate."""
    basis = program.trials.basis
    adaptive = isinstance(program.optimizer, (keras.optimizers.Adam, keras.optimizers.RMSprop))
    if basis is None or program.trials.learns(basis) or not adaptive:
        return None
    if program.rate < _UNUSUAL * program.usual_rate:
        return None
    lower = program.trials.tried(Change(rate=0.1))
    if lower is None or lower.skill - max(0.0, basis.skill) < _HINT:
        return None
    comparison = program.trials.compared_on_hard_data(Change(rate=0.1))
    if comparison is None or not comparison.teaches_more:
        return None
    rate = program.rate
    return ProgramFinding(
        cause="learning_rate_too_high",
        verdict=f"With the learning rate {rate:.3g} it learns next to nothing; with "
        f"{rate / 10:.3g} the same steps learn more than twice as much.",
        evidence=(
            Evidence(
                f"training rows named rightly, above the majority, with {rate:.3g} and "
                f"{rate / 10:.3g}",
                told(comparison.skill_without),
                told(comparison.skill_with),
                comparison.skill_without,
            ),
        ),
        remedies=(
            CodeRemedy(
                f"lower the learning rate to {rate / 10:.2g}",
                "a loss that falls",
                code=f"learning_rate={rate / 10:.2g}",
                change=Change(rate=0.1),
                tried=comparison.words,
            ),
        ),
        reason=f"Named where the rate is {_UNUSUAL:g} times the usual one and more, and a tenth of "
        "it teaches twice as much of both splits.",
        source="Goodfellow et al., Deep Learning, 11.4.1",
        confidence=MEASURED,
    )


def learning_rate_zero(program: Program) -> ProgramFinding | None:
    """The learning rate is 0 in the whole training, and no callback nor step raises it."""
    if program.rate != 0:
        return None
    acted = program.rehearsals.callbacks or program.rehearsals.has_own_step
    whole = program.rehearsals.whole if acted else None
    if acted and (whole is None or whole.moved > 0):
        return None
    return ProgramFinding(
        cause="learning_rate_too_low",
        verdict="The learning rate is 0: no step changes a weight.",
        evidence=(Evidence("learning rate, the highest of the training", "0", "above 0", 0.0),),
        remedies=(
            CodeRemedy(
                "give the optimizer a learning rate",
                "weights that get somewhere",
                code=f"learning_rate={program.usual_rate:g}",
            ),
        ),
        reason="Named where the optimizer, or its schedule at every step, has a rate of 0, and "
        "`fit` leaves every weight as it was.",
        source="Goodfellow et al., Deep Learning, 8.3.1",
        confidence=PROVEN,
    )


def learning_rate_too_low(program: Program) -> ProgramFinding | None:
    """The weights hardly move in all the steps there are, and a larger rate makes them learn."""
    basis, rate = program.trials.basis, program.rate
    if basis is None or program.trials.learns(basis) or not basis.finite:
        return None
    planned = program.planned_steps or 100_000
    moved = basis.movement * planned / max(1, basis.steps)
    whole = program.planned_steps is not None and basis.steps >= program.planned_steps
    low = rate < program.usual_rate / 5
    if not (low or planned >= _MANY) or (moved > _STILL and not (whole and low)):
        return None
    # First the factor with which they would move as weights do that learn; each takes time.
    for factor in sorted(_HIGHER, key=lambda each: abs(np.log(max(moved, 1e-9) * each / _MOVES))):
        comparison = program.trials.compared(Change(rate=factor))
        if comparison is None or not comparison.helps:
            continue
        return ProgramFinding(
            cause="learning_rate_too_low",
            verdict=f"With the learning rate {rate:.2g} the weights move by {moved:.1%} of their "
            f"size in {planned:,} steps; with {rate * factor:.2g} the same steps learn.",
            evidence=(
                Evidence(
                    "movement of the weights, of their size, in the whole training",
                    f"{moved:.1%}",
                    f"above {_STILL:.0%}",
                    moved,
                ),
                Evidence(
                    "training rows named rightly, above the majority, with this rate and "
                    f"{factor:g} times it",
                    told(comparison.skill_without),
                    told(comparison.skill_with),
                    comparison.skill_without,
                ),
            ),
            remedies=(
                CodeRemedy(
                    f"raise the learning rate to {rate * factor:.2g}",
                    "weights that get somewhere",
                    code=f"learning_rate={rate * factor:.2g}",
                    change=Change(rate=factor),
                    tried=comparison.words,
                ),
            ),
            reason="Named where a larger rate makes a training learn that does not, and the "
            "weights stand still or the rate is below a fifth of the usual one.",
            source="Goodfellow et al., Deep Learning, 11.4.1",
            confidence=comparison.confidence,
        )
    return None


def too_few_steps(program: Program) -> ProgramFinding | None:
    """The training ends while it has hardly begun to learn."""
    basis, planned = program.trials.basis, program.planned_steps
    if (
        basis is None
        or planned is None
        or basis.steps < planned
        or program.trials.learns(basis)
        or not basis.finite
    ):
        return None
    longer = program.trials.longer()
    if longer is None or longer.skill - basis.skill < CLEAR or longer.skill < 2 * CLEAR:
        return None
    if basis.skill > 0.6 * longer.skill or _knows_by_heart(basis, longer):
        return None
    if basis.training_skill > 0.6 * longer.skill:
        # It has learnt; the running statistics have not followed.
        return None
    smaller = None
    if program.batch > 64 and program.batch >= 0.5 * (program.rows or 0):
        smaller = program.trials.compared(Change(batch=32, steps_factor=program.batch / 32))
    if smaller is not None and smaller.helps and (program.fit.epochs or 0) >= 5:
        return ProgramFinding(
            cause="batch_size",
            verdict=f"A batch of {program.batch:,} makes {planned} steps of {program.fit.epochs} "
            "epochs; with 32 rows a step the same epochs learn.",
            evidence=(
                Evidence("steps of the training", f"{planned}", "hundreds", planned),
                Evidence(
                    "training rows named rightly, above the majority, with this batch and 32",
                    told(smaller.skill_without),
                    told(smaller.skill_with),
                    smaller.skill_without,
                ),
            ),
            remedies=(
                CodeRemedy(
                    "take smaller batches",
                    "more steps of the same epochs",
                    code="batch_size=32",
                    tried=smaller.words,
                ),
            ),
            reason="Named where the batch is half of the rows or more, and a smaller one learns "
            "in the same epochs.",
            source="Goodfellow et al., Deep Learning, 8.1.3",
            confidence=smaller.confidence,
        )
    return ProgramFinding(
        cause="too_few_epochs",
        verdict=f"The training ends after {planned} steps, when {basis.accuracy:.0%} of the "
        f"training rows are named rightly; after {longer.steps:,} it is {longer.accuracy:.0%}.",
        evidence=(
            Evidence("steps of the training", f"{planned}", f"{longer.steps:,} or more", planned),
            Evidence(
                "training rows named rightly, above the majority",
                told(basis.skill),
                f"{longer.skill:.2f} after {longer.steps:,} steps",
                basis.skill,
            ),
        ),
        remedies=(
            CodeRemedy(
                "train for more epochs",
                "the loss goes on falling",
                code=f"epochs={(program.fit.epochs or 1) * max(2, longer.steps // planned)}",
                tried=f"{longer.accuracy:.1%} of the training rows are right after "
                f"{longer.steps:,} steps, {basis.accuracy:.1%} after {planned}",
            ),
        ),
        reason="Named where the whole training was run, and going on as it is makes it learn.",
        source="Goodfellow et al., Deep Learning, 7.8",
        confidence=0.8,
    )


def _knows_by_heart(basis: Trial, longer: Trial) -> bool:
    """Whether what more steps teach of training rows holds for hardly any validation row."""
    if basis.held_skill is None or longer.held_skill is None:
        return False
    return longer.held_skill - basis.held_skill < 0.25 * (longer.skill - basis.skill)
