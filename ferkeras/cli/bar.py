"""A progress bar in a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import atexit
import time
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from ferkeras.cli.figures import duration, significant
from ferkeras.cli.heartbeat import Heartbeat

if TYPE_CHECKING:
    from ferkeras.cli.console import Console

_BAR_SECONDS = 0.25
_PLAIN_SECONDS = 30.0


class Bar:
    """A progress bar in a terminal, a plain line now and then elsewhere.

    It is drawn when `reach` and `advance` are called, at most four times a second (elsewhere: a
    line every 30 s); a call that draws nothing costs one reading of the clock. In a terminal a
    thread draws it meanwhile, so that it moves while a step takes long. Of several bars only one
    is drawn at a time: the last that was begun, and those before it again when it is gone.

    Args:
        console: where to draw.
        title: what is being done.
        total: steps in all; None when that is not known.
        first_after: seconds before the bar appears in a terminal.
        unit: what to count per second, for example "faces"; empty: no pace is shown.
        per_step: how many of them a step has.
    """

    def __init__(
        self,
        console: Console,
        title: str,
        total: int | None,
        first_after: float = 0.0,
        unit: str = "",
        per_step: int = 1,
    ) -> None:
        self._console = console
        self._title = title
        self._total = total
        self._unit = unit
        self._per_step = per_step
        self._done = 0
        self._first: tuple[int, float] | None = None
        self._began = console.clock()
        self._words = ""
        self._next = self._began + (first_after if console.live else _PLAIN_SECONDS)
        self._progress: Progress | None = None
        self._task = TaskID(0)
        console._bars.append(self)
        self._heartbeat: Heartbeat | None = None
        if console.live and console.clock is time.monotonic:
            self._heartbeat = Heartbeat(self._beat, _BAR_SECONDS)

    def advance(self, steps: int = 1) -> None:
        """Count `steps` more as done."""
        self.reach(self._done + steps)

    def reach(self, done: int) -> None:
        """Count `done` steps in all as done."""
        self._done = done
        now = self._console.clock()
        if self._first is None and done:
            # The pace is measured from here: the first step of a training compiles the graph.
            self._first = (done, now)
            self._words = ""
        if now < self._next:
            return
        if self._console.live:
            self._draw(now)
        else:
            self._next = now + _PLAIN_SECONDS
            self._console.print(f"{self._title}  {self._state(now)}")

    def state(self, text: str) -> None:
        """Show what is being done now, with the seconds, in place of the count."""
        self._words, self._began = text, self._console.clock()
        if self._progress is not None:
            self._draw(self._began)

    def stop(self) -> None:
        """Remove it from the terminal."""
        if self._heartbeat is not None:
            self._heartbeat.stop()
            self._heartbeat = None
        with self._console._lock:
            self._hide()
            if self in self._console._bars:
                self._console._bars.remove(self)

    def _beat(self) -> None:
        with self._console._lock:
            now = self._console.clock()
            if now >= self._next and self._console._drawn in (None, self):
                self._draw(now)

    def _hide(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
            atexit.unregister(self.stop)
        if self._console._drawn is self:
            self._console._drawn = None

    def _draw(self, now: float) -> None:
        with self._console._lock:
            self._next = now + _BAR_SECONDS
            text = self._state(now)
            if self._progress is None:
                if self._console._drawn is not None:
                    self._console._drawn._hide()
                self._progress = Progress(
                    # In letters that every terminal has.
                    SpinnerColumn("line"),
                    TextColumn("{task.description}", markup=False),
                    BarColumn(bar_width=None, complete_style="green", finished_style="green"),
                    TextColumn("{task.fields[text]}", markup=False),
                    console=self._console._rich,
                    transient=True,
                    auto_refresh=False,
                    expand=True,
                )
                self._task = self._progress.add_task(self._title, total=self._total, text=text)
                # A process that ends in mid-epoch must leave the cursor visible.
                atexit.register(self.stop)
                self._progress.start()
                self._console._drawn = self
            self._progress.update(self._task, completed=self._done, text=text, refresh=True)

    def _state(self, now: float) -> str:
        if self._words:
            return f"{self._words}  {duration(now - self._began)}"
        if not self._done and not self._total:
            return duration(now - self._began)
        parts = [f"{self._done:,}/{self._total:,}" if self._total else f"{self._done:,}"]
        if self._first is not None:
            done, since = self._first
            rate = (self._done - done) / (now - since) if now > since else 0.0
            if rate and self._unit:
                parts.append(f"{significant(rate * self._per_step)} {self._unit}/s")
            if rate and self._total:
                parts.append(f"{duration((self._total - self._done) / rate)} left")
        return "  ".join(parts)
