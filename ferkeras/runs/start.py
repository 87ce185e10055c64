"""The finished run whose network a training starts from (transfer learning).

Imports no TensorFlow, so that a wrong path is reported at once.
"""

from __future__ import annotations

from ferkeras.cli.errors import InputError
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.runs.finished import FinishedRun, open_run


def open_start(path: str | None) -> FinishedRun | None:
    """Open the run that `network.start_from` names; None where it names none.

    Raises:
        InputError: the folder is no finished run (see `ferkeras.runs.finished.open_run`), or the
            run has lost its network.
    """
    if path is None:
        return None
    try:
        start = open_run(path)
    except InputError as error:
        raise InputError(f"network.start_from: {error}") from None
    if not start.run.best.is_file():
        raise InputError(
            f"network.start_from: {start.run.best}: no such file; without it the run has no "
            "network; name another"
        )
    return start


def was_trained_on_validation(start: FinishedRun, config: Config, splits: Splits) -> bool:
    """Whether the run was trained on the same faces, divided otherwise than here."""
    data = start.config.data
    own = (start.config.seed, data.validation_fraction, data.folds, data.fold)
    here = (config.seed, config.data.validation_fraction, config.data.folds, config.data.fold)
    same_split = (splits.official and data.folds is None) or own == here
    return start.fingerprint == splits.fingerprint and not same_split
