"""Export the network of a finished run, check it, and write its model card beside it.

  python -m ferkeras.export saved_models/demo-001 --format saved_model
  python -m ferkeras.export saved_models/demo-001 --format litert-int8 --output phone/

Formats: saved_model (TensorFlow Serving's layout: each export gets the next number), litert
(TensorFlow Lite, float32), litert-float16 (half the size), litert-int8 (8-bit integers; their
ranges come from validation faces), onnx, keras (loads in Keras 3 without ferkeras). Each takes
raw uint8 faces (N, 48, 48, 1), gives probabilities, and carries the names of the emotions and
where it comes from. A temperature fitted by python -m ferkeras.evaluate --calibrate goes in.

Each export is compared with the trained network on 500 validation faces, which are read from the
run's data; name them with --data where they have moved. A different prediction is reported.
Exit codes: 0 done, 1 the export predicts otherwise than the network, 2 wrong usage or input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ferkeras.cli.command import parser, verb

_PROBE = 500
"""Validation faces on which an export is compared with the network."""

_REPRESENTATIVE = 300
"""Other validation faces, from which the ranges of 8-bit integers are measured."""


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    arguments = _parser().parse_args(argv)

    from ferkeras.cli.console import Console
    from ferkeras.cli.extras import need_extra
    from ferkeras.data.load import load_splits
    from ferkeras.export.model_card import check_export_folder, write_model_card
    from ferkeras.runs.finished import open_run

    if arguments.format == "onnx":
        need_extra("onnx", "--format onnx")
    finished = open_run(arguments.run)
    folder = finished.run.exports if arguments.output is None else arguments.output
    check_export_folder(folder)
    config = finished.config
    if arguments.data is not None:
        data = config.data.model_copy(update={"path": arguments.data})
        config = config.model_copy(update={"data": data})
    with Console() as console:
        splits = load_splits(config, console)
        if splits.fingerprint != finished.fingerprint:
            console.print(
                f"note: {splits.source} is not what this run was trained on; its faces are used "
                "to check the export all the same"
            )
        faces = splits.validation.images

        from ferkeras.cli.quiet import import_tensorflow

        import_tensorflow()
        from ferkeras.export.formats import export_network
        from ferkeras.metrics.calibration import temperature_of
        from ferkeras.runs.network import load_trained

        exported = export_network(
            load_trained(finished).model,
            [arguments.format],
            folder,
            finished.about(),
            probe=faces[:_PROBE],
            temperature=temperature_of(finished.run),
            # With few faces the same serve for both.
            representative=faces[-_REPRESENTATIVE:],
        )
        card = write_model_card(folder, finished, exported)
        for each in exported:
            parity = each.parity
            console.print(
                f"{each.path}: {each.size / 1e6:.2f} MB; same label as the trained network on "
                f"{parity.label_agreement:.1%} of {parity.faces:,} validation faces, "
                f"probabilities differ by at most {parity.largest_difference:.1e}"
            )
        console.print(f"{card}: what it is, how good it is, and how it may not be used")
    return 0


def _parser() -> argparse.ArgumentParser:
    result = parser("ferkeras.export", __doc__)
    result.add_argument("run", metavar="RUN", help="folder of a finished run")
    result.add_argument(
        "--format",
        required=True,
        type=_format,
        choices=("saved_model", "litert", "litert-float16", "litert-int8", "onnx", "keras"),
        help="what to write",
    )
    result.add_argument("--output", type=Path, metavar="DIR", help="where to (default: RUN/export)")
    result.add_argument(
        "--data", metavar="PATH", help="where the faces are (default: as the run was configured)"
    )
    return result


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


def _format(text: str) -> str:
    if meant := _OTHER_NAMES.get(text.lower().replace("_", "-")):
        raise argparse.ArgumentTypeError(f"{text}: did you mean {meant}?")
    return text


if __name__ == "__main__":
    sys.exit(main())
