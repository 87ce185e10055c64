"""All faces of a source with their place in it, and the pictures that could not be read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ferkeras.check_data.thumbnails import thumbnails
from ferkeras.cli.errors import InputError
from ferkeras.cli.foreign_text import for_line
from ferkeras.config.sections.data import Data
from ferkeras.data.faces import USAGES, Faces, ReadFaces, those_at
from ferkeras.data.load import DEMO
from ferkeras.data.read import read_readable
from ferkeras.data.readers.source import Progress
from ferkeras.data.selection import select
from ferkeras.data.split import Fold, usage_as_split
from ferkeras.data.synthetic.dataset import synthetic_faces
from ferkeras.data.wanted import Wanted

HELD_OUT = ("validation", "test")
SPLITS = ("train", *HELD_OUT)


@dataclass(frozen=True)
class Material:
    """What is checked.

    Attributes:
        read: all readable faces; its `usage` is the source's own.
        usage: int8, shape (N,), index into `USAGES`: where training puts each face.
        names: paths of the pictures below the folder; None for a table.
        unreadable: what is wrong with each picture that is not among the faces.
        fold: the fold that training validates on; None without folds.
        leaked: faces that training leaves out since they leak (`data.drop_leaked`); they are not
            among the faces here.
    """

    read: ReadFaces
    usage: np.ndarray
    names: tuple[str, ...] | None = None
    unreadable: tuple[str, ...] = ()
    fold: Fold | None = None
    leaked: int = 0

    @property
    def faces(self) -> Faces:
        """All readable faces, in the order of the source."""
        return self.read.faces

    @cached_property
    def thumbnails(self) -> np.ndarray:
        """Of all faces, made once: see `ferkeras.check_data.thumbnails.thumbnails`."""
        return thumbnails(self.faces.images)

    @property
    def official(self) -> bool:
        """Whether the source says itself which faces are for validation, and it is kept to."""
        return self.fold is None and bool((self.read.usage == USAGES.index("validation")).any())

    def place(self, index: int) -> int | str:
        """Where the source has a face: its data row, counted from 1, or its path."""
        return self._row(index) if self.names is None else self.names[index]

    def short_place(self, index: int) -> str:
        """`place` for a caption, with what cannot be drawn escaped."""
        if self.names is None:
            return f"row {self._row(index)}"
        name = for_line(Path(self.names[index]).stem)
        return name if len(name) <= 16 else "..." + name[-14:]

    def _row(self, index: int) -> int:
        """Data row of a face, counted from 1."""
        return 1 + int(index if self.read.rows is None else self.read.rows[index])

    def pair_caption(self, one: int, other: int) -> str:
        """What stands under two faces: their labels, and where they are."""
        return (
            f"{self.label(one)} / {self.label(other)}\n"
            f"{self.short_place(one)}\n{self.short_place(other)}"
        )

    def label(self, index: int) -> str:
        """Name of the class of a face."""
        return self.faces.classes[self.faces.labels[index]]

    def split_of(self, index: int) -> str:
        """Name of the split of a face."""
        return USAGES[self.usage[index]]

    def members(self, split: str) -> np.ndarray:
        """Indices of the faces of a split, int64."""
        return np.flatnonzero(self.usage == USAGES.index(split))

    def present(self, splits: tuple[str, ...] = SPLITS) -> list[str]:
        """Those of `splits` that have faces."""
        return [split for split in splits if len(self.members(split))]


def gather(
    path: str,
    wanted: Wanted | None = None,
    *,
    seed: int = 0,
    validation_fraction: float = 0.15,
    fold: Fold | None = None,
    drop_leaked: bool = False,
    cache: bool = True,
    follow_symlinks: bool = False,
    progress: Progress | None = None,
) -> Material:
    """Read all that can be read of a source, and split it as training would.

    Args:
        path: whatever `ferkeras.data.read.read_faces` reads, or "demo".
        wanted: classes, size, colour; see `ferkeras.data.read.read_faces`.
        seed: of the synthetic faces, and of the split where the source has none.
        validation_fraction: fraction held out where the source has no split.
        fold: the fold that is validated on, in place of such a split.
        drop_leaked: leave training faces out that are held out too.
        cache: use and fill the cache of the readers.
        follow_symlinks: allow links in a folder to lead out of it.
        progress: called now and then with (done, total).

    Raises:
        InputError: as `read_faces`, save that unreadable pictures of a folder are listed; but
            one of them must be readable.
    """
    if not 0 <= seed < 2**31:
        raise InputError(f"seed {seed} is out of range; expected 0 to {2**31 - 1}")
    names: tuple[str, ...] | None = None
    unreadable: tuple[str, ...] = ()
    if path == DEMO:
        defaults = Data()
        read = synthetic_faces(
            defaults.demo_faces, seed, label_noise=defaults.demo_label_noise, progress=progress
        )
    else:
        reading = read_readable(
            path, wanted, cache=cache, follow_symlinks=follow_symlinks, progress=progress
        )
        read, unreadable = reading.read, reading.unreadable
        names = None if reading.names is None else tuple(reading.names)
    usage = usage_as_split(
        read,
        seed=seed,
        validation_fraction=validation_fraction,
        fold=fold,
        drop_leaked=drop_leaked,
    )
    kept = np.flatnonzero(usage)
    leaked = len(usage) - len(kept)
    if leaked:
        read, usage = those_at(read, kept, select(read.faces.images, kept)), usage[kept]
        names = None if names is None else tuple(names[at] for at in kept)
    return Material(read, usage, names, unreadable, fold, leaked)
