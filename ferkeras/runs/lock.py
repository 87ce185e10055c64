"""One process at a time in a run's folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ferkeras.cli.errors import InputError

_NAME = ".lock"


@contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Keep every other process (and every other block) out of `folder` while the block runs.

    The lock is the operating system's (`flock`) on a hidden file: it ends with the process that
    holds it, however that ends, and is never stale.

    Raises:
        InputError: somebody else holds it, or the folder cannot be written.
    """
    path = folder / _NAME
    try:
        descriptor = _locked(path)
    except BlockingIOError:
        raise InputError(
            f"{folder}: {_holder(path)} is training in this folder; wait for it or stop it"
        ) from None
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be locked for training ({error.strerror}); it must be a folder "
            "that can be written"
        ) from None
    try:
        # Only for the message to others; on a full disk they go without.
        with suppress(OSError):
            os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        # While it is still locked: whoever opened this file meanwhile sees that it is gone. Where
        # it cannot be removed, it stays, and locks nobody out.
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(descriptor, path):
                os.ftruncate(descriptor, 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        return f"process {int(path.read_text())}"
    except (OSError, ValueError):
        return "another process"
