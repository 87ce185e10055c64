"""A diagnosis: one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ferkeras
from ferkeras.diagnose.diagnosis import Diagnosis
from ferkeras.diagnose.finding import Finding
from ferkeras.diagnose.treatment import Treatment
from ferkeras.report.html.page import render
from ferkeras.report.html.svg import inline_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def diagnosis_page(
    diagnosis: Diagnosis,
    remaining: Sequence[Finding],
    treatments: Sequence[Treatment],
    command: str,
    figure: Figure,
) -> str:
    """Verdict, evidence, picture and remedies as one HTML page that fetches and runs nothing.

    Args:
        diagnosis: what was found.
        remaining: what is found once the first remedy is applied.
        treatments: remedies that were tried.
        command: how the training was begun.
        figure: as `ferkeras.diagnose.picture.diagnosis_figure` draws it.
    """
    return render(
        "diagnosis.html.j2",
        title=f"Diagnosis of {diagnosis.case.config.name}",
        version=ferkeras.__version__,
        verdict=diagnosis.verdict,
        about=f"After {diagnosis.case.steps:,} steps on {diagnosis.case.splits.source}: "
        f"{len(diagnosis.case.splits.train):,} training and "
        f"{len(diagnosis.case.splits.validation):,} validation faces.",
        severity=diagnosis.severity,
        symptoms=diagnosis.symptoms,
        remaining=[finding.verdict for finding in remaining],
        findings=diagnosis.as_json()["findings"],
        command=command,
        picture=inline_svg(
            figure,
            "Left: fraction of faces and of predictions by class. Right: skill of the network and "
            "of what it is compared with.",
        ),
        treatments=[_row(each) for each in treatments],
    )


def _row(treatment: Treatment) -> dict[str, Any]:
    untreated = treatment.untreated
    return {
        "remedy": treatment.remedy.what,
        "arguments": treatment.remedy.arguments,
        "steps": treatment.treated.steps,
        "without": f"{untreated.validation_accuracy:.1%}"
        + ("" if untreated.steps == treatment.treated.steps else f" ({untreated.steps} steps)"),
        "with": f"{treatment.treated.validation_accuracy:.1%}",
        "works": treatment.works,
    }
