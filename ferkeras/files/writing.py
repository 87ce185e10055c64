"""Files written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown
from ferkeras.files.inner import AnyPath, InnerPath, Refused, folder_of, inside

if TYPE_CHECKING:
    import numpy as np

_TEMPORARY = re.compile(r"\.ferkeras-[0-9a-f]{16}(\..*)?")
"""Names that `temporary_name` makes; nobody else calls a file so."""

_ROOM = 1 << 20

_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
ABANDONED_SECONDS = 3600
"""Age from which a temporary file is that of no process which still writes it."""


def write_json(path: AnyPath, content: Any) -> None:
    """Write JSON whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_text(path: AnyPath, text: str) -> None:
    """Write a text file (UTF-8) whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: AnyPath, content: bytes) -> None:
    """Write a file whole or not at all."""
    with atomic_file(path) as file:
        file.write(content)


def write_npz(path: AnyPath, **arrays: np.ndarray) -> None:
    """Write compressed arrays whole or not at all."""
    import numpy as np

    with atomic_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


@contextmanager
def atomic_file(path: AnyPath) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` when the block ends well, and vanishes when it does not.

    It has a temporary name in the same folder, is flushed to the disk, then renamed. Its rights
    are those of every new file (umask).

    Raises:
        Refused: `path` is a link or no regular file, or a folder above it is a link.
    """
    with atomic_place(path) as temporary, os.fdopen(temporary.create(), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def atomic_path(path: AnyPath) -> Iterator[Path]:
    """The same for what writes files by their path: yields an empty file with the same suffix."""
    with atomic_place(path) as temporary:
        os.close(temporary.create())
        yield temporary.path
        with temporary.open() as file:
            os.fsync(file.fileno())


@contextmanager
def atomic_place(path: AnyPath) -> Iterator[InnerPath]:
    """The same without a file: yields the temporary name, at which a file or a folder is made."""
    target = inside(path)
    if target.exists() and not target.is_file():
        raise Refused(f"{shown(target)}: not a regular file; it is not replaced")
    temporary = target.parent / temporary_name(target.suffix)
    try:
        yield temporary
        target.replace_with(temporary)
    except BaseException:
        with suppress(OSError):
            temporary.remove_tree() if temporary.is_dir() else temporary.unlink(missing_ok=True)
        raise


def demand_room(folder: AnyPath, way_out: str = "ask its owner") -> None:
    """Write a mebibyte into a folder, or into the nearest one there is above it, and remove it.

    For what is to be written after long work: better now than then.

    Args:
        folder: where something is to be written.
        way_out: what to do where that is not allowed.

    Raises:
        InputError: it is not allowed there.
        OSError: as writing would then; it names the folder.
    """
    named = Path(folder)
    there = next((p for p in (named, *named.absolute().parents) if p.is_dir()), named)
    path = InnerPath(there, temporary_name())
    try:
        descriptor = path.create()
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(bytes(_ROOM))
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in _NOT_ALLOWED:
            raise InputError(
                f"{shown(there.resolve())}: this folder cannot be written to ({error.strerror}); "
                f"{way_out}"
            ) from None
        raise OSError(error.errno, error.strerror, str(there)) from None


def temporary_name(suffix: str = "") -> str:
    """A new name for something that is being made, known to `remove_temporary_files`."""
    return f".ferkeras-{secrets.token_hex(8)}{suffix}"


def is_temporary(name: str) -> bool:
    """Whether a name is one that `temporary_name` made."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_temporary_files(folder: AnyPath, seconds: float = 0.0) -> None:
    """Remove what a killed process left half made in a folder that nobody else writes to.

    Only what `temporary_name` named goes; what cannot be removed stays: whoever writes to the
    folder next will say why.

    Args:
        folder: its path.
        seconds: how old a file is at least.
    """
    before = time.time() - seconds
    with suppress(OSError):
        for path in folder_of(folder).iterdir():
            if is_temporary(path.name):
                with suppress(OSError):
                    state = path.stat()
                    if not seconds or state.st_mtime < before:
                        path.remove_tree() if stat.S_ISDIR(state.st_mode) else path.unlink()


def make_results_folder(folder: InnerPath) -> None:
    """Make a folder of results, which others may write to as well, or tidy the one there is.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_temporary_files(folder, ABANDONED_SECONDS)
