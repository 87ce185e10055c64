"""Pictures that are no cut-out faces but whole photographs: the largest face of each is found."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from ferkeras.cli.errors import InputError
from ferkeras.cli.foreign_text import path_for_csv
from ferkeras.data.box import Box
from ferkeras.data.pictures import quiet_pillow

_SURELY_A_FACE = 128
"""Longest side of pictures that are taken for a face without a look, in pixels."""
_NEARLY_SQUARE = 1.6
"""Long side by short side, at most, of a picture that is one face."""
_FILLED = 0.6
"""Part of the shorter side that the one face takes up in a picture that was cut out closely."""
_MARGIN = 0.25
"""Of the shorter side: the detector wants to see something around a face."""

_THREADS = min(4, os.cpu_count() or 1)
_AT_A_TIME = 64
_SAMPLED = 24


class FoundFace(NamedTuple):
    """A face in a picture.

    Attributes:
        box: where it is.
        score: how many of the detector's windows agree on it, 1 or more.
    """

    box: Box
    score: int


Finder = Callable[[Image.Image], Sequence[FoundFace]]
"""Finds faces in a picture; may be called from several threads."""

Kind = Literal["face", "photograph", "nothing", "unreadable"]


class Looked(NamedTuple):
    """What a picture shows.

    Attributes:
        kind: `face`: it was cut out closely already; `photograph`: it shows `faces`, the largest
            first; `nothing` was found in it; `unreadable`: it is no picture.
        faces: what the detector found.
        filled: width of the largest face by the picture's shorter side; 0 where there is none.
    """

    kind: Kind
    faces: tuple[FoundFace, ...] = ()
    filled: float = 0.0

    @property
    def box(self) -> Box | None:
        """What is to be cut out; None for all of the picture."""
        return self.faces[0].box if self.kind == "photograph" else None


class Sample(NamedTuple):
    """What some pictures of a source show.

    Attributes:
        looked_at: pictures of the sample.
        photographs: those that are whole photographs of people.
        filled: width of the largest face by the shorter side of a photograph, the median; 0 where
            there are none.
    """

    looked_at: int
    photographs: int
    filled: float

    @property
    def mostly_photographs(self) -> bool:
        """Whether more than half of them are."""
        return 2 * self.photographs > self.looked_at

    def __str__(self) -> str:
        return (
            f"{self.photographs:,} of {self.looked_at:,} pictures that were looked at are whole "
            f"photographs, whose largest face takes up {self.filled:.0%} of the shorter side"
        )


def is_small_face(picture: Image.Image) -> bool:
    """Whether a picture is so small and so nearly square that it is taken for a face."""
    return max(picture.size) <= _SURELY_A_FACE and _is_square(picture)


def is_cut_out(
    picture: Image.Image, boxes: Sequence[Box], find: Callable[[Image.Image], Sequence[Box]]
) -> bool:
    """Whether a picture is one face, cut out closely already.

    Args:
        picture: nearly square or not.
        boxes: of the faces that were found in it.
        find: looks again, where there are none, at the picture with a margin.
    """
    if not _is_square(picture) or len(boxes) > 1:
        return False
    boxes = boxes or find(_with_margin(picture))
    return len(boxes) == 1 and boxes[0].width >= _FILLED * min(picture.size)


def look_at(picture: Image.Image, find: Finder) -> Looked:
    """Find out what a picture shows: one face already, or faces in a photograph."""
    if is_small_face(picture):
        return Looked("face", filled=1.0)
    faces = sorted(find(picture), key=lambda each: (-each.box.width * each.box.height, each.box))
    filled = faces[0].box.width / min(picture.size) if faces else 0.0
    if is_cut_out(
        picture, [each.box for each in faces], lambda other: [each.box for each in find(other)]
    ):
        return Looked("face", tuple(faces), max(filled, _FILLED))
    return Looked("photograph" if faces else "nothing", tuple(faces), filled)


def look_at_all(
    picture: Callable[[int], Image.Image], numbers: Sequence[int], find: Finder
) -> Iterator[Looked]:
    """`look_at` for many pictures, side by side, in order.

    Args:
        picture: gives the picture with this number; raises InputError or OSError.
        numbers: of the pictures.
        find: looks for faces.
    """

    def look(which: int) -> Looked:
        try:
            return look_at(picture(which), find)
        except (InputError, OSError):
            return Looked("unreadable")

    with ThreadPoolExecutor(_THREADS) as pool:
        for first in range(0, len(numbers), _AT_A_TIME):
            with quiet_pillow():
                found = list(pool.map(look, numbers[first : first + _AT_A_TIME]))
            yield from found


def sample_of(
    picture: Callable[[int], Image.Image], numbers: Sequence[int], find: Finder
) -> Sample:
    """Look at some of many pictures, evenly spread. Arguments as for `look_at_all`."""
    places = np.linspace(0, len(numbers) - 1, min(len(numbers), _SAMPLED)).astype(int)
    looked = list(look_at_all(picture, [numbers[place] for place in np.unique(places)], find))
    filled = [each.filled for each in looked if each.kind == "photograph"]
    return Sample(len(looked), len(filled), float(np.median(filled)) if filled else 0.0)


def table_of(names: Sequence[str], looked: Sequence[Looked]) -> str:
    """What was found in pictures, as CSV: one row a picture."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "taken", "faces", "x", "y", "width", "height", "score"])
    taken = {"face": "all of it", "photograph": "largest face", "nothing": "left out"}
    for name, each in zip(names, looked, strict=True):
        box = [*each.faces[0].box, each.faces[0].score] if each.faces else [""] * 5
        rows.writerow([path_for_csv(name), taken.get(each.kind, each.kind), len(each.faces), *box])
    return text.getvalue()


@cache
def without_opencv() -> str | None:
    """Why there is no OpenCV, on which the detector is built, and what to do; None where it is."""
    try:
        import_module("cv2.data")
    except ModuleNotFoundError:
        return "is not installed: pip install opencv-python-headless"
    except ImportError as error:
        reason = " ".join(str(error).split())[:200]
        return (
            f"cannot be imported ({reason}): pip uninstall opencv-python opencv-python-headless, "
            "then pip install opencv-python-headless, which needs no display"
        )
    return None


def has_opencv() -> bool:
    """Whether the detector can be had; imports OpenCV, which takes a moment."""
    return without_opencv() is None


def need_opencv(purpose: str) -> None:
    """Refuse what needs the detector where it is not there.

    Raises:
        InputError: OpenCV is not installed, or cannot be imported.
    """
    if why := without_opencv():
        raise InputError(f"{purpose} needs OpenCV, which {why}")


@cache
def the_finder() -> Finder:
    """The detector, whose import takes a moment that pictures of one face do not need."""
    from ferkeras.data.detection import FaceDetector

    return FaceDetector().find


def _is_square(picture: Image.Image) -> bool:
    short, long = sorted(picture.size)
    return long <= _NEARLY_SQUARE * short


def _with_margin(picture: Image.Image) -> Image.Image:
    """The picture with its edges drawn out on all sides."""
    margin = round(_MARGIN * min(picture.size))
    pixels = np.asarray(picture)
    widths = [(margin, margin)] * 2 + [(0, 0)] * (pixels.ndim - 2)
    return Image.fromarray(np.pad(pixels, widths, mode="edge"))
