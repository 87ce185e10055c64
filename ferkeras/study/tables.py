"""Tables of a study as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferkeras.cli.foreign_text import for_csv
from ferkeras.files.inner import AnyPath
from ferkeras.files.writing import write_text

if TYPE_CHECKING:
    import pandas as pd


def write_csv(path: AnyPath, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all; names in it are no formulas of a spreadsheet."""
    plain = table.map(lambda cell: for_csv(cell) if isinstance(cell, str) else cell)
    write_text(path, plain.to_csv(index=False))
