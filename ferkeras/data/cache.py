"""The cache of faces that were read earlier, found by a digest of what they were read from.

A kept reading is one ``.npy`` file with one record (classes and layout as JSON, labels, usage,
people, rows, votes and a fingerprint) and the pixels behind it, since no record of NumPy's may be
larger than 2 GiB. Both are mapped into memory, not copied. It is written beside its final name and
moved into place, so that it is there as a whole or not at all. It is sealed with a secret of this
account (`ferkeras.files.secret`): what is damaged, or was made by somebody else, is passed over and
written anew. Faces that are too many for memory are written there while they are being read
(`on_disk`), and never anywhere else.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.data.digests import fingerprint_of
from ferkeras.data.faces import Faces, ReadFaces
from ferkeras.data.photographs import Sample
from ferkeras.data.selection import blocks
from ferkeras.data.task import Classes
from ferkeras.files.inner import InnerPath
from ferkeras.files.secret import is_signed, sign
from ferkeras.files.writing import (
    ABANDONED_SECONDS,
    atomic_file,
    demand_room,
    is_temporary,
    write_text,
)

READER_VERSION = 11
"""Raised whenever the readers would read the same files differently."""

KEPT, KEPT_BYTES = 8, 32 * 2**30
"""Readings kept, and their size in all, where there is more than one; the ones longest unused go
first. FER2013 takes 80 MB, 300,000 colour faces of 112 pixels take 11 GB."""

FOLDER = "ferkeras-faces"
"""The folder of the entries in the cache folder; nothing else is touched there."""

_ENTRY = re.compile(r"faces-v\d+-[0-9a-f]{64}\.npy")

_TABLE = re.compile(r"faces-v\d+-[0-9a-f]{64}\.csv")

_LARGEST = 2**40
"""Bytes of an entry; it is mapped, not read."""

_SIZES = re.compile(
    rb"'about', '\|S(\d{1,8})'\), \('labels', '<i4', \((\d{1,9}),\)\), "
    rb".*'<f4', \(\d{1,9}, (\d{1,4})\)\), .*'\|u1', \(0, (\d{1,4}), (\d{1,4}), (\d)\)"
)
"""Bytes of the JSON, faces, columns of votes, height, width and channels in a record's header."""

_log = logging.getLogger(__name__)


