"""How a study ends before its end, and how it goes on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from ferkeras.cli.endings import is_of_the_machine, words_for
from ferkeras.cli.errors import Interrupted, MachineError
from ferkeras.cli.signals import Stopped


@contextmanager
def going_on(what: str, command: str) -> Iterator[None]:
    """Turn signals and troubles with disk or memory into messages that say how to go on.

    Args:
        what: search or ablation.
        command: that goes on with it.

    Raises:
        Interrupted: a signal came.
        MachineError: something could not be written, or memory did not suffice.
    """
    kept = f"what is done is kept, and the {what} goes on with\n  {command}"
    try:
        yield
    except Interrupted as stop:
        stop.args = (f"stopped; {kept}",)
        raise
    except KeyboardInterrupt:
        raise Interrupted(f"\ninterrupted; {kept}", signal.SIGINT) from None
    except Stopped as stop:
        raise Interrupted(f"{stop}; {kept}", stop.signal) from None
    except BrokenPipeError:
        raise
    except MachineError as error:
        raise MachineError(error.reason, kept) from None
    except Exception as error:
        if not is_of_the_machine(error):
            raise
        raise MachineError(words_for(error), kept) from None
