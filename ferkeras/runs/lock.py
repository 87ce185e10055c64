"""One process at a time in a run's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ferkeras.cli.errors import InputError

LOCK_FILE = ".ferkeras.lock"


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Keep every other process (and every other block) out of `folder` while the block runs.

    The lock is the operating system's, on a hidden file: it ends with the process that holds it,
    however that ends, and is never stale. A link in the file's place is refused.

    Raises:
        InputError: somebody else holds it, or the folder cannot be written.
    """
    path = folder / LOCK_FILE
    lock = FileLock(path, timeout=0, fallback_to_soft=False, on_acquired=_sign)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{folder}: {_holder(path)} is training in this folder; wait for it or stop it"
        ) from None
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be locked for training ({error.strerror}); it must be a folder "
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


def _sign(descriptor: int) -> None:
    # Only for the message to others; on a full disk they go without.
    with suppress(OSError):
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())


def _holder(path: Path) -> str:
    try:
        return f"process {int(path.read_text())}"
    except (OSError, ValueError):
        return "another process"
