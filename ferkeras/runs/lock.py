"""One process at a time in a run's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, shown
from ferkeras.files.inner import InnerPath

LOCK_FILE = ".ferkeras.lock"
_LONGEST = 32


class AtWork(InputError):
    """Another process has the folder."""


@contextmanager
def exclusive_lock(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Keep every other process (and every other block) out of `folder` while the block runs.

    The lock is the operating system's, on a hidden file: it ends with the process that holds it,
    however that ends, and is never stale. A link in the file's place is refused.

    Args:
        folder: the folder.
        wait: seconds to wait for whoever holds it.

    Raises:
        AtWork: somebody else holds it.
        InputError: the folder cannot be written.
    """
    path = folder / LOCK_FILE
    _check(InnerPath(folder, LOCK_FILE))
    lock = FileLock(path, timeout=wait, fallback_to_soft=False, on_acquired=_sign)
    try:
        lock.acquire()
    except Timeout:
        raise AtWork(
            f"{folder}: {_holder(path)} is at work in this folder; wait for it or stop it"
        ) from None
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be locked ({error.strerror}); it must be a folder "
            "that can be written"
        ) from None
    try:
        yield
    finally:
        # While it is still locked: whoever opened this file meanwhile sees that it is gone. Where
        # it cannot be removed, it stays, and locks nobody out.
        with suppress(OSError):
            path.unlink()
        lock.release()


def _check(path: InnerPath) -> None:
    """Refuse a file that is no lock of ours, as it would be emptied."""
    try:
        holder = path.read_bytes(_LONGEST)
        single = path.stat().st_nlink == 1
    except FileNotFoundError:
        return
    except OSError as error:
        raise cannot_read(path, error) from None
    if not single or (holder and not holder.isdigit()):
        raise InputError(
            f"{shown(path)}: cannot be locked: not a lock that ferkeras left; move it away"
        )


def _sign(descriptor: int) -> None:
    # Only for the message to others; on a full disk they go without.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())


def _holder(path: Path) -> str:
    try:
        return f"process {int(InnerPath(path.parent, path.name).read_bytes(_LONGEST))}"
    except (OSError, ValueError, InputError):
        return "another process"
