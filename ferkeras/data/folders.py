"""Faces from folders of pictures: which file belongs to which emotion and split, and the pixels."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, nearest, quoted, shown
from ferkeras.data.faces import USAGES, Faces
from ferkeras.data.labels import class_index
from ferkeras.data.pictures import MAX_PICTURE_BYTES, SUFFIXES, decode_face, quiet_pillow
from ferkeras.data.presets.fer2013 import EMOTIONS, FER2013
from ferkeras.data.text_lines import Progress

MAX_PICTURES = 1_000_000
_PICTURES_BETWEEN_PROGRESS = 100

_TRAIN, _VALIDATION, _TEST = (USAGES.index(name) for name in ("train", "validation", "test"))

# Kaggle's folder `test` holds PublicTest and PrivateTest together; where the file names do not
# distinguish them all of it is the test split, so that nothing of PrivateTest is chosen on.
_SPLIT_FOLDERS = {
    "train": _TRAIN,
    "training": _TRAIN,
    "validation": _VALIDATION,
    "valid": _VALIDATION,
    "val": _VALIDATION,
    "publictest": _VALIDATION,
    "test": _TEST,
    "testing": _TEST,
    "privatetest": _TEST,
}
_SPLIT_IN_NAME = re.compile(r"(training|publictest|privatetest)_", re.IGNORECASE)
_CODE_AND_NAME = re.compile(r"([0-9]+)(?:[ _-]+(.+))?")
_TABLE = re.compile(r"\.csv(\.gz|\.zip)?$")
_LEFT_BY_SYSTEMS = {"thumbs.db", "desktop.ini", "__macosx", "icon\r", "@eadir"}


class Picture(NamedTuple):
    """One picture file of a class folder.

    Attributes:
        name: path below the folder, with ``/`` between its parts.
        label: FER2013 class index, 0 to 6.
        usage: index into `USAGES`.
        state: size, modification time, change time (ns) and inode, to notice a change.
    """

    name: str
    label: int
    usage: int
    state: tuple[int, int, int, int]


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder, ordered by name, none of them opened yet."""

    root: Path
    pictures: tuple[Picture, ...]

    def digest(self) -> str:
        """Return 64 hexadecimal digits that change when a file is added, removed or touched."""
        digest = hashlib.sha256()
        for picture in self.pictures:
            digest.update(ascii(tuple(picture)).encode())
        return digest.hexdigest()


def list_pictures(root: Path, *, follow_symlinks: bool = False) -> Listing:
    """Find the pictures below a folder, and the emotion and the split of each.

    Layouts: ``<class>/*.png`` and ``<split>/<class>/*.png``, where a split is train, validation
    or test (or Training, PublicTest, PrivateTest). A class is an emotion name or alias, its
    FER2013 class index, or both (``3_happy``). File names that begin with ``Training_``,
    ``PublicTest_`` or ``PrivateTest_`` name the split, within ``test`` too. A folder ``test``
    without such names is the test split as a whole. Hidden files are passed over.

    Args:
        root: the folder.
        follow_symlinks: allow symbolic links to lead out of the folder.

    Raises:
        InputError: a folder or file that belongs to no class, contradictory names, a link that
            leaves the folder, no pictures at all, more than a million, or nothing readable.
    """
    finder = _Finder(root, follow_symlinks)
    pictures = sorted(finder.all_pictures())
    if not pictures:
        hint = f"; was {shown(finder.table)} meant?" if finder.table else ";"
        raise InputError(
            f"{shown(root)}: no pictures below this folder{hint} "
            f"expected {', '.join(SUFFIXES)} files in class folders "
            f"({', '.join(EMOTIONS)}), or in such folders in train and test"
        )
    silent = [picture for picture in pictures if not picture.usage]
    if silent and len(silent) < len(pictures):
        raise InputError(
            f"{shown(root / silent[0].name)}: its name names no split, as "
            f"{len(pictures) - len(silent):,} of {len(pictures):,} others do by beginning with "
            "Training_, PublicTest_ or PrivateTest_; name all of them so, or none"
        )
    return Listing(root, tuple(pictures))


