"""All checks of a source of faces, in the order of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ferkeras
from ferkeras.check_data.checks.copies import (
    Copies,
    check_contradictions,
    check_copies,
    find_copies,
)
from ferkeras.check_data.checks.counts import check_classes, check_readable, class_counts
from ferkeras.check_data.checks.empty import check_empty, stds
from ferkeras.check_data.checks.folders import check_folders
from ferkeras.check_data.checks.label_order import check_label_order
from ferkeras.check_data.checks.leaked import check_leaks
from ferkeras.check_data.checks.near import NearCopies, check_near_copies, find_near_copies
from ferkeras.check_data.checks.normalisation import check_normalisation
from ferkeras.check_data.checks.people import check_people
from ferkeras.check_data.checks.photographs import check_photographs
from ferkeras.check_data.checks.strips import check_strips
from ferkeras.check_data.checks.votes import check_votes
from ferkeras.check_data.finding import Exhibit, Finding, Level
from ferkeras.check_data.material import Material
from ferkeras.data.readers.votes import Votes


@dataclass(frozen=True)
class DataCheck:
    """What was found about a source.

    Attributes:
        material: what was checked.
        findings: one a check.
        copies: which faces are the same image.
        near: which images are nearly the same.
    """

    material: Material
    findings: tuple[Finding, ...]
    copies: Copies
    near: NearCopies

    @property
    def level(self) -> Level:
        """That of the worst finding."""
        found = {finding.level for finding in self.findings}
        return next((level for level in (Level.WRONG, Level.LOOK) if level in found), Level.OK)

    @property
    def exhibits(self) -> list[Exhibit]:
        """The pictures of all findings."""
        return [exhibit for finding in self.findings for exhibit in finding.exhibits]

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "ferkeras": ferkeras.__version__,
            "source": self.material.read.source,
            "fingerprint": self.material.read.fingerprint,
            "faces": len(self.material.faces),
            "official_split": self.material.official,
            "leaked": self.material.leaked,
            "level": self.level,
            "counts": {
                split: dict(zip(self.material.faces.classes, counts.tolist(), strict=True))
                for split, counts in class_counts(self.material).items()
            },
            "findings": [
                {
                    "check": finding.check,
                    "level": finding.level,
                    "found": finding.found,
                    "advice": finding.advice,
                    **finding.numbers,
                }
                for finding in self.findings
            ],
        }


def check_material(material: Material, votes: Votes | None = None) -> DataCheck:
    """Check faces in seconds, without training and without TensorFlow.

    Args:
        material: see `ferkeras.check_data.material.gather`.
        votes: FER+ votes on the same faces, if there are any.
    """
    std = stds(material.faces.images)
    copies = find_copies(material.faces)
    near = find_near_copies(material, copies, std)
    findings = [
        check_readable(material),
        check_photographs(material),
        check_folders(material),
        check_classes(material),
        check_empty(material, std),
        check_strips(material, std),
        check_copies(material, copies),
        check_contradictions(material, copies),
        check_near_copies(material, copies, near),
        check_leaks(material, copies, near),
        check_people(material),
        check_normalisation(material),
        check_label_order(material),
    ]
    if votes is not None:
        findings += check_votes(material, votes)
    return DataCheck(material, tuple(findings), copies, near)
