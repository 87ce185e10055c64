"""Which brief trainings are made of a program, within the time that there is for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras

from ferkeras.diagnose.finding import Severity
from ferkeras.diagnose.program.comparison import Comparison
from ferkeras.diagnose.program.trial import Change, Stepper, Trial, train

if TYPE_CHECKING:
    from ferkeras.diagnose.program.program import Program

_STEPS = 400
_LEARNT, _MORE = 0.9, 0.05
"""Skill of what has learnt, and what more of it would make a difference."""

_GENEROUS_STEPS = 1000
_GENEROUS_RATE = 0.01
_SCHEDULE = keras.optimizers.schedules.LearningRateSchedule


class Trials:
    """Trials of a program, each made when first asked for, and never twice.

    Args:
        program: what is tried; the weights that it has now are the start of each.
        seconds: that all of them together may take.
    """

    def __init__(self, program: Program, seconds: float) -> None:
        self._program = program
        self.seconds = seconds
        self.head_is_wrong = False
        """Whether outputs, loss or labels were found not to fit; trials then repair them first."""
        self.scale_inputs = False
        """Whether inputs were found unscaled; later trials scale them first."""
        self.undivided = False
        """Whether a layer was found to divide scaled pictures; in later trials it does not."""
        self._until = time.monotonic() + seconds
        self._start = [(v, v.numpy()) for v in program.model.variables]
        self._trials: dict[tuple[Change, int], Trial | None] = {}
        self._steppers: dict[Any, Stepper] = {}

    @property
    def repaired(self) -> bool:
        """Whether trials put outputs, labels and loss in order before they change anything."""
        wanted = self.head_is_wrong or not self._program.has_loss
        return wanted and self._program.objective.can_be_repaired

    @property
    def steps(self) -> int:
        """Steps of a trial: the whole training where it is short."""
        planned = self._program.planned_steps
        return _STEPS if planned is None else min(_STEPS, planned)

    @property
    def basis(self) -> Trial | None:
        """The program as it is, with what was found before put in order; None without time."""
        return self._try(self._upon(Change()))

    @cached_property
    def repair(self) -> str | None:
        """What labels, loss and output in order bring, in words; None where it was not tried."""
        if not self.repaired:
            return None
        after, before = self.basis, self.as_it_is
        if after is None:
            return None
        scaled = ", and inputs scaled as well," if self.scale_inputs else ""
        words = f"with labels, loss and output in order{scaled} {after.accuracy:.1%} of the "
        words += f"training rows are right after {after.steps:,} steps from the same start"
        words += "" if before is None else f", {before.accuracy:.1%} as it is"
        if not self.learns(after):
            words += "; something else is in the way too: examine it again once this is mended"
        return words

    @property
    def as_it_is(self) -> Trial | None:
        """The program with nothing put in order; None without time, or where Keras refuses."""
        return self._try(Change())

    @property
    def learns_all_the_same(self) -> bool:
        """Whether it learns as well as it is as with labels, loss and output in order."""
        if not self.repaired or self.repair is None:
            return False
        after, before = self.basis, self.as_it_is
        return (
            after is not None
            and before is not None
            and before.skill > _LEARNT
            and after.skill < before.skill + _MORE
        )

    @property
    def severity(self) -> Severity:
        """Of a fault that a brief training as it is shows to be none in the way: suspicious."""
        basis = self.basis
        return "suspicious" if basis is not None and self.learns(basis) else "broken"

    def tried(self, change: Change) -> Trial | None:
        """One trial with a change; None where there is no time or no way."""
        return self._try(self._upon(change))

    def longer(self) -> Trial | None:
        """The same as `basis`, for up to ten times the steps; more where that is a handful."""
        steps = min(max(10 * self.steps, _STEPS // 2), 4 * _STEPS)
        return self._try(self._upon(Change()), max(steps, 2 * self.steps), self.seconds / 4)

    def patient(self, steps: int) -> Trial | None:
        """The same as `basis` for so many steps at least, in all the time that is left."""
        planned = self._program.planned_steps
        if planned is not None and planned < steps:
            return self.basis
        return self._try(self._upon(Change()), steps, max(0.0, self.seconds_left)) or self.basis

    def generous(self) -> tuple[Trial, ...]:
        """Long trainings at a fitting rate from several draws of weights; empty without time."""
        if not self._program.rate > 0:
            return ()
        trials = []
        change = self._upon(Change(fresh=True, rate=_GENEROUS_RATE / self._program.rate, adam=True))
        for seed in range(4):
            trial = self._try(replace(change, seed=seed), _GENEROUS_STEPS, self.seconds / 10)
            if trial is None:
                break
            trials.append(trial)
        return tuple(trials) if len(trials) > 2 else ()

    def learns(self, trial: Trial) -> bool:
        """Whether a trial learnt well enough for its settings to be beyond blame."""
        # What a repaired program still lacks is told only where it lacks everything.
        return trial.skill > (0.15 if self.head_is_wrong else 0.5)

    def compared_on_hard_data(self, change: Change) -> Comparison | None:
        """The same for a change that may teach little, in longer trainings, with two seeds where
        there is time."""
        pairs: list[tuple[Trial, Trial]] = []
        # Trials of the first seed may have had less time.
        for seed in (1, 2):
            if pairs and self.seconds_left < sum(each.seconds for each in pairs[0]):
                break
            pair = [
                self._try(replace(self._upon(each), seed=seed), self.steps, self.seconds / 6)
                for each in (Change(), change)
            ]
            if pair[0] is None or pair[1] is None:
                break
            pairs.append((pair[0], pair[1]))
        return Comparison(*zip(*pairs, strict=True)) if pairs else None

    def compared(self, change: Change) -> Comparison | None:
        """Hold a change against the program; None where there is no time or no way."""
        change, without = self._upon(change), self._upon(Change())
        pairs: list[tuple[Trial, Trial]] = []
        for seed in range(3):
            first_pair = Comparison(*zip(*pairs[:1], strict=True)) if pairs else None
            if first_pair and (
                self.seconds_left < 2 * sum(each.seconds for each in pairs[0])
                or not (first_pair.helps or first_pair.frees)
            ):
                break
            first = self._try(replace(without, seed=seed))
            second = self._try(replace(change, seed=seed))
            if first is None or second is None:
                break
            pairs.append((first, second))
        if not pairs:
            return None
        return Comparison(tuple(each[0] for each in pairs), tuple(each[1] for each in pairs))

    def _upon(self, change: Change) -> Change:
        return replace(
            change,
            repaired=self.repaired,
            scaled=change.scaled or self.scale_inputs,
            divided=change.divided and not self.undivided,
        )

    def _try(
        self, change: Change, steps: int | None = None, seconds: float | None = None
    ) -> Trial | None:
        steps = max(1, round((steps or self.steps) * change.steps_factor))
        if self.seconds_left < 0.5 or not (change.repaired or self._program.objective.works):
            # What was tried once is known without time.
            return self._trials.get((change, steps))
        return self._trial(change, steps, self.seconds / 12 if seconds is None else seconds)

    @property
    def seconds_left(self) -> float:
        """Of the time for trials."""
        return self._until - time.monotonic()

    def hurry(self, seconds: float) -> None:
        """Leave at most so many seconds for the trials that are still to come."""
        self._until = min(self._until, time.monotonic() + seconds)

    def _trial(self, change: Change, steps: int, seconds: float) -> Trial | None:
        """Train briefly from the first weights, which are put back afterwards.

        None where that fails, which is told and not tried again.
        """
        key = (change, steps)
        if key not in self._trials:
            self._trials[key] = None
            try:
                with self.restarted():
                    self._trials[key] = train(self._program, change, steps, seconds)
            except Exception as error:
                # Whatever somebody else's model raises there.
                self._program.cannot_measure("a brief training", error)
        return self._trials[key]

    def stepper(self, change: Change) -> Stepper:
        """Steps for a change, built when first asked for; call it where `changed` holds."""
        scheduled = isinstance(getattr(self._program.optimizer, "_learning_rate", None), _SCHEDULE)
        key = (
            change.repaired,
            change.activation,
            change.everything,
            change.batch,
            change.adam,
            change.dropout,
            change.penalties,
            change.class_weight,
            change.clipping,
            change.augmentation,
            change.constraints,
            change.divided,
            change.scaled and any(each.dtype.kind != "f" for each in self._program.train.arrays),
            change.rate if scheduled else None,
        )
        if key not in self._steppers:
            self._steppers[key] = Stepper(self._program, change)
        return self._steppers[key]

    @contextmanager
    def restarted(self) -> Iterator[None]:
        """Put the first weights back when the block ends."""
        try:
            yield
        finally:
            # A step may have built more layers.
            for variable, value in self._start:
                variable.assign(value)