def read_pictures(listing: Listing, progress: Progress | None = None) -> tuple[Faces, np.ndarray]:
    """Decode the pictures of a listing.

    Args:
        listing: what `list_pictures` found.
        progress: called now and then with (pictures read, pictures in all).

    Returns:
        The faces in the order of the listing, and their usage: int8, shape (N,).

    Raises:
        InputError: a picture cannot be read; the message names it.
    """
    readable = read_what_is_readable(listing, progress, at_most_unreadable=0)
    return readable.faces, readable.usage


class Readable(NamedTuple):
    """What could be read of the pictures of a listing.

    Attributes:
        faces: the readable ones, in the order of the listing.
        usage: int8, shape (N,), index into `USAGES`.
        names: N paths below the folder.
        unreadable: what is wrong with each of the others; a message begins with its path.
    """

    faces: Faces
    usage: np.ndarray
    names: tuple[str, ...]
    unreadable: tuple[str, ...]


def read_what_is_readable(
    listing: Listing, progress: Progress | None = None, *, at_most_unreadable: int = MAX_PICTURES
) -> Readable:
    """Decode the pictures of a listing, and pass over those that cannot be read.

    Args:
        listing: what `list_pictures` found.
        progress: called now and then with (pictures read, pictures in all).
        at_most_unreadable: pictures that may be passed over.

    Raises:
        InputError: one picture more cannot be read; the message names it.
    """
    pictures = listing.pictures
    images = np.empty((len(pictures), *FER2013.image.shape), np.uint8)
    read: list[Picture] = []
    unreadable: list[str] = []
    with quiet_pillow():
        for done, picture in enumerate(pictures, 1):
            path = listing.root / picture.name
            try:
                images[len(read), :, :, 0] = decode_face(_content(path, picture), FER2013.image)
                read.append(picture)
            except (InputError, OSError) as error:
                wrong = (
                    InputError(f"{shown(path)}: {error}")
                    if isinstance(error, InputError)
                    else cannot_read(path, error)
                )
                if len(unreadable) == at_most_unreadable:
                    raise wrong from error
                unreadable.append(str(wrong))
            if progress and done % _PICTURES_BETWEEN_PROGRESS == 0:
                progress(done, len(pictures))
    if progress:
        progress(len(pictures), len(pictures))
    return Readable(
        Faces(
            images[: len(read)], np.array([each.label for each in read], np.int32), FER2013.classes
        ),
        np.array([each.usage for each in read], np.int8),
        tuple(each.name for each in read),
        tuple(unreadable),
    )


def _content(path: Path, picture: Picture) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_PICTURE_BYTES + 1)
        now = _state(os.fstat(file.fileno()))
    if len(content) > MAX_PICTURE_BYTES:
        raise InputError(f"larger than {MAX_PICTURE_BYTES // 2**20} MiB, which is no face")
    if now != picture.state:
        raise InputError("changed while the folder was being read; read it again")
    return content


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


