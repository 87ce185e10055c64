"""A cause in a program, and what to change there."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from ferkeras.diagnose.finding import Evidence, Finding, Remedy, Severity
from ferkeras.diagnose.program.trial import Change

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
        layer: name of the layer that it is in; empty where it is in none, or in the last.
        line: file and line of what it is in, where that is a class of the program.
    """

    confidence: float = PROVEN
    layer: str = ""
    line: str = ""

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        content = super().as_json()
        for written, remedy in zip(content["remedies"], self.remedies, strict=True):
            # No key of a configuration is meant.
            del written["overrides"], written["arguments"]
            if isinstance(remedy, CodeRemedy):
                written |= {"code": remedy.code, "tried": remedy.tried or None}
        return content


def line_of(function: Any) -> str:
    """File and line where a function or method of the program begins; empty for a library's."""
    function = getattr(function, "__func__", function)
    code = function.__code__ if inspect.isfunction(function) else None
    if code is None or "site-packages" in code.co_filename:
        return ""
    return f"{code.co_filename}:{code.co_firstlineno}"


__all__ = [
    "MEASURED",
    "PROVEN",
    "CodeRemedy",
    "Evidence",
    "ProgramFinding",
    "Severity",
    "line_of",
]
