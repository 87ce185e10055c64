"""The cache of faces that were read earlier, found by a digest of what they were read from.

A kept reading is one ``.npy`` file with one record (classes and layout as JSON, labels, usage,
people, pixels and a fingerprint), which is mapped into memory, not copied. It is written beside
its final name and moved into place, so that it is there as a whole or not at all. It is sealed with
a secret of this account (`ferkeras.files.secret`): what is damaged, or was made by somebody else,
is passed over and written anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import re
import time
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.data.digests import fingerprint_of
from ferkeras.data.faces import Faces, ReadFaces
from ferkeras.data.task import Classes
from ferkeras.files.inner import InnerPath
from ferkeras.files.secret import is_signed, sign
from ferkeras.files.writing import atomic_file, is_temporary

READER_VERSION = 3
"""Raised whenever the readers would read the same files differently."""

KEPT = 8
"""Readings kept; the ones longest unused go first. FER2013 takes 80 MB."""

FOLDER = "ferkeras-faces"
"""The folder of the entries in the cache folder; nothing else is touched there."""

_ENTRY = re.compile(r"faces-v\d+-[0-9a-f]{64}\.npy")

_ABANDONED_SECONDS = 3600

_SIZES = re.compile(
    rb"'about', '\|S(\d{1,6})'\), .*'\|u1', \((\d{1,9}), (\d{1,4}), (\d{1,4}), (\d)\)"
)
"""Bytes of the JSON, faces, height, width and channels in the header of a record."""

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
        with path.open() as file:
            record = _mapped(file)
    except (OSError, ValueError, InputError) as error:
        _log.info("cache entry %s is damaged (%s); reading anew", path, error)
        return None
    fingerprint: bytes = record["fingerprint"].item()
    labels = np.array(record["labels"], np.int32)
    usage = np.array(record["usage"], np.int8)
    images = record["images"].view(np.ndarray)
    try:
        about = json.loads(record["about"].item())
        classes = Classes(tuple(about["classes"]))
        recognised = str(about["recognised"])
    except (ValueError, KeyError, TypeError) as error:
        _log.info("cache entry %s is damaged (%s); reading anew", path, error)
        return None
    faces = Faces(images, labels, classes)
    people = np.array(record["people"], np.int32)
    claim = _claim(key, fingerprint, record["about"].item(), people)
    if not is_signed(claim, record["seal"].item().decode("ascii", "replace")):
        _log.info("cache entry %s is damaged, or made by somebody else; reading anew", path)
        return None
    if fingerprint_of(faces, usage).encode("ascii") != fingerprint:
        _log.info("cache entry %s fails its fingerprint; reading anew", path)
        return None
    # The time of last use, for `_prune`.
    with contextlib.suppress(OSError):
        path.touch()
    groups = None if (people < 0).any() else people
    return ReadFaces(faces, usage, "", fingerprint.decode("ascii"), groups, recognised)


def store(key: str, read: ReadFaces) -> None:
    """Store a reading under `key`; where it cannot be kept, log that and do nothing.

    Args:
        key: hexadecimal digest of the source.
        read: what was read.
    """
    path = _path(key)
    faces = read.faces
    about = {"classes": faces.classes.names, "recognised": read.recognised}
    text = json.dumps(about).encode()
    people = np.full(len(faces), -1, np.int32) if read.groups is None else read.groups
    people = people.astype("<i4")
    fingerprint = read.fingerprint.encode("ascii")
    seal = sign(_claim(key, fingerprint, text, people))
    if path is None or seal is None:
        return
    try:
        path.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.mkdir(exist_ok=True)
        # Written, not mapped: a full disk is then an OSError and not a killed process.
        with atomic_file(path) as file:
            file.write(_header(_Record(len(text), len(faces), *faces.images.shape[1:])))
            file.write(fingerprint)
            file.write(seal.encode("ascii"))
            file.write(text)
            file.write(faces.labels.astype("<i4").tobytes())
            file.write(read.usage.astype("i1").tobytes())
            file.write(people.tobytes())
            file.write(np.ascontiguousarray(faces.images).data)
        _prune(path.parent)
    except (OSError, InputError) as error:
        _log.info("%s: what was read cannot be kept (%s)", path.parent, error)


def _path(key: str) -> InnerPath | None:
    folder = cache_folder()
    return InnerPath(folder, FOLDER, f"faces-v{READER_VERSION}-{key}.npy") if folder else None


def _claim(key: str, fingerprint: bytes, about: bytes, people: np.ndarray) -> str:
    """What the seal vouches for: that this source holds these faces, classes and people."""
    digest = hashlib.sha256(fingerprint + about + people.astype("<i4").tobytes()).hexdigest()
    return f"faces {READER_VERSION} {key} {digest}"


class _Record(NamedTuple):
    """What the size of a record depends on."""

    text: int
    faces: int
    height: int
    width: int
    channels: int

    def type(self) -> np.dtype:
        return np.dtype(
            [
                ("fingerprint", "S64"),
                ("seal", "S64"),
                ("about", f"S{self.text}"),
                ("labels", "<i4", (self.faces,)),
                ("usage", "i1", (self.faces,)),
                ("people", "<i4", (self.faces,)),
                ("images", "u1", (self.faces, self.height, self.width, self.channels)),
            ]
        )


def _header(record: _Record) -> bytes:
    """Return the opening of the ``.npy`` file of a record."""
    opening = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(record.type())
    np.lib.format.write_array_header_1_0(
        opening, {"descr": descr, "fortran_order": False, "shape": ()}
    )
    return opening.getvalue()


def _mapped(file: BinaryIO) -> np.memmap:
    """Map the record of an entry; ValueError if the file is none."""
    opening = file.read(1024)
    size = os.fstat(file.fileno()).st_size
    length = 10 + int.from_bytes(opening[8:10], "little")
    # NumPy's parser of headers raises all sorts of errors on damaged ones, so it is not asked:
    # the header must be the very one that is written for such faces.
    found = _SIZES.search(opening[:length])
    record = _Record(*map(int, found.groups())) if found else None
    if record is None or 0 in record or opening[:length] != _header(record):
        raise ValueError("not the header of a reading")
    if size != length + record.type().itemsize:
        raise ValueError("not of its proper length")
    return np.memmap(file, record.type(), mode="r", offset=length, shape=())


def _prune(folder: InnerPath) -> None:
    """Remove the entries that were not used for longest, and what killed processes left."""
    ages = {each: each.stat().st_mtime for each in folder.iterdir()}
    entries = sorted((e for e in ages if _ENTRY.fullmatch(e.name)), key=ages.__getitem__)
    long_ago = time.time() - _ABANDONED_SECONDS
    abandoned = [e for e in ages if is_temporary(e.name) and ages[e] < long_ago]
    for each in [*entries[:-KEPT], *abandoned]:
        each.unlink(missing_ok=True)