class _Finder:
    def __init__(self, root: Path, follow_symlinks: bool) -> None:
        self.root = root
        self.real_root = os.path.realpath(root)
        self.follow_symlinks = follow_symlinks
        self.found = 0
        self.table: str | None = None

    def all_pictures(self) -> Iterator[Picture]:
        folders = self._class_or_split_folders(self.root)
        splits = [name for name in folders if name.lower() in _SPLIT_FOLDERS]
        if not splits:
            yield from self._classes(self.root, folders, 0)
            return
        for name in folders:
            if name not in splits:
                raise InputError(
                    f"{shown(self.root / name)}: this folder is no split, as {splits[0]} beside it "
                    f"is; expected train, validation and test only; move it away or rename it"
                )
            inside = self._class_or_split_folders(self.root / name)
            yield from self._classes(self.root / name, inside, _SPLIT_FOLDERS[name.lower()])

    def _class_or_split_folders(self, folder: Path) -> list[str]:
        folders = []
        for entry, status in self._entries(folder):
            if stat.S_ISDIR(status.st_mode):
                folders.append(entry.name)
            elif entry.name.lower().endswith(SUFFIXES):
                raise InputError(
                    f"{shown(entry.path)}: a picture outside the class folders; "
                    f"put it into one of {', '.join(EMOTIONS)}"
                )
            elif folder == self.root and _TABLE.search(entry.name.lower()):
                self.table = entry.path
        return folders

    def _classes(self, parent: Path, names: list[str], usage: int) -> Iterator[Picture]:
        for name in names:
            label = _label(parent / name)
            for entry, status in self._entries(parent / name):
                if not stat.S_ISREG(status.st_mode):
                    raise InputError(
                        f"{shown(entry.path)}: not a file; expected only pictures in a class folder"
                    )
                if not entry.name.lower().endswith(SUFFIXES):
                    raise InputError(
                        f"{shown(entry.path)}: not a picture by its name; expected only "
                        f"{', '.join(SUFFIXES)} in a class folder; convert it or move it away"
                    )
                self.found += 1
                if self.found > MAX_PICTURES:
                    raise InputError(f"{shown(self.root)}: more than {MAX_PICTURES:,} pictures")
                yield Picture(
                    Path(entry.path).relative_to(self.root).as_posix(),
                    label,
                    _usage(entry, usage),
                    _state(status),
                )

    def _entries(self, folder: Path) -> list[tuple[os.DirEntry[str], os.stat_result]]:
        found = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name.lower() in _LEFT_BY_SYSTEMS:
                        continue
                    if entry.is_symlink():
                        self._check_link(entry)
                    found.append((entry, entry.stat()))
                    if len(found) > MAX_PICTURES:
                        raise InputError(f"{shown(folder)}: more than {MAX_PICTURES:,} files")
        except OSError as error:
            raise cannot_read(error.filename or folder, error) from error
        return sorted(found, key=lambda each: each[0].name)

    def _check_link(self, entry: os.DirEntry[str]) -> None:
        target = os.path.realpath(entry.path)
        if not Path(target).exists():
            raise InputError(f"{shown(entry.path)}: a link to {shown(target)}, which is not there")
        if not Path(target).is_relative_to(self.real_root) and not self.follow_symlinks:
            raise InputError(
                f"{shown(entry.path)}: a link out of the data folder, to {shown(target)}; "
                "copy what it points to, or allow it with data.follow_symlinks=true"
            )


def _label(folder: Path) -> int:
    name = folder.name
    expected = f"one of {', '.join(EMOTIONS)}, or a FER2013 class index 0 to {len(EMOTIONS) - 1}"
    match = _CODE_AND_NAME.fullmatch(name)
    if match and match[2] is None:
        if match[1] in {str(label) for label in range(len(EMOTIONS))}:
            return int(match[1])
        raise InputError(
            f"{shown(folder)}: {quoted(name)} is no FER2013 class index; expected {expected} "
            "(RAF-DB counts 1 to 7 in another order: rename its folders by name)"
        )
    try:
        label = class_index((match[2] if match else name)[:80])
    except KeyError as error:
        near = nearest(match[2] if match else name, EMOTIONS)
        hint = f"did you mean {quoted(near)}? " if near else ""
        raise InputError(
            f"{shown(folder)}: unknown emotion {quoted(name)}; {hint}expected {expected}; "
            "rename it, move it away, or give the folder that holds the class folders"
        ) from error
    if match and match[1] != str(label):
        raise InputError(
            f"{shown(folder)}: {quoted(name)} contradicts itself: {EMOTIONS[label]} has the class "
            f"index {label} in FER2013; name the folder {EMOTIONS[label]}"
        )
    return label


def _usage(entry: os.DirEntry[str], folder_usage: int) -> int:
    match = _SPLIT_IN_NAME.match(entry.name)
    if not match:
        return folder_usage
    usage = _SPLIT_FOLDERS[match[1].lower()]
    # Kaggle's folder `test` holds both.
    if folder_usage not in {0, usage} and (folder_usage, usage) != (_TEST, _VALIDATION):
        raise InputError(
            f"{shown(entry.path)}: named {match[1]} but lies in the folder of the "
            f"{USAGES[folder_usage]} split; move or rename it"
        )
    return usage
