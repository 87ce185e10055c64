"""Faces from a table that holds their pixels: FER2013 in all its forms, CK+, and the like."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import did_you_mean, quoted, shown
from ferkeras.data.presets import ckplus, fer2013
from ferkeras.data.presets.preset import Preset
from ferkeras.data.readers.columns import Columns, fields_below, usage_of
from ferkeras.data.readers.pixels import explain_pixels, is_adorned, parse_pixels, plain_pixels
from ferkeras.data.readers.rows import rows_of
from ferkeras.data.readers.source import ArrayPictures, Progress, Source
from ferkeras.data.readers.votes import Votes, row_of_votes
from ferkeras.data.task import LARGEST_SIDE, SMALLEST_SIDE

MAX_ROWS = 1_000_000
_ROWS_A_BLOCK = 32
# 36 MiB, which the C library gives back to the system when it is freed; it keeps what is smaller.
_BYTES_A_CHUNK = 512 * _ROWS_A_BLOCK * 2304
_LONGEST_KNOWN = 40
_HINT = "; where they are votes or probabilities, set data.votes=columns"


@dataclass
class Labels:
    """The classes of the rows of a table, as they are written.

    Attributes:
        of_rows: one a row.
        places: where each way of writing a label first is.
    """

    of_rows: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    _known: dict[bytes, str] = field(default_factory=dict)
    _votes: array = field(default_factory=lambda: array("f"))

    def add(self, columns: Columns, fields: list[bytes], place: Callable[[], str]) -> None:
        """Take the label of the next row, and its votes.

        Raises:
            InputError: none or more than one of the classes that have a column each is set; or
                see `row_of_votes`.
        """
        votes = row_of_votes(fields, columns.votes)
        self._votes.extend(votes)
        if columns.one_hot:
            name = marked_class((name, fields[place]) for place, name in columns.one_hot)
        elif columns.label is None and votes:
            name = ""
        else:
            raw = fields[columns.label or 0]
            name = self._known.get(raw) or raw.decode("utf-8", "replace").strip()
            # Blanks around a name may differ in every row: what is remembered stays small.
            if len(raw) <= _LONGEST_KNOWN:
                self._known[raw] = name
        self.take(name, place)

    def take(self, name: str, place: Callable[[], str]) -> None:
        """Take the label of the next row as it is."""
        if name not in self.places:
            self.places[name] = place()
        self.of_rows.append(name)

    def votes(self, path: Path, columns: Columns) -> Votes | None:
        """The votes of all rows; None where no columns hold any."""
        if not columns.votes:
            return None
        counts = np.array(self._votes, np.float32).reshape(len(self.of_rows), -1)
        return Votes(tuple(name for _, name in columns.votes), counts, f"{shown(path)}, line 1")


def marked_class(marks: Iterable[tuple[str, bytes]]) -> str:
    """The one class of a row that is marked with 1, of columns with their fields.

    Raises:
        InputError: there is none, or more than one, or a field is neither 0, 1 nor empty.
    """
    marked = []
    for name, field_of_it in marks:
        text = field_of_it.strip()
        if text in (b"1", b"1.0"):
            marked.append(name)
        elif text not in (b"0", b"0.0", b""):
            raise InputError(
                f"{quoted(text)} in the column {quoted(name)}, expected 0 or 1: one column a "
                f"class, exactly one of them 1{_HINT}"
            )
    if len(marked) != 1:
        raise InputError(f"{len(marked)} classes are marked, expected 1{_HINT}")
    return marked[0]


class Usages:
    """The splits of the rows of a table, as index into `ferkeras.data.faces.USAGES`."""

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}

    def of(self, raw: bytes) -> int:
        """The split that a field names.

        Raises:
            InputError: it names none.
        """
        if raw in self._known:
            return self._known[raw]
        text = raw.decode("utf-8", "replace").strip()
        usage = usage_of(text)
        if usage is None:
            names = ("Training", "PublicTest", "PrivateTest")
            raise InputError(
                f"unknown Usage {quoted(text)}{did_you_mean(text, names)} "
                f"expected one of {', '.join(names)}, train, validation, test"
            )
        if len(raw) <= _LONGEST_KNOWN:
            self._known[raw] = usage
        return usage


def read_pixel_table(path: Path, columns: Columns, progress: Progress | None = None) -> Source:
    """Read a table of faces, streaming.

    Pixels are whole numbers from 0 to 255, as many in every row, so that the face is a square of
    16 to 512 pixels: separated by blanks or commas, in brackets or not, or one column each.

    Args:
        path: the table, plain, gzipped or alone in a zip archive.
        columns: what its columns are, and that it has some for pixels.
        progress: called now and then with (bytes consumed, bytes in all).

    Raises:
        InputError: anything is malformed; the message names the file, the line as an editor
            counts it, and the data row.
    """
    labels, usages = Labels(), Usages()
    usage: list[int] = []
    groups: list[str] = []
    chunks: deque[np.ndarray] = deque()
    pending: list[bytes] = []
    pending_lines: list[int] = []
    pixels = 0
    adorned = False
    first, last = columns.pixels or (0, 0)

    # The C library keeps freed memory for itself up to the largest piece it has seen freed. With
    # none seen, every block's temporaries are fetched from the system anew: twice the time.
    np.empty(2**24, np.uint8)

    def at(line_number: int, row_number: int) -> str:
        return f"{shown(path)}, line {line_number} (data row {row_number})"

    def finish_block() -> None:
        nonlocal pixels
        done = len(labels.of_rows) - len(pending)
        if not pixels:
            pixels = _pixels_of(pending[0])
        parsed = parse_pixels(pending, pixels)
        if parsed is None:
            for row_number, (line_number, row) in enumerate(
                zip(pending_lines, pending, strict=True), done + 1
            ):
                if wrong := explain_pixels(row, pixels):
                    raise InputError(f"{at(line_number, row_number)}: {wrong}")
            raise AssertionError("parse_pixels and explain_pixels disagree")
        rows_a_chunk = max(1, _BYTES_A_CHUNK // pixels // _ROWS_A_BLOCK) * _ROWS_A_BLOCK
        if done % rows_a_chunk == 0:
            chunks.append(np.empty((rows_a_chunk, pixels), np.uint8))
        chunks[-1][done % rows_a_chunk :][: len(parsed)] = parsed
        pending.clear()
        pending_lines.clear()

    with closing(rows_of(path, progress)) as rows:  # type: ignore[type-var]
        if columns.header:
            next(rows, None)
        for number, row in rows:
            row_number = len(labels.of_rows) + 1
            try:
                if row_number > MAX_ROWS:
                    raise InputError(f"more than {MAX_ROWS:,} faces; split the file")
                fields = fields_below(columns, row)
                if columns.usage is not None:
                    usage.append(usages.of(fields[columns.usage]))
                if columns.group is not None:
                    groups.append(fields[columns.group].decode("utf-8", "replace").strip()[:100])
                labels.add(columns, fields, lambda: at(number, row_number))  # noqa: B023
            except InputError as error:
                # An earlier row of this block may have bad pixels: the first bad row is named.
                if pending:
                    finish_block()
                raise InputError(f"{at(number, row_number)}: {error}") from error
            text = fields[first] if last == first + 1 else b" ".join(fields[first:last])
            if row_number == 1:
                adorned = is_adorned(text)
            pending.append(plain_pixels(text) if adorned else text)
            pending_lines.append(number)
            if len(pending) == _ROWS_A_BLOCK:
                finish_block()
    if pending:
        finish_block()
    count = len(labels.of_rows)
    if not count:
        raise InputError(f"{shown(path)}: no faces: nothing follows the line of column names")

    images = np.empty((count, pixels), np.uint8)
    filled = 0
    while chunks:
        # Taken off one by one, so that the faces are not held twice.
        chunk = chunks.popleft()[: count - filled]
        images[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    side = round(pixels**0.5)
    preset = preset_of(columns, side, labels.places)
    title = f"table of pixels ({preset.title})" if preset else "table of pixels"
    return Source(
        title,
        labels.of_rows,
        labels.places,
        np.array(usage or np.zeros(count), np.int8),
        groups or None,
        preset,
        ArrayPictures(images.reshape(-1, side, side, 1)),
        labels.votes(path, columns),
    )


def _pixels_of(row: bytes) -> int:
    """How many pixels the faces of a table have: as many as its first row, or FER2013's."""
    count = len(row.split())
    side = round(count**0.5)
    square = side * side == count and SMALLEST_SIDE <= side <= LARGEST_SIDE
    return count if square else fer2013.SIZE**2


def pixels_of_text(at: str, rows: Sequence[bytes]) -> np.ndarray:
    """Pixels of some faces written as text: uint8, shape (len(rows), P).

    Raises:
        InputError: a row is malformed, or of another size than the first.
    """
    plain = [plain_pixels(row) for row in rows]
    count = _pixels_of(plain[0])
    parsed = parse_pixels(plain, count)
    if parsed is None:
        wrong = next(filter(None, (explain_pixels(row, count) for row in plain)), "malformed")
        raise InputError(f"{at}: {wrong}")
    return parsed


def preset_of(columns: Columns, side: int, places: dict[str, str]) -> Preset | None:
    """FER2013's class indices where columns and size are its own; CK+'s where there is a 7."""
    if not columns.fer2013 or side != fer2013.SIZE:
        return None
    return ckplus.PRESET if {"7", "7.0"} & set(places) else fer2013.PRESET
