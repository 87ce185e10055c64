"""The course of a run, epoch by epoch."""

from __future__ import annotations

import csv
import io
import warnings
from typing import TYPE_CHECKING

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import cannot_read, quoted, shown
from ferkeras.files.inner import InnerPath
from ferkeras.runs.finished import TrainedRun

if TYPE_CHECKING:
    import pandas as pd

_LARGEST = 16 << 20
_MOST_COLUMNS = 1000


def read_history(finished: TrainedRun) -> pd.DataFrame:
    """Read a run's `history.csv`: `epoch` (1, 2, ...) and columns of numbers, which may be NaN.

    Raises:
        InputError: it is missing or damaged.
    """
    import pandas as pd

    path = finished.run.history
    try:
        content = path.read_bytes(_LARGEST)
        if content.partition(b"\n")[0].count(b",") >= _MOST_COLUMNS:
            raise ValueError(f"more than {_MOST_COLUMNS} columns")
        with warnings.catch_warnings():
            # Of rows with other numbers of cells than the header pandas only warns.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            history = pd.read_csv(io.BytesIO(content), index_col=False)
        if not len(history) or "epoch" not in history:
            raise ValueError("no column 'epoch', or no row")
        history = history.astype(float)
        if history["epoch"].tolist() != list(range(1, len(history) + 1)):
            raise ValueError("epoch: expected 1, 2, ...")
    except FileNotFoundError:
        raise InputError(
            f"{shown(path)}: no such file; the run is not complete without it"
        ) from None
    except OSError as error:
        raise cannot_read(path, error) from None
    except (ValueError, OverflowError, TypeError, pd.errors.ParserWarning) as error:
        reason = quoted(" ".join(str(error).split()), 100)[1:-1]
        raise InputError(f"{shown(path)}: damaged ({reason})") from None
    return history


def read_so_far(path: InnerPath, column: str) -> list[float]:
    """A column of the epochs so far of a run that is not finished; none where there are none yet.

    Raises:
        InputError: it is damaged.
    """
    try:
        text = path.read_bytes(_LARGEST).decode()
        return [
            float(row[column])
            for row in csv.DictReader(io.StringIO(text, newline=""))
            if column in row
        ]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, csv.Error) as error:
        reason = quoted(" ".join(str(error).split()), 100)[1:-1]
        raise InputError(f"{shown(path)}: damaged ({reason})") from None
