"""The course of a finished run, epoch by epoch."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from ferkeras.cli.errors import InputError
from ferkeras.runs.finished import FinishedRun

if TYPE_CHECKING:
    import pandas as pd


def read_history(finished: FinishedRun) -> pd.DataFrame:
    """Read a run's `history.csv`.

    Raises:
        InputError: it is missing or damaged.
    """
    import pandas as pd

    path = finished.run.history
    try:
        history = pd.read_csv(path)
        if not len(history) or "epoch" not in history:
            raise ValueError("no column 'epoch', or no row")
        return history.astype(float)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; the run is not complete without it") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged ({' '.join(str(error).split())[:100]})") from None


def read_rows(path: Path) -> list[dict[str, str]]:
    """The epochs so far of a run that is not finished; none if there is no `history.csv` yet."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []
