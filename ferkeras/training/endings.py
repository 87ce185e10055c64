"""Messages about an interrupted run: why it stopped, what was saved, and how to resume it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from ferkeras.cli.errors import Interrupted, RunError
from ferkeras.cli.invocation import command_line
from ferkeras.runs.record import Run
from ferkeras.training.checkpointing import Stopped

_DISK = (
    "No space left",
    "Read-only file system",
    "Permission denied",
    "Operation not permitted",
    "quota",
    "Input/output",
)
"""What TensorFlow's errors about files have in their messages."""


@contextmanager
def resumable(run: Run) -> Iterator[None]:
    """Turn signals and disk errors into messages that say how to resume the run.

    Raises:
        Interrupted: a signal came.
        RunError: something could not be written.
    """
    command = "  " + command_line("fit", "--resume", run.folder)
    try:
        yield
    except Stopped as stop:
        name = signal.Signals(stop.signal).name
        raise Interrupted(
            f"stopped by {name}; the state is saved; resume the run with\n{command}",
            stop.signal,
        ) from None
    except KeyboardInterrupt:
        raise Interrupted(f"\ninterrupted; resume the run with\n{command}", signal.SIGINT) from None
    except (OSError, tf.errors.OpError) as error:
        if isinstance(error, tf.errors.OpError) and not any(w in error.message for w in _DISK):
            raise
        raise RunError(
            f"{_what(error, run)}\nwhat was saved before is intact: when {run.folder} can be "
            f"written again, resume the run with\n{command}"
        ) from None


def _what(error: OSError | tf.errors.OpError, run: Run) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or run.folder}: {error.strerror}"
    if isinstance(error, tf.errors.OpError):
        text = next(words for words in _DISK if words in error.message)
    else:
        text = str(error)
    return f"{run.folder}: cannot be written ({' '.join(text.split())[:300]})"
