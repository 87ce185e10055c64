"""A cause in a program: beside evidence and remedies, how bad it is and how certain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.program.trial import Change

Severity = Literal["suspicious", "broken"]

PROVEN = 0.97
"""Confidence where the cause follows from the program itself, whatever it trains on."""

MEASURED = 0.9
"""Confidence where the cause is one of numbers that were measured, well beyond their threshold."""


@dataclass(frozen=True)
class CodeRemedy(Remedy):
    """Something to change in a program.

    Attributes:
        code: the change, as it is written there.
        change: the same in a brief training; None where it cannot be tried in a copy.
        tried: what came of trying it; empty where it was not tried.
    """

    code: str = ""
    change: Change | None = None
    tried: str = ""


@dataclass(frozen=True)
class ProgramFinding(Finding):
    """A cause in a program.

    Attributes:
        severity: suspicious: it may train all the same. broken: it cannot learn what it should.
        confidence: how likely the cause is there, 0 to 1.
        layer: name of the layer that it is in; empty where it is in none, or in the last.
    """

    severity: Severity = "broken"
    confidence: float = PROVEN
    layer: str = ""

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        content = super().as_json()
        for written, remedy in zip(content["remedies"], self.remedies, strict=True):
            # No key of a configuration is meant.
            del written["overrides"], written["arguments"]
            if isinstance(remedy, CodeRemedy):
                written |= {"code": remedy.code, "tried": remedy.tried or None}
        return {**content, "severity": self.severity, "confidence": round(self.confidence, 2)}


__all__ = ["MEASURED", "PROVEN", "CodeRemedy", "Evidence", "ProgramFinding", "Severity"]
