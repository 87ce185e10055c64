"""Messages about an interrupted run: why it stopped, what was saved, and how to resume it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from ferkeras.cli.endings import is_of_the_machine, words_for
from ferkeras.cli.errors import Interrupted, MachineError, RunError
from ferkeras.cli.invocation import command_line
from ferkeras.cli.signals import Stopped
from ferkeras.runs.record import Run
from ferkeras.training.checkpointing import StoppedBetweenSteps


@contextmanager
def resumable(run: Run) -> Iterator[None]:
    """Turn signals and troubles with disk or memory into messages that say how to resume the run.

    Raises:
        Interrupted: a signal came.
        MachineError: something could not be written.
        RunError: memory did not suffice.
    """
    command = "  " + command_line("fit", "--resume", run.folder)
    try:
        yield
    except StoppedBetweenSteps as stop:
        name = signal.Signals(stop.signal).name
        state = (
            "the state is saved"
            if stop.saved
            else "the state is not worth saving, as the last step had numbers that are not finite; "
            "what was saved before is intact"
        )
        raise Interrupted(
            f"stopped by {name}; {state}; resume the run with\n{command}", stop.signal
        ) from None
    except KeyboardInterrupt:
        raise Interrupted(f"\ninterrupted; resume the run with\n{command}", signal.SIGINT) from None
    except Stopped as stop:
        raise Interrupted(f"{stop}; resume the run with\n{command}", stop.signal) from None
    except BrokenPipeError:
        raise
    except Exception as error:
        if not is_of_the_machine(error):
            raise
        reason = words_for(error)
        if reason.startswith("not enough memory"):
            raise RunError(
                f"{reason}\nwhat was saved before is intact: with a lower train.batch_size in "
                f"{run.config}, resume the run with\n{command}"
            ) from None
        where = "" if str(run.folder) in reason else f"{run.folder}: "
        raise MachineError(
            f"{where}{reason}",
            f"what was saved before is intact: when {run.folder} can be written again, resume the "
            f"run with\n{command}",
        ) from None
