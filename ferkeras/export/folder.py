"""The folder of exports: their list, their model card, and what an export may replace in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ferkeras.cli.errors import InputError
from ferkeras.cli.wording import shown
from ferkeras.export.card.file import CARD, write_card
from ferkeras.export.card.model_card import model_card
from ferkeras.export.origin import as_of, other_run, record_of
from ferkeras.files.inner import AnyPath, InnerPath, folder_of
from ferkeras.files.writing import write_json
from ferkeras.runs.embedded import enclosed_in
from ferkeras.runs.finished import TrainedRun, check_name
from ferkeras.runs.records import ExportsRecord, read_record

if TYPE_CHECKING:
    from ferkeras.export.formats import Exported

LIST = "exports.json"
_LARGEST = 256 << 20

WRITTEN = (CARD, LIST)
"""Files that `write_model_card` writes."""


def check_export_folder(
    folder: AnyPath, file: str | None = None, finished: TrainedRun | None = None
) -> None:
    """Refuse a folder in which an export would replace what no export of the run has made.

    Args:
        folder: where to; need not exist.
        file: what the exported file will be called; None for a SavedModel, which gets a new name.
        finished: the run; None: of whatever run the file is.

    Raises:
        InputError: it holds a README.md that is no model card, or a file of that name that no
            export has made, or that is the network of another run; or is no folder, or
            its name no UTF-8.
    """
    folder = folder_of(folder)
    check_name(folder.path)
    if folder.path.exists() and not folder.path.is_dir():
        raise InputError(f"{folder}: not a folder; name one for the export, or none")
    if (folder / CARD).exists() and not (folder / LIST).exists():
        raise InputError(
            f"{folder}: holds a {CARD} that is not a model card, which an export would replace; "
            "name another folder"
        )
    if file is None or not (folder / file).exists():
        return
    origin = _origin(folder, file)
    if origin is None:
        raise InputError(
            f"{folder / file}: not made by python -m ferkeras.export, which would replace it; move "
            "it away, or name another folder"
        )
    # A run that was renamed is still at home in its own folder.
    if finished is not None and folder != finished.run.exports:
        other = other_run(origin, finished)
        if other is not None:
            raise InputError(
                f"{folder / file}: the network of {shown(other)}, which that of "
                f"{shown(finished.name)} would replace; move it away, or name another folder"
            )


def card_of(
    folder: InnerPath, finished: TrainedRun, exported: Sequence[Exported]
) -> tuple[str, ExportsRecord]:
    """The card for exported networks and for earlier ones still there, and what it lists.

    Raises:
        InputError: `exports.json`, an evaluation of the run or its `predictions.npz` is damaged.
    """
    listed = folder / LIST
    records = dict(read_record(listed, ExportsRecord)) if listed.exists() else {}
    if folder == finished.run.exports:
        # In its own folder all are its own, also after the run was renamed.
        records = {name: as_of(finished, record) for name, record in records.items()}
    records |= {each.path.name: record_of(each, finished) for each in exported}
    records = {name: record for name, record in records.items() if (folder / name).exists()}
    return model_card(finished, records), records


def write_model_card(
    folder: AnyPath, finished: TrainedRun, exported: Sequence[Exported]
) -> InnerPath:
    """Write `README.md` beside exported networks, for these and for earlier ones still there.

    What was measured of each is kept in `exports.json`. A card that somebody has edited is kept,
    and the new one written beside it.

    Returns:
        The path of the card; another than `README.md` where that was edited.

    Raises:
        InputError: `exports.json`, an evaluation of the run or its `predictions.npz` is damaged.
    """
    folder = folder_of(folder)
    card, records = card_of(folder, finished, exported)
    # First the list: by it the card is known for one, also where this is cut off in between.
    write_json(folder / LIST, records)
    return write_card(folder, card)


def forget_unknown(folder: AnyPath) -> None:
    """Take from the list what does not say of which epoch it is: the training may have gone on."""
    listed = folder_of(folder) / LIST
    if listed.exists():
        records = read_record(listed, ExportsRecord)
        write_json(listed, {name: each for name, each in records.items() if "epoch" in each})


def _origin(folder: InnerPath, file: str) -> Mapping[str, Any] | None:
    """What `exports.json`, or else a file itself, says of how it came about; None for nothing."""
    listed = folder / LIST
    if listed.exists():
        record = read_record(listed, ExportsRecord).get(file)
        if record is not None:
            return record
    try:
        return enclosed_in((folder / file).read_bytes(_LARGEST), folder / file).provenance
    except InputError:
        return None
