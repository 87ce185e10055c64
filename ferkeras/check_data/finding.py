"""What a check found: how bad it is, in words, in numbers, and which faces show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

TOO_MANY = 0.05
"""Fraction of faces with one defect above which training on them is wrong: people agree with the
labels of FER2013 within 65 +- 5 %, and a defect larger than that drowns the signal."""

MOST_LISTED = 5_000
"""Entries of a list in the JSON; the counts beside it are of all."""


class Level(StrEnum):
    """How bad: nothing; not asked, for want of something; worth a look; training would be wrong."""

    OK = "ok"
    NOT_ASKED = "not asked"
    LOOK = "look"
    WRONG = "wrong"


@dataclass(frozen=True)
class Exhibit:
    """Faces that show what was found.

    Attributes:
        name: of the picture, without suffix.
        title: above it.
        faces: int64, shape (n,), or (n, 2) for pairs; indices into all faces of the source.
        captions: n texts of at most two short lines.
    """

    name: str
    title: str
    faces: np.ndarray
    captions: Sequence[str]


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: what was checked, in a few words; unique.
        level: how bad it is.
        found: what there is, in a line, with its numbers.
        advice: what to do, in a line; empty where nothing is to be done.
        numbers: the same and more, for the JSON.
        exhibits: pictures of it.
    """

    check: str
    level: Level
    found: str
    advice: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)
    exhibits: tuple[Exhibit, ...] = ()


def level_of_fraction(fraction: float) -> Level:
    """How bad it is that this fraction of the faces has a defect."""
    if fraction > TOO_MANY:
        return Level.WRONG
    return Level.LOOK if fraction else Level.OK


def counted(count: int, one: str, more: str | None = None) -> str:
    """Write `1 face`, `2,000 faces`."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"
