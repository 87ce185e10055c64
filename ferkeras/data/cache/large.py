"""Faces that are too many for memory: written to the disk while they are being read."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.data.cache.location import make_folder, path_of
from ferkeras.data.cache.pruning import prune
from ferkeras.data.cache.record import LARGEST, Record, mapped
from ferkeras.data.cache.sealing import record_of, sealed_head
from ferkeras.data.faces import ReadFaces
from ferkeras.files.writing import atomic_file, demand_room

_log = logging.getLogger(__name__)


def on_disk(
    key: str | None,
    expected: ReadFaces,
    images: Iterable[np.ndarray],
    finish: Callable[[np.ndarray], ReadFaces],
) -> ReadFaces:
    """Write images to the disk as they come; memory holds one block of them at a time.

    They go straight into the entry of `key`, which is kept if all came that were expected.
    Otherwise, and where nothing can be kept, into a file that is gone when the process ends.

    Args:
        key: hexadecimal digest of the source; None where it shall not be kept.
        expected: the reading, with images of the right size but none of them, and no fingerprint.
        images: uint8, each of shape (n, H, W, C).
        finish: makes the reading from all images, mapped read-only.

    Raises:
        InputError: the disk has no room for them.
    """
    record = record_of(expected)
    path = None if key is None else path_of(key)
    if key is not None and path is not None and sealed_head(key, expected) is not None:
        try:
            make_folder(path)
            demand_room(path.parent)
            prune(path.parent, record.bytes)
        except (OSError, InputError) as error:
            _log.info("%s: what was read cannot be kept (%s)", path.parent, error)
            path = None
    else:
        path = None
    place = Path(tempfile.gettempdir()) if path is None else path.parent.path
    free = shutil.disk_usage(place).free
    if free < record.bytes:
        raise _no_room(place, record, free)
    try:
        if path is None or key is None:
            # Its mapping keeps the file alive.
            with tempfile.TemporaryFile() as file:
                return finish(_written(file, record, images))
        with atomic_file(path) as file:
            read = finish(_written(file, record, images))
            if len(read.faces) < record.faces:
                raise _Incomplete(read)
            file.seek(0)
            file.write(sealed_head(key, read) or b"")
            # A file that is mapped can be renamed on some systems only.
            read = replace(read, faces=replace(read.faces, images=expected.faces.images))
        with path.open(limit=LARGEST) as file:
            _, kept = mapped(file)
        return replace(read, faces=replace(read.faces, images=kept))
    except _Incomplete as incomplete:
        return incomplete.read
    except OSError as error:
        raise InputError(
            f"{place}: cannot take {record.faces:,} faces while they are read "
            f"({error.strerror or error}); FERKERAS_CACHE names another folder"
        ) from error


class _Incomplete(Exception):
    """A reading that lacks some of the faces that were expected, and is not kept."""

    def __init__(self, read: ReadFaces) -> None:
        super().__init__()
        self.read = read


def _written(file: BinaryIO, record: Record, images: Iterable[np.ndarray]) -> np.ndarray:
    """Images in their place in the file of a record, mapped as far as they came."""
    begin = record.begin
    file.seek(begin)
    count = 0
    for block in images:
        file.write(np.ascontiguousarray(block).data)
        count += len(block)
    file.flush()
    shape = record._replace(faces=count).images
    if not count:
        return np.empty(shape, np.uint8)
    return np.memmap(file, np.uint8, "r", begin, shape).view(np.ndarray)


def _no_room(place: Path, record: Record, free: int) -> InputError:
    return InputError(
        f"{place}: {record.faces:,} faces of {record.height} x {record.width} pixels need "
        f"{record.bytes / 1e9:,.1f} GB of the disk while they are used, and {free / 1e9:,.1f} GB "
        "are free; name another folder with FERKERAS_CACHE, or lower data.size"
    )