def cache_folder() -> Path | None:
    """Return where readings are kept, or None if there is no place.

    ``$FERKERAS_CACHE``, else ``$XDG_CACHE_HOME/ferkeras``, else ``~/.cache/ferkeras``.
    """
    if own := os.environ.get("FERKERAS_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    if Path(base).is_absolute():
        return Path(base) / "ferkeras"
    try:
        return Path.home() / ".cache" / "ferkeras"
    except RuntimeError:
        return None


def load(key: str) -> ReadFaces | None:
    """Return what was read and kept under `key`, or None; its `source` is empty.

    The pixels are mapped read-only. None too if what is kept is damaged or of another version.

    Args:
        key: hexadecimal digest of the source.
    """
    path = _path(key)
    if path is None:
        return None
    try:
        if not path.exists():
            return None
        with path.open(limit=_LARGEST) as file:
            record, images = _mapped(file)
    except (OSError, ValueError, InputError) as error:
        _log.info("cache entry %s is damaged (%s); reading anew", path, error)
        return None
    fingerprint: bytes = record["fingerprint"].item()
    labels = np.array(record["labels"], np.int32)
    usage = np.array(record["usage"], np.int8)
    try:
        about = json.loads(record["about"].item())
        classes = Classes(tuple(about["classes"]))
        recognised = str(about["recognised"])
        left_out = tuple(map(str, about["left_out"]))
        notes = tuple(map(str, about["notes"]))
        sample = None if about["sample"] is None else Sample(*about["sample"])
        dropped = {str(name): int(count) for name, count in about["dropped"].items()}
        votes = {str(about["votes"]): np.array(record["votes"], np.float32)}
        votes.pop("", None)
        faces = Faces(images, labels, classes, **votes)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        _log.info("cache entry %s is damaged (%s); reading anew", path, error)
        return None
    people, rows = (np.array(record[name], np.int32) for name in ("people", "rows"))
    claim = _claim(key, fingerprint, record["about"].item(), people, rows, record["votes"])
    if not is_signed(claim, record["seal"].item().decode("ascii", "replace")):
        _log.info("cache entry %s is damaged, or made by somebody else; reading anew", path)
        return None
    if fingerprint_of(faces, usage).encode("ascii") != fingerprint:
        _log.info("cache entry %s fails its fingerprint; reading anew", path)
        return None
    # The time of last use, for `_prune`.
    with contextlib.suppress(OSError):
        path.touch()
    return ReadFaces(
        faces,
        usage,
        "",
        fingerprint.decode("ascii"),
        None if (people < 0).any() else people,
        recognised,
        None if (rows < 0).any() else rows,
        left_out,
        table.path if (table := _beside(path)).exists() else None,
        sample,
        notes,
        dropped,
    )


def store_table(key: str, text: str) -> Path | None:
    """Put a table beside an entry, and say where; None where it cannot be kept.

    Args:
        key: hexadecimal digest of the source.
        text: the table, as CSV.
    """
    path = _path(key)
    if path is None:
        return None
    try:
        _make_folder(path)
        write_text(_beside(path), text)
    except (OSError, InputError) as error:
        _log.info("%s: a table cannot be kept (%s)", path.parent, error)
        return None
    return _beside(path).path


def store(key: str, read: ReadFaces) -> None:
    """Store a reading under `key`; where it cannot be kept, log that and do nothing.

    Args:
        key: hexadecimal digest of the source.
        read: what was read.
    """
    path, head = _path(key), _head(key, read)
    if path is None or head is None:
        return
    try:
        _make_folder(path)
        # Written, not mapped: a full disk is then an OSError and not a killed process.
        with atomic_file(path) as file:
            file.write(head)
            for block in blocks(read.faces.images):
                file.write(np.ascontiguousarray(block).data)
        _prune(path.parent)
    except (OSError, InputError) as error:
        _log.info("%s: what was read cannot be kept (%s)", path.parent, error)


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
    record = _record_of(expected)
    path = None if key is None else _path(key)
    if key is not None and path is not None and _head(key, expected) is not None:
        try:
            _make_folder(path)
            demand_room(path.parent)
            _prune(path.parent, record.bytes)
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
            file.write(_head(key, read) or b"")
            # A file that is mapped can be renamed on some systems only.
            read = replace(read, faces=replace(read.faces, images=expected.faces.images))
        with path.open(limit=_LARGEST) as file:
            _, mapped = _mapped(file)
        return replace(read, faces=replace(read.faces, images=mapped))
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


def _written(file: BinaryIO, record: _Record, images: Iterable[np.ndarray]) -> np.ndarray:
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


def _no_room(place: Path, record: _Record, free: int) -> InputError:
    return InputError(
        f"{place}: {record.faces:,} faces of {record.height} x {record.width} pixels need "
        f"{record.bytes / 1e9:,.1f} GB of the disk while they are used, and {free / 1e9:,.1f} GB "
        "are free; name another folder with FERKERAS_CACHE, or lower data.size"
    )


def _head(key: str, read: ReadFaces) -> bytes | None:
    """Everything before the images in the file of an entry; None if it cannot be sealed."""
    people, rows = (_numbers(read, array) for array in (read.groups, read.rows))
    _, votes = _votes(read)
    text = _about(read)
    fingerprint = read.fingerprint.encode("ascii")
    seal = sign(_claim(key, fingerprint, text, people, rows, votes))
    if seal is None:
        return None
    return b"".join(
        (
            _header(_record_of(read)),
            fingerprint.ljust(64, b"\0"),
            seal.encode("ascii"),
            text,
            read.faces.labels.astype("<i4").tobytes(),
            read.usage.astype("i1").tobytes(),
            people.tobytes(),
            rows.tobytes(),
            votes.tobytes(),
        )
    )


def _about(read: ReadFaces) -> bytes:
    kind, _ = _votes(read)
    about = {
        "classes": read.faces.classes.names,
        "recognised": read.recognised,
        "votes": kind,
        "left_out": read.left_out,
        "sample": read.sample,
        "notes": read.notes,
        "dropped": dict(read.dropped),
    }
    return json.dumps(about).encode()


def _numbers(read: ReadFaces, array: np.ndarray | None) -> np.ndarray:
    """One number a face; -1 where there are none."""
    return np.full(len(read.faces), -1, "<i4") if array is None else array.astype("<i4")


def _votes(read: ReadFaces) -> tuple[str, np.ndarray]:
    """Which attribute of the faces holds votes, and they; an empty name and no columns for none."""
    for kind, array in (("targets", read.faces.targets), ("votes", read.faces.votes)):
        if array is not None:
            return kind, np.ascontiguousarray(array, "<f4")
    return "", np.empty((len(read.faces), 0), "<f4")


def _record_of(read: ReadFaces) -> _Record:
    _, votes = _votes(read)
    return _Record(len(_about(read)), len(read.faces), votes.shape[1], *read.faces.images.shape[1:])


def _beside(path: InnerPath) -> InnerPath:
    """Where the table of an entry is."""
    return path.parent / f"{path.stem}.csv"


def _make_folder(path: InnerPath) -> None:
    path.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.mkdir(exist_ok=True)


def _path(key: str) -> InnerPath | None:
    folder = cache_folder()
    return InnerPath(folder, FOLDER, f"faces-v{READER_VERSION}-{key}.npy") if folder else None


def _claim(key: str, fingerprint: bytes, about: bytes, *others: np.ndarray) -> str:
    """What the seal vouches for: that this source holds these faces, classes, people and so on."""
    digest = hashlib.sha256(fingerprint + about)
    for array in others:
        digest.update(array.tobytes())
    return f"faces {READER_VERSION} {key} {digest.hexdigest()}"


class _Record(NamedTuple):
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
        return len(_header(self)) + self.type().itemsize

    @property
    def bytes(self) -> int:
        """Of its file."""
        return self.begin + math.prod(self.images)


def _header(record: _Record) -> bytes:
    """Return the opening of the ``.npy`` file of a record."""
    opening = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(record.type())
    np.lib.format.write_array_header_1_0(
        opening, {"descr": descr, "fortran_order": False, "shape": ()}
    )
    return opening.getvalue()


def _mapped(file: BinaryIO) -> tuple[np.memmap, np.ndarray]:
    """Map the record of an entry, and its images; ValueError if the file is none."""
    opening = file.read(1024)
    size = os.fstat(file.fileno()).st_size
    length = 10 + int.from_bytes(opening[8:10], "little")
    # NumPy's parser of headers raises all sorts of errors on damaged ones, so it is not asked:
    # the header must be the very one that is written for such faces.
    found = _SIZES.search(opening[:length])
    record = _Record(*map(int, found.groups())) if found else None
    if record is None or 0 in record._replace(votes=1) or opening[:length] != _header(record):
        raise ValueError("not the header of a reading")
    if size != record.bytes:
        raise ValueError("not of its proper length")
    images = np.memmap(file, np.uint8, "r", record.begin, record.images).view(np.ndarray)
    return np.memmap(file, record.type(), mode="r", offset=length, shape=()), images


def _prune(folder: InnerPath, coming: int = 0) -> None:
    """Remove the entries that were not used for longest, and what killed processes left.

    Args:
        folder: of the entries.
        coming: bytes of an entry for which room is made.
    """
    states = {}
    for each in folder.iterdir():
        # Another process may tidy up, or finish a file, at the same time.
        with contextlib.suppress(FileNotFoundError):
            states[each] = each.stat()
    entries = [each for each in states if _ENTRY.fullmatch(each.name)]
    entries.sort(key=lambda each: states[each].st_mtime, reverse=True)
    sizes = np.cumsum([states[each].st_size for each in entries]) + coming
    # The one that was used last stays, however large it is.
    surplus = [
        each
        for place, each in enumerate(entries)
        if place >= KEPT - bool(coming) or (sizes[place] > KEPT_BYTES and (place or coming))
    ]
    long_ago = time.time() - ABANDONED_SECONDS
    staying = {each.stem for each in entries} - {each.stem for each in surplus}
    abandoned = [
        each
        for each in states
        if (is_temporary(each.name) or (_TABLE.fullmatch(each.name) and each.stem not in staying))
        and states[each].st_mtime < long_ago
    ]
    for each in [*surplus, *abandoned]:
        each.unlink(missing_ok=True)
