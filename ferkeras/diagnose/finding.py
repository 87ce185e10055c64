"""What a probe found: a cause, the measurements that show it, and what fixes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ferkeras.config.file import with_values
from ferkeras.config.keys import as_arguments
from ferkeras.config.schema import Config

Severity = Literal["suspicious", "broken"]

UNEXPLAINED = "unexplained"
"""What is named where no cause was found."""


@dataclass(frozen=True)
class Evidence:
    """One measurement beside what it should have been.

    Attributes:
        what: was measured, in a few words.
        measured: the number, as people read it.
        expected: what a healthy training has, as text.
        value: the number itself.
    """

    what: str
    measured: str
    expected: str
    value: float


@dataclass(frozen=True)
class Remedy:
    """Something to do about a cause.

    Attributes:
        what: to do, in a line.
        expected: what it should bring about.
        overrides: configuration keys and their new values; empty where the faces or their labels
            have to be fixed, which no key does.
    """

    what: str
    expected: str
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def applied_to(self, config: Config) -> Config:
        """The configuration with this remedy's values.

        Raises:
            InputError: they contradict the rest of the configuration.
        """
        return with_values(config, self.overrides)

    def changes(self, config: Config) -> bool:
        """Whether it says to do something that the configuration does not say already."""
        return not self.overrides or self.applied_to(config) != config

    @property
    def arguments(self) -> str:
        """The overrides as they stand on a command line."""
        return as_arguments(self.overrides)


@dataclass(frozen=True)
class Finding:
    """A cause that was found.

    Attributes:
        cause: its name, such as `learning_rate_too_high`.
        verdict: what is wrong, in a sentence.
        evidence: the measurements that say so.
        remedies: the most promising first.
        reason: why the threshold is where it is.
        source: a paper or a rule.
        severity: suspicious: it may train all the same. broken: it does not learn what it should.
        confidence: how likely the cause is there, 0 to 1.
    """

    cause: str
    verdict: str
    evidence: tuple[Evidence, ...]
    remedies: tuple[Remedy, ...]
    reason: str
    source: str
    severity: Severity = "broken"
    confidence: float = 1.0

    def for_config(self, config: Config) -> Finding:
        """The same without remedies that would change nothing."""
        return replace(self, remedies=tuple(r for r in self.remedies if r.changes(config)))

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "cause": self.cause,
            "verdict": self.verdict,
            "evidence": [
                {
                    "what": each.what,
                    "measured": each.measured,
                    "expected": each.expected,
                    "value": float(each.value),
                }
                for each in self.evidence
            ],
            "remedies": [
                {
                    "what": each.what,
                    "expected": each.expected,
                    "overrides": dict(each.overrides),
                    "arguments": each.arguments,
                }
                for each in self.remedies
            ],
            "reason": self.reason,
            "source": self.source,
            "severity": self.severity,
            "confidence": round(self.confidence, 2),
        }
