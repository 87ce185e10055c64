"""A diagnosis: one page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import ferkeras
from ferkeras.diagnose.diagnosis import Diagnosis
from ferkeras.diagnose.treatment import Treatment
from ferkeras.report.html.page import render


def diagnosis_page(
    diagnosis: Diagnosis, treatments: Sequence[Treatment], command: str, picture: bytes
) -> str:
    """Verdict, evidence, picture and remedies as one HTML page that fetches and runs nothing.

    Args:
        diagnosis: what was found.
        treatments: remedies that were tried.
        command: how the training was begun.
        picture: a PNG file.
    """
    return render(
        "diagnosis.html.j2",
        title=f"Diagnosis of {diagnosis.case.config.name}",
        version=ferkeras.__version__,
        verdict=diagnosis.verdict,
        about=f"After {diagnosis.case.steps:,} steps on {diagnosis.case.splits.source}: "
        f"{len(diagnosis.case.splits.train):,} training and "
        f"{len(diagnosis.case.splits.validation):,} validation faces.",
        symptoms=diagnosis.symptoms,
        findings=diagnosis.as_json()["findings"],
        command=command,
        picture=f"data:image/png;base64,{base64.b64encode(picture).decode()}",
        treatments=[_row(each) for each in treatments],
    )


def _row(treatment: Treatment) -> dict[str, Any]:
    return {
        "remedy": treatment.remedy.what,
        "arguments": treatment.remedy.arguments,
        "steps": treatment.treated.steps,
        "without": f"{treatment.untreated.validation_accuracy:.1%}",
        "with": f"{treatment.treated.validation_accuracy:.1%}",
        "works": treatment.works,
    }
