"""What is asked of a source of faces."""

from __future__ import annotations

from dataclasses import dataclass

from ferkeras.data.classes import ClassesWanted
from ferkeras.data.task import Task
from ferkeras.data.votes import VotesAs


@dataclass(frozen=True)
class Wanted:
    """What is asked of a source; the keys of the section `data` of the same names.

    Attributes:
        classes: a preset's name, names to keep, names with what becomes them, or None.
        size: height and width, or None for what suits the source.
        color: whether faces are in colour, or None for what suits the source.
        group_column: the column of a table that says who is seen.
        expected: the task of a network that is to see these faces; before all others.
        votes: path of FER+'s votes for the rows of the source; `ferkeras.data.votes.COLUMNS` for
            columns of its own; or None for none.
        votes_as: what is made of them; None without votes.
        detect_faces: cut out the largest face of each picture that is a photograph. Pixels, whose
            faces were cut out already, are refused, unless a network's task is expected.
    """

    classes: ClassesWanted = None
    size: tuple[int, int] | None = None
    color: bool | None = None
    group_column: str | None = None
    expected: Task | None = None
    votes: str | None = None
    votes_as: VotesAs | None = None
    detect_faces: bool = False
