"""The report of a diagnosis: a short page, one picture, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from ferkeras.cli.console import Console
from ferkeras.diagnose.diagnosis import Diagnosis
from ferkeras.diagnose.finding import UNEXPLAINED, Finding, Remedy
from ferkeras.diagnose.page import diagnosis_page
from ferkeras.diagnose.picture import diagnosis_figure
from ferkeras.diagnose.treatment import Treatment, best_of
from ferkeras.diagnose.trial import Trial
from ferkeras.files.inner import AnyPath
from ferkeras.files.writing import write_json, write_text
from ferkeras.report.palette import save

PICTURE = "diagnosis.png"
PAGE = "diagnosis.html"
JSON = "diagnosis.json"


def print_diagnosis(
    diagnosis: Diagnosis,
    remaining: Sequence[Finding],
    treatments: Sequence[Treatment],
    command: str,
    console: Console,
) -> None:
    """Print the verdict, its evidence, the remedies in order, and which of them worked.

    Args:
        diagnosis: what was found.
        remaining: what is found once the first remedy is applied.
        treatments: remedies that were tried; may be empty.
        command: how the training was begun, to which a remedy's settings are added.
        console: where to.
    """
    console.print(f"Verdict: {diagnosis.verdict}")
    console.print(f"Severity: {diagnosis.severity}")
    for symptom in diagnosis.symptoms:
        console.print(f"Symptom: {symptom}")
    for number, finding in enumerate(diagnosis.findings):
        console.print()
        if number:
            console.print(f"Also: {finding.verdict}")
        console.table(
            finding.cause.replace("_", " ")
            + ("" if finding.cause == UNEXPLAINED else f" (confidence {finding.confidence:.0%})"),
            ["measured", "here", "in a healthy training"],
            [[each.what, each.measured, each.expected] for each in finding.evidence],
        )
        for place, remedy in enumerate(finding.remedies, start=1):
            console.print(f"  {place}. {remedy.what}: {remedy.expected}")
            if remedy.overrides:
                console.print(f"     {command} {remedy.arguments}")
    if remaining:
        console.print()
    for finding in remaining:
        console.print(f"With the first remedy there remains: {finding.verdict}")
    if treatments:
        console.print()
        console.table(
            f"Remedies tried for {treatments[0].treated.steps} steps from the same start",
            ["remedy", "training accuracy", "validation accuracy", "skill", "works"],
            [
                *(
                    [
                        "none" if steps == treatments[0].treated.steps else f"none, {steps} steps",
                        f"{untreated.train_accuracy:.1%}",
                        f"{untreated.validation_accuracy:.1%}",
                        f"{untreated.on_validation:.2f}",
                        "",
                    ]
                    for steps, untreated in _without(treatments).items()
                ),
                *(
                    [
                        _short(each.remedy),
                        f"{each.treated.train_accuracy:.1%}",
                        f"{each.treated.validation_accuracy:.1%}",
                        f"{each.treated.on_validation:.2f}",
                        "yes" if each.works else "no",
                    ]
                    for each in treatments
                ),
            ],
        )
        console.print(conclusion(treatments))


def _without(treatments: Sequence[Treatment]) -> dict[int, Trial]:
    """What the trials are compared with, by its steps: a remedy may be compared by faces."""
    return {each.untreated.steps: each.untreated for each in treatments}


def conclusion(treatments: Sequence[Treatment]) -> str:
    """Which of the remedies that were tried is the one to take."""
    best = best_of(treatments)
    if best is None:
        return "None of the remedies that were tried worked in so few steps."
    return f"It works best to {best.remedy.what}: {best.remedy.arguments}"


def write_diagnosis(
    diagnosis: Diagnosis,
    remaining: Sequence[Finding],
    treatments: Sequence[Treatment],
    command: str,
    folder: AnyPath,
) -> None:
    """Write picture and page, and the JSON last.

    Args:
        diagnosis: what was found.
        remaining: what is found once the first remedy is applied.
        treatments: remedies that were tried; may be empty.
        command: how the training was begun.
        folder: an existing one; files of an older diagnosis are replaced.
    """
    figure = diagnosis_figure(diagnosis, treatments)
    save(figure, folder / PICTURE)
    write_text(folder / PAGE, diagnosis_page(diagnosis, remaining, treatments, command, figure))
    content = diagnosis.as_json()
    content["remaining"] = [finding.as_json() for finding in remaining]
    content["tried"] = [
        {
            "cause": each.cause,
            "remedy": each.remedy.what,
            "overrides": dict(each.remedy.overrides),
            "steps": each.treated.steps,
            "steps_without": each.untreated.steps,
            "skill": each.treated.on_validation,
            "skill_without": each.untreated.on_validation,
            "validation_accuracy": each.treated.validation_accuracy,
            "validation_accuracy_without": each.untreated.validation_accuracy,
            "works": each.works,
        }
        for each in treatments
    ]
    write_json(folder / JSON, content)


def _short(remedy: Remedy) -> str:
    return f"{remedy.what} ({remedy.arguments})"
