"""A set of faces, between reading and the input pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ferkeras.data.photographs import Sample
from ferkeras.data.selection import Images, select
from ferkeras.data.task import Classes, ImageSpec, Task

USAGES = ("", "train", "validation", "test")
"""Splits that a source may name; ``""`` where it names none."""


@dataclass(frozen=True)
class Faces:
    """Faces with their class.

    Attributes:
        images: uint8, shape (N, H, W, C), 0 is black; C is 1 for grey, 3 for colour. Many are a
            `Selection`, which reads them when they are asked for.
        labels: int32, shape (N,), class indices.
        classes: what the class indices mean.
        targets: float32, shape (N, K), the probabilities of the classes to train towards, largest
            at the label; None: the label alone.
        votes: float32, shape (N, V), the fraction of the votes that each of V opinions got, to be
            predicted by a second head in training; a row of zeros where nobody voted; None: no
            such head.
    """

    images: Images
    labels: np.ndarray
    classes: Classes
    targets: np.ndarray | None = None
    votes: np.ndarray | None = None

    @property
    def task(self) -> Task:
        """What can be learnt from them."""
        return Task(self.classes, ImageSpec(*self.images.shape[1:]))

    def counts(self) -> np.ndarray:
        """Faces of each class, int64, shape (K,)."""
        return np.bincount(self.labels, minlength=len(self.classes))

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: np.ndarray) -> Faces:
        """The faces at `index` (int or bool array), in that order."""
        return Faces(
            select(self.images, index),
            self.labels[index],
            self.classes,
            None if self.targets is None else self.targets[index],
            None if self.votes is None else self.votes[index],
        )


@dataclass(frozen=True, repr=False)
class ReadFaces:
    """Everything a reader found in one source, before it is split.

    Attributes:
        faces: all faces in the order of the source.
        usage: int8, shape (N,), index into `USAGES`.
        source: the path or the recipe the faces come from, for people.
        fingerprint: hexadecimal digest of the content; equal content, equal digest.
        groups: int32, shape (N,): who is seen; None where that is not known.
        recognised: what the source was taken for, and what became of its labels, for people.
        rows: int32, shape (N,), where each face is in the source, counted from 0; None: all are
            there, in their order.
        left_out: pictures in which no face was found, by their paths below the source.
        table: where there is a table of what was found in each picture; None where there is none.
        sample: what some pictures show; None where no face was looked for, or in all of them.
        notes: what was passed over that its owner may have meant otherwise, for people.
        dropped: how many faces are not here, by the class that is left out or another reason.
        settings: dotted keys of the configuration that they were read with; empty where not told.
    """

    faces: Faces
    usage: np.ndarray
    source: str
    fingerprint: str
    groups: np.ndarray | None = None
    recognised: str = ""
    rows: np.ndarray | None = None
    left_out: tuple[str, ...] = ()
    table: Path | None = None
    sample: Sample | None = None
    notes: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        task = self.faces.task
        return (
            f"<ReadFaces: {len(self.faces):,} faces of {self.source}, {task.image}, "
            f"{len(task.classes)} classes>"
        )


def those_at(read: ReadFaces, index: np.ndarray, images: Images | None = None) -> ReadFaces:
    """Some of the faces of a reading, rising, with their images where these have come."""
    if len(index) < len(read.usage):
        faces, rows = read.faces, np.arange(len(read.usage)) if read.rows is None else read.rows
        read = replace(
            read,
            faces=replace(
                faces,
                labels=faces.labels[index],
                targets=None if faces.targets is None else faces.targets[index],
                votes=None if faces.votes is None else faces.votes[index],
            ),
            usage=read.usage[index],
            groups=None if read.groups is None else read.groups[index],
            rows=rows[index].astype(np.int32),
        )
    return read if images is None else replace(read, faces=replace(read.faces, images=images))


@dataclass(frozen=True)
class Splits:
    """Faces to train on, to choose the epoch on, and (if the source has one) to test on."""

    train: Faces
    validation: Faces
    test: Faces | None
    source: str
    fingerprint: str
    official: bool
    """Whether the split is the source's own; False when ferkeras drew it from the seed."""
    recognised: str = ""
    """What the source was taken for, for people; empty for synthetic faces."""
    by_person: bool = False
    """Whether ferkeras drew the split so that nobody is on both sides."""
    votes_fingerprint: str | None = None
    """Hexadecimal digest of targets and votes; None where there are none."""
    division: str = ""
    """Hexadecimal digest of which face of the source is in which split."""
    leaked: int = 0
    """Training faces that are in no split, since they are held out too (`data.drop_leaked`)."""

    def how(self) -> str:
        """Who drew the split and what was left out of it, for people."""
        left_out = f", {self.leaked:,} left out of training as leaked" if self.leaked else ""
        if self.official:
            return f"official split{left_out}"
        return f"split by {'person' if self.by_person else 'ferkeras'} from the seed{left_out}"

    @property
    def task(self) -> Task:
        """What is learnt, the same in all of them."""
        return self.train.task
