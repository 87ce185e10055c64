"""The ways a command can end early, as exceptions that carry a message for people."""


class InputError(Exception):
    """Wrong usage or wrong input (exit code 2).

    The message says what was found, where (file, row, key), what was expected and what to do.
    It may span several lines; it is printed as it stands, without a traceback.
    """

    exit_code = 2


class RunError(Exception):
    """The work was asked for correctly and failed (exit code 1), for example a collapsed run."""

    exit_code = 1


class MachineError(RunError):
    """The disk refused something; what was begun can go on when it no longer does.

    Args:
        reason: what was refused, and where.
        advice: how to go on.

    Attributes:
        reason: the same.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}\n{advice}")
        self.reason = reason


class Interrupted(Exception):
    """The work was stopped by a signal and can be resumed; the message says how.

    Args:
        message: for people.
        signal: number of the signal; the exit code is 128 more, as in a shell.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal
