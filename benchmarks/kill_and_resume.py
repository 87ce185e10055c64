"""Kill a training again and again, at random moments, and see that it always ends the same.

  PYTHONPATH=. python benchmarks/kill_and_resume.py --runs 100 --json kills.json

A short run (synthetic faces, a tiny network, a checkpoint after every step) is trained once without
interruption. Then, for each kill, the same run is begun anew in an own process, killed with
SIGKILL, resumed, and compared with the first one, byte by byte: the weights of last.keras and
best.keras, history.csv, metrics.json, predictions.npz, and every event for TensorBoard. Every
second kill falls at a random moment of the run's life; every other one inside the writing of a
checkpoint or of another file. Some runs are killed twice.

The processes are forked from one that has imported TensorFlow and not yet used it, which saves the
seconds that an import takes; --exec begins each with `python -m ferkeras.fit` instead.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from ferkeras.cli.quiet import import_tensorflow
from ferkeras.files.made import MADE_FILE
from ferkeras.runs.lock import LOCK_FILE

SETTINGS = (
    "name=kill",
    "data.demo_faces=300",
    "network.filters=[4]",
    "network.dense_units=[8]",
    "train.epochs=3",
    "train.batch_size=32",
    "schedule.gate_accuracy=0",
    "schedule.dropout_from_epoch=2",
    "schedule.smoothing_from_epoch=2",
    "schedule.plateau_from_epoch=2",
    "schedule.plateau_patience=1",
    "monitor.images_every=100",
    "checkpoint.every_steps=1",
)


def main() -> int:
    """Run the benchmark; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100, help="how many to kill and resume")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--exec", action="store_true", help="begin processes anew, do not fork")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    if not arguments.exec:
        import_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), arguments.runs, arguments.seed, arguments.exec)
    print_table(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if figures["identical"] == figures["runs"] and not figures["unclean"] else 1


def measure(folder: Path, runs: int, seed: int, whole: bool) -> dict:
    """Kill and resume `runs` runs; count what came of it."""
    rng = random.Random(seed)
    out = folder / "reference"
    begin, process = time.monotonic(), start([*SETTINGS, f"output.folder={out}"], whole)
    wait_for(lambda: (out / "kill-001").exists(), process)
    appeared = time.monotonic()
    assert process.wait() == 0, "the uninterrupted run failed"
    life = time.monotonic() - appeared
    reference = contents(out / "kill-001")
    print(f"uninterrupted: {time.monotonic() - begin:.1f} s, {life:.1f} s of them with a folder")

    places: collections.Counter[str] = collections.Counter()
    figures = {"kills": 0, "runs": 0, "finished": 0, "identical": 0, "unclean": [], "odd": []}
    for number in range(1, runs + 1):
        out = folder / f"{number}"
        run = out / "kill-001"
        arguments = [*SETTINGS, f"output.folder={out}"]
        todo = rng.choice((1, 1, 1, 2))
        while todo:
            process = start(arguments, whole)
            wait_for(run.exists, process)
            if figures["kills"] % 2 == 0:
                time.sleep(rng.uniform(0, life))
            else:
                wait_for(writing(run, rng.randrange(16)), process)
            process.kill()
            if process.wait() != -signal.SIGKILL:
                # Over before its moment came: another try with another moment.
                shutil.rmtree(out)
                arguments = [*SETTINGS, f"output.folder={out}"]
                continue
            todo -= 1
            figures["kills"] += 1
            places[place(run)] += 1
            arguments = ["--resume", str(run)]
        process = start(["--resume", str(run)], whole)
        code = process.wait()
        figures["runs"] += 1
        figures["finished"] += code == 0 and (run / "metrics.json").exists()
        got = contents(run)
        different = [key for key in reference if got.get(key) != reference[key]]
        figures["identical"] += not different and got.keys() == reference.keys()
        if different:
            figures["odd"].append({"run": number, "exit code": code, "different": different})
            print(f"run {number}: different: {different}; exit code {code}")
        # The state of the end stays, so that the run can go on for more epochs.
        figures["unclean"] += [*hidden(run), *map(str, sorted(run.glob("checkpoints/*"))[:-1])]
        print(
            f"{figures['kills']:4} kills, {figures['identical']} of {figures['runs']} identical",
            flush=True,
        )
    return figures | {"places": dict(places.most_common())}


class Forked:
    """A forked process with the interface of `subprocess.Popen` that is needed here."""

    def __init__(self, arguments: list[str]) -> None:
        self.pid = os.fork()
        self.code: int | None = None
        if self.pid == 0:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            from ferkeras.fit import __main__ as fit

            code = 1
            try:
                code = fit.main(arguments)
            finally:
                os._exit(code)

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def kill(self) -> None:
        """Send SIGKILL, if it is not over."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def start(arguments: list[str], whole: bool) -> Forked | subprocess.Popen:
    """Begin a training."""
    if not whole:
        return Forked(arguments)
    command = [sys.executable, "-m", "ferkeras.fit", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def wait_for(condition: Callable[[], bool], process: Forked | subprocess.Popen) -> None:
    """Look as often as possible, until it holds or the process is over."""
    while not condition() and process.poll() is None:
        time.sleep(0)


def writing(run: Path, skip: int) -> Callable[[], bool]:
    """Whether a file is being written, once `skip` others have been seen being written."""
    seen: set[str] = set()

    def finished() -> bool:
        for folder in (run / "checkpoints", run):
            for path in folder.glob(".*"):
                if path.name not in (LOCK_FILE, MADE_FILE):
                    seen.add(path.name)
                    return len(seen) > skip
        return False

    return finished


def hidden(folder: Path) -> list[str]:
    """Temporary files and locks in a folder and below; the list of what was made stays."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob(".*") if path.name != MADE_FILE
    )


