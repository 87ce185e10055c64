"""Which faces a finished run is evaluated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.cli.foreign_text import for_file_name
from ferkeras.cli.wording import listed, shown
from ferkeras.data.faces import USAGES, Faces, ReadFaces, Splits
from ferkeras.data.load import (
    are_here,
    load_other_faces,
    load_splits,
    split_as_configured,
    without_lost_votes,
)
from ferkeras.runs.division import had_same_faces, had_same_splits
from ferkeras.runs.finished import TrainedRun

SPLITS = ("validation", "test", "train")


@dataclass(frozen=True)
class Subject:
    """Faces to evaluate on, and what is known of them.

    Attributes:
        name: of the split, or `data-<name>` for other data; names the folder of the results.
        faces: at least one.
        source: where they come from, for people.
        fingerprint: of all faces of that source.
        same_data: whether that source is what the run was trained on, divided as then.
        train: the run's training faces; None where they cannot be had or are the subject.
        validation: the run's validation faces; None where they cannot be had.
        remark: what is to be said about the data; empty where all is as it should be.
        left_out: how many faces of other data are not among them, by class or by the reason.
    """

    name: str
    faces: Faces
    source: str
    fingerprint: str
    same_data: bool
    train: Faces | None
    validation: Faces | None
    remark: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)


def find_subject(
    finished: TrainedRun, split: str | None, data: str | None, console: Console
) -> Subject:
    """Read the faces to evaluate a run on.

    Args:
        finished: the run.
        split: "validation", "test" or "train"; None: validation faces of the run's own data, all
            faces of other data.
        data: path of other data, or of the run's own where that has moved; None: as configured.
        console: shows how far the reading is.

    Raises:
        InputError: the faces cannot be read, or there are none of that split.
    """
    config = without_lost_votes(finished.config)
    if data is None:
        try:
            splits = _divided_as_before(load_splits(config, console, finished.task), finished)
        except InputError as error:
            if are_here(config.data):
                raise
            raise InputError(
                f"{error}; name the faces of this run where they are, or any others, with --data"
            ) from None
        remark = ""
        if not had_same_faces(finished.environment, splits):
            remark = (
                f"{splits.source} is not what this run was trained on: its content has changed "
                "since; the figures are for what it holds now, and its validation faces may have "
                "been training faces"
            )
        return _of_splits(splits, split, finished, remark)
    moved = config.model_copy(update={"data": config.data.model_copy(update={"path": data})})
    read, without_votes = load_other_faces(moved, console, finished.task)
    remark = ""
    if without_votes and config.data.votes_as != "auxiliary":
        remark = (
            "this run has learnt from votes, and those on its own faces do not belong to these or "
            "are gone, so that these are judged by their own labels"
        )
    if read.fingerprint == finished.fingerprint:
        return _of_splits(split_as_configured(read, config), split, finished)
    own: Splits | None = None
    leak = ""
    try:
        found = _divided_as_before(load_splits(config, console, finished.task), finished)
        if had_same_splits(finished.environment, found):
            own = found
        else:
            leak = f"{found.source} is not what this run was trained on any more"
    except InputError as error:
        leak = f"the run's own faces cannot be read ({error})"
    if leak:
        leak += "; so nobody can say which of these faces also occur in its training"
    return Subject(
        name="-".join(("data", _name_of(data), *([split] if split else []))),
        faces=_part(read, split),
        source=read.source,
        fingerprint=read.fingerprint,
        same_data=False,
        train=own.train if own else None,
        validation=own.validation if own else None,
        remark="; ".join(filter(None, (_without(read), remark, leak))),
        left_out=read.dropped,
    )


def _without(read: ReadFaces) -> str:
    """Which faces are not measured, for people; empty where all are."""
    if not read.dropped:
        return ""
    count = sum(read.dropped.values())
    which = listed([f"{shown(name)} {each:,}" for name, each in read.dropped.items()])
    return (
        f"{count:,} of {count + len(read.faces):,} faces are left out ({which}): this run knows "
        f"{listed(read.faces.classes.names)}"
    )


def _divided_as_before(splits: Splits, finished: TrainedRun) -> Splits:
    """The splits of a run's own faces, unless what had divided them has gone with the votes."""
    votes = finished.config.data.votes
    recorded = finished.environment["data"].get("official_split", splits.official)
    if votes is not None and splits.official != recorded:
        raise InputError(
            f"data.votes = {shown(votes)}: not there, and nothing else says which of the faces of "
            f"{splits.source} were training faces; put the votes back"
        )
    return splits


def _of_splits(
    splits: Splits, split: str | None, finished: TrainedRun, remark: str = ""
) -> Subject:
    name = split or "validation"
    same = had_same_splits(finished.environment, splits)
    if not same and not remark:
        remark = (
            f"the faces of {splits.source} are divided otherwise than when this run was trained: "
            "who is seen in them, or a package that divides them, has changed; its validation "
            "faces may have been training faces"
        )
    faces: Faces | None = {
        "validation": splits.validation,
        "test": splits.test,
        "train": splits.train,
    }[name]
    if faces is None:
        raise InputError(
            f"{splits.source}: has no test faces (train {len(splits.train):,}, validation "
            f"{len(splits.validation):,}); name data that has: --data PATH"
        )
    return Subject(
        name=name,
        faces=faces,
        source=splits.source,
        fingerprint=splits.fingerprint,
        same_data=same,
        train=None if name == "train" else splits.train,
        validation=splits.validation if same else None,
        remark=remark,
    )


def _part(read: ReadFaces, split: str | None) -> Faces:
    if split is None:
        faces = read.faces
    else:
        faces = read.faces.take(np.flatnonzero(read.usage == USAGES.index(split)))
    if not len(faces):
        counts = ", ".join(
            f"{name or 'not said'} {int((read.usage == code).sum()):,}"
            for code, name in enumerate(USAGES)
            if (read.usage == code).any()
        )
        raise InputError(
            f"{read.source}: no {split or ''} faces ({counts or 'none at all'}); leave out --split "
            "to evaluate on all of them"
        )
    return faces


def _name_of(data: str) -> str:
    return for_file_name(Path(data).stem.removesuffix(".csv"))[:40]
