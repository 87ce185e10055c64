"""A set of faces, between reading and the input pipeline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZE = 48
"""Height and width of a face in pixels."""

USAGES = ("", "train", "validation", "test")
"""Splits that a source may name; ``""`` where it names none."""


@dataclass(frozen=True)
class Faces:
    """Grey faces with their emotion.

    Attributes:
        images: uint8, shape (N, 48, 48, 1), 0 is black.
        labels: int32, shape (N,), FER2013 class indices 0 to 6.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: np.ndarray) -> Faces:
        """The faces at `index` (int or bool array), in that order."""
        return Faces(self.images[index], self.labels[index])


@dataclass(frozen=True)
class ReadFaces:
    """Everything a reader found in one source, before it is split.

    Attributes:
        faces: all faces in the order of the source.
        usage: int8, shape (N,), index into `USAGES`.
        source: the path or the recipe the faces come from, for people.
        fingerprint: hexadecimal digest of the content; equal content, equal digest.
    """

    faces: Faces
    usage: np.ndarray
    source: str
    fingerprint: str


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
