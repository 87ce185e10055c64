"""Of which run an export is, and what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from ferkeras.runs.finished import TrainedRun
from ferkeras.runs.records import ExportRecord

if TYPE_CHECKING:
    from ferkeras.export.formats import Exported

_ORIGIN = ("run", "fingerprint", "seed")
"""What tells in a file's provenance of which run it is."""


def other_run(origin: Mapping[str, Any], finished: TrainedRun) -> str | None:
    """The name of the run that an export is of, where it says so and it is another than this."""
    own = finished.about().provenance
    known = [key for key in _ORIGIN if origin.get(key) is not None]
    is_own = all(origin[key] == own.get(key) for key in known)
    return None if is_own else str(origin.get("run", "another run"))


def record_of(exported: Exported, finished: TrainedRun) -> ExportRecord:
    """What the card tells of an export of a run, as `exports.json` keeps it."""
    record = {
        "format": exported.format,
        "size": exported.size,
        "temperature": exported.temperature,
        "compared_on": exported.compared_on,
        "epoch": finished.best_epoch,
        **asdict(exported.parity),
    }
    return as_of(finished, cast(ExportRecord, record))


def as_of(finished: TrainedRun, record: ExportRecord) -> ExportRecord:
    """The record of an export as one of this run."""
    about = finished.about().provenance
    return cast(ExportRecord, {**record, **{key: about[key] for key in _ORIGIN if key in about}})
