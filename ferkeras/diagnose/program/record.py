"""What is found in a program, in words, as a page and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

import ferkeras
from ferkeras.diagnose.program.finding import ProgramFinding
from ferkeras.diagnose.program.rehearsal import Rehearsal
from ferkeras.diagnose.program.trial import Trial

_NOTHING = 0.05
"""Accuracy above the majority's, 1 for the truth, that is no more than chance gives 1,024 rows;
fall of the loss, of itself, that is no more than batches differ by."""

_RANKED = 0.65
"""Area under the ROC curve from which on rare rows are told from the others."""

STEPS = 100
"""Fewer of them teach a sound classifier nothing either."""


@dataclass(frozen=True)
class ProgramDiagnosis:
    """What is wrong with a program.

    Attributes:
        findings: the causes, the most certain and worst first; empty where none was found.
        severity: healthy, or the worst of the findings'; suspicious also where no cause was found
            and the model was not seen to learn.
        seconds: that the examination took.
        facts: what was examined, by name, for people.
        brief: a brief training of the program as it is, where no cause was found; None without
            time.
        read: where that learns nothing, accuracy above the majority's of trees grown on other rows
            of the same inputs; None where they cannot read such inputs.
        pictures: whether the inputs are pictures whose neighbouring pixels are alike.
        remaining: what a copy with the findings put in order still lacks, of rate and steps.
        output_layer: name of the layer that makes the output; empty where none does.
        own: the rehearsal of its own `fit`, where that learns and a brief training does not.
        only: the one class of the rows that were examined, where others are rare; else empty.
        behind: the rehearsal of its own `fit`, where a brief training without its callbacks and its
            own step knows far more, and nothing was found that explains it.
        program: the file that was run; empty where a model was given.
        lines: file and line of the program for each cause, where they are known.
        called: file and line where it calls `fit`; empty where a model was given.
        majority: fraction of the rows that are of the most frequent class, of the brief training;
            None where a row may have several.
    """

    findings: tuple[ProgramFinding, ...]
    severity: Literal["healthy", "suspicious", "broken"]
    seconds: float
    facts: Mapping[str, str]
    remaining: tuple[ProgramFinding, ...] = ()
    output_layer: str = ""
    brief: Trial | None = None
    read: float | None = None
    pictures: bool = False
    own: Rehearsal | None = None
    only: str = ""
    behind: Rehearsal | None = None
    program: str = ""
    lines: Mapping[str, str] = field(default_factory=dict)
    called: str = ""
    majority: float | None = None

    @property
    def causes(self) -> tuple[str, ...]:
        """Names of the causes, in order."""
        return tuple(finding.cause for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The verdict in a sentence."""
        if self.findings:
            return self.findings[0].verdict
        if self.own is not None:
            return (
                f"Its own `fit` learns: {self.own.accuracy:.0%} of the training rows are right "
                f"after {self.own.steps:,} steps."
            )
        if self.only:
            return (
                "Nothing was found that keeps this classifier from learning, but it was not seen "
                f"to learn either: all rows that were examined are of class {self.only}, as the "
                "others are rare."
            )
        if self.behind is not None and self.brief is not None:
            return (
                f"Its own `fit` has {self.behind.accuracy:.0%} of the training rows right after "
                f"{self.behind.steps:,} steps, a brief training without its callbacks and its own "
                f"step {self.brief.accuracy:.0%} after {self.brief.steps:,}, and nothing was found "
                "that explains it: what do they do?"
            )
        if self.brief is not None and learns_nothing(self.brief):
            return (
                f"It learns nothing in {self.brief.steps:,} steps ({_what_stays(self.brief)}), and "
                "nothing was found that explains it" + self._readable
            )
        if self.brief is not None and not self.brief.finite:
            return (
                f"The loss is {self.brief.loss():g} after {self.brief.steps:,} steps, and nothing "
                "was found that explains it."
            )
        if self.brief is None and self.facts.get("loss") == "none":
            return (
                "Nothing was found that keeps this classifier from learning, but it was not seen "
                "to learn either: no loss is compiled, and what its own training step does in "
                "`fit` teaches next to nothing in the time that there was (`seconds`)."
            )
        if self.brief is None or not learns(self.brief):
            steps = 0 if self.brief is None else self.brief.steps
            return (
                "Nothing was found that keeps this classifier from learning, but it was not seen "
                f"to learn either, in the {steps:,} steps that there was time for (`seconds`)."
            )
        if not _names(self.brief):
            return (
                "Nothing was found that keeps this classifier from learning: after "
                f"{self.brief.steps:,} steps it ranks its training rows (area under the ROC curve "
                f"{self.brief.ranking:.2f}), though it names {self.brief.accuracy:.0%} of them "
                "rightly, no more than by always giving the most frequent answer, as is usual "
                "where the others are rare. Choose the threshold on validation rows, and judge it "
                "by AUC or F1 rather than by accuracy."
            )
        always = (
            ""
            if self.majority is None
            else (f", and {self.majority:.0%} would be by always answering the most frequent class")
        )
        return (
            "Nothing was found that keeps this classifier from learning: "
            f"{self.brief.accuracy:.0%} of its training rows are right after {self.brief.steps:,} "
            f"steps{always}."
        )

    @property
    def _readable(self) -> str:
        if self.read is None:
            return ": are the classes in the inputs at all?"
        if self.read < 0.3 and self.pictures:
            return (
                "; decision trees do not read the classes from the inputs either, which are "
                "pictures in order (neighbouring pixels are alike): hard ones, or ones that do not "
                "belong to their labels."
            )
        if self.read < 0.3:
            return (
                "; decision trees do not read the classes from the inputs either: does each row "
                "still belong to its label, and did a reshape or a wrong axis mix the rows?"
            )
        return (
            "; decision trees read the classes from the same inputs (skill "
            f"{self.read:.2f}, 1 for the truth), so they are lost on the way through the model."
        )

    def to_html(self) -> str:
        """Everything as one HTML page that fetches and runs nothing."""
        from ferkeras.diagnose.program.page import program_page

        return program_page(self)

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "ferkeras": ferkeras.__version__,
            "verdict": self.verdict,
            "severity": self.severity,
            "causes": list(self.causes),
            "findings": [
                {**finding.as_json(), "line": self.lines.get(finding.cause)}
                for finding in self.findings
            ],
            "remaining": [finding.as_json() for finding in self.remaining],
            "examined": dict(self.facts),
            "seconds": round(self.seconds, 1),
        }


def learns_nothing(brief: Trial) -> bool:
    """Whether it had the steps to learn and did not."""
    return brief.steps >= STEPS and not learns(brief)


def learns(brief: Trial) -> bool:
    """Whether the rows are told apart, or begin to be."""
    return _names(brief) or (brief.ranking is not None and brief.ranking >= _RANKED)


def _names(brief: Trial) -> bool:
    """Whether more rows are named rightly than by always giving the most frequent answer."""
    # Running statistics may lag behind after so few steps.
    skill = np.fmax(brief.skill, brief.training_skill)
    return bool(skill >= 0.5 or (skill >= _NOTHING and _falls(brief)))


def _falls(brief: Trial) -> bool:
    """Whether the loss is lower in the last tenth of the steps than in the first."""
    first = float(np.mean(brief.losses[: max(1, brief.steps // 10)]))
    return brief.loss() < (1 - _NOTHING) * first


def _what_stays(brief: Trial) -> str:
    if not np.fmax(brief.skill, brief.training_skill) >= _NOTHING:
        return (
            f"{brief.accuracy:.0%} of the training rows are right, no more than by always "
            "answering the most frequent class"
        )
    return f"the loss is {brief.losses[0]:.3g} at first and {brief.loss():.3g} in the end"
