"""Export the network of a run, check it, and write its model card beside it.

  python -m ferkeras.export saved_models/demo-001 --format saved_model
  python -m ferkeras.export saved_models/demo-001 --format litert-int8 --output phone/

Formats: saved_model (TensorFlow Serving's layout: each export gets the next number), litert
(TensorFlow Lite, float32), litert-float16 (half the size), litert-int8 (8-bit integers), onnx,
keras (loads in Keras 3 without ferkeras). Each takes raw uint8 faces of the size that the network
was trained on, gives probabilities, and carries the names of the classes and where it comes from.
A temperature fitted by python -m ferkeras.evaluate --calibrate goes in.

Each export is compared with the trained network on 500 faces: validation faces of the run's data,
of --data, or synthetic ones where the run's data are not on this machine; the ranges of 8-bit
integers come from such faces too. A different prediction is reported.
Exit codes: 0 done, 1 the export predicts otherwise than the network, 2 wrong usage or input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ferkeras.cli.command import parser, verb
from ferkeras.cli.home import named_path


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's); return its exit code."""
    arguments = _parser().parse_args(argv)

    from ferkeras.cli.console import Console
    from ferkeras.export.exporting import check_format, export_run
    from ferkeras.runs.so_far import open_trained

    check_format(arguments.format)
    finished = open_trained(arguments.run)
    with Console() as console:
        export_run(
            finished, arguments.format, console, folder=arguments.output, data=arguments.data
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    result = parser("ferkeras.export", __doc__)
    result.add_argument("run", metavar="RUN", help="folder of a run")
    result.add_argument(
        "--format",
        required=True,
        metavar="FORMAT",
        help="saved_model, litert, litert-float16, litert-int8, onnx or keras",
    )
    result.add_argument(
        "--output",
        type=named_path,
        metavar="DIR",
        help="where to (default: RUN/export; for the network that comes along, "
        "saved_models/fer2013-results/export)",
    )
    result.add_argument(
        "--data", metavar="PATH", help="where the faces are (default: as the run was configured)"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
