"""Reading faces: the layout is recognised by looking at the path, and what was read is kept."""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, quoted, shown
from ferkeras.data import selection
from ferkeras.data.cache.entries import load, store, store_table
from ferkeras.data.cache.large import on_disk
from ferkeras.data.classes import DROPPED
from ferkeras.data.cut_out import cut_out_faces, sampled, second_half
from ferkeras.data.digests import digest_of_file, fingerprint_of
from ferkeras.data.faces import Faces, ReadFaces, those_at
from ferkeras.data.labelling import labelled
from ferkeras.data.readers.recognise import Opened, open_file, open_folder
from ferkeras.data.readers.source import (
    MAX_PICTURES,
    ArrayPictures,
    Block,
    NoPeople,
    Pictures,
    Progress,
    Source,
)
from ferkeras.data.source_path import source_at
from ferkeras.data.task import ImageSpec
from ferkeras.data.votes import COLUMNS
from ferkeras.data.wanted import Wanted


@dataclass(frozen=True)
class Reading:
    """What was read, and what could not be.

    Attributes:
        read: the faces.
        names: where each is, below the source; None for rows of a table.
        unreadable: what is wrong with each picture that is not among them.
    """

    read: ReadFaces
    names: Sequence[str] | None
    unreadable: tuple[str, ...]


def read_faces(
    path: str | Path,
    wanted: Wanted | None = None,
    *,
    cache: bool = True,
    follow_symlinks: bool = False,
    progress: Progress | None = None,
) -> ReadFaces:
    """Read all faces of a file or folder.

    The layout is recognised (`ferkeras.data.readers.recognise`), then it is decided what the
    labels mean (`ferkeras.data.classes`) and to which size and colour the faces are brought. The
    arrays are read-only, and the same whether they come from the source or from the cache.

    Args:
        path: a table of pixels or of picture files, a folder, a zip archive or a file of NumPy's;
            ``~`` is your home.
        wanted: classes, size and colour; None for what suits the source.
        cache: keep what was read under `ferkeras.data.cache.location.cache_folder`, and look there
            first. A table is recognised by its content, a folder by names, sizes, times and inodes.
        follow_symlinks: allow links in a folder to lead out of it.
        progress: called now and then with (done, total): bytes of a table, pictures of a folder.

    Raises:
        InputError: anything is missing, malformed or not readable; one message says what, where,
            what was expected and what to do. Nothing is half-read.
    """
    return read_readable(
        path,
        wanted,
        cache=cache,
        follow_symlinks=follow_symlinks,
        progress=progress,
        at_most_unreadable=0,
    ).read


def read_readable(
    path: str | Path,
    wanted: Wanted | None = None,
    *,
    cache: bool = True,
    follow_symlinks: bool = False,
    progress: Progress | None = None,
    at_most_unreadable: int = MAX_PICTURES,
) -> Reading:
    """As `read_faces`, but pictures that cannot be read are passed over and named.

    Args:
        path: see `read_faces`.
        wanted: see `read_faces`.
        cache: see `read_faces`; a reading with unreadable pictures is not kept.
        follow_symlinks: see `read_faces`.
        progress: see `read_faces`.
        at_most_unreadable: pictures that may be passed over.

    Raises:
        InputError: see `read_faces`; or none of the pictures can be read.
    """
    wanted = wanted or Wanted()
    path, status = source_at(path)
    opened = _opened(path, status, wanted, follow_symlinks)
    before = {path: status}
    if opened.beside is not None:
        before.update([source_at(opened.beside)])
    key = _key(opened, wanted) if cache else None
    found = None if key is None else load(key)
    if found is not None:
        read = replace(found, source=str(path))
        names = None
        if opened.has_files:
            names = list(opened.source(None).pictures.names or ())
            if read.rows is not None:
                names = [names[row] for row in read.rows.tolist()]
        return Reading(_read_only(read), names, ())
    source = opened.source(progress)
    return _read(path, before, source, wanted, progress, at_most_unreadable, key)


def _opened(path: Path, status: os.stat_result, wanted: Wanted, follow_symlinks: bool) -> Opened:
    opens = {stat.S_IFDIR: open_folder, stat.S_IFREG: open_file}.get(stat.S_IFMT(status.st_mode))
    if opens is not None:
        return opens(
            path,
            follow_symlinks=follow_symlinks,
            group_column=wanted.group_column,
            votes=wanted.votes == COLUMNS,
            classes=wanted.classes,
        )
    raise InputError(f"{shown(path)}: neither a file nor a folder; expected a table or a folder")


def _key(opened: Opened, wanted: Wanted) -> str:
    if _has_file_of_votes(wanted):
        path, _ = source_at(wanted.votes or "")
        wanted = replace(wanted, votes=digest_of_file(path))
    return hashlib.sha256(f"{opened.digest()} {wanted!r}".encode()).hexdigest()


def _has_file_of_votes(wanted: Wanted) -> bool:
    return wanted.votes is not None and wanted.votes != COLUMNS


