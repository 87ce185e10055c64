"""The file of a reading: one record of NumPy's, and the pixels behind it."""

from __future__ import annotations

import io
import math
import os
import re
from typing import BinaryIO, NamedTuple

import numpy as np

LARGEST = 2**40
"""Bytes of an entry; it is mapped, not read."""

_SIZES = re.compile(
    rb"'about', '\|S(\d{1,8})'\), \('labels', '<i4', \((\d{1,9}),\)\), "
    rb".*'<f4', \(\d{1,9}, (\d{1,4})\)\), .*'\|u1', \(0, (\d{1,4}), (\d{1,4}), (\d)\)"
)
"""Bytes of the JSON, faces, columns of votes, height, width and channels in a record's header."""


class Record(NamedTuple):
    """What the size of a record depends on."""

    text: int
    faces: int
    votes: int
    height: int
    width: int
    channels: int

    def type(self) -> np.dtype:
        """Of the record before the images, none of which are in it."""
        return np.dtype(
            [
                ("fingerprint", "S64"),
                ("seal", "S64"),
                ("about", f"S{self.text}"),
                ("labels", "<i4", (self.faces,)),
                ("usage", "i1", (self.faces,)),
                ("people", "<i4", (self.faces,)),
                ("rows", "<i4", (self.faces,)),
                ("votes", "<f4", (self.faces, self.votes)),
                ("images", "u1", (0, self.height, self.width, self.channels)),
            ]
        )

    @property
    def images(self) -> tuple[int, int, int, int]:
        """Shape of the images behind it."""
        return self.faces, self.height, self.width, self.channels

    @property
    def begin(self) -> int:
        """Where the images begin in its file."""
        return len(header(self)) + self.type().itemsize

    @property
    def bytes(self) -> int:
        """Of its file."""
        return self.begin + math.prod(self.images)


def header(record: Record) -> bytes:
    """Return the opening of the ``.npy`` file of a record."""
    opening = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(record.type())
    np.lib.format.write_array_header_1_0(
        opening, {"descr": descr, "fortran_order": False, "shape": ()}
    )
    return opening.getvalue()


def mapped(file: BinaryIO) -> tuple[np.memmap, np.ndarray]:
    """Map the record of an entry, and its images; ValueError if the file is none."""
    opening = file.read(1024)
    size = os.fstat(file.fileno()).st_size
    length = 10 + int.from_bytes(opening[8:10], "little")
    # NumPy's parser of headers raises all sorts of errors on damaged ones, so it is not asked:
    # the header must be the very one that is written for such faces.
    found = _SIZES.search(opening[:length])
    record = Record(*map(int, found.groups())) if found else None
    if record is None or 0 in record._replace(votes=1) or opening[:length] != header(record):
        raise ValueError("not the header of a reading")
    if size != record.bytes:
        raise ValueError("not of its proper length")
    images = np.memmap(file, np.uint8, "r", record.begin, record.images).view(np.ndarray)
    return np.memmap(file, record.type(), mode="r", offset=length, shape=()), images
