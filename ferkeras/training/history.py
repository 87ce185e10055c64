"""The history of a run as a CSV file, one line an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import pandas as pd

from ferkeras.files.inner import InnerPath
from ferkeras.files.writing import write_text


class CSVHistory(keras.callbacks.Callback):
    """Keep every epoch's logs in a CSV file that is whole at any moment.

    Unlike `keras.callbacks.CSVLogger` it counts epochs from 1, as they are printed, writes the
    file anew and atomically each time, and refuses keys that come or go between epochs.

    Args:
        path: the CSV file; columns are `epoch` and the keys of the logs, in order.

    Raises:
        ValueError: an epoch's keys are not those of the first one.
    """

    def __init__(self, path: InnerPath) -> None:
        super().__init__()
        self._path = path
        self.rows: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the epoch and write the file."""
        row = {"epoch": epoch + 1} | {key: float(value) for key, value in (logs or {}).items()}
        if self.rows and row.keys() != self.rows[0].keys():
            odd = sorted(row.keys() ^ self.rows[0].keys())
            raise ValueError(f"epoch {epoch + 1} published other keys than the first: {odd}")
        self.rows.append(row)
        self._write()

    def get_state(self) -> dict[str, Any]:
        """The epochs so far, for JSON."""
        return {"rows": self.rows}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_state` returned; epochs that the file has beyond that are lost."""
        self.rows = [dict(row) for row in state["rows"]]
        if self.rows:
            self._write()
        else:
            self._path.unlink(missing_ok=True)

    def frame(self) -> pd.DataFrame:
        """The history so far, one row an epoch."""
        return pd.DataFrame(self.rows)

    def _write(self) -> None:
        write_text(self._path, self.frame().to_csv(index=False))
