"""Signals as exceptions, and, between the steps of a training, as a request."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_SHOW_CURSOR = b"\x1b[?25h"
_FINISHING = b"\nfinishing this step and saving; Ctrl-C again leaves at once\n"

STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""What asks a process to end: Ctrl-C, `kill` and batch systems, a terminal that is closed."""


class Stopped(BaseException):
    """A signal came; not an Exception, so that nothing takes it for an error of its own.

    Attributes:
        signal: its number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.signal = number


class StopRequest:
    """Whether somebody wants the process to end.

    Attributes:
        signal: number of the first signal that came; None as long as none has.
    """

    def __init__(self) -> None:
        self.signal: int | None = None


@contextmanager
def signals_raise() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into `Stopped` while the block runs, as Ctrl-C is into its error.

    A second one ends the process at once, by the operating system. A signal that is ignored
    (`nohup`) stays ignored; in a thread other than the main one nothing is changed.
    """

    def receive(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Stopped(number)

    with _handled(receive, [each for each in STOPPING if each != signal.SIGINT]):
        yield


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Collect the signals that ask to end while the block runs, instead of being ended by them.

    After the first, a further SIGINT ends the process at once, by the operating system.
    In a thread other than the main one, Python receives no signals: nothing is collected.
    """
    request = StopRequest()

    def receive(number: int, frame: FrameType | None) -> None:
        if request.signal is None:
            request.signal = number
            # Even within a TensorFlow operation, in which Python would not get to run a handler.
            if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
            # Neither `print` nor the console may be called while they may be at work. The
            # terminal may be gone, too.
            with suppress(OSError):
                show = _SHOW_CURSOR if os.isatty(2) else b""
                os.write(2, show + _FINISHING)

    with _handled(receive, STOPPING):
        yield request


@contextmanager
def _handled(receive: signal._HANDLER, numbers: tuple[int, ...] | list[int]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, receive)
        for number in numbers
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
