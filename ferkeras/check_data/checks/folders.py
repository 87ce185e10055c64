"""Folders of a source that say nothing, or hold nothing."""

from __future__ import annotations

from ferkeras.check_data.finding import Finding, Level
from ferkeras.check_data.material import Material


def check_folders(material: Material) -> Finding:
    """Whether a folder was passed over that may have been meant as a class or a split."""
    notes = material.read.notes
    return Finding(
        "folders",
        Level.LOOK if notes else Level.OK,
        "; ".join(notes) or "none passed over",
        "see whether that is meant; fill, rename or remove them if not" if notes else "",
        {"notes": list(notes)},
    )
