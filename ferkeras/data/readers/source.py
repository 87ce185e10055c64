"""What a reader finds, before classes are named and pictures are brought to one size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, shown
from ferkeras.data.pictures import decode, decode_face, face_of, has_colour, quiet_pillow
from ferkeras.data.presets.preset import Preset
from ferkeras.data.task import ImageSpec

Progress = Callable[[int, int], None]

MAX_PICTURES = 1_000_000
LARGEST_USUAL_SIDE = 112
"""Pictures are brought to this size at most where nobody says otherwise."""

_LOOKED_AT = 100
_BETWEEN_PROGRESS = 100


class Readable(NamedTuple):
    """Faces that could be read.

    Attributes:
        images: uint8, shape (n, H, W, C).
        which: int64, shape (n,): number of each among all pictures.
        unreadable: what is wrong with each of the others; a message begins with its path.
    """

    images: np.ndarray
    which: np.ndarray
    unreadable: tuple[str, ...]


class Pictures(Protocol):
    """The pictures of a source, in its order."""

    @property
    def names(self) -> Sequence[str] | None:
        """Where each is, below the source; None for rows."""

    def usual(self) -> ImageSpec:
        """Size and colour that suit them."""

    def read(
        self,
        index: np.ndarray,
        spec: ImageSpec,
        progress: Progress | None,
        at_most_unreadable: int,
    ) -> Readable:
        """Read those at `index` as faces of this size and colour.

        Raises:
            InputError: one more than `at_most_unreadable` cannot be read.
        """


@dataclass(frozen=True)
class Source:
    """Faces as their owner keeps them.

    Attributes:
        layout: what it was recognised as, for people.
        labels: N labels as they are written.
        places: where each way of writing a label first is, for messages.
        usage: int8, shape (N,), index into `ferkeras.data.faces.USAGES`.
        groups: N names of who is seen; None where that is not known.
        preset: the data set whose class indices these are; None where nothing says so.
        pictures: N pictures.
    """

    layout: str
    labels: Sequence[str]
    places: Mapping[str, str]
    usage: np.ndarray
    groups: Sequence[str] | None
    preset: Preset | None
    pictures: Pictures


class ArrayPictures:
    """Pictures that are in memory already.

    Args:
        images: uint8, shape (N, H, W, C).
    """

    names = None

    def __init__(self, images: np.ndarray) -> None:
        self._images = images

    def usual(self) -> ImageSpec:
        """As they are."""
        return ImageSpec(*self._images.shape[1:])

    def read(
        self,
        index: np.ndarray,
        spec: ImageSpec,
        progress: Progress | None,
        at_most_unreadable: int,
    ) -> Readable:
        """Those at `index`, resized where they are of another size."""
        if self._images.shape[1:] == spec.shape:
            whole = len(index) == len(self._images)
            return Readable(self._images if whole else self._images[index], index, ())
        images = np.empty((len(index), *spec.shape), np.uint8)
        for place, which in enumerate(index):
            pixels = self._images[which]
            pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
            images[place] = face_of(Image.fromarray(pixels), spec)
        return Readable(images, index, ())


class EncodedPictures:
    """Picture files, read one after the other.

    Args:
        root: the folder or archive that they are in.
        names: where each is below it.
        content: gives the bytes of the picture with this number; raises InputError or OSError.
    """

    def __init__(self, root: Path, names: Sequence[str], content: Callable[[int], bytes]) -> None:
        self._root = root
        self.names: Sequence[str] = names
        self._content = content

    def usual(self) -> ImageSpec:
        """The middle of their shorter sides, 112 at most; colour if more than half have any.

        Judged by 100 of them, evenly spread.
        """
        count = len(self.names)
        sides, coloured = [], []
        with quiet_pillow():
            for which in np.unique(np.linspace(0, count - 1, min(count, _LOOKED_AT)).astype(int)):
                try:
                    picture = decode(self._content(int(which)), 3)
                except (InputError, OSError):
                    continue
                sides.append(min(picture.size))
                coloured.append(has_colour(picture))
        side = int(np.median(sides)) if sides else LARGEST_USUAL_SIDE
        side = min(max(side, 16), LARGEST_USUAL_SIDE)
        return ImageSpec(side, side, 3 if coloured and np.mean(coloured) > 0.5 else 1)

    def read(
        self,
        index: np.ndarray,
        spec: ImageSpec,
        progress: Progress | None,
        at_most_unreadable: int,
    ) -> Readable:
        """Decode those at `index`."""
        images = np.empty((len(index), *spec.shape), np.uint8)
        kept: list[int] = []
        unreadable: list[str] = []
        with quiet_pillow():
            for done, which in enumerate(index.tolist(), 1):
                try:
                    images[len(kept)] = decode_face(self._content(which), spec)
                    kept.append(which)
                except (InputError, OSError) as error:
                    wrong = self._wrong(which, error)
                    if len(unreadable) == at_most_unreadable:
                        raise wrong from error
                    unreadable.append(str(wrong))
                if progress and done % _BETWEEN_PROGRESS == 0:
                    progress(done, len(index))
        if progress:
            progress(len(index), len(index))
        return Readable(images[: len(kept)], np.array(kept, np.int64), tuple(unreadable))

    def _wrong(self, which: int, error: InputError | OSError) -> InputError:
        path = self._root / self.names[which]
        if isinstance(error, InputError):
            return InputError(f"{shown(path)}: {error}")
        return cannot_read(path, error)
