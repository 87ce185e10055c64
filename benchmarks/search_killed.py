"""A search by two processes, one of which is killed with SIGKILL again and again.

  PYTHONPATH=. python benchmarks/search_killed.py --trials 40 --kills 2 --json search.json

Two processes work at one search on synthetic faces, under a limit of parameters. The second is
killed in the middle of a training, and begun again, as often as is asked for. Then it is looked
whether anything was lost (as many trials as were asked for, each trained to its end, ended early,
or above the limit; the values of every trial whose process died tried to the end by another) or
done twice (no configuration has two runs), and what the best is worth beside the configuration
that the search began with, both trained again with other seeds. All trainings have as many epochs;
their seconds stand beside their accuracies.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from ferkeras.ablate.ablation import Ablation
from ferkeras.ablate.tables import effect_text
from ferkeras.config.file import load_config
from ferkeras.search.confirm import FOLDER
from ferkeras.search.study import Search
from ferkeras.study.training import identity

BASE = (
    "data.demo_faces=1000",
    "network.dense_units=[16]",
    "train.epochs=6",
    "schedule.dropout_from_epoch=null",
    "schedule.smoothing_from_epoch=null",
    "schedule.plateau_from_epoch=null",
    "monitor.tensorboard=false",
    "monitor.diagnose=false",
)
SPACE = (
    "train.learning_rate=log(1e-4,1e-1)",
    "network.conv_dropout=[0,0.1,0.2]",
    "network.filters=[[4],[8],[4,8],[8,16],[32,64]]",
)
LIMIT = "parameters=60000"
BEGUN = re.compile(r"^trial (\d+): train\.learning_rate=", re.MULTILINE)


def main() -> int:
    """Run the benchmark; print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--confirm", type=int, default=3, help="other seeds for the best")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "search"
        begun = time.monotonic()
        died = run(folder, arguments)
        found = judge(folder, died, time.monotonic() - begun)
    for name, value in found.items():
        print(f"{name}: {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    whole = found["trials done"] == arguments.trials and len(died) == arguments.kills
    return 0 if whole and not found["lost"] and not found["trained twice"] else 1


def run(folder: Path, arguments: argparse.Namespace) -> list[dict[str, object]]:
    """Let the two processes search; return the values of the trials that were killed."""
    rng = random.Random(arguments.seed)
    first = start(
        folder.parent / "first.txt", *BASE, *SPACE, f"output.folder={folder.parent}",
        f"--output={folder}", f"--limit={LIMIT}", f"--trials={arguments.trials}",
        f"--confirm={arguments.confirm}",
    )  # fmt: skip
    while not (folder / "logs").exists():
        time.sleep(0.2)
        if first.poll() is not None:
            sys.exit((folder.parent / "first.txt").read_text())
    died: list[dict[str, object]] = []
    attempt = 0
    while True:
        log = folder.parent / f"second-{attempt}.txt"
        second = start(log, f"--join={folder}")
        attempt += 1
        if len(died) == arguments.kills:
            break
        while not BEGUN.search(log.read_text()):
            time.sleep(0.1)
            if second.poll() is not None:
                sys.exit(log.read_text())
        time.sleep(rng.uniform(1, 20))
        second.kill()
        second.wait()
        number = int(BEGUN.findall(log.read_text())[-1])
        trial = next(t for t in Search.join(str(folder)).trials if t.number == number)
        if trial.state.name == "RUNNING":
            print(f"killed while trial {number} was at work", flush=True)
            died.append(dict(trial.params))
    if first.wait() or second.wait():
        sys.exit(f"a process failed:\n{(folder.parent / 'first.txt').read_text()}{log.read_text()}")
    return died


def judge(folder: Path, died: list[dict[str, object]], seconds: float) -> dict[str, object]:
    """What was done, lost and done twice, and what the best is worth."""
    search = Search.join(str(folder))
    runs = [path.parent for path in (folder / "runs").glob("*/config.yaml")]
    known = Counter(identity(load_config(run / "config.yaml")) for run in runs)
    tried = [trial.params for trial in search.done]
    found: dict[str, object] = {
        "trials done": len(search.done),
        "states": dict(Counter(trial.state.name for trial in search.done)),
        "above the limit, not trained": sum(
            any(value > 0 for value in trial.constraints.values()) for trial in search.done
        ),
        "trials whose process was killed": len(died),
        "lost": sum(params not in tried for params in died)
        + sum(not (run / "metrics.json").is_file() for run in runs),
        "trained twice": sum(count > 1 for count in known.values()),
        "minutes": round(seconds / 60, 1),
    }
    found["values of the best"] = search.best()[0].params
    confirmation = Ablation.join(folder / FOLDER)
    for arm in ("base", "best"):
        again = [run for cell, run in confirmation.runs().items() if cell.arm == arm]
        accuracies = [100 * run.metrics["validation"]["accuracy"] for run in again]
        lasted = [
            (run.run.folder / "metrics.json").stat().st_mtime
            - (run.run.folder / "config.yaml").stat().st_mtime
            for run in again
        ]
        found[f"{arm}: accuracy of {len(again)} other seeds, %"] = (
            f"{np.mean(accuracies):.1f} ± {np.std(accuracies, ddof=1):.1f}"
        )
        found[f"{arm}: parameters"] = again[0].metrics["parameters"]
        found[f"{arm}: seconds of a training"] = round(float(np.mean(lasted)), 1)
    for effect in confirmation.effects():
        found[f"best against base: {effect.key}"] = f"{effect_text(effect)}, {effect.verdict}"
    return found


def start(log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Begin a process of the search."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-u", "-m", "ferkeras.search", *arguments], stdout=file
        )


if __name__ == "__main__":
    sys.exit(main())
