"""One export of a finished run: the faces that it is checked on, the files, the model card."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.cli.extras import need_extra
from ferkeras.cli.quiet import import_tensorflow
from ferkeras.cli.wording import nearest, quoted
from ferkeras.export.card.file import note_on
from ferkeras.export.folder import card_of, check_export_folder, write_model_card
from ferkeras.export.probe import Probe, find_probe
from ferkeras.files.inner import InnerPath, folder_of
from ferkeras.files.writing import demand_room, remove_temporary_files
from ferkeras.runs.finished import TrainedRun
from ferkeras.runs.lock import exclusive_lock
from ferkeras.runs.record import FILES

FORMATS = ("saved_model", "litert", "litert-float16", "litert-int8", "onnx", "keras")

_OTHER_NAMES = {
    "float16": "litert-float16",
    "fp16": "litert-float16",
    "h5": "keras",
    "int8": "litert-int8",
    "lite": "litert",
    "pb": "saved_model",
    "savedmodel": "saved_model",
    "tf": "saved_model",
    "tflite": "litert",
    "tflite-int8": "litert-int8",
}
"""What formats are called elsewhere."""

_PROBE = 500
"""Validation faces on which an export is compared with the network."""

_REPRESENTATIVE = 300
"""Other validation faces, from which the ranges of 8-bit integers are measured."""


def check_format(format: str) -> None:
    """Refuse a format that there is not, or for which a package is missing; imports nothing.

    Raises:
        InputError: it names the format that is meant, or the command that installs the package.
    """
    if format not in FORMATS:
        format = str(format)
        known = format.lower().replace("_", "-")
        near = _OTHER_NAMES.get(known) or nearest(format, FORMATS, cutoff=0.75)
        hint = f"did you mean {near}? " if near else ""
        raise InputError(f"format {quoted(format)}: {hint}expected one of {', '.join(FORMATS)}")
    if format == "onnx":
        need_extra("onnx", "format onnx")


def export_run(
    finished: TrainedRun,
    format: str,
    console: Console,
    *,
    folder: Path | None = None,
    data: str | None = None,
) -> Path:
    """Export the network of a run in one format, check it, and write its model card beside it.

    Args:
        finished: the run.
        format: of `FORMATS`.
        console: where messages are printed.
        folder: where to; None: `export/` of the run's results.
        data: where faces to check the export on are; None: as the run was configured, or synthetic
            ones where those are not on this machine.

    Returns:
        The file, or the folder of a SavedModel.

    Raises:
        InputError: see `check_format`; the folder is no place for an export, another export is
            at work in it, or the faces cannot be read.
        OSError: nothing can be written in the folder.
        RunError: the export predicts otherwise than the network.
    """
    check_format(format)
    target = finished.run.exports if folder is None else folder_of(folder)
    check_export_folder(target, FILES.get(format), finished)
    # A record that is damaged is told before anything is written.
    card_of(target, finished, [])
    if finished.unfinished:
        kept = finished.config.train.keep
        console.print(f"note: {finished.unfinished}: this is the {kept} network so far")
    with _alone_in(target):
        found = find_probe(finished, data, console)

        with console.working("loading TensorFlow and the network"):
            import_tensorflow()
            from ferkeras.export.formats import export_network
            from ferkeras.metrics.calibration import temperatures_of
            from ferkeras.runs.network import load_trained

            model = load_trained(finished).model
        temperatures = temperatures_of(finished.run)
        with console.working(f"exporting as {format}"):
            exported = export_network(
                model,
                [format],
                target,
                finished.about().with_temperatures(temperatures),
                probe=Probe(found.images[:_PROBE], found.kind),
                # With few faces the same serve for both.
                representative=found.images[-_REPRESENTATIVE:],
            )
        card = write_model_card(target, finished, exported)
    for each in exported:
        parity = each.parity
        console.print(
            f"{each.path}: {each.size / 1e6:.2f} MB; same label as the trained network on "
            f"{parity.label_agreement:.1%} of {parity.faces:,} {each.compared_on}, "
            f"probabilities differ by at most {parity.largest_difference:.1e}"
        )
    if note := note_on(card):
        console.print(f"note: {note}")
    console.print(f"{card}: what it is, how good it is, and how it may not be used")
    return Path(exported[0].path)


@contextmanager
def _alone_in(folder: InnerPath) -> Iterator[None]:
    """Make the folder, lock it, remove what a killed export left; a folder left empty goes."""
    demand_room(folder, "name another with --output DIR")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with exclusive_lock(folder.path):
            remove_temporary_files(folder)
            yield
    finally:
        if not folder.iterdir():
            with suppress(OSError):
                folder.rmdir()
