"""What stands before the pixels of an entry, sealed with a secret of this account."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from ferkeras.data.cache.location import READER_VERSION
from ferkeras.data.cache.record import Record, header
from ferkeras.data.faces import ReadFaces
from ferkeras.files.secret import sign


def sealed_head(key: str, read: ReadFaces) -> bytes | None:
    """Everything before the images in the file of an entry; None if it cannot be sealed."""
    people, rows = (_numbers(read, array) for array in (read.groups, read.rows))
    _, votes = _votes(read)
    text = _about(read)
    fingerprint = read.fingerprint.encode("ascii")
    seal = sign(claim_of(key, fingerprint, text, people, rows, votes))
    if seal is None:
        return None
    return b"".join(
        (
            header(record_of(read)),
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


def record_of(read: ReadFaces) -> Record:
    """What the size of the record of a reading depends on."""
    _, votes = _votes(read)
    return Record(len(_about(read)), len(read.faces), votes.shape[1], *read.faces.images.shape[1:])


def claim_of(key: str, fingerprint: bytes, about: bytes, *others: np.ndarray) -> str:
    """What the seal vouches for: that this source holds these faces, classes, people and so on."""
    digest = hashlib.sha256(fingerprint + about)
    for array in others:
        digest.update(array.tobytes())
    return f"faces {READER_VERSION} {key} {digest.hexdigest()}"
