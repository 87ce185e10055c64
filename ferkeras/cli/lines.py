"""A console whose lines go to a function, or nowhere: for work that is called from Python."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import IO, Protocol, cast, runtime_checkable

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import described


@runtime_checkable
class Reports(Protocol):
    """Is told what is being done, and what each epoch came to: what `progress` may be.

    Both methods are called in the thread that works. What one of them raises ends the work.
    """

    def phase(self, what: str) -> object:
        """Called when something else is done from now on: "loading TensorFlow", "validation"."""

    def epoch(self, epoch: int, epochs: int, logs: Mapping[str, float]) -> object:
        """Called after each epoch.

        Args:
            epoch: its number, from 1.
            epochs: how many there will be.
            logs: its figures, as a row of `history.csv` has them: ``loss``, ``val_accuracy``, ...
        """


Progress = Callable[[str], object] | Reports
"""Takes one line at a time of what a command would print, without its end (`print` will do); or is
told of phases and epochs, see `Reports`; an object that can be called, too, gets both."""


def console_for(progress: Progress | None) -> Console:
    """A console without a terminal; None: a silent one.

    Raises:
        InputError: `progress` can be told nothing.
    """
    if not (progress is None or callable(progress) or isinstance(progress, Reports)):
        raise InputError(
            "progress: expected a function that takes a line, such as print, or an object with the "
            f"methods phase and epoch, found {described(progress)}"
        )
    lines = progress if callable(progress) else None
    phase = progress.phase if isinstance(progress, Reports) else None
    return Console(cast(IO[str], _Lines(lines)), phase=phase)


class _Lines(io.TextIOBase):
    """Takes text as it is written, and hands on whole lines."""

    def __init__(self, lines: Callable[[str], object] | None) -> None:
        self._lines = lines
        self._begun = ""

    def write(self, text: str) -> int:
        if self._lines is not None:
            *lines, self._begun = (self._begun + text).split("\n")
            for line in lines:
                self._lines(line)
        return len(text)

    def writable(self) -> bool:
        return True
