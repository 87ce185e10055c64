"""Ten times the data: does memory stay within 4 GiB, and does an image take as long as before?

    python benchmarks/ten_times.py [--faces 33000 | --csv fer2013.csv] [--times 10] [--rounds 3]

Writes the faces as a CSV file, and one with ten times as many (copies with noise of up to 8 grey
values), and trains on each by `python -m ferkeras.fit`'s own main, one epoch of a small network, in
processes that take turns: once as many, ten times as many. Nothing is left out of the way of the
data: text, cache, split, pipeline, training, validation, best network, pictures, export.

Memory is the most that the process held at any time. Time is of the training steps of the epoch,
the first 50 left out: processor seconds and seconds by the clock per thousand faces. The verdict
(exit code 0 or 1) is on memory, below --most-gib, and on processor seconds, whose median must not
grow by more than --tolerance. Takes about 14 KB of disk per face in the temporary folder ($TMPDIR).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

_FIRST_STEPS = 50
_LARGEST_NOISE = 8
_FACES_A_WRITE = 2000


def write_tables(folder: Path, csv: Path | None, count: int, times: int) -> dict[int, int]:
    """Write `faces-1.csv` and `faces-<times>.csv`; return faces by how many times."""
    import numpy as np

    from ferkeras.data.faces import USAGES
    from ferkeras.data.read import read_faces
    from ferkeras.data.synthetic.dataset import synthetic_faces

    read = read_faces(csv, cache=False) if csv else synthetic_faces(count, 0)
    names = dict(zip(USAGES, ("", "Training", "PublicTest", "PrivateTest"), strict=True))
    usage = [names[USAGES[code]].encode() for code in read.usage]
    pixels = read.faces.images.reshape(len(read.faces), -1)
    # Three digits each, so that a thousand faces are written at once.
    text = np.frombuffer(b"".join(b"%03d " % value for value in range(256)), "S4")
    written = {}
    for copies in sorted({1, times}):
        rng = np.random.default_rng(copies)
        with (folder / f"faces-{copies}.csv").open("wb") as file:
            file.write(b"emotion,pixels,Usage\n")
            for copy in range(copies):
                for begin in range(0, len(pixels), _FACES_A_WRITE):
                    some = pixels[begin : begin + _FACES_A_WRITE].astype(np.int16)
                    if copy:
                        noise = rng.integers(-_LARGEST_NOISE, _LARGEST_NOISE + 1, some.shape)
                        some = np.clip(some + noise, 0, 255)
                    for row, words in enumerate(text[some], begin):
                        label = read.faces.labels[row]
                        file.write(b"%d,%s,%s\n" % (label, words.tobytes(), usage[row]))
        written[copies] = copies * len(pixels)
    return written


def measure(arguments: list[str]) -> dict[str, Any]:
    """Train in this process; return what it took."""
    from ferkeras.cli.quiet import import_tensorflow
    from ferkeras.fit.__main__ import main

    import_tensorflow()
    import keras

    marks: dict[str, Any] = {}

    step_done = keras.callbacks.CallbackList.on_train_batch_end

    def timed(self: Any, batch: int, logs: Any = None) -> None:
        step_done(self, batch, logs)
        now = (batch + 1, time.process_time(), time.perf_counter())
        if batch + 1 == _FIRST_STEPS:
            marks.update(begin=now, before_mib=peak_mib())
        marks["end"] = now

    keras.callbacks.CallbackList.on_train_batch_end = timed
    code = main(arguments)
    steps, processor, clock = (
        end - begin for begin, end in zip(marks["begin"], marks["end"], strict=True)
    )
    return {
        "exit_code": code,
        "steps": marks["end"][0],
        "processor_seconds_per_step": processor / steps,
        "seconds_per_step": clock / steps,
        "peak_before_fit_mib": marks["before_mib"],
        "peak_mib": peak_mib(),
    }


def peak_mib() -> float:
    """The most memory this process has held, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def measured_apart(folder: Path, copies: int, batch: int, overrides: list[str]) -> dict[str, Any]:
    """Return what `measure` returns in a fresh process that reads the text, not the cache."""
    with tempfile.TemporaryDirectory(dir=folder) as inner:
        result = Path(inner) / "result.json"
        settings = [
            f"data.path={folder / f'faces-{copies}.csv'}",
            f"output.folder={inner}/runs",
            "train.epochs=1",
            f"train.batch_size={batch}",
            *overrides,
        ]
        done = subprocess.run(
            [sys.executable, __file__, "--measure", str(result), "--", *settings],
            env={**os.environ, "FERKERAS_CACHE": f"{inner}/cache"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"the run failed:\n{done.stdout[-4000:]}")
        return json.loads(result.read_text())


def main() -> int:
    """Measure in turns and print the table; 1 if memory or time grew too much."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--csv", type=Path, help="faces to begin with (default: synthetic)")
    parser.add_argument("--faces", type=int, default=33_000, help="faces to draw (default 33000)")
    parser.add_argument("--times", type=int, default=10, help="how many times (default 10)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of the single data")
    parser.add_argument("--large-rounds", type=int, default=1, help="runs of the larger data")
    parser.add_argument("--batch", type=int, default=64, help="faces a step (default 64)")
    parser.add_argument("--most-gib", type=float, default=4.0, help="bound on memory (default 4)")
    parser.add_argument("--tolerance", type=float, default=0.1, help="bound on growth of time")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument(
        "overrides", nargs="*", default=["network.filters=[8,16]", "network.dense_units=[32]"]
    )
    options = parser.parse_args()
    if options.measure:
        figures = measure(options.overrides)
        options.measure.write_text(json.dumps(figures))
        return int(figures["exit_code"])

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        faces = write_tables(folder, options.csv, options.faces, options.times)
        turns = [1] * options.rounds
        for number in range(options.large_rounds):
            turns.insert(2 * number + 1, options.times)
        runs: dict[int, list[dict[str, Any]]] = {copies: [] for copies in faces}
        for copies in turns:
            runs[copies].append(measured_apart(folder, copies, options.batch, options.overrides))
    table = {
        str(copies): {
            "faces": faces[copies],
            "steps": each[0]["steps"],
            "peak_gib": max(run["peak_mib"] for run in each) / 1024,
            "peak_before_fit_gib": max(run["peak_before_fit_mib"] for run in each) / 1024,
            "processor_ms_per_1000_faces": [
                run["processor_seconds_per_step"] / options.batch * 1e6 for run in each
            ],
            "ms_per_1000_faces": [run["seconds_per_step"] / options.batch * 1e6 for run in each],
        }
        for copies, each in runs.items()
    }
    print(
        f"{'data':>5}{'faces':>10}{'steps':>8}{'peak GiB':>10}{'before fit':>12}"
        "   processor ms per 1000 faces"
    )
    for copies, row in table.items():
        figures = ", ".join(f"{value:.0f}" for value in row["processor_ms_per_1000_faces"])
        print(
            f"{copies + 'x':>5}{row['faces']:10,}{row['steps']:8,}{row['peak_gib']:10.2f}"
            f"{row['peak_before_fit_gib']:12.2f}   {figures}"
        )
    one, many = table["1"], table[str(options.times)]
    ratios = {
        key: statistics.median(many[key]) / statistics.median(one[key])
        for key in ("processor_ms_per_1000_faces", "ms_per_1000_faces")
    }
    print(
        f"an image takes {ratios['processor_ms_per_1000_faces']:.2f} times the processor time, "
        f"{ratios['ms_per_1000_faces']:.2f} times the time by the clock"
    )
    if options.json:
        record = {"rows": table, "ratios": ratios, "faces_a_step": options.batch}
        options.json.write_text(json.dumps(record, indent=2) + "\n")
    too_large = many["peak_gib"] >= options.most_gib
    too_slow = ratios["processor_ms_per_1000_faces"] > 1 + options.tolerance
    return 1 if too_large or too_slow else 0


if __name__ == "__main__":
    sys.exit(main())
