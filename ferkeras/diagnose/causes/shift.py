"""Validation faces that are not like training faces."""

from __future__ import annotations

import numpy as np

from ferkeras.diagnose.finding import Evidence, Finding, Remedy
from ferkeras.diagnose.measurements import Measurements
from ferkeras.diagnose.symptoms import HALF

DISTINGUISHABLE = 0.75
"""Area under the curve from which two sets of faces differ: halfway from chance to certain."""


def unlike_validation(m: Measurements) -> Finding | None:
    """A network fails on validation faces, and a classifier can tell which faces these are."""
    if m.on_validation.skill >= HALF * m.on_train.skill:
        return None
    auc = m.splits_told_apart
    if auc < DISTINGUISHABLE:
        return None
    pixels = [np.asarray(faces.images) for faces in (m.train, m.validation)]
    grey = [float(images.mean()) for images in pixels]
    spread = [float(images.std()) for images in pixels]
    return Finding(
        "unlike_validation",
        "Validation faces differ from training faces: they were prepared differently.",
        (
            Evidence(
                "a classifier that tells the two splits apart (area under the curve)",
                f"{auc:.2f}",
                f"below {DISTINGUISHABLE:g}; 0.5 for splits of one source",
                auc,
            ),
            Evidence(
                "grey values of validation faces, mean and std",
                f"{grey[1]:.0f} and {spread[1]:.0f}",
                f"about {grey[0]:.0f} and {spread[0]:.0f}, as in training",
                grey[1],
            ),
            Evidence(
                "skill on training and on validation faces",
                f"{m.on_train.skill:.2f} and {m.on_validation.skill:.2f}",
                "of one size",
                m.on_validation.skill,
            ),
        ),
        (
            Remedy(
                "prepare both splits alike: the same crop and size, grey values 0 to 255, not "
                "inverted and not scaled; or draw the validation faces from the training source",
                "validation accuracy comes closer to training accuracy",
            ),
        ),
        "area 0.75 is halfway from guessing to certainty, and splits of one source are guessed",
        "Lopez-Paz & Oquab 2017, Revisiting classifier two-sample tests",
    )
