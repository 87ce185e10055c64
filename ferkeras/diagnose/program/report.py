"""What people read of a program's diagnosis."""

from __future__ import annotations

import io
from pathlib import Path

from ferkeras.cli.console import Console
from ferkeras.diagnose.program.finding import CodeRemedy
from ferkeras.diagnose.program.record import ProgramDiagnosis
from ferkeras.files.writing import write_json, write_text


def print_program(diagnosis: ProgramDiagnosis, console: Console) -> None:
    """Print the verdict, each cause with its evidence, and the changes that fix it."""
    console.print(f"Verdict: {diagnosis.verdict}")
    console.print(f"Severity: {diagnosis.severity}, after {diagnosis.seconds:.0f} seconds")
    for number, finding in enumerate(diagnosis.findings):
        console.print()
        if number:
            console.print(f"Also: {finding.verdict}")
        if line := diagnosis.lines.get(finding.cause):
            console.print(f"At {line}" + ", where fit is called" * (line == diagnosis.called))
        console.table(
            f"{finding.cause.replace('_', ' ')} ({finding.severity}, "
            f"confidence {finding.confidence:.0%})",
            ["measured", "here", "in a training that learns"],
            [[each.what, each.measured, each.expected] for each in finding.evidence],
        )
        for place, remedy in enumerate(finding.remedies, start=1):
            console.print(f"  {place}. {remedy.what}: {remedy.expected}")
            if isinstance(remedy, CodeRemedy):
                if remedy.code:
                    console.print(f"     {remedy.code}")
                if remedy.tried:
                    console.print(f"     tried: {remedy.tried}")
    for finding in diagnosis.remaining:
        console.print(f"Once that is put in order: {finding.verdict}")
    console.print()
    console.header("Examined", diagnosis.facts)


def written(diagnosis: ProgramDiagnosis) -> str:
    """The same as text."""
    stream = io.StringIO()
    with Console(stream) as console:
        print_program(diagnosis, console)
    return stream.getvalue().rstrip()


def write_program(diagnosis: ProgramDiagnosis, path: Path) -> None:
    """Write it as JSON."""
    write_json(path, diagnosis.as_json())


def write_program_page(diagnosis: ProgramDiagnosis, path: Path) -> None:
    """Write it as a page."""
    write_text(path, diagnosis.to_html())
