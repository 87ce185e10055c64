"""Paths inside a folder, which lead nowhere else.

A run, an export, a cache may have been made by a stranger, by another program or by a process
that was killed. `InnerPath` is the one way to anything in such a folder: the folder is opened,
and each name is looked up in what has been opened before it, so that no link is followed on the
way. A file is read only if it is a regular file and not larger than what its kind can be.

Where a system has no lookup relative to an opened folder (Windows), each name is looked at before
it is opened and compared with what was opened after.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import total_ordering
from pathlib import Path
from typing import BinaryIO

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown

LARGEST_FILE = 4 << 30
"""Bytes of the largest file that is read where its kind has no lower bound."""

_RELATIVE = os.open in os.supports_dir_fd
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class Refused(InputError):
    """Something in a folder is a link, or no regular file, or too large: it is left alone."""


@total_ordering
class InnerPath(os.PathLike[str]):
    """A path in a folder, without links on the way and only to regular files and folders.

    It can be written where a path is read by people or by a library that takes paths only; files
    are opened with its methods. All of them raise `Refused` for links and for what is neither
    file nor folder, and OSError as `pathlib.Path` does.

    Args:
        root: the folder; may itself be named through links, as whoever names it knows them.
        parts: names below it.

    Raises:
        ValueError: a part is no plain name.
    """

    def __init__(self, root: Path, *parts: str) -> None:
        self.root = root
        self.parts = tuple(name for part in parts for name in str(part).split("/"))
        for name in self.parts:
            if name in ("", ".", "..") or "\0" in name or Path(name).name != name:
                raise ValueError(f"not a plain name: {name!r}")

    def __truediv__(self, name: str) -> InnerPath:
        return InnerPath(self.root, *self.parts, name)

    def __fspath__(self) -> str:
        return str(self.root.joinpath(*self.parts))

    def __str__(self) -> str:
        return os.fspath(self)

    def __repr__(self) -> str:
        return f"InnerPath({os.fspath(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, os.PathLike) and os.fspath(self) == os.fspath(other)

    def __lt__(self, other: InnerPath) -> bool:
        return os.fspath(self) < os.fspath(other)

    def __hash__(self) -> int:
        return hash(os.fspath(self))

    @property
    def path(self) -> Path:
        """The same as a plain path, to be shown or to be named to a library."""
        return Path(os.fspath(self))

    @property
    def name(self) -> str:
        """The last part."""
        return self.path.name

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return self.path.stem

    @property
    def suffix(self) -> str:
        """The suffix of the last part, with its dot."""
        return self.path.suffix

    @property
    def parent(self) -> InnerPath:
        """The folder that it is in; the root's is the root."""
        return InnerPath(self.root, *self.parts[:-1])

    def exists(self) -> bool:
        """Whether there is such a file or folder."""
        return self._mode() is not None

    def is_file(self) -> bool:
        """Whether it is a regular file."""
        mode = self._mode()
        return mode is not None and stat.S_ISREG(mode)

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        mode = self._mode()
        return mode is not None and stat.S_ISDIR(mode)

    def stat(self) -> os.stat_result:
        """The state of the file or folder itself."""
        with self._in_parent() as (folder, name):
            return folder.state(name)

    def open(self, mode: str = "rb", limit: int = LARGEST_FILE) -> BinaryIO:
        """Open a regular file for reading; anything else is refused, and what is larger.

        Args:
            mode: as for `pathlib.Path.open`; only "rb".
            limit: bytes that it may have.
        """
        assert mode == "rb", mode
        with self._in_parent() as (folder, name):
            file = os.fdopen(folder.open_regular(name, os.O_RDONLY | _BINARY), "rb")
        if os.fstat(file.fileno()).st_size > limit:
            file.close()
            raise _too_large(self, limit)
        return file

    def read_bytes(self, limit: int = LARGEST_FILE) -> bytes:
        """The content of a regular file of at most `limit` bytes."""
        with self.open(limit=limit) as file:
            # As much memory is taken as is asked for, whatever there is to read.
            content = file.read(min(limit, os.fstat(file.fileno()).st_size) + 1)
        if len(content) > limit:
            raise _too_large(self, limit)
        return content

    def read_text(self, limit: int = LARGEST_FILE) -> str:
        """The content of a regular file as UTF-8."""
        return self.read_bytes(limit).decode()

    def for_library(self, limit: int = LARGEST_FILE) -> Path:
        """The path of a regular file, for libraries that open files by their path."""
        self.open(limit=limit).close()
        return self.path

    def for_writing_library(self, limit: int = LARGEST_FILE) -> Path:
        """The same for libraries that write to a file: it has no second name, or is not there."""
        if not self.exists():
            return self.path
        os.close(self._alone(os.O_RDONLY))
        return self.for_library(limit)

    def create(self, mode: int = 0o666) -> int:
        """Make a new file and return its descriptor, open for reading and writing.

        Args:
            mode: its rights, less what umask takes.

        Raises:
            FileExistsError: there is something of that name.
        """
        with self._in_parent() as (folder, name):
            return folder.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY | _NOFOLLOW, mode)

    def replace_with(self, other: InnerPath) -> None:
        """Let `other`, a file in the same folder, take this name; a file of this name goes."""
        with self._in_parent() as (folder, name):
            folder.replace(other.name, name)

    def append(self) -> int:
        """A descriptor that writes at the end of a file, which is made where there is none."""
        with suppress(FileExistsError):
            return self.create()
        return self._alone(os.O_WRONLY | os.O_APPEND)

    def truncate(self, size: int) -> None:
        """Cut a regular file that has no second name to `size` bytes."""
        descriptor = self._alone(os.O_RDWR)
        try:
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)

    def touch(self) -> None:
        """Set the time of the last change of a file to now."""
        with self._in_parent() as (folder, name):
            folder.touch(name)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove a file or a link, never what the link leads to."""
        try:
            with self._in_parent() as (folder, name):
                folder.unlink(name)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rmdir(self) -> None:
        """Remove an empty folder."""
        if not self.parts:
            self.root.rmdir()
            return
        with self._in_parent() as (folder, name):
            folder.rmdir(name)

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a folder; `parents` below the root (and the root itself) are made too."""
        if parents and self.parts:
            self.parent.mkdir(parents=True, exist_ok=True)
        if not self.parts:
            self.root.mkdir(parents=parents, exist_ok=exist_ok)
            return
        try:
            with self._in_parent() as (folder, name):
                folder.mkdir(name)
        except FileExistsError:
            if not (exist_ok and self.is_dir()):
                raise

    def iterdir(self) -> list[InnerPath]:
        """What is in a folder, by name; empty where there is no such folder."""
        try:
            with _opened(self.root, self.parts) as folder:
                names = folder.names()
        except FileNotFoundError:
            return []
        return [self / name for name in sorted(names)]

    def remove_tree(self) -> None:
        """Remove a folder with all that is in it, links themselves and not what they lead to."""
        for each in self.iterdir():
            state = each.stat()
            if stat.S_ISDIR(state.st_mode) and not _is_link(state):
                each.remove_tree()
            else:
                each.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            self.rmdir()

    def _mode(self) -> int | None:
        try:
            state = self.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if _is_link(state):
            raise _link(self.path)
        if not stat.S_ISREG(state.st_mode) and not stat.S_ISDIR(state.st_mode):
            raise Refused(f"{shown(self)}: neither a file nor a folder; it is left alone")
        return state.st_mode

    def _alone(self, flags: int) -> int:
        """Open a regular file that has no second name."""
        with self._in_parent() as (folder, name):
            descriptor = folder.open_regular(name, flags | _BINARY)
        if os.fstat(descriptor).st_nlink > 1:
            os.close(descriptor)
            raise Refused(f"{shown(self)}: has a second name; it is not written to")
        return descriptor

    @contextmanager
    def _in_parent(self) -> Iterator[tuple[_Folder, str]]:
        if not self.parts:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self))
        with _opened(self.root, self.parts[:-1]) as folder:
            yield folder, self.parts[-1]


