"""The class of each face of a source: from its labels, from votes, or from both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown
from ferkeras.data.classes import choose_classes
from ferkeras.data.readers.ferplus import read_ferplus
from ferkeras.data.readers.source import Source
from ferkeras.data.readers.votes import OtherRows, Votes, check_rows
from ferkeras.data.source_path import source_at
from ferkeras.data.votes import COLUMNS, Labelled, fractions, labelled_by_votes
from ferkeras.data.wanted import Wanted


def labelled(path: Path, source: Source, wanted: Wanted) -> Labelled:
    """Decide what each face of a source is, and which are left out.

    Raises:
        InputError: the classes or votes that are wanted are not those of the source.
    """
    expected = None if wanted.expected is None else wanted.expected.classes
    votes = None if wanted.votes is None else _votes(path, source, wanted.votes)
    if votes is not None and wanted.votes_as != "auxiliary":
        return labelled_by_votes(
            shown(path), votes, wanted.classes, expected, soft=wanted.votes_as == "soft"
        )
    if votes is not None and not any(source.labels):
        raise InputError(
            f"{shown(path)}: data.votes_as=auxiliary: its faces have no labels beside the votes; "
            "expected a column named emotion, or data.votes_as=filter or soft"
        )
    try:
        chosen = choose_classes(shown(path), source.places, wanted.classes, source.preset, expected)
    except InputError as error:
        if source.unread:
            raise InputError(f"{error}; {source.unread}") from None
        raise
    labels = chosen.indices(source.labels)
    found = Labelled(
        chosen.classes, labels, chosen.summary(), dropped=chosen.dropped(source.labels)
    )
    if votes is None:
        return found
    summary = "; ".join(filter(None, (found.summary, "votes for a second head in training")))
    return replace(found, summary=summary, votes=fractions(votes), usage=votes.usage)


def _votes(path: Path, source: Source, wanted: str) -> Votes:
    if wanted == COLUMNS:
        if source.votes is None:
            raise OtherRows(
                f"{shown(path)}: data.votes=columns: it has one label a face; expected a table, or "
                "labels of NumPy's, with a column for each class"
            )
        return source.votes
    file, _ = source_at(wanted)
    what = f"data.votes = {shown(file)}"
    if source.pictures.names is not None:
        raise OtherRows(
            f"{what}: votes belong to the rows of a table, and {shown(path)} is of picture files; "
            "give the fer2013.csv they belong to as data.path"
        )
    votes = read_ferplus(file)
    check_rows(what, votes, source.usage)
    return votes
