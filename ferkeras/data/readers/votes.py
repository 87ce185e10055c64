"""Votes of people on faces: what they are, whatever table they stand in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import quoted
from ferkeras.data.faces import USAGES
from ferkeras.data.presets.ferplus import NO_FACE, UNKNOWN

NO_CLASS = (UNKNOWN, NO_FACE)
"""Names of columns, in small letters, whose votes are for none of the classes."""

MOST_VOTES = 1_000
"""Votes that one face may get in one column."""


class OtherRows(InputError):
    """Votes that do not go with the rows of the faces."""


@dataclass(frozen=True)
class Votes:
    """Votes of people on faces, row for row.

    Attributes:
        names: what the columns are for, as they are written; some may be among `NO_CLASS`.
        counts: float32, shape (N, V): votes, or probabilities.
        place: where the columns are named, for messages.
        usage: int8, shape (N,), index into `ferkeras.data.faces.USAGES`; None where the votes
            say nothing of splits.
        slips: whether a single vote for an opinion counts as a slip of who voted.
    """

    names: tuple[str, ...]
    counts: np.ndarray
    place: str
    usage: np.ndarray | None = None
    slips: bool = False

    def of(self, names: Sequence[str]) -> np.ndarray:
        """Columns by their names in small letters, shape (N, len(names))."""
        found = [name.lower() for name in self.names]
        return self.counts[:, [found.index(name) for name in names]]


def check_rows(what: str, votes: Votes, usage: np.ndarray) -> None:
    """Refuse votes that do not go row by row with the faces.

    Args:
        what: the votes, for messages.
        votes: they may name splits.
        usage: int8, shape (N,): the split that the faces' own source names; 0: none.

    Raises:
        OtherRows: there are more or fewer rows, or a row is of another split.
    """
    count = len(votes.counts)
    if count != len(usage):
        raise OtherRows(
            f"{what}: {count:,} rows of votes for {len(usage):,} faces; expected one a face"
        )
    if votes.usage is None:
        return
    differ = np.flatnonzero((usage != votes.usage) & (usage != 0))
    if len(differ):
        row = int(differ[0])
        raise OtherRows(
            f"{what}, data row {row + 1}: its Usage is {USAGES[votes.usage[row]]}, that of the "
            f"face is {USAGES[usage[row]]}: these votes belong to other rows"
        )


def row_of_votes(
    fields: Sequence[bytes] | Mapping[int, bytes], columns: Sequence[tuple[int, str]]
) -> list[float]:
    """The votes, or the probabilities, that stand in some columns of one row of a table.

    Args:
        fields: the row, by place; an empty field is no vote.
        columns: place and name of each.

    Raises:
        InputError: see `check_votes`.
    """
    values = [_number(fields[place]) for place, _ in columns]
    check_votes(values, columns)
    return values


def check_votes(values: Sequence[float], columns: Sequence[tuple[int, str]]) -> None:
    """Refuse what are neither votes, whole numbers, nor probabilities, which come to 1.

    Percentages, which come to 100, are taken too.

    Args:
        values: of one face; NaN for what is no number.
        columns: place and name of each.

    Raises:
        InputError: one is no number from 0 to `MOST_VOTES`, or they are neither.
    """
    for value, (_, name) in zip(values, columns, strict=True):
        if not 0 <= value <= MOST_VOTES:
            raise InputError(
                f"{value:g} in the column {quoted(name)}, expected a number of votes, 0 to "
                f"{MOST_VOTES:,}, or a probability"
            )
    total = sum(values)
    whole = all(value == int(value) for value in values)
    if not (whole or abs(total - 1) <= 0.01 or abs(total - 100) <= 1):
        raise InputError(
            f"the columns of the classes come to {total:g}; expected votes, which are whole "
            "numbers, or probabilities, which come to 1"
        )


def _number(field: bytes) -> float:
    text = field.strip()
    try:
        # Python reads 1_0 as 10.
        return math.nan if b"_" in text else float(text or b"0")
    except ValueError:
        return math.nan
