"""The finished run whose network a training starts from (transfer learning).

Imports no TensorFlow, so that a wrong path is reported at once.
"""

from __future__ import annotations

from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.runs.finished import FinishedRun, open_configured


def open_start(path: str | None) -> FinishedRun | None:
    """Open the run that `network.start_from` names; None where it names none.

    Raises:
        InputError: see `ferkeras.runs.finished.open_configured`.
    """
    return None if path is None else open_configured("network.start_from", path)


def was_trained_on_validation(start: FinishedRun, config: Config, splits: Splits) -> bool:
    """Whether the run was trained on the same faces, divided otherwise than here."""
    data = start.config.data
    own = (start.config.seed, data.validation_fraction, data.folds, data.fold)
    here = (config.seed, config.data.validation_fraction, config.data.folds, config.data.fold)
    same_split = (splits.official and data.folds is None) or own == here
    return start.fingerprint == splits.fingerprint and not same_split
