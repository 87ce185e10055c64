"""Readings that are kept: stored, and loaded again."""

from __future__ import annotations

import contextlib
import json
import logging
from pathlib import Path

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.data.cache.location import make_folder, path_of, table_beside
from ferkeras.data.cache.pruning import prune
from ferkeras.data.cache.record import LARGEST, mapped
from ferkeras.data.cache.sealing import claim_of, sealed_head
from ferkeras.data.digests import fingerprint_of
from ferkeras.data.faces import Faces, ReadFaces
from ferkeras.data.photographs import Sample
from ferkeras.data.selection import blocks
from ferkeras.data.task import Classes
from ferkeras.files.secret import is_signed
from ferkeras.files.writing import atomic_file, write_text

_log = logging.getLogger(__name__)


def load(key: str) -> ReadFaces | None:
    """Return what was read and kept under `key`, or None; its `source` is empty.

    The pixels are mapped read-only. None too if what is kept is damaged or of another version.

    Args:
        key: hexadecimal digest of the source.
    """
    path = path_of(key)
    if path is None:
        return None
    try:
        if not path.exists():
            return None
        with path.open(limit=LARGEST) as file:
            record, images = mapped(file)
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
    claim = claim_of(key, fingerprint, record["about"].item(), people, rows, record["votes"])
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
        table.path if (table := table_beside(path)).exists() else None,
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
    path = path_of(key)
    if path is None:
        return None
    try:
        make_folder(path)
        write_text(table_beside(path), text)
    except (OSError, InputError) as error:
        _log.info("%s: a table cannot be kept (%s)", path.parent, error)
        return None
    return table_beside(path).path


def store(key: str, read: ReadFaces) -> None:
    """Store a reading under `key`; where it cannot be kept, log that and do nothing.

    Args:
        key: hexadecimal digest of the source.
        read: what was read.
    """
    path, head = path_of(key), sealed_head(key, read)
    if path is None or head is None:
        return
    try:
        make_folder(path)
        # Written, not mapped: a full disk is then an OSError and not a killed process.
        with atomic_file(path) as file:
            file.write(head)
            for block in blocks(read.faces.images):
                file.write(np.ascontiguousarray(block).data)
        prune(path.parent)
    except (OSError, InputError) as error:
        _log.info("%s: what was read cannot be kept (%s)", path.parent, error)
