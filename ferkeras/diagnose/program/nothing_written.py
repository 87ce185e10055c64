"""Code of somebody else that is run, and must leave no trace outside this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

_TELLING = frozenset(
    "os.mkdir os.remove os.rename os.rmdir os.truncate os.link os.symlink os.system os.exec "
    "os.posix_spawn os.spawn os.startfile shutil.copyfile shutil.move shutil.rmtree "
    "subprocess.Popen socket.connect socket.sendto".split()
)
"""Audit events of what others could see."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_blocks = 0
_hooked = False


class WouldWrite(PermissionError):
    """Something would have been written, sent or started."""


@contextmanager
def nothing_written() -> Iterator[None]:
    """Refuse files opened for writing, processes and connections while the block runs.

    What Python itself does is refused (by its audit events), and Keras's own saving; a library
    that writes by itself is not seen.

    Raises:
        WouldWrite: in the code that tries to.
    """
    global _blocks, _hooked
    if not _hooked:
        # A hook stays for the life of the process; outside a block it does nothing.
        sys.addaudithook(_refuse)
        _hooked = True
    saving = {name: getattr(keras.Model, name) for name in ("save", "save_weights", "export")}

    def refused(*_: Any, **__: Any) -> None:
        raise WouldWrite("a model would have been saved")

    _blocks += 1
    for name in saving:
        setattr(keras.Model, name, refused)
    try:
        yield
    finally:
        for name, function in saving.items():
            setattr(keras.Model, name, function)
        _blocks -= 1


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if not _blocks:
        return
    if event == "open":
        path, _, flags = arguments
        if flags & _WRITING and not isinstance(path, int) and path != os.devnull:
            raise WouldWrite(f"{path!r} would have been written")
    elif event in _TELLING:
        raise WouldWrite(f"{event} would have been called")
