"""How long each command takes to start, and what memory it takes, against Python's own start.

  PYTHONPATH=. python benchmarks/start_up.py --json start_up.json

In rounds, one new process each: Python that does nothing, every verb's --help, a wrong key, the
imports of NumPy, TensorFlow and Keras, and `predict` of one synthetic face with the network that
comes along. Prints the least seconds by the clock and of the processor, the ratio of the latter to
Python's own, and the largest memory: ratios hold on a busy machine, seconds do not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from ferkeras.__main__ import verbs
from ferkeras.data.synthetic.dataset import synthetic_faces


def main() -> None:
    """Measure; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        face = Path(folder) / "face.png"
        Image.fromarray(synthetic_faces(200, 0).faces.images[0, :, :, 0]).save(face)
        commands = _commands(face)
        runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
        for _ in range(arguments.rounds):
            for name, (command, code) in commands.items():
                runs[name].append(_run(command, code))
    rows = {}
    for name, each in runs.items():
        wall, processor, memory = (min(row[at] for row in each) for at in range(3))
        rows[name] = {"wall_s": wall, "processor_s": processor, "memory_MiB": memory}
    bare = rows["python"]["processor_s"]
    print(f"{'':28}{'clock':>8}{'CPU':>8}{'ratio':>8}{'memory':>10}")
    for name, row in rows.items():
        print(
            f"{name:28}{row['wall_s']:7.2f}s{row['processor_s']:7.2f}s"
            f"{row['processor_s'] / bare:8.1f}{row['memory_MiB']:6.0f} MiB"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def _commands(face: Path) -> dict[str, tuple[list[str], int]]:
    """Each command with the exit code it must have."""
    helps = {f"{verb} --help": (["-m", f"ferkeras.{verb}", "--help"], 0) for verb in verbs()}
    return {
        "python": (["-c", "pass"], 0),
        **helps,
        "fit with a wrong key": (["-m", "ferkeras.fit", "train.epoch=3"], 2),
        "predict face.png": (["-m", "ferkeras.predict", str(face)], 0),
        "import numpy": (["-c", "import numpy"], 0),
        "import tensorflow": (["-c", "import tensorflow"], 0),
        "import keras": (["-c", "import keras"], 0),
    }


def _run(command: list[str], code: int) -> tuple[float, float, float]:
    """Seconds by the clock and of the processor, MiB at most."""
    began = time.perf_counter()
    # Without its bytecode each process would compile ferkeras anew: the first round writes it.
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}, expected {code}")
    # Linux counts ru_maxrss in KiB.
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