AnyPath = Path | InnerPath
"""A path in a folder, or one that a person has named."""


def inside(path: AnyPath) -> InnerPath:
    """A path that a person has named as an `InnerPath`: its folder is the root."""
    return path if isinstance(path, InnerPath) else InnerPath(path.parent, path.name)


def folder_of(path: AnyPath) -> InnerPath:
    """A folder that a person has named as an `InnerPath`: it is the root."""
    return path if isinstance(path, InnerPath) else InnerPath(path)


class _Folder:
    """A folder that is open, by descriptor where the system can look up names in one."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self.path = path
        self.descriptor = descriptor

    def state(self, name: str) -> os.stat_result:
        with self._naming(name):
            return os.lstat(self._at(name), dir_fd=self.descriptor)

    def open(self, name: str, flags: int, mode: int = 0o666) -> int:
        with self._naming(name):
            return os.open(self._at(name), flags, mode, dir_fd=self.descriptor)

    def open_regular(self, name: str, flags: int) -> int:
        before = self.state(name)
        if _is_link(before):
            raise _link(self.path / name)
        if not stat.S_ISREG(before.st_mode):
            raise Refused(f"{shown(self.path / name)}: not a regular file; it is left alone")
        descriptor = self.open(name, flags | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0))
        if os.path.samestat(before, os.fstat(descriptor)):
            return descriptor
        os.close(descriptor)
        raise Refused(f"{shown(self.path / name)}: replaced while it was opened; try again")

    def replace(self, source: str, target: str) -> None:
        with self._naming(target):
            os.replace(
                self._at(source),
                self._at(target),
                src_dir_fd=self.descriptor,
                dst_dir_fd=self.descriptor,
            )

    def unlink(self, name: str) -> None:
        with self._naming(name):
            os.unlink(self._at(name), dir_fd=self.descriptor)

    def touch(self, name: str) -> None:
        with self._naming(name):
            nofollow = os.utime in os.supports_follow_symlinks
            os.utime(self._at(name), dir_fd=self.descriptor, follow_symlinks=not nofollow)

    def mkdir(self, name: str) -> None:
        with self._naming(name):
            os.mkdir(self._at(name), dir_fd=self.descriptor)

    def rmdir(self, name: str) -> None:
        with self._naming(name):
            os.rmdir(self._at(name), dir_fd=self.descriptor)

    def names(self) -> list[str]:
        # Of a descriptor, which `pathlib` does not take.
        return os.listdir(self.path if self.descriptor is None else self.descriptor)  # noqa: PTH208

    def _at(self, name: str) -> str:
        return name if self.descriptor is not None else str(self.path / name)

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Give errors the whole path, and links their own error."""
        try:
            yield
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _link(self.path / name) from None
            raise OSError(error.errno, error.strerror, str(self.path / name)) from None


@contextmanager
def _opened(root: Path, parts: tuple[str, ...]) -> Iterator[_Folder]:
    """Open the folder `root`, and in it one after the other those called `parts`."""
    flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
    folder = _Folder(root, os.open(root, flags) if _RELATIVE else None)
    try:
        for name in parts:
            state = folder.state(name)
            if _is_link(state):
                raise _link(folder.path / name)
            descriptor = folder.open(name, flags | _NOFOLLOW) if _RELATIVE else None
            if folder.descriptor is not None:
                os.close(folder.descriptor)
            folder = _Folder(folder.path / name, descriptor)
        yield folder
    finally:
        if folder.descriptor is not None:
            os.close(folder.descriptor)


def _is_link(state: os.stat_result) -> bool:
    reparse = getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0)
    return stat.S_ISLNK(state.st_mode) or bool(getattr(state, "st_file_attributes", 0) & reparse)


def _link(path: Path) -> Refused:
    return Refused(
        f"{shown(path)}: a link, and links in this folder are not followed; put the file or "
        "folder itself there"
    )


def _too_large(path: Path | InnerPath, limit: int) -> Refused:
    return Refused(f"{shown(path)}: more than {limit:,} bytes, which no such file has")
