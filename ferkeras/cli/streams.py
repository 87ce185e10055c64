"""Standard streams as they may be: closed, full, read by nobody, or unable to print a letter."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from ferkeras.cli.foreign_text import for_terminal
from ferkeras.cli.invocation import as_typed_here

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


def secure_streams() -> None:
    """Make the three standard streams usable, whatever the process was started with.

    A closed one leads nowhere: else the next file to be opened would get its number, and what is
    printed would land in it. A letter that the encoding does not have is printed as its escape.
    What is printed on a terminal that has gone is dropped.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken, and those below are in use.
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
        if number and getattr(sys, name) is None:
            opened = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, opened)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
            if os.name == "posix" and stream.isatty():
                setattr(sys, name, _lasting(stream))


class _Terminal(io.FileIO):
    """A terminal that may be closed at any time: a signal says so, and no error does.

    Where the signal is ignored (`disown`), the work goes on without anybody who reads.
    """

    def write(self, text: Buffer, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return memoryview(text).nbytes


def _lasting(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """A stream to the same terminal that outlasts it."""
    unbuffered = isinstance(stream.buffer, io.FileIO)  # python -u
    raw = stream.buffer if unbuffered else getattr(stream.buffer, "raw", None)
    if isinstance(raw, _Terminal):
        return stream
    stream.flush()
    terminal = _Terminal(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        terminal if unbuffered else io.BufferedWriter(terminal),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def tell(text: str) -> None:
    """Print a line on stderr, as far as that is possible."""
    with suppress(OSError, ValueError):
        print(for_terminal(as_typed_here(text)), file=sys.stderr, flush=True)  # noqa: T201 - the one place


def flushed() -> OSError | None:
    """Write out what waits for stdout; return the error if nobody takes it.

    After an error the stream leads nowhere, so that nothing goes wrong when the process ends.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        with suppress(OSError, ValueError):
            os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return error
    except ValueError:  # closed by whoever called
        return None
    return None
