"""Standard streams as they may be: closed, full, read by nobody, or unable to print a letter."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

from ferkeras.cli.foreign_text import for_terminal


def secure_streams() -> None:
    """Make the three standard streams usable, whatever the process was started with.

    A closed one leads nowhere: else the next file to be opened would get its number, and what is
    printed would land in it. A letter that the encoding does not have is printed as its escape.
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def tell(text: str) -> None:
    """Print a line on stderr, as far as that is possible."""
    with suppress(OSError, ValueError):
        print(for_terminal(text), file=sys.stderr, flush=True)  # noqa: T201 - the one place


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
