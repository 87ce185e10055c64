"""The pictures of a source with the largest face of each cut out of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown
from ferkeras.data.photographs import (
    Looked,
    Sample,
    has_opencv,
    look_at_all,
    need_opencv,
    sample_of,
    table_of,
    the_finder,
)
from ferkeras.data.readers.source import EncodedPictures, Pictures, Progress

_BETWEEN_PROGRESS = 20


class CutOut(NamedTuple):
    """The pictures in which there is a face.

    Attributes:
        pictures: of which the faces are read.
        numbers: int64, shape (N,): which of them show a face, rising.
        left_out: names of those in which none was found.
        summary: what became of how many, for people.
        table: what was found in each, as CSV.
    """

    pictures: EncodedPictures
    numbers: np.ndarray
    left_out: tuple[str, ...]
    summary: str
    table: str


def cut_out_faces(
    path: Path, pictures: Pictures, numbers: np.ndarray, progress: Progress | None
) -> CutOut:
    """Look for the largest face of each picture.

    Args:
        path: of the source, for messages.
        pictures: of the source.
        numbers: int64: those that are asked for, rising.
        progress: called now and then with (done, total), up to the half of the total; see
            `second_half`.

    Raises:
        InputError: these are no picture files, OpenCV is not installed, or there is no face at all.
    """
    if not isinstance(pictures, EncodedPictures):
        raise InputError(
            f"{shown(path)}: holds pixels of faces that were cut out already; "
            "data.detect_faces=true is for picture files, leave it out here"
        )
    need_opencv("data.detect_faces=true")
    looked: list[Looked] = []
    every = numbers.tolist()
    for each in look_at_all(lambda which: pictures.picture(which, 1), every, the_finder()):
        looked.append(each)
        if progress and len(looked) % _BETWEEN_PROGRESS == 0:
            progress(len(looked), 2 * len(every))
    # One that cannot be read is kept: reading it says what is wrong with it.
    shows = np.array([each.kind != "nothing" for each in looked])
    if not shows.any():
        raise InputError(
            f"{shown(path)}: no face was found in any of its {len(every):,} pictures; where they "
            "are faces that were cut out already, leave out data.detect_faces"
        )
    names = [pictures.names[which] for which in every]
    whole = sum(each.kind == "face" for each in looked)
    cut = sum(each.kind == "photograph" for each in looked)
    boxes = {which: each.box for which, each in zip(every, looked, strict=True)}
    return CutOut(
        pictures.cut_out({which: box for which, box in boxes.items() if box is not None}),
        numbers[shows],
        tuple(name for name, there in zip(names, shows, strict=True) if not there),
        f"faces cut out of {cut:,} photographs, {whole:,} pictures taken whole, "
        f"{int((~shows).sum()):,} without a face left out",
        table_of(names, looked),
    )


def second_half(progress: Progress | None) -> Progress | None:
    """Progress of reading where looking for faces was the first half."""
    return progress and (lambda done, total: progress(total + done, 2 * total))


def sampled(pictures: Pictures, numbers: np.ndarray) -> Sample | None:
    """What some of the pictures show; None for pixels, and where there is no detector."""
    if not isinstance(pictures, EncodedPictures) or not has_opencv():
        return None
    return sample_of(lambda which: pictures.picture(which, 1), numbers.tolist(), the_finder())
