"""SIGINT and SIGTERM as a request that is served between two steps."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SHOW_CURSOR = b"\x1b[?25h"


class StopRequest:
    """Whether somebody wants the process to end.

    Attributes:
        signal: number of the first signal that came; None as long as none has.
    """

    def __init__(self) -> None:
        self.signal: int | None = None


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Collect SIGINT and SIGTERM while the block runs, instead of being ended by them.

    After the first, a further SIGINT ends the process at once, by the operating system.
    In a thread other than the main one, Python receives no signals: nothing is collected.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def receive(number: int, frame: FrameType | None) -> None:
        if request.signal is None:
            request.signal = number
            # Even within a TensorFlow operation, in which Python would not get to run a handler.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            # Neither `print` nor the console may be called while they may be at work.
            show = _SHOW_CURSOR if os.isatty(2) else b""
            os.write(2, show + b"\nfinishing this step and saving; Ctrl-C again leaves at once\n")

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
