"""A change held against the program itself: the same steps from the same start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ferkeras.diagnose.program.trial import Trial

CLEAR = 0.25
"""A skill this much higher is a change that helps; a skill of 1024 rows is known to 0.04."""

_HARD = 0.1
"""Skill that is no chance, of data of which brief trainings learn little."""


def told(skill: float) -> str:
    """A skill in two digits; below guessing there is nothing."""
    return f"{max(0.0, round(skill, 2)):.2f}"


@dataclass(frozen=True)
class Comparison:
    """Trials with and without a change, one pair a seed.

    Attributes:
        without: of the program.
        treated: with the change.
    """

    without: tuple[Trial, ...]
    treated: tuple[Trial, ...]

    @property
    def skill_without(self) -> float:
        """Mean over the seeds."""
        return float(np.mean([each.skill for each in self.without]))

    @property
    def skill_with(self) -> float:
        """Mean over the seeds."""
        return float(np.mean([each.skill for each in self.treated]))

    @property
    def helps(self) -> bool:
        """Whether the change makes a training learn that does not learn, with every seed."""
        gains = [t.skill - w.skill for t, w in zip(self.treated, self.without, strict=True)]
        return (
            self.skill_with > CLEAR
            and self.skill_without < 0.6 * self.skill_with
            and self.skill_with - self.skill_without > CLEAR
            and min(gains) > 0
        )

    @property
    def halves_errors(self) -> bool:
        """Whether the change leaves half of the errors at most, clearly, where much is known."""
        return self.skill_with - self.skill_without > CLEAR / 2 and 1 - self.skill_without > 2 * (
            1 - self.skill_with
        )

    @property
    def frees(self) -> bool:
        """Whether it halves the errors of training rows and teaches validation rows clearly more.

        What regularises may well leave more errors on training rows.
        """
        held = [
            t.held_skill - w.held_skill
            for t, w in zip(self.treated, self.without, strict=True)
            if t.held_skill is not None and w.held_skill is not None
        ]
        return self.halves_errors and bool(held) and min(held) > CLEAR

    @property
    def teaches_more(self) -> bool:
        """Whether twice as much is known of hard data, on both splits, with every seed.

        One seed must make a difference that is larger.
        """
        enough = _HARD / 2 if len(self.treated) > 1 else 0.75 * _HARD
        gains = [
            (t.skill - w.skill, (t.held_skill or 0.0) - (w.held_skill or 0.0))
            for t, w in zip(self.treated, self.without, strict=True)
        ]
        return (
            self.skill_with > max(_HARD, 2 * self.skill_without)
            and min(min(each) for each in gains) > enough
        )

    @property
    def confidence(self) -> float:
        """From 0.5 where the change hardly helps to 0.97 where it makes all the difference."""
        gain = self.skill_with - max(0.0, self.skill_without)
        return float(np.clip(0.55 + 0.45 * gain / max(CLEAR, self.skill_with), 0.5, 0.97))

    @property
    def words(self) -> str:
        """What came of it, for people."""

        def accuracy(trials: tuple[Trial, ...]) -> str:
            return f"{np.mean([each.accuracy for each in trials]):.1%}"

        return (
            f"after {self.treated[0].steps:,} steps from the same start {accuracy(self.treated)} "
            f"of the training rows are right, {accuracy(self.without)} without the change"
        )