def place(run: Path) -> str:
    """Where a kill fell, by what it left."""
    temporary = {run / name for name in hidden(run) if not name.endswith(LOCK_FILE)}
    if any(p.parent.name == "checkpoints" for p in temporary):
        return "inside the writing of a checkpoint"
    if temporary:
        return "inside the writing of another file"
    if (run / "metrics.json").exists():
        return "after everything was written"
    if (run / "last.keras").exists():
        return "after training, while results are written"
    return "while it trains" if (run / "checkpoints").exists() else "before the first checkpoint"


def contents(run: Path) -> dict[str, object]:
    """What must be the same in two runs."""
    result: dict[str, object] = {}
    for name in ("history.csv", "metrics.json", "predictions.npz"):
        path = run / name
        result[name] = path.read_bytes() if path.exists() else None
    for name in ("last.keras", "best.keras"):
        result[name] = weights(run / name)
    for path in sorted((run / "tensorboard").glob("*/events*")):
        for key, values in events(path).items():
            result.setdefault(key, []).extend(values)  # type: ignore[attr-defined]
    return result


def weights(path: Path) -> dict[str, bytes] | None:
    """Every array in a `.keras` file by its path."""
    import h5py

    if not path.exists():
        return None
    with zipfile.ZipFile(path) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    arrays: dict[str, bytes] = {}
    with h5py.File(content) as file:
        file.visititems(
            lambda name, item: (
                arrays.update({name: item[()].tobytes()}) if hasattr(item, "dtype") else None
            )
        )
    return arrays


def events(path: Path) -> dict[str, list]:
    """Steps and values of an event file by the tag's place."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    found: dict[str, list] = {}
    for event in EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            # These hold the time, the folder, and numbers that TensorFlow gives to functions.
            free = ("hparams", "configuration", "__run_graph__")
            varies = any(name in value.tag for name in free)
            content = b"" if varies else value.tensor.SerializeToString()
            key = f"{path.parent.name}: {value.tag}"
            found.setdefault(key, []).append((event.step, content))
    return found


def print_table(figures: dict) -> None:
    """Print what happened."""
    print()
    print(f"kills with SIGKILL                         {figures['kills']:4}")
    for name, count in figures["places"].items():
        print(f"  {name:<41}{count:4}")
    print(f"runs, each resumed to its end              {figures['runs']:4}")
    print(f"  finished                                 {figures['finished']:4}")
    print(f"  identical to the uninterrupted run       {figures['identical']:4}")
    print(f"files left that should not be there        {len(figures['unclean']):4}")


if __name__ == "__main__":
    sys.exit(main())
