"""Measure what it costs that folders, records and networks are looked at before they are used.

    PYTHONPATH=. python benchmarks/cost_of_checks.py [--json FILE]

Two parts. What verbs do when they start, on a small run: open it (every record validated, every
path looked up in opened folders), find room on the disk, lock it, take it up again, read its
predictions, and know a LiteRT file again that was tried before; beside that the one trial of a
LiteRT file of a stranger. And in a training, all that is done by `InnerPath` (lookups, creating,
renaming: a plain program does a part of it too) and by the list of what was made, as a fraction of
its epochs. Processor time, which other programs do not change; the least of
several.
"""

from __future__ import annotations

import argparse
import collections
import functools
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SETTINGS = ("data.demo_faces=1000", "monitor.diagnose=false", "name=cost")
_EPOCHS = 3
_LOOKUPS = ("exists", "is_file", "is_dir", "stat", "open", "read_bytes", "create", "replace_with",
            "truncate", "touch", "unlink", "rmdir", "mkdir", "iterdir")  # fmt: skip


def main() -> int:
    """Measure; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = {"training": in_training(Path(folder)), "starting": at_start(Path(folder))}
    training, starting = figures["training"], figures["starting"]
    print(f"an epoch: {training['epoch']:.2f} s; checks in it {1000 * training['checks']:.1f} ms, "
          f"{training['checks'] / training['epoch']:.2%}; "
          f"at the most by {', '.join(training['most'])}")  # fmt: skip
    print(f"import of TensorFlow: {starting['import of TensorFlow']:.2f} s")
    for name, seconds in starting.items():
        fraction = seconds / starting["import of TensorFlow"]
        print(f"  {name:42}{1000 * seconds:9.2f} ms{fraction:9.2%}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


class Meter:
    """Sums the processor time of functions; one that another one calls counts once."""

    def __init__(self) -> None:
        self.seconds: collections.Counter[str] = collections.Counter()
        self._inside = False

    def watch(self, owner: Any, name: str) -> None:
        """Time `owner.name` from now on."""
        real = getattr(owner, name)

        @functools.wraps(real)
        def call(*arguments: Any, **more: Any) -> Any:
            if self._inside:
                return real(*arguments, **more)
            self._inside, before = True, time.process_time()
            try:
                return real(*arguments, **more)
            finally:
                self._inside = False
                self.seconds[name] += time.process_time() - before

        setattr(owner, name, call)


def in_training(folder: Path) -> dict[str, Any]:
    """Seconds of an epoch, and of the checks in it; what an epoch does beyond the first counts."""
    from ferkeras.cli.quiet import import_tensorflow

    import_tensorflow()
    from ferkeras.files.inner import InnerPath
    from ferkeras.files.made import Made
    from ferkeras.fit.__main__ import main as fit
    from ferkeras.training.progress import EpochLine

    meter = Meter()
    for name in _LOOKUPS:
        meter.watch(InnerPath, name)
    for name in ("expect", "remove"):
        meter.watch(Made, name)
    ends: list[tuple[float, float]] = []
    printed = EpochLine.on_epoch_end

    def on_epoch_end(self: Any, *arguments: Any, **more: Any) -> Any:
        result = printed(self, *arguments, **more)
        ends.append((time.process_time(), sum(meter.seconds.values())))
        return result

    EpochLine.on_epoch_end = on_epoch_end  # type: ignore[method-assign]
    code = fit([*_SETTINGS, f"train.epochs={_EPOCHS}", f"output.folder={folder}"])
    assert code == 0, code
    epochs = list(itertools.pairwise(ends))
    whole, checks = (min(b[at] - a[at] for a, b in epochs) for at in (0, 1))
    most = [f"{name} {seconds:.3f} s" for name, seconds in meter.seconds.most_common(3)]
    return {"epoch": whole, "checks": checks, "most": most}


def at_start(folder: Path) -> dict[str, float]:
    """Processor seconds of what verbs do first."""
    from ferkeras.files.writing import demand_room
    from ferkeras.metrics.predictions import read_predictions
    from ferkeras.predict.network import load_network
    from ferkeras.runs.conditions import changed_conditions
    from ferkeras.runs.finished import open_run
    from ferkeras.runs.lock import exclusive_lock
    from ferkeras.runs.unfinished import reopened

    (path,) = folder.glob("cost-*")
    finished = open_run(path)

    def lock() -> None:
        with exclusive_lock(path):
            pass

    def take_up() -> None:
        with reopened(finished.run):
            pass

    load_network(path)
    return {
        "import of TensorFlow": _of_a_process("import tensorflow"),
        "opening a run": _least(lambda: open_run(path)),
        "finding room on the disk": _least(lambda: demand_room(path)),
        "locking a folder": _least(lock),
        "taking a run up again, looked at twice": _least(take_up),
        "comparing its conditions with these": _least(
            lambda: changed_conditions(finished.environment, finished.config)
        ),
        "reading its predictions": _least(
            lambda: read_predictions(finished.run.predictions, finished.task.classes)
        ),
        "loading a LiteRT file that is known": _least(lambda: load_network(path)),
        "trying a LiteRT file of a stranger, once": _of_a_trial(path),
    }


def _least(work: Callable[[], object], times: int = 20) -> float:
    found = []
    for _ in range(times):
        before = time.process_time()
        work()
        found.append(time.process_time() - before)
    return min(found)


def _of_a_process(program: str) -> float:
    return _least_of_children(
        lambda: subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    )


def _of_a_trial(path: Path) -> float:
    from ferkeras.runs import litert_check

    content = (path / "export" / "model.tflite").read_bytes()
    litert_check._is_known = lambda claim: False
    return _least_of_children(lambda: litert_check.check_litert(content, path, "abcdefg"))


def _least_of_children(work: Callable[[], object]) -> float:
    found = []
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        work()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


if __name__ == "__main__":
    sys.exit(main())
