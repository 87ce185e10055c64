"""The files below a folder or in an archive, none of them opened yet, and their bytes."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, shown
from ferkeras.data.emotions import composed
from ferkeras.data.pictures import MAX_PICTURE_BYTES, SUFFIXES
from ferkeras.data.readers.source import MAX_PICTURES

_LEFT_BY_SYSTEMS = {
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "__macosx",
    "icon\r",
    "@eadir",
}
_DEEPEST = 12

BESIDE_PICTURES = (
    ".csv .gz .zip .tsv .txt .md .json .jsonl .yaml .yml .xml .html .pdf .rtf .doc .docx .xls "
    ".xlsx .mat .npy .npz .pts .parquet .py .ipynb .sh .rst .log"
).split()
"""Files that people keep beside their pictures, and that are passed over."""


class Found(NamedTuple):
    """One file.

    Attributes:
        name: path below the folder, with ``/`` between its parts.
        state: what changes when the file does: size, times and inode, or size and checksum.
    """

    name: str
    state: tuple[int, ...]

    @property
    def folders(self) -> tuple[str, ...]:
        """Names of the folders that it lies in, the outermost first, their accents composed."""
        return PurePosixPath(composed(self.name)).parts[:-1]

    @property
    def file(self) -> str:
        """Its name without them."""
        return PurePosixPath(self.name).name


class Files(Protocol):
    """Files of one place."""

    @property
    def root(self) -> Path:
        """The folder or archive, for messages."""

    @property
    def pictures(self) -> Sequence[Found]:
        """Files that are pictures by their names, ordered by name."""

    @property
    def others(self) -> Sequence[Found]:
        """All others that may be of use: tables, lists."""

    @property
    def empty(self) -> Sequence[str]:
        """Folders that no file is in or below, the outermost ones."""

    @property
    def unread(self) -> Sequence[str]:
        """The first file of an unknown kind in each folder that holds such, but the root."""

    def content(self, found: Found) -> bytes:
        """The bytes of a picture; InputError or OSError where they cannot be had."""


def digest_of(files: Files) -> str:
    """64 hexadecimal digits that change when a file is added, removed or touched."""
    digest = hashlib.sha256()
    for found in (*files.pictures, *files.others):
        digest.update(ascii(tuple(found)).encode())
    digest.update(ascii((files.empty, files.unread)).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class FolderFiles:
    """Files below a folder; see `list_folder`."""

    root: Path
    pictures: Sequence[Found]
    others: Sequence[Found]
    empty: Sequence[str] = ()
    unread: Sequence[str] = ()

    def content(self, found: Found) -> bytes:
        """The bytes of a picture.

        Raises:
            InputError: it is larger than a face may be, or has changed since it was listed.
            OSError: it cannot be read.
        """
        with (self.root / found.name).open("rb") as file:
            content = file.read(MAX_PICTURE_BYTES + 1)
            *now, inode = _state(os.fstat(file.fileno()))
        if len(content) > MAX_PICTURE_BYTES:
            raise InputError(f"larger than {MAX_PICTURE_BYTES // 2**20} MiB, which is no face")
        # What lists a folder on Windows says 0 for every inode.
        if tuple(now) != found.state[:-1] or found.state[-1] not in {0, inode}:
            raise InputError("changed while the folder was being read; read it again")
        return content


def list_folder(root: Path, *, follow_symlinks: bool = False, strict: bool = True) -> FolderFiles:
    """Find the files below a folder. Hidden ones and those that systems leave are passed over.

    Args:
        root: the folder.
        follow_symlinks: allow symbolic links to lead out of it.
        strict: refuse a file beside pictures that is neither picture nor text, and what is no file
            at all; else they are passed over.

    Raises:
        InputError: a link that leaves the folder, something that is no file, a file beside
            pictures that is none, more than a million files, or nothing readable.
    """
    pictures: list[Found] = []
    others: list[Found] = []
    folders: list[str] = []
    strange: list[str] = []
    real_root = os.path.realpath(root)
    pending: list[tuple[Path, int]] = [(root, 0)]
    while pending:
        folder, depth = pending.pop()
        for entry, status in _entries(folder, real_root, follow_symlinks, strict):
            name = Path(entry.path).relative_to(root).as_posix()
            if stat.S_ISDIR(status.st_mode):
                if entry.name.lower().endswith(SUFFIXES):
                    raise InputError(
                        f"{shown(entry.path)}: not a file, though named as a picture; remove it"
                    )
                if depth == _DEEPEST:
                    raise InputError(f"{shown(entry.path)}: more than {_DEEPEST} folders deep")
                pending.append((Path(entry.path), depth + 1))
                folders.append(name)
            elif not stat.S_ISREG(status.st_mode):
                if not strict:
                    continue
                raise InputError(f"{shown(entry.path)}: not a file; expected only files here")
            elif entry.name.lower().endswith(SUFFIXES):
                pictures.append(Found(name, _state(status)))
            elif _may_be_beside(entry.name):
                others.append(Found(name, _state(status)))
            else:
                strange.append(name)
            if len(pictures) + len(others) + len(strange) > MAX_PICTURES:
                raise InputError(f"{shown(root)}: more than {MAX_PICTURES:,} pictures")
    unread = _unread(root, pictures, strange, strict=strict)
    empty = _without_files(folders, [*(each.name for each in (*pictures, *others)), *strange])
    return FolderFiles(root, tuple(sorted(pictures)), tuple(sorted(others)), empty, unread)


def _may_be_beside(file: str) -> bool:
    """Whether a file that is no picture is of a kind that people keep beside pictures."""
    return Path(file).suffix.lower() in BESIDE_PICTURES or "." not in file


def _unread(
    root: Path, pictures: Iterable[Found], strange: Iterable[str], *, strict: bool = True
) -> tuple[str, ...]:
    """The first file of an unknown kind in each folder below; refused beside pictures if strict."""
    first: dict[str, str] = {}
    for name in sorted(strange):
        first.setdefault(name.rpartition("/")[0], name)
    beside = first.keys() & {each.name.rpartition("/")[0] for each in pictures}
    if strict and beside:
        raise InputError(
            f"{shown(root / first[min(beside)])}: not a picture by its name; expected "
            f"{', '.join(SUFFIXES)} beside pictures; convert it or move it away"
        )
    return tuple(name for folder, name in first.items() if folder)


def _without_files(folders: Iterable[str], files: Iterable[str]) -> tuple[str, ...]:
    """Those folders that none of the files is in or below, without the folders inside them."""
    direct = {each.rpartition("/")[0] for each in files}
    holding = {str(above) for each in direct for above in PurePosixPath(each, "_").parents}
    empty = {each for each in folders if each not in holding}
    return tuple(sorted(each for each in empty if each.rpartition("/")[0] not in empty))


def _entries(
    folder: Path, real_root: str, follow_symlinks: bool, strict: bool
) -> list[tuple[os.DirEntry[str], os.stat_result]]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower() in _LEFT_BY_SYSTEMS:
                    continue
                if entry.is_symlink():
                    if not (strict or Path(entry.path).exists()):
                        continue
                    _check_link(entry, real_root, follow_symlinks)
                found.append((entry, entry.stat()))
                if len(found) > MAX_PICTURES:
                    raise InputError(f"{shown(folder)}: more than {MAX_PICTURES:,} files")
    except OSError as error:
        raise cannot_read(error.filename or folder, error) from error
    return found


def _check_link(entry: os.DirEntry[str], real_root: str, follow_symlinks: bool) -> None:
    target = os.path.realpath(entry.path)
    if not Path(target).exists():
        raise InputError(f"{shown(entry.path)}: a link to {shown(target)}, which is not there")
    if not Path(target).is_relative_to(real_root) and not follow_symlinks:
        raise InputError(
            f"{shown(entry.path)}: a link out of the data folder, to {shown(target)}; "
            "copy what it points to, or allow it with data.follow_symlinks=true"
        )


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


class ZipFiles:
    """Files in a zip archive, which is not unpacked.

    Args:
        path: the archive.

    Raises:
        InputError: it cannot be opened, holds more than a million files or two pictures of one
            name, or a file beside pictures that is none.
    """

    def __init__(self, path: Path) -> None:
        self.root = path
        self._lock = threading.Lock()
        try:
            self._archive = zipfile.ZipFile(path)
            members = self._archive.infolist()
        except Exception as error:
            raise InputError(
                f"{shown(path)}: this zip archive cannot be opened ({error}); download it again"
            ) from error
        if len(members) > MAX_PICTURES:
            raise InputError(f"{shown(path)}: more than {MAX_PICTURES:,} files")
        found = sorted(
            Found(each.filename, (each.file_size, each.CRC))
            for each in members
            if not each.is_dir() and is_visible(each.filename)
        )
        self.pictures = tuple(each for each in found if each.name.lower().endswith(SUFFIXES))
        rest = [each for each in found if not each.name.lower().endswith(SUFFIXES)]
        self.others = tuple(each for each in rest if _may_be_beside(each.file))
        strange = [each.name for each in rest if not _may_be_beside(each.file)]
        self._refuse_doubles()
        self.unread = _unread(path, self.pictures, strange)
        folders = [each.filename.rstrip("/") for each in members if each.is_dir()]
        self.empty = _without_files(filter(is_visible, folders), (each.name for each in found))

    def _refuse_doubles(self) -> None:
        """Refuse two pictures of one name, of which only the later one can be had."""
        for one, next_one in pairwise(self.pictures):
            if one.name == next_one.name:
                raise InputError(
                    f"{shown(self.root / one.name)}: in this zip archive more than once; pack the "
                    "folder anew"
                )

    def content(self, found: Found) -> bytes:
        """The bytes of a picture.

        Raises:
            InputError: it is larger than a face may be, or cannot be unpacked.
        """
        try:
            with self._lock, self._archive.open(found.name) as file:
                content = file.read(MAX_PICTURE_BYTES + 1)
        # zipfile raises BadZipFile, zlib.error, RuntimeError (password), ...
        except Exception as error:
            raise InputError(f"cannot be unpacked ({error})") from error
        if len(content) > MAX_PICTURE_BYTES:
            raise InputError(f"larger than {MAX_PICTURE_BYTES // 2**20} MiB, which is no face")
        return content


def is_visible(name: str) -> bool:
    """Whether no part of a relative path with slashes is hidden or of those that systems leave."""
    parts = PurePosixPath(name).parts
    return not any(part.startswith(".") or part.lower() in _LEFT_BY_SYSTEMS for part in parts)


def holds_pictures(path: Path) -> bool:
    """Whether a file is a zip archive with pictures in it that are not hidden."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                return False
        with zipfile.ZipFile(path) as archive:
            return any(
                each.lower().endswith(SUFFIXES) and is_visible(each) for each in archive.namelist()
            )
    except Exception:  # whoever reads it as a table says what is wrong with it
        return False
