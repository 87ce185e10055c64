"""A console whose lines go to a function, or nowhere: for work that is called from Python."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, cast

from ferkeras.cli.console import Console

Progress = Callable[[str], object]
"""Takes one line at a time of what a command would print, without its end; `print` will do."""


def console_for(progress: Progress | None) -> Console:
    """A console without a terminal; None: a silent one."""
    return Console(cast(IO[str], _Lines(progress)))


class _Lines(io.TextIOBase):
    """Takes text as it is written, and hands on whole lines."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._begun = ""

    def write(self, text: str) -> int:
        if self._progress is not None:
            *lines, self._begun = (self._begun + text).split("\n")
            for line in lines:
                self._progress(line)
        return len(text)

    def writable(self) -> bool:
        return True
