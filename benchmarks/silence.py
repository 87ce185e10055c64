"""The longest silence of each command in a terminal: how long nothing on the screen moves.

  PYTHONPATH=. python benchmarks/silence.py --json silence.json

Trains a small network on synthetic faces in a pseudo terminal, then evaluates, calibrates,
exports, publishes, predicts, compares, diagnoses and checks, each in a process of its own, and
prints for each the seconds it took, the longest time between two outputs with what stood on the
screen before, and the time from the last output to the end of the process. The time before the
first output (Python's start, the configuration) counts. On a busy machine a process is silent while
others run: what it computed in its longest silence, in processor seconds, holds there too. Needs
Linux.
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
    "data.demo_faces=300",
    "network.filters=[4,8]",
    "network.dense_units=[8]",
    "train.epochs=2",
)
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""Set, each process would compile all of ferkeras anew, which nobody's second command does."""
COLLAPSES = ("monitor.collapse_fraction=0.15", "name=collapses")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\x00-\x08]")


def main() -> None:
    """Measure; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--only", help="only commands whose title holds one of these, by commas")
    arguments = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(synthetic_faces(200, 0).faces.images[0, :, :, 0]).save(f"{folder}/face.png")
        for title, words in commands().items():
            # The first training makes what the others work on.
            wanted = not arguments.only or any(each in title for each in arguments.only.split(","))
            if not wanted and title != "fit":
                continue
            found[title] = measured([sys.executable, "-m", *words], folder)
            row = found[title]
            print(
                f"{title:26} {row['seconds']:6.1f} s, longest silence {row['silence']:5.2f} s "
                f"({row['computed']:.2f} computed) after {row['after']!r}, end {row['end']:.2f} s, "
                f"exit code {row['code']}",
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
            **{name: value for name, value in os.environ.items() if name != NO_BYTECODE},
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "TERM": "xterm-256color",
            "COLUMNS": "100",
            "FERKERAS_CACHE": f"{folder}/cache",
        },
    )
    os.close(theirs)
    silence, after, shown = 0.0, "", "the command was given"
    computed = spent = 0.0
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
        now, busy = time.monotonic(), processor_seconds(process.pid)
        if now - last > silence:
            silence, after = now - last, shown
        computed = max(computed, busy - spent)
        last, spent = now, busy
        words = [line for line in _CONTROL.sub("", text).splitlines() if line.strip()]
        shown = words[-1].strip()[:60] if words else shown
    code = process.wait()
    now = time.monotonic()
    os.close(ours)
    return {
        "seconds": now - begun,
        "silence": silence,
        "computed": computed,
        "after": after,
        "end": now - last,
        "code": code,
    }


def processor_seconds(pid: int) -> float:
    """What a process has computed so far, on all cores; its children do not count."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
