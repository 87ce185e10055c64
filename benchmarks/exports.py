"""Every export format of a run: parity with the Keras model, size, and time a face.

  PYTHONPATH=. python benchmarks/exports.py saved_models/fer2013-001 --json exports.json

Exports the run's network to a temporary folder in all formats. Labels and probabilities are
compared with the Keras model's on all validation faces of the run's data (PublicTest for
FER2013), and besides on 500 of them. Each is then timed on batches of 1 and 64 faces, one thread
for LiteRT, the programs' own choice for the others, in turns; the best of all rounds counts, of
processor time, which what else the machine does disturbs less than wall time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ferkeras.cli.quiet import import_tensorflow

import_tensorflow()

import keras  # noqa: E402
import onnxruntime  # noqa: E402
import tensorflow as tf  # noqa: E402

from ferkeras.cli.console import Console  # noqa: E402
from ferkeras.data.load import load_splits  # noqa: E402
from ferkeras.export.formats import FILES, export_network, predictions_of  # noqa: E402
from ferkeras.export.parity import Parity  # noqa: E402
from ferkeras.export.probe import Probe  # noqa: E402
from ferkeras.metrics.calibration import temperature_of  # noqa: E402
from ferkeras.runs.litert import LiteRtNetwork  # noqa: E402
from ferkeras.runs.network import load_trained  # noqa: E402

_BATCHES = (1, 64)


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    trained = load_trained(arguments.run)
    console = Console()
    faces = load_splits(trained.config, console).validation.images
    some = np.random.default_rng(0).permutation(len(faces))[:500]
    temperature = temperature_of(trained.run)
    logits = trained.model.predict(faces, verbose=0) / temperature
    expected = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    with tempfile.TemporaryDirectory() as folder:
        exported = export_network(
            trained.model,
            ("saved_model", *FILES),
            Path(folder),
            trained.finished.about().with_temperatures({"none": temperature}),
            probe=Probe(faces[:64]),
            representative=faces[-300:],
        )
        callers = {each.format: _caller(each.format, each.path) for each in exported}
        times = _times({"keras fit": _keras(trained.model), **callers}, faces, arguments.rounds)
        rows = {"keras fit": {**{f"us_{n}": times["keras fit", n] for n in _BATCHES}}}
        for each in exported:
            predicted = predictions_of(each.format, each.path, faces)
            all_faces, few = (
                Parity.of(expected, predicted),
                Parity.of(expected[some], predicted[some]),
            )
            rows[each.format] = {
                "bytes": each.size,
                "faces": all_faces.faces,
                "same_label": all_faces.label_agreement,
                "largest_difference": all_faces.largest_difference,
                "same_label_500": few.label_agreement,
                "largest_difference_500": few.largest_difference,
                **{f"us_{n}": times[each.format, n] for n in _BATCHES},
            }
    columns = [
        "format",
        "MB",
        "same label",
        "of 500",
        "largest difference",
        "us/face at 1",
        "at 64",
    ]
    console.table(
        f"{arguments.run.name}: exports against Keras on {len(faces):,} validation faces",
        columns,
        [
            [
                name,
                f"{row['bytes'] / 1e6:.2f}" if "bytes" in row else None,
                f"{row['same_label']:.2%}" if "bytes" in row else None,
                f"{row['same_label_500']:.2%}" if "bytes" in row else None,
                f"{row['largest_difference']:.1e}" if "bytes" in row else None,
                round(row["us_1"]),
                round(row["us_64"]),
            ]
            for name, row in rows.items()
        ],
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def _caller(name: str, path: Path) -> Callable[[np.ndarray], object]:
    match name:
        case "saved_model":
            model = tf.saved_model.load(str(path))
            serve = model.signatures["serving_default"]
            # The signature does not keep the model alive.
            return lambda faces, model=model: serve(faces=tf.constant(faces))
        case "onnx":
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            return lambda faces: session.run(["probabilities"], {"faces": faces})
        case "keras":
            return _keras(keras.saving.load_model(path))
        case _:
            return LiteRtNetwork(path)


def _keras(model: keras.Model) -> Callable[[np.ndarray], object]:
    return lambda faces: model.predict_on_batch(faces)


def _times(
    callers: dict[str, Callable[[np.ndarray], object]], faces: np.ndarray, rounds: int
) -> dict[tuple[str, int], float]:
    """Microseconds of processor time a face, by caller and size of the batch."""
    best: dict[tuple[str, int], float] = {}
    for number in range(rounds + 1):
        for name, call in callers.items():
            for size in _BATCHES:
                batches = 32 if size == 1 else 4
                before = time.process_time()
                for at in range(batches):
                    call(faces[at * size : (at + 1) * size])
                spent = (time.process_time() - before) / (batches * size) * 1e6
                if number:  # the first round traces and compiles
                    best[name, size] = min(spent, best.get((name, size), spent))
    return best


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a finished run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