def _read(
    path: Path,
    before: Mapping[Path, os.stat_result],
    source: Source,
    wanted: Wanted,
    progress: Progress | None,
    at_most_unreadable: int,
    key: str | None,
) -> Reading:
    found = labelled(path, source, wanted)
    index = np.flatnonzero(found.labels != DROPPED)
    if not len(index):
        raise InputError(f"{shown(path)}: none of its faces is of a class that is kept")
    _refuse_blank(path, source.groups, index, wanted)
    pictures, cut, sample = source.pictures, None, None
    if wanted.detect_faces and not (wanted.expected and isinstance(pictures, ArrayPictures)):
        cut = cut_out_faces(path, pictures, index, progress)
        pictures, index, progress = cut.pictures, cut.numbers, second_half(progress)
    else:
        sample = sampled(pictures, index)
    spec = _spec(pictures, index, wanted)
    faces = Faces(
        np.empty((0, *spec.shape), np.uint8),
        found.labels,
        found.classes,
        found.targets,
        found.votes,
    )
    everything = ReadFaces(
        faces,
        source.usage if found.usage is None else found.usage,
        str(path),
        "",
        recognised="; ".join(
            filter(None, (source.layout, cut and cut.summary, str(spec), found.summary))
        ),
        left_out=cut.left_out if cut else (),
        sample=sample,
        notes=(*source.notes, *filter(None, [source.unread]), *_nameless(source.groups, index)),
        dropped=found.dropped,
    )
    expected = replace(those_at(everything, index), groups=_numbered(source.groups, index))
    read_so_far: list[Block] = []

    def images_of_blocks() -> Iterator[np.ndarray]:
        for block in pictures.read(index, spec, progress, at_most_unreadable):
            read_so_far.append(block._replace(images=np.empty(0)))
            yield block.images

    def finished(images: np.ndarray) -> ReadFaces:
        _refuse_changed(before)
        which = np.concatenate([block.which for block in read_so_far])
        if not len(which):
            count, first = len(index), next(wrong for b in read_so_far for wrong in b.unreadable)
            raise InputError(
                f"{shown(path)}: none of its {count:,} pictures can be read; the first: {first}"
            )
        read = those_at(expected, np.flatnonzero(np.isin(index, which)), images)
        return replace(read, fingerprint=fingerprint_of(read.faces, read.usage))

    if len(index) * math.prod(spec.shape) > selection.LARGE:
        read = on_disk(key, expected, images_of_blocks(), finished)
    else:
        read = finished(_in_memory(images_of_blocks(), len(index), spec))
        if key is not None and len(read.faces) == len(index):
            store(key, read)
    if cut and key is not None:
        read = replace(read, table=store_table(key, cut.table))
    names = pictures.names
    which = np.concatenate([block.which for block in read_so_far])
    return Reading(
        _read_only(read),
        None if names is None else [names[each] for each in which.tolist()],
        tuple(wrong for block in read_so_far for wrong in block.unreadable),
    )


def _in_memory(blocks: Iterator[np.ndarray], count: int, spec: ImageSpec) -> np.ndarray:
    images = np.empty((count, *spec.shape), np.uint8)
    filled = 0
    for block in blocks:
        if len(block) == count:
            return block
        images[filled : filled + len(block)] = block
        filled += len(block)
    return images[:filled]


def _numbered(groups: Sequence[str] | None, index: np.ndarray) -> np.ndarray | None:
    """Who is seen in each face, as a number; a face of nobody in particular is of somebody else."""
    if groups is None:
        return None
    names = _names(groups, index)
    numbers = np.unique(names, return_inverse=True)[1]
    nameless = np.flatnonzero(names == "")
    if len(nameless) == len(names):
        return None
    numbers[nameless] = len(names) + np.arange(len(nameless))
    return np.unique(numbers, return_inverse=True)[1].astype(np.int32)


def _refuse_blank(
    path: Path, groups: Sequence[str] | None, index: np.ndarray, wanted: Wanted
) -> None:
    """Refuse people that are asked for by name where not one is told."""
    if wanted.group_column is None or groups is None or _names(groups, index).any():
        return
    raise NoPeople(
        f"{shown(path)}: data.group_column = {quoted(wanted.group_column)}, but this column is "
        f"blank for all {len(index):,} faces; expected who is seen; fill it, name another column, "
        "or leave data.group_column out, where people need not be kept apart"
    )


def _nameless(groups: Sequence[str] | None, index: np.ndarray) -> tuple[str, ...]:
    """A note on faces that have no name where others have one."""
    if groups is None:
        return ()
    count = int((_names(groups, index) == "").sum())
    if not 0 < count < len(index):
        return ()
    return (f"{count:,} of {len(index):,} faces do not say who is seen: somebody else each",)


def _names(groups: Sequence[str], index: np.ndarray) -> np.ndarray:
    return np.asarray(groups, object)[index].astype(str)


def _spec(pictures: Pictures, numbers: np.ndarray, wanted: Wanted) -> ImageSpec:
    if wanted.expected is not None:
        return wanted.expected.image
    usual = pictures.usual(numbers)
    height, width = wanted.size or (usual.height, usual.width)
    channels = usual.channels if wanted.color is None else 3 if wanted.color else 1
    return ImageSpec(height, width, channels)


def _read_only(read: ReadFaces) -> ReadFaces:
    faces = read.faces
    for array in (
        faces.images,
        faces.labels,
        faces.targets,
        faces.votes,
        read.usage,
        read.groups,
        read.rows,
    ):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return read


def _refuse_changed(files: Mapping[Path, os.stat_result]) -> None:
    """A mixture of two contents must not be kept under the digest of one of them."""
    for path, before in files.items():
        if stat.S_ISDIR(before.st_mode):
            continue
        try:
            after = path.stat()
        except OSError as error:
            raise cannot_read(path, error) from error
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise InputError(f"{shown(path)}: changed while it was being read; read it again")
