"""A thread that calls a function again and again, so that something moves while work is done."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Heartbeat:
    """Calls a function every so many seconds until it is stopped.

    The thread is a daemon: no process waits for it to end.

    Args:
        beat: called in the thread; returns soon and raises nothing.
        seconds: between two calls, and before the first.
    """

    def __init__(self, beat: Callable[[], None], seconds: float) -> None:
        self._beat = beat
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ferkeras-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Return when the function is not being called and will not be called again."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._beat()
