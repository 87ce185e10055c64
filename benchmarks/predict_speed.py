"""How long predict takes for many faces, compared with the network's bare forward pass.

  PYTHONPATH=. python benchmarks/predict_speed.py saved_models/demo-001 --json speed.json

Synthetic faces (`ferkeras.data.synthetic.dataset`, as many as asked for) are written as PNG and
as JPEG files into a temporary folder. Then, in one process and by turns, the same network is run

- bare: on an array of all faces, in batches, on as many threads as there are cores;
- whole: `ferkeras.predict.predictions.predict_views` over the files, from reading to predictions.

What counts is the ratio whole / bare, of wall time and of processor time, taken from the best of
each: both are slowed alike by what else the machine does. Then the PNG files once more, by turns
with each test-time augmentation, in faces a second. Last, new processes predict one picture: with
the LiteRT file, and the same run without it, through Keras.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from ferkeras.data.synthetic.dataset import synthetic_faces
from ferkeras.data.test_time_augmentation import VIEWS
from ferkeras.predict.network import load_network
from ferkeras.predict.predictions import BATCH, predict_views
from ferkeras.predict.sources import find_files, views_of
from ferkeras.runs.finished import open_run


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    network = load_network(arguments.run)
    faces = synthetic_faces(arguments.faces, 0).faces.images
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = {
            "faces": len(faces),
            "cores": os.cpu_count(),
            "formats": {
                suffix: _compare(network, faces, folder / suffix, suffix, arguments.rounds)
                for suffix in ("png", "jpg")
            },
            "faces_a_second": _by_augmentation(network, folder / "png", arguments.rounds),
            "first_prediction": _first_predictions(arguments.run, folder, arguments.rounds),
        }
    for suffix, row in result["formats"].items():
        print(
            f"{suffix}: whole / bare {row['wall_ratio']:.2f} of wall time, "
            f"{row['processor_ratio']:.2f} of processor time; "
            f"bare {row['bare_processor_us']:.0f} us of processor time a face"
        )
    for tta, speed in result["faces_a_second"].items():
        print(f"--tta {tta}: {speed:,.0f} faces a second")
    for way, row in result["first_prediction"].items():
        print(
            f"first prediction, {way}: {row['wall_s']:.2f} s, "
            f"{row['processor_s']:.2f} s of processor"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


def _compare(network, faces: np.ndarray, folder: Path, suffix: str, rounds: int) -> dict:
    folder.mkdir()
    for at, face in enumerate(faces[..., 0]):
        Image.fromarray(face).save(folder / f"{at:06d}.{suffix}")
    files = find_files([str(folder)])
    pool = ThreadPoolExecutor(os.cpu_count())

    def bare() -> None:
        pieces = [faces[at : at + BATCH] for at in range(0, len(faces), BATCH)]
        list(pool.map(network, pieces))

    def whole() -> None:
        count = sum(len(seen.predicted) for seen in predict_views(views_of(files, 0), network))
        assert count == len(faces)

    bare(), whole()  # interpreters and the disk's cache are made ready
    times = {"bare": [], "whole": []}
    for _ in range(rounds):
        times["bare"].append(_time(bare))
        times["whole"].append(_time(whole))
    wall, processor = (
        {way: min(each[at] for each in values) for way, values in times.items()} for at in (0, 1)
    )
    return {
        "wall_ratio": wall["whole"] / wall["bare"],
        "processor_ratio": processor["whole"] / processor["bare"],
        "bare_processor_us": processor["bare"] / len(faces) * 1e6,
    }


def _by_augmentation(network, folder: Path, rounds: int) -> dict[str, float]:
    files = find_files([str(folder)])
    best = dict.fromkeys(VIEWS, np.inf)
    for _ in range(rounds):
        for tta in VIEWS:
            start = time.perf_counter()
            for _ in predict_views(views_of(files, 0), network, tta=tta):
                pass
            best[tta] = min(best[tta], time.perf_counter() - start)
    return {tta: len(files) / seconds for tta, seconds in best.items()}


def _time(work: Callable[[], None]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def _first_predictions(run: Path, folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    picture = next((folder / "png").iterdir())
    without = folder / "without"
    shutil.copytree(open_run(run).run.folder, without)
    for file in (without / "export").glob("*.tflite"):
        file.unlink()
    result = {}
    for way, path in (("LiteRT", run), ("Keras", without)):
        command = [sys.executable, "-m", "ferkeras.predict", str(path), str(picture), "--json"]
        times = []
        for _ in range(rounds):
            before, wall = os.times(), time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            after = os.times()
            processor = sum(after[2:4]) - sum(before[2:4])
            times.append((time.perf_counter() - wall, processor))
        best = [min(each[at] for each in times) for at in (0, 1)]
        result[way] = {"wall_s": best[0], "processor_s": best[1]}
    return result


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a finished run")
    parser.add_argument("--faces", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
