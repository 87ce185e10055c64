"""Steps that are too long, too short or too few."""

from __future__ import annotations

import math

from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import has_died, is_not_learning, skill_evidence
from ferkeras.diagnose.trial import teaches_more

_TOO_LONG = 0.1
"""Relative change of the weights in one step above which nothing lasts: ten steps replace all."""

_ENOUGH = 0.3
"""Relative change over all steps, each in the same direction, below which a network is still by
and large the random one that it began as."""

_USUAL = 1e-3
"""Relative change in one step that is aimed at, to within a factor of ten (Karpathy)."""

_AIM = 5e-3
_WHOLE = 2.0
"""Relative change from which on it is told in times, not in percent."""

_A_FEW_HUNDRED = 500
"""Steps that a remedy leaves room for: in fewer hardly any network learns what it could."""

_CLIPPED = 0.95
_SOURCE = "update-to-weight ratio: Karpathy, CS231n, Neural networks part 3; Smith 2017 (LR range)"


def learning_rate_too_high(m: Measurements) -> Finding | None:
    """Steps that replace the weights faster than the network can learn."""
    steps = m.first_steps
    if not is_not_learning(m) or (steps.typical <= _TOO_LONG and math.isfinite(steps.typical)):
        return None
    rate = m.case.config.train.first_learning_rate
    # Steps that are not finite say nothing of which would be usual.
    lower = _other_rate(m, min(rate / 10, rate_of_usual_steps(m)))
    # A warm-up has other first steps: there the proof is that units died, or a lower rate learns.
    if (
        m.case.config.train.warmup_epochs
        and not has_died(m)
        and not teaches_more(m.trial({}), m.trial(lower.overrides))
    ):
        return None
    change = f"{steps.typical:.0%} of" if steps.typical < _WHOLE else f"{steps.typical:,.0f} times"
    return Finding(
        "learning_rate_too_high",
        f"The learning rate {rate:g} is too high: each step changes the weights by {change} their "
        "size.",
        (
            Evidence(
                "change of the weights in one step, relative to their size",
                f"{steps.typical:.2g}",
                f"about {_USUAL:g}, below {_TOO_LONG:g}",
                steps.typical,
            ),
            *_range_test(m),
            skill_evidence(m),
        ),
        (lower,),
        "at 0.1 ten steps replace every weight, so that no batch is remembered for longer",
        _SOURCE,
    )


def gradients_clipped_away(m: Measurements) -> Finding | None:
    """Clipping that shortens nearly every step until the steps no longer add up.

    Of the factor by which steps are too short, clipping has to account for more than the rate.
    """
    steps = m.first_steps
    way = steps.typical * m.case.steps
    if (
        steps.clipped < _CLIPPED
        or way >= _ENOUGH
        or steps.typical >= _USUAL
        or steps.typical * steps.shortened**2 < _USUAL
        or not is_not_learning(m)
    ):
        return None
    clip = m.case.config.train.global_clip_norm
    return Finding(
        "gradients_clipped_away",
        f"Clipping to a norm of {clip:g} shortens the steps {steps.shortened:,.0f} times, so that "
        "they lead nowhere.",
        (
            Evidence("steps that are clipped", f"{steps.clipped:.0%}", "few", steps.clipped),
            Evidence(
                "norm of the gradient before clipping",
                f"{steps.gradient_norm:.3g}",
                f"mostly below the clip norm, {clip:g}",
                steps.gradient_norm,
            ),
            _way(m),
        ),
        (
            Remedy(
                "clip only what is far above the usual norm",
                f"steps {steps.shortened:,.0f} times as long",
                {"train.global_clip_norm": _rounded(2 * steps.gradient_norm)},
            ),
        ),
        "clipping is for the exception; where it binds always it divides the learning rate",
        "Pascanu et al. 2013, On the difficulty of training recurrent neural networks",
    )


