"""The diagnosis of a program: one page, with the lines that it names."""

from __future__ import annotations

import linecache
from typing import Any

import ferkeras
from ferkeras.diagnose.program.record import ProgramDiagnosis
from ferkeras.report.html.page import render

_AROUND = 3
"""Lines of the program before and after the one that is named."""


def program_page(diagnosis: ProgramDiagnosis) -> str:
    """Verdict, causes, evidence, the lines and changes as one page that fetches and runs nothing.

    Args:
        diagnosis: what was found; the lines that it names are read from their files.
    """
    content = diagnosis.as_json()
    for finding in content["findings"]:
        finding["excerpt"] = _excerpt(finding["line"])
    return render(
        "program_diagnosis.html.j2",
        title=f"Diagnosis of {diagnosis.program or diagnosis.facts['model'].partition(',')[0]}",
        version=ferkeras.__version__,
        verdict=diagnosis.verdict,
        severity=diagnosis.severity,
        seconds=diagnosis.seconds,
        facts=diagnosis.facts,
        findings=content["findings"],
        called=diagnosis.called,
        remaining=content["remaining"],
    )


def _excerpt(place: str | None) -> list[dict[str, Any]]:
    """The lines around `file:number`; none where the file is not at hand."""
    name, _, number = (place or "").rpartition(":")
    if not name:
        return []
    at = int(number)
    lines = linecache.getlines(name)
    return [
        {"number": each, "text": lines[each - 1].rstrip(), "here": each == at}
        for each in range(max(1, at - _AROUND), min(len(lines), at + _AROUND) + 1)
    ]
