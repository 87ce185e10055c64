"""The finished run whose network a training starts from (transfer learning).

Imports no TensorFlow, so that a wrong path is reported at once.
"""

from __future__ import annotations

from ferkeras.data.faces import Splits
from ferkeras.runs.division import had_same_faces, had_same_splits
from ferkeras.runs.finished import FinishedRun, open_configured


def open_start(path: str | None) -> FinishedRun | None:
    """Open the run that `network.start_from` names; None where it names none.

    Raises:
        InputError: see `ferkeras.runs.finished.open_configured`.
    """
    return None if path is None else open_configured("network.start_from", path)


def was_trained_on_validation(start: FinishedRun, splits: Splits) -> bool:
    """Whether the run was trained on the same faces, divided otherwise than here."""
    then = start.environment
    return had_same_faces(then, splits) and not had_same_splits(then, splits)
