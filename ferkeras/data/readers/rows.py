"""Rows of a table: lines, or several lines where a quoted field goes on over them."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown
from ferkeras.data.readers.source import Progress
from ferkeras.data.readers.text_lines import MAX_LINE_BYTES, lines_of


def rows_of(path: Path, progress: Progress | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield (number of its first line, row), without a byte order mark, blank lines left out.

    Raises:
        InputError: see `lines_of`; or a quoted field goes on for more than 2 MiB.
    """
    begun, row = 0, b""
    with closing(lines_of(path, progress)) as lines:  # type: ignore[type-var]
        for number, line in lines:
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if row:
                row += b" " + line
                if len(row) > MAX_LINE_BYTES:
                    raise InputError(
                        f"{shown(path)}, line {begun}: quotes that do not match, or a row of more "
                        f"than {MAX_LINE_BYTES:,} bytes"
                    )
            else:
                begun, row = number, line
            # A field in quotes that is not closed yet; inside it quotes are doubled.
            if row.count(b'"') % 2 == 0:
                yield begun, row
                row = b""
    if row:
        raise InputError(f"{shown(path)}, line {begun}: quotes that do not match")
