"""What a reader finds, before classes are named and pictures are brought to one size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, shown
from ferkeras.data.box import Box
from ferkeras.data.pictures import decode, face_of, has_colour, quiet_pillow
from ferkeras.data.presets.preset import Preset
from ferkeras.data.readers.votes import Votes
from ferkeras.data.task import ImageSpec

Progress = Callable[[int, int], None]

MAX_PICTURES = 1_000_000
LARGEST_USUAL_SIDE = 112
"""Pictures are brought to this size at most where nobody says otherwise."""

_LOOKED_AT = 100
_OF_A_BLOCK = 128

_THREADS = min(4, os.cpu_count() or 1)
"""Each may hold a picture of 50 million pixels."""


class NoPeople(InputError):
    """Faces of which nothing says who is seen in them, as `data.group_column` has it."""


class Block(NamedTuple):
    """Some faces, one after the other.

    Attributes:
        images: uint8, shape (n, H, W, C).
        which: int64, shape (n,): number of each among all pictures.
        unreadable: what is wrong with each that is left out; a message begins with its path.
    """

    images: np.ndarray
    which: np.ndarray
    unreadable: tuple[str, ...]


class Pictures(Protocol):
    """The pictures of a source, in its order."""

    @property
    def names(self) -> Sequence[str] | None:
        """Where each is, below the source; None for rows."""

    def usual(self, numbers: np.ndarray) -> ImageSpec:
        """Size and colour that suit those with these numbers, int64."""

    def read(
        self,
        index: np.ndarray,
        spec: ImageSpec,
        progress: Progress | None,
        at_most_unreadable: int,
    ) -> Iterator[Block]:
        """Read those at `index` as faces of this size and colour, block by block.

        Raises:
            InputError: one more than `at_most_unreadable` cannot be read.
        """


@dataclass(frozen=True)
class Source:
    """Faces as their owner keeps them.

    Attributes:
        layout: what it was recognised as, for people.
        labels: N labels as they are written; empty where there are votes alone.
        places: where each way of writing a label first is, for messages.
        usage: int8, shape (N,), index into `ferkeras.data.faces.USAGES`.
        groups: N names of who is seen; None where that is not known.
        preset: the data set whose class indices these are; None where nothing says so.
        pictures: N pictures.
        votes: what people voted for, where that was asked for.
        notes: what was passed over that its owner may have meant otherwise, for people.
        unread: what is said of lists of the pictures that folders were read before; empty where
            there are none.
    """

    layout: str
    labels: Sequence[str]
    places: Mapping[str, str]
    usage: np.ndarray
    groups: Sequence[str] | None
    preset: Preset | None
    pictures: Pictures
    votes: Votes | None = None
    notes: tuple[str, ...] = ()
    unread: str = ""


class ArrayPictures:
    """Pictures that are in memory already.

    Args:
        images: uint8, shape (N, H, W, C).
    """

    names = None

    def __init__(self, images: np.ndarray) -> None:
        self._images = images

    def usual(self, numbers: np.ndarray) -> ImageSpec:
        """As they are."""
        return ImageSpec(*self._images.shape[1:])

    def read(
        self,
        index: np.ndarray,
        spec: ImageSpec,
        progress: Progress | None,
        at_most_unreadable: int,
    ) -> Iterator[Block]:
        """Those at `index`, resized where they are of another size; all in one block if asked."""
        as_they_are = self._images.shape[1:] == spec.shape
        if as_they_are and len(index) == len(self._images):
            yield Block(self._images, index, ())
            return
        for first in range(0, len(index), _OF_A_BLOCK):
            part = index[first : first + _OF_A_BLOCK]
            images = self._images[part]
            if not as_they_are:
                flat = images[..., 0] if images.shape[-1] == 1 else images
                images = np.stack([face_of(Image.fromarray(each), spec) for each in flat])
            yield Block(images, part, ())


class EncodedPictures:
    """Picture files, decoded side by side.

    Args:
        root: the folder or archive that they are in.
        names: where each is below it.
        content: gives the bytes of the picture with this number, from any thread; raises
            InputError or OSError.
        boxes: what is cut out of them, by their numbers; the others are read whole.
    """

    def __init__(
        self,
        root: Path,
        names: Sequence[str],
        content: Callable[[int], bytes],
        boxes: Mapping[int, Box] | None = None,
    ) -> None:
        self._root = root
        self.names: Sequence[str] = names
        self._content = content
        self._boxes = boxes or {}

    def cut_out(self, boxes: Mapping[int, Box]) -> EncodedPictures:
        """The same pictures, of some of which only a part is read."""
        return EncodedPictures(self._root, self.names, self._content, boxes)

    def picture(self, which: int, channels: int) -> Image.Image:
        """One of them, of mode L for 1 channel, RGB for 3.

        Raises:
            InputError: it cannot be decoded.
            OSError: it cannot be read.
        """
        picture = decode(self._content(which), channels)
        box = self._boxes.get(which)
        return picture if box is None else picture.crop(box.corners)

    def usual(self, numbers: np.ndarray) -> ImageSpec:
        """The middle of their shorter sides, 112 at most; colour if more than half have any.

        Judged by 100 of them, evenly spread.
        """
        count = len(numbers)
        sides, coloured = [], []
        with quiet_pillow():
            for place in np.unique(np.linspace(0, count - 1, min(count, _LOOKED_AT)).astype(int)):
                try:
                    picture = self.picture(int(numbers[place]), 3)
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
    ) -> Iterator[Block]:
        """Decode those at `index`."""
        left = at_most_unreadable
        with ThreadPoolExecutor(_THREADS) as pool:
            for first in range(0, len(index), _OF_A_BLOCK):
                part = index[first : first + _OF_A_BLOCK]
                tasks = np.array_split(part, 2 * _THREADS)
                with quiet_pillow():
                    done = pool.map(lambda numbers: self._decoded(numbers, spec), tasks)
                    found = [each for task in done for each in task]
                wrong = [each for each in found if isinstance(each, InputError)]
                if len(wrong) > left:
                    raise wrong[left] from wrong[left].__cause__
                left -= len(wrong)
                readable = [not isinstance(each, InputError) for each in found]
                images = [each for each in found if not isinstance(each, InputError)]
                if progress:
                    progress(first + len(part), len(index))
                yield Block(
                    np.stack(images) if images else np.empty((0, *spec.shape), np.uint8),
                    part[readable],
                    tuple(map(str, wrong)),
                )

    def _decoded(self, numbers: np.ndarray, spec: ImageSpec) -> list[np.ndarray | InputError]:
        """Each of some pictures as a face, or what is wrong with it."""
        found: list[np.ndarray | InputError] = []
        for which in numbers.tolist():
            try:
                found.append(face_of(self.picture(which, spec.channels), spec))
            except (InputError, OSError) as error:
                wrong = self._wrong(which, error)
                wrong.__cause__ = error
                found.append(wrong)
        return found

    def _wrong(self, which: int, error: InputError | OSError) -> InputError:
        path = self._root / self.names[which]
        if isinstance(error, InputError):
            return InputError(f"{shown(path)}: {error}")
        return cannot_read(path, error)


def who_is(value: object) -> str:
    """A person's name in a column or an array; empty where there is none."""
    return "" if value is None or value != value else str(value).strip()[:100]
