"""The ten votes a face that FER+ adds to FER2013: what is no face, and other opinions."""

from __future__ import annotations

import csv
from contextlib import closing
from dataclasses import dataclass
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
from ferkeras.cli.wording import did_you_mean, quoted, shown
from ferkeras.data.emotions import known_emotion
from ferkeras.data.faces import USAGES
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.readers.pixel_table import MAX_ROWS
from ferkeras.data.readers.text_lines import lines_of

_EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
_NO_FACE = "nf"
_COLUMNS = (*_EMOTIONS, "contempt", "unknown", _NO_FACE)
_USAGE_CODES = {"training": 1, "publictest": 2, "privatetest": 3}
_MOST_VOTES = 1_000
_SHOWN = 48


@dataclass(frozen=True)
class Votes:
    """Votes of people on faces, row for row.

    Attributes:
        emotions: int64, shape (N, 7), votes for each emotion in FER2013's order.
        no_face: int64, shape (N,), votes that it is no face.
        all: int64, shape (N,), votes altogether.
    """

    emotions: np.ndarray
    no_face: np.ndarray
    all: np.ndarray


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
    path = Path(path).expanduser()
    rows: list[list[int]] = []
    usages: list[int] = []
    places: list[int] = []
    with closing(lines_of(path)) as lines:  # type: ignore[type-var]
        for number, line in lines:
            at = f"{shown(path)}, line {number}"
            fields = _fields(at, line)
            if not places:
                places = _places(at, fields)
                continue
            if len(fields) != places[-1]:
                raise InputError(
                    f"{at}: {len(fields)} fields, expected {places[-1]} as in the first line"
                )
            if len(rows) == MAX_ROWS:
                raise InputError(f"{at}: more than {MAX_ROWS:,} rows")
            usage = fields[places[0]].strip().lower()
            if usage not in _USAGE_CODES:
                raise InputError(
                    f"{at}: unknown Usage {quoted(usage)}; expected Training, "
                    "PublicTest or PrivateTest"
                )
            usages.append(_USAGE_CODES[usage])
            rows.append([_vote(at, fields[place]) for place in places[1:-1]])
    _check_rows(path, material, np.array(usages, np.int8))
    votes = np.array(rows, np.int64).reshape(-1, len(_COLUMNS))
    columns = [_EMOTIONS.index(name) for name in sorted(_EMOTIONS, key=_class_index)]
    return Votes(votes[:, columns], votes[:, _COLUMNS.index(_NO_FACE)], votes.sum(axis=1))


def _class_index(name: str) -> int:
    return FER2013.classes.index(known_emotion(name) or name)


def _fields(at: str, line: bytes) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8-sig")], strict=True))
    except (csv.Error, UnicodeDecodeError, StopIteration) as error:
        raise InputError(f"{at}: no line of a table ({error})") from error


def _places(at: str, fields: list[str]) -> list[int]:
    """Where Usage and each of `_COLUMNS` stand, and the number of columns."""
    names = [name.strip().lower() for name in fields]
    for wanted in ("usage", *_COLUMNS):
        if names.count(wanted) != 1:
            raise InputError(
                f"{at}: {names.count(wanted) or 'no'} column named {wanted}"
                f"{did_you_mean(wanted, names)} expected the fer2013new.csv of FER+: Usage, "
                f"Image name, {', '.join(_COLUMNS)}"
            )
    return [names.index(wanted) for wanted in ("usage", *_COLUMNS)] + [len(names)]


def _vote(at: str, field: str) -> int:
    text = field.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 5) or int(text) > _MOST_VOTES:
        raise InputError(
            f"{at}: {quoted(field)} is no number of votes; expected 0 to {_MOST_VOTES:,}"
        )
    return int(text)


def _check_rows(path: Path, material: Material, usage: np.ndarray) -> None:
    faces = len(material.faces)
    if len(usage) != faces:
        raise InputError(
            f"{shown(path)}: {len(usage):,} rows of votes for {faces:,} faces; expected one a face"
        )
    own = material.read.usage
    differ = np.flatnonzero((own != usage) & (own != 0))
    if len(differ):
        row = int(differ[0])
        raise InputError(
            f"{shown(path)}, data row {row + 1}: its Usage is {USAGES[usage[row]]}, that of the "
            f"face is {USAGES[own[row]]}: these votes belong to other rows"
        )


def check_votes(material: Material, votes: Votes) -> list[Finding]:
    """What people say is no face, and whether the labels are what people see."""
    return [_no_faces(material, votes), _opinions(material, votes)]


def _no_faces(material: Material, votes: Votes) -> Finding:
    none = np.flatnonzero(2 * votes.no_face > votes.all)
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
    voted = np.flatnonzero(votes.emotions.any(axis=1))
    labels = material.faces.labels[voted]
    classes = len(FER2013.classes)
    order = (
        best_order(labels, votes.emotions[voted].argmax(axis=1), classes) if len(voted) else None
    )
    agree = float((votes.emotions[voted].argmax(axis=1) == labels).mean()) if len(voted) else 0.0
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
