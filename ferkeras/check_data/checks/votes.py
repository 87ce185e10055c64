"""The ten votes a face that FER+ adds to FER2013: what is no face, and other opinions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ferkeras.check_data.checks.label_order import SURE, best_order
from ferkeras.check_data.finding import (
    MOST_LISTED,
    Exhibit,
    Finding,
    Level,
    counted,
    level_of_fraction,
)
from ferkeras.check_data.material import Material
from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded
from ferkeras.cli.wording import shown
from ferkeras.data.emotions import known_emotion
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.presets.ferplus import NO_FACE, VOTED_FOR
from ferkeras.data.readers.ferplus import read_ferplus
from ferkeras.data.readers.votes import Votes, check_rows

_SHOWN = 48


_NAMES = sorted(VOTED_FOR[:-1], key=lambda name: FER2013.classes.index(known_emotion(name) or ""))
"""FER+'s names of FER2013's emotions, in FER2013's order."""


def read_votes(path: str | Path, material: Material) -> Votes:
    """Read a `fer2013new.csv` that belongs, row for row, to the faces.

    Args:
        path: the file, plain, gzipped or alone in a zip archive.
        material: faces from a table.

    Raises:
        InputError: not such a file, or its rows are not those of the faces.
    """
    if material.names is not None:
        raise InputError(
            f"--votes {shown(path)}: votes belong to the rows of a table, and "
            f"{shown(material.read.source)} is a folder; give the fer2013.csv they belong to"
        )
    if material.faces.classes != FER2013.classes:
        raise InputError(
            f"--votes {shown(path)}: votes are compared with FER2013's seven emotions, and "
            f"{shown(material.read.source)} has the classes {', '.join(material.faces.classes)}"
        )
    if material.leaked:
        raise InputError(
            f"--votes {shown(path)}: votes belong to all rows, of which data.drop_leaked leaves "
            f"{material.leaked:,} out; check without it"
        )
    path = expanded(path)
    votes = read_ferplus(path)
    check_rows(shown(path), votes, material.read.usage)
    return votes


def check_votes(material: Material, votes: Votes) -> list[Finding]:
    """What people say is no face, and whether the labels are what people see."""
    return [_no_faces(material, votes), _opinions(material, votes)]


def _no_faces(material: Material, votes: Votes) -> Finding:
    none = np.flatnonzero(2 * votes.of([NO_FACE])[:, 0] > votes.counts.sum(axis=1))
    labels = material.faces.labels
    # Black ones are shown among the flat images already.
    chosen = none[material.faces.images[none].max(axis=(1, 2, 3)) > 0] if len(none) else none
    chosen = chosen[np.linspace(0, len(chosen) - 1, min(_SHOWN, len(chosen))).astype(int)]
    exhibit = Exhibit(
        "no_faces",
        f"No faces, by FER+: {len(chosen)} of {len(none)}",
        chosen,
        [f"{material.short_place(i)}\n{material.label(i)}" for i in chosen],
    )
    return Finding(
        "no faces",
        level_of_fraction(len(none) / len(labels)),
        f"{counted(len(none), 'image')} of {len(labels):,} "
        f"({len(none) / len(labels):.2%}), by most of their FER+ votes",
        "remove these rows" if len(none) else "",
        {"count": len(none), "places": [material.place(i) for i in none[:MOST_LISTED]]},
        (exhibit,) if len(chosen) else (),
    )


def _opinions(material: Material, votes: Votes) -> Finding:
    emotions = votes.of(_NAMES)
    voted = np.flatnonzero(emotions.any(axis=1))
    labels = material.faces.labels[voted]
    classes = len(FER2013.classes)
    order = best_order(labels, emotions[voted].argmax(axis=1), classes) if len(voted) else None
    agree = float((emotions[voted].argmax(axis=1) == labels).mean()) if len(voted) else 0.0
    numbers = {"faces": len(voted), "agreement": agree, "order": order and order._asdict()}
    found = f"the majority vote is the label for {agree:.1%} of {len(voted):,} faces"
    if order and order.errors > SURE:
        means = ", ".join(
            f"{material.faces.classes[k]} means {material.faces.classes[true]}"
            for k, true in enumerate(order.truth_of)
            if true != k
        )
        return Finding(
            "labels against votes",
            Level.WRONG,
            f"{found}, for more if {means}",
            "labels in another order? or votes of other rows?",
            numbers,
        )
    return Finding("labels against votes", Level.OK, found, "", numbers)
