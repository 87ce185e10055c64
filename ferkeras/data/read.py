"""Reading faces: the reader is chosen by looking at the path, and what was read is kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, nearest, quoted, shown
from ferkeras.data import cache as kept
from ferkeras.data.csv_files import read_columns, read_csv
from ferkeras.data.digests import digest_of_file, fingerprint_of
from ferkeras.data.faces import Faces, ReadFaces
from ferkeras.data.folders import list_pictures, read_pictures
from ferkeras.data.text_lines import Progress

_Read = Callable[[], tuple[Faces, np.ndarray]]
_MAX_NEIGHBOURS = 10_000

FER2013_PAGE = (
    "https://www.kaggle.com/competitions/"
    "challenges-in-representation-learning-facial-expression-recognition-challenge/data"
)
"""Where FER2013's makers offer it."""


def read_faces(
    path: str | Path,
    *,
    cache: bool = True,
    follow_symlinks: bool = False,
    progress: Progress | None = None,
) -> ReadFaces:
    """Read all faces of a file or folder.

    A file is read as a table (`ferkeras.data.csv_files.read_csv`), a folder as class folders of
    pictures (`ferkeras.data.folders.list_pictures`). The arrays are read-only, and the same
    whether they come from the source or from the cache.

    Args:
        path: ``fer2013.csv`` (plain, .gz or .zip), ``icml_face_data.csv``, Kaggle's ``train.csv``
            or a folder; ``~`` is your home.
        cache: keep what was read under `ferkeras.data.cache.cache_folder`, and look there first.
            A table is recognised by its content, a folder by names, sizes, times and inodes.
        follow_symlinks: allow links in a folder to lead out of it.
        progress: called now and then with (done, total): bytes of a table, pictures of a folder.

    Raises:
        InputError: anything is missing, malformed or not readable; one message says what, where,
            what was expected and what to do. Nothing is half-read.
    """
    path, status = _found(path)
    if stat.S_ISDIR(status.st_mode):
        listing = list_pictures(path, follow_symlinks=follow_symlinks)
        key = listing.digest()
        faces, usage, fingerprint = _through_cache(
            key if cache else None, lambda: read_pictures(listing, progress)
        )
    elif stat.S_ISREG(status.st_mode):
        read_columns(path)
        faces, usage, fingerprint = _through_cache(
            digest_of_file(path) if cache else None, lambda: _unchanged(path, status, progress)
        )
    else:
        raise InputError(
            f"{shown(path)}: neither a file nor a folder; expected a table or a folder"
        )
    for array in (faces.images, faces.labels, usage):
        array.flags.writeable = False
    return ReadFaces(faces, usage, str(path), fingerprint)


def _found(path: str | Path) -> tuple[Path, os.stat_result]:
    """Return the path with ``~`` expanded and what the system knows of it."""
    try:
        path = Path(path).expanduser()
        return path, path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(Path(path)) from error
    except OSError as error:
        raise cannot_read(path, error) from error
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{quoted(str(path), 200)}: not a path ({error})") from error


def _missing(path: Path) -> InputError:
    above = path.parent
    while not above.is_dir() and above != above.parent:
        above = above.parent
    if above != path.parent:
        return InputError(
            f"{shown(path)}: no such file or folder; there is {shown(above)}, but no "
            f"{quoted(path.relative_to(above).parts[0], 200)} in it"
        )
    try:
        with os.scandir(above) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_MAX_NEIGHBOURS), strict=False)]
    except OSError:
        names = []
    near = nearest(path.name, names, cutoff=0.8)
    hint = f"; did you mean {shown(above / near)}?" if near else f" in {shown(above.absolute())}"
    if not near and path.name.lower().startswith(("fer2013", "icml_face_data", "train.csv")):
        hint += f"; FER2013 is had from {FER2013_PAGE}"
    return InputError(f"{shown(path)}: no such file or folder{hint}")


def _unchanged(
    path: Path, before: os.stat_result, progress: Progress | None
) -> tuple[Faces, np.ndarray]:
    read = read_csv(path, progress)
    try:
        after = path.stat()
    except OSError as error:
        raise cannot_read(path, error) from error
    # A mixture of two contents must not be kept under the digest of one of them.
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputError(f"{shown(path)}: changed while it was being read; read it again")
    return read


def _through_cache(key: str | None, read: _Read) -> tuple[Faces, np.ndarray, str]:
    if key is not None and (found := kept.load(key)):
        return found
    faces, usage = read()
    fingerprint = fingerprint_of(faces, usage)
    if key is not None:
        kept.store(key, faces, usage, fingerprint)
    return faces, usage, fingerprint
