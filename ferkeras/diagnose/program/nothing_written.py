"""Code of somebody else that is run, and must leave no trace outside this process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

_TELLING = frozenset(
    "os.mkdir os.remove os.rename os.rmdir os.truncate os.link os.symlink os.system os.exec "
    "os.posix_spawn os.spawn os.startfile shutil.copyfile shutil.move shutil.rmtree "
    "subprocess.Popen socket.connect socket.sendto".split()
)
"""Audit events of what others could see."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_AUTOGRAPH = "__autograph_generated_file"
"""TensorFlow writes there, for this process, what it makes of a function when it is first traced;
where it cannot, the function stays unconverted for good."""

_blocks: list[set[int]] = []
"""Of each block that runs, the threads that ran before it, which are not its own."""

_hooked = False


class WouldWrite(PermissionError):
    """Something would have been written, sent or started."""


@contextmanager
def nothing_written() -> Iterator[None]:
    """Refuse files opened for writing, processes and connections to what runs in the block.

    Threads that ran before go on as ever, and TensorFlow converts functions as ever. What Python
    itself does is refused (by its audit events), and Keras's own saving; a library that writes by
    itself is not seen.

    Raises:
        WouldWrite: in the code that tries to.
    """
    global _hooked
    if not _hooked:
        # A hook stays for the life of the process; outside a block it does nothing.
        sys.addaudithook(_refuse)
        _hooked = True
    saving = {name: getattr(keras.Model, name) for name in ("save", "save_weights", "export")}

    def refused(*_: Any, **__: Any) -> None:
        raise WouldWrite("a model would have been saved")

    others = {thread.ident or 0 for thread in threading.enumerate()} - {threading.get_ident()}
    _blocks.append(others)
    for name in saving:
        setattr(keras.Model, name, refused)
    try:
        yield
    finally:
        for name, function in saving.items():
            setattr(keras.Model, name, function)
        _blocks.remove(others)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if not _blocks or threading.get_ident() in _blocks[-1]:
        return
    if event == "open":
        path, _, flags = arguments
        passed = isinstance(path, int) or path == os.devnull or _is_autographs(path)
        if flags & _WRITING and not passed:
            raise WouldWrite(f"{path!r} would have been written")
    elif event in _TELLING:
        raise WouldWrite(f"{event} would have been called")


def _is_autographs(path: Any) -> bool:
    """Whether it is AutoGraph's file, or the folder that `tempfile` names before it makes one."""
    file = Path(os.fsdecode(path))
    return file.name.startswith(_AUTOGRAPH) or file.is_dir()
