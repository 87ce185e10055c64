"""The longest silence of each command in a terminal: how long nothing on the screen moves.

  PYTHONPATH=. python benchmarks/silence.py --json silence.json

Trains a small network on synthetic faces in a pseudo terminal, then evaluates, calibrates,
exports, publishes, predicts, compares, diagnoses and checks, each in a process of its own, and
prints for each the seconds it took, the longest time between two outputs with what stood on the
screen meanwhile, and the time from the last output to the end of the process. The time before the
first output (Python's start, the configuration) counts. Needs a Unix.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from ferkeras.data.synthetic.dataset import synthetic_faces

SMALL = (
    "data.demo_faces=600",
    "network.filters=[8,16]",
    "network.dense_units=[16]",
    "train.epochs=2",
)
COLLAPSES = ("monitor.collapse_fraction=0.15", "name=collapses")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\x00-\x08]")


def main() -> None:
    """Measure; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--only", help="only commands whose title holds this")
    arguments = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(synthetic_faces(200, 0).faces.images[0, :, :, 0]).save(f"{folder}/face.png")
        for title, words in commands().items():
            # The first two trainings make what the others work on.
            if arguments.only and arguments.only not in title and title not in ("fit", "fit again"):
                continue
            found[title] = measured([sys.executable, "-m", *words], folder)
            row = found[title]
            print(
                f"{title:26} {row['seconds']:6.1f} s, longest silence {row['silence']:5.2f} s "
                f"after {row['after']!r}, end {row['end']:.2f} s, exit code {row['code']}",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


def commands() -> dict[str, list[str]]:
    """What is measured, in an order in which each finds what it needs."""
    run = "saved_models/demo-001"
    return {
        "fit": ["ferkeras.fit", *SMALL],
        "fit again": ["ferkeras.fit", *SMALL, "seed=1"],
        "fit, an alarm diagnosed": ["ferkeras.fit", *SMALL, *COLLAPSES],
        "fit --resume, more epochs": ["ferkeras.fit", "--resume", run, "train.epochs=3"],
        "evaluate --calibrate": ["ferkeras.evaluate", run, "--calibrate"],
        "export saved_model": ["ferkeras.export", run, "--format", "saved_model"],
        "export litert-int8": ["ferkeras.export", run, "--format", "litert-int8"],
        "export onnx": ["ferkeras.export", run, "--format", "onnx"],
        "publish": ["ferkeras.publish", run, "published"],
        "predict": ["ferkeras.predict", run, "face.png"],
        "compare": ["ferkeras.compare", run, "saved_models/demo-002"],
        "diagnose": ["ferkeras.diagnose", run],
        "lr_find": ["ferkeras.lr_find", *SMALL],
        "check_data": ["ferkeras.check_data", "demo"],
    }


def measured(command: list[str], folder: str) -> dict[str, float | int | str]:
    """Run a command in a pseudo terminal; its longest silence."""
    ours, theirs = pty.openpty()
    begun = last = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "TERM": "xterm-256color",
            "COLUMNS": "100",
            "FERKERAS_CACHE": f"{folder}/cache",
        },
    )
    os.close(theirs)
    silence, after, shown = 0.0, "", "the command was given"
    while True:
        ready, _, _ = select.select([ours], [], [], 0.05)
        if not ready:
            if process.poll() is not None:
                break
            continue
        try:
            text = os.read(ours, 65536).decode("utf-8", "replace")
        except OSError:  # Linux: the last process has closed it
            break
        if not text:
            break
        now = time.monotonic()
        if now - last > silence:
            silence, after = now - last, shown
        last = now
        words = [line for line in _CONTROL.sub("", text).splitlines() if line.strip()]
        shown = words[-1].strip()[:60] if words else shown
    code = process.wait()
    now = time.monotonic()
    os.close(ours)
    return {
        "seconds": now - begun,
        "silence": silence,
        "after": after,
        "end": now - last,
        "code": code,
    }


if __name__ == "__main__":
    main()