def learning_rate_too_low(m: Measurements) -> Finding | None:
    """Steps so short that all of them together do not lead away from the random start."""
    steps = m.first_steps
    if steps.typical >= _USUAL or steps.typical * m.case.steps >= _ENOUGH or not is_not_learning(m):
        return None
    rate, higher = m.case.config.train.first_learning_rate, rate_of_usual_steps(m)
    # Where nothing moves although the rate is a usual one, something else is in the way.
    if higher <= rate:
        return None
    return Finding(
        "learning_rate_too_low",
        f"The learning rate {rate:g} is too low: {m.case.steps:,} steps cannot change the weights "
        f"by more than {steps.typical * m.case.steps:.1%} of their size.",
        (
            Evidence(
                "change of the weights in one step, relative to their size",
                f"{steps.typical:.2g}",
                f"about {_USUAL:g}",
                steps.typical,
            ),
            _way(m),
            *_range_test(m),
            skill_evidence(m),
        ),
        (_other_rate(m, higher),),
        "a network begins with random weights and must be able to replace them",
        _SOURCE,
    )


def _other_rate(m: Measurements, usual: float) -> Remedy:
    """The rate that a range test suggests, where it lies on the side of `usual`, or that one."""
    rate, suggested = m.case.config.train.first_learning_rate, m.range_test.suggestion
    lowers = usual < rate
    found = suggested is not None and suggested != rate and (suggested < rate) == lowers
    return Remedy(
        f"{'lower' if lowers else 'raise'} the learning rate",
        "steps with which a range test learns" if found else f"steps of {_AIM:g} of the weights",
        {"train.learning_rate": suggested if found else usual},
    )


def rate_of_usual_steps(m: Measurements) -> float:
    """The learning rate whose steps change the weights by `_AIM`, to one significant digit."""
    movement = m.first_steps.typical
    if not movement > 0 or not math.isfinite(movement):
        return 1e-3
    return min(10.0, _rounded(m.case.config.train.first_learning_rate * _AIM / movement))


def too_few_steps(m: Measurements) -> Finding | None:
    """Steps of the usual length, but not enough of them."""
    steps = m.first_steps
    config = m.case.config
    if (
        not _USUAL <= steps.typical <= _TOO_LONG
        or steps.typical * m.case.steps >= _ENOUGH
        or not is_not_learning(m)
    ):
        return None
    return Finding(
        "too_few_steps",
        f"{m.case.steps:,} steps are too few: with batches of {config.train.batch_size:,} an epoch "
        f"of {len(m.case.splits.train):,} faces has {m.case.setup.pipeline.steps_per_epoch}.",
        (_way(m), skill_evidence(m)),
        (_more_steps(m),),
        "a network begins with random weights and must be able to replace them",
        "Masters & Luschi 2018, Revisiting small batch training",
    )


def _more_steps(m: Measurements) -> Remedy:
    config, usual = m.case.config, 64
    if config.train.batch_size > usual:
        epochs = enough_epochs(m, usual)
        return Remedy(
            "smaller batches, and more epochs" if epochs else "smaller batches",
            f"{config.train.batch_size / usual:.0f} times as many steps in an epoch",
            {"train.batch_size": usual, **epochs},
        )
    return Remedy(
        "more epochs", "five times as many steps", {"train.epochs": 5 * config.train.epochs}
    )


def enough_epochs(m: Measurements, batch_size: int) -> dict[str, int]:
    """As many epochs as make a few hundred steps of other batches; none where there are enough."""
    per_epoch = -(-len(m.case.splits.train) // batch_size)
    epochs = -(-_A_FEW_HUNDRED // per_epoch)
    return {"train.epochs": epochs} if epochs > m.case.config.train.epochs else {}


def _way(m: Measurements) -> Evidence:
    way = m.first_steps.typical * m.case.steps
    return Evidence(
        f"most that {m.case.steps:,} such steps can change the weights, relative to their size",
        f"{way:.2g}",
        f"above {_ENOUGH:g}",
        way,
    )


def _range_test(m: Measurements) -> tuple[Evidence, ...]:
    """The configured rate beside the one that a range test suggests, where it suggests one."""
    rate, suggestion = m.case.config.train.first_learning_rate, m.range_test.suggestion
    if suggestion is None:
        return ()
    expected = f"about {suggestion:g}, the suggestion of a range test"
    return (Evidence("learning rate", f"{rate:g}", expected, rate),)


def _rounded(value: float) -> float:
    """To one significant digit."""
    return float(f"{value:.0e}")
