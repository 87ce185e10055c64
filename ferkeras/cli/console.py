"""Everything people read while it trains goes through one object: a `Console`.

In a terminal there are colours, a progress bar and lines that fit the width. Anywhere else (a
file, a pipe, a log of a build server) there are plain lines of any length and no control codes.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import IO, TYPE_CHECKING, NamedTuple, Self

from rich import box
from rich.console import Console as RichConsole
from rich.table import Table
from rich.text import Text

from ferkeras.cli.bar import Bar
from ferkeras.cli.figures import Cell, cell, is_number, percent
from ferkeras.cli.foreign_text import for_line, for_terminal
from ferkeras.cli.invocation import as_typed_here

if TYPE_CHECKING:
    import numpy as np

    Values = Sequence[float] | np.ndarray

_QUIET_SECONDS = 0.5
_UNBOUNDED = 10_000


class Alarm(NamedTuple):
    """An alarm that was raised: in which epoch (None outside training), and what it said."""

    epoch: int | None
    text: str


class Console:
    """Prints headers, lines, tables, progress and alarms, and remembers the alarms.

    Use it as a context manager, or call `close` at the end, so that a progress bar that an
    exception left behind gives the cursor back.

    Args:
        stream: where to print; the standard output by default.
        clock: seconds that only grow; for tests: with another one than the default, bars move only
            when they are moved.
        phase: called with what is done from now on, whenever that changes.

    Attributes:
        clock: seconds that only grow.
        epoch: the running epoch, counted from 1; None outside training.
        alarms: every alarm so far, in order.
        live: True on a terminal that can redraw a line.
    """

    def __init__(
        self,
        stream: IO[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        phase: Callable[[str], object] | None = None,
    ) -> None:
        # In a notebook Rich would show each line as an object of its own, whatever the stream.
        probe = RichConsole(file=stream, force_jupyter=False)
        self.live = (
            _is_tty(probe.file) and not probe.is_dumb_terminal and probe.legacy_windows is False
        )
        self._rich = RichConsole(
            file=stream,
            # FORCE_COLOR and its kin must not put cursor movements into a file.
            force_terminal=self.live,
            force_jupyter=False,
            width=None if self.live else _UNBOUNDED,
            markup=False,
            emoji=False,
            highlight=False,
        )
        self.clock = clock
        self._phase = phase
        self._lock = threading.RLock()
        self._bars: list[Bar] = []
        self._drawn: Bar | None = None
        self.epoch: int | None = None
        self.alarms: list[Alarm] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove progress bars that still stand; the console can be used on."""
        for bar in [*self._bars]:
            bar.stop()

    @property
    def width(self) -> int:
        """Columns of the terminal; a very large number where there is none."""
        return self._rich.width

    def print(self, line: str | Text = "") -> None:
        """Print a line of text as it stands; a terminal wraps it between words."""
        self._rich.print(_text(line) if isinstance(line, str) else line)

    def header(self, title: str, facts: Mapping[str, str] | None = None) -> None:
        """Print a title and, below it, what there is to know, one `name  value` a line."""
        self._rich.print(_text(title, style="bold"))
        if facts:
            grid = Table.grid(padding=(0, 2))
            grid.add_column(style="dim" if self.live else "", no_wrap=True)
            grid.add_column(overflow="fold")
            for name, value in facts.items():
                grid.add_row(_text(f"  {name}"), _text(value))
            self._print_table(grid)
        self.print()

    def alarm(self, text: str) -> None:
        """Print an alarm that stands out, and remember it with the running epoch."""
        self.alarms.append(Alarm(self.epoch, text))
        if not self.live:
            # One line, so that a search through a log finds all of it.
            self._rich.print(_text(f"ALARM: {' '.join(text.split())}"))
            return
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold", style="bold red")
        grid.add_row(Text(" ALARM ", style="bold white on red"), _text(text))
        self._rich.print(grid)

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        total: Sequence[Cell] | None = None,
    ) -> None:
        """Print a table; columns of numbers are set flush right.

        Args:
            title: what it shows.
            columns: their headings.
            rows: one cell for each column.
            total: a last row below a line.

        Raises:
            ValueError: a row has more or fewer cells than there are columns.
        """
        table = Table(
            title=_text(title, style="bold"),
            title_justify="left",
            box=box.SIMPLE_HEAD if self.live else box.ASCII2,
            show_edge=False,
            show_footer=total is not None,
            pad_edge=False,
            header_style="dim" if self.live else "",
            footer_style="bold",
        )
        everything = [*rows] if total is None else [*rows, total]
        for row in everything:
            if len(row) != len(columns):
                raise ValueError(f"expected {len(columns)} cells ({columns}), received {row}")
        for at, name in enumerate(columns):
            numeric = all(is_number(row[at]) for row in everything if row[at] != "")
            table.add_column(
                _text(name),
                footer=_text(cell(total[at])) if total is not None else "",
                justify="right" if numeric else "left",
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(_text(for_line(cell(value))) for value in row))
        self._print_table(table)
        self.print()

    def class_table(
        self,
        names: Sequence[str],
        counts: Mapping[str, Values],
        class_weight: Values | None = None,
        effective_weight: Values | None = None,
        note: str = "",
    ) -> None:
        """Print how many faces of each class there are, and what they weigh.

        Args:
            names: of the classes, in order.
            counts: faces of each class, by split; the first split's fractions are shown.
            class_weight: weight of each class in the loss; None: the loss is not weighted.
            effective_weight: weight times how often the sampler draws the class relative to
                its fraction of the data.
            note: a line below, for example which rule the weights follow.
        """
        splits = list(counts)
        columns = ["class", *splits]
        columns.insert(2, "fraction")
        columns += [] if class_weight is None else ["weight"]
        columns += [] if effective_weight is None else ["effective"]
        sums = {split: int(sum(counts[split])) for split in splits}
        rows: list[list[Cell]] = []
        for at, name in enumerate(names):
            row: list[Cell] = [name, *(int(counts[split][at]) for split in splits)]
            row.insert(2, percent(_fraction(counts[splits[0]], at)))
            row += [] if class_weight is None else [f"{class_weight[at]:.3f}"]
            row += [] if effective_weight is None else [f"{effective_weight[at]:.3f}"]
            rows.append(row)
        total: list[Cell] = ["all", *sums.values()]
        total.insert(2, "")
        total += [""] * (len(columns) - len(total))
        self.table("Faces", columns, rows, total)
        if note:
            self.print(note)
            self.print()

    def result_table(
        self,
        title: str,
        names: Sequence[str],
        precision: Values,
        recall: Values,
        f1: Values,
        support: Values,
        predicted: Values | None = None,
    ) -> None:
        """Print precision, recall, F1 (0 to 1, NaN where undefined) and support per class.

        Args:
            title: what was measured, on what.
            names: of the classes, in order.
            precision: fraction of the predictions of this class that are right.
            recall: fraction of the faces of this class that are found.
            f1: harmonic mean of the two.
            support: faces of this class.
            predicted: fraction of all predictions of this class.
        """
        columns = ["class", "precision", "recall", "F1", "faces"]
        columns += [] if predicted is None else ["predicted"]
        rows: list[list[Cell]] = []
        for at, name in enumerate(names):
            row: list[Cell] = [name, *(percent(each[at]) for each in (precision, recall, f1))]
            row.append(int(support[at]))
            row += [] if predicted is None else [percent(predicted[at])]
            rows.append(row)
        total: list[Cell] = ["mean", *(percent(_mean(each)) for each in (precision, recall, f1))]
        total.append(int(sum(support)))
        total += [] if predicted is None else [""]
        self.table(title, columns, rows, total)

    def commands(self, title: str, commands: Mapping[str, str]) -> None:
        """Print commands to be copied, each on a line of its own and never wrapped.

        Args:
            title: what they are, for example "Next".
            commands: what it does, and the command.
        """
        self._rich.print(_text(title, style="bold"))
        for purpose, command in commands.items():
            self.print(f"  {purpose}:")
            self._rich.print(_text(f"    {command}", style="cyan"), soft_wrap=True)
        self.print()

    def phase(self, title: str) -> None:
        """Let whoever called from Python know what is done from now on; prints nothing."""
        if self._phase is not None:
            self._phase(title)

    @contextmanager
    def working(self, title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """As `progress`, for work that takes long: shown at once, in a log as a line.

        Args:
            title: what is being done, as "evaluating the best network".
            total: steps in all; None when that is not known.
        """
        if not self.live:
            self.print(title)
        with self._bar(title, total, 0.0) as advance:
            yield advance

    @contextmanager
    def progress(self, title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show how far a piece of work is; what takes under half a second is not shown.

        Args:
            title: what is being done.
            total: steps in all; None when that is not known.

        Yields:
            A function to call with the number of steps just done. It may be called often.
        """
        with self._bar(title, total, _QUIET_SECONDS) as advance:
            yield advance

    @contextmanager
    def _bar(
        self, title: str, total: int | None, first_after: float
    ) -> Iterator[Callable[[int], None]]:
        self.phase(title)
        bar = Bar(self, title, total, first_after=first_after)
        try:
            yield bar.advance
        finally:
            bar.stop()

    def _print_table(self, table: Table) -> None:
        # Rich pads the last column; plain output must not end in blanks.
        if self.live:
            self._rich.print(table)
            return
        with self._rich.capture() as captured:
            self._rich.print(table)
        for line in captured.get().splitlines():
            self.print(line.rstrip())


def _text(text: str, style: str = "") -> Text:
    """What is printed, whoever wrote it: nothing in it moves the cursor or changes the terminal."""
    return Text(for_terminal(as_typed_here(text)), style=style)


def _fraction(counts: Values, at: int) -> float:
    """Fraction of `counts[at]` in all counts; NaN when there are none."""
    whole = float(sum(counts))
    return float(counts[at]) / whole if whole else math.nan


def _mean(values: Values) -> float:
    """Mean over the classes; an undefined one counts as 0, as scikit-learn's zero_division=0."""
    return sum(0.0 if math.isnan(value) else value for value in values) / len(values)


def _is_tty(stream: IO[str]) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False
