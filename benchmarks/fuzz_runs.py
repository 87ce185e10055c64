"""Give every verb run folders of strangers: thousands of altered files, and see how each ends.

    python benchmarks/fuzz_runs.py --mutations 2000 [--only best.keras] [--json FILE]

A tiny run is trained, evaluated, exported and cut off once. Then each file that a verb reads back
(`environment.json`, `metrics.json`, `calibration.json`, `history.csv`, `config.yaml`,
`predictions.npz`, `best.keras`, `last.keras`, `model.tflite`, `exports.json`,
`evaluation-validation.json`, a checkpoint, `.ferkeras-made.json`, the lock, an ablation's
`study.db`, a search's, an entry in the cache) is altered again and again, by its structure (JSON:
values of other types, keys that are missing, numbers out of range, deep nests; npz: dtypes, shapes,
headers, members, packing; keras: bytes of the archive and of the weights; tflite: bytes, trailer,
names, provenance; CSV and YAML: cells, lines, quotes; a database: its cells and tables) and by its
bytes, and read by what the verbs read it with. A child process reads many alterations in turn,
within 2 GiB and 20 seconds each. Anything but a value that is sound or an InputError of one
sentence is a finding: another error, a process that is killed, time, memory, or a file outside the
run's folder that changed (a decoy tree beside it is compared). Exit code 1 if there are any.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from mutations import (  # noqa: E402
    Mutate,
    of_bytes,
    of_checkpoint,
    of_json,
    of_keras,
    of_litert,
    of_npz,
    of_sqlite,
    of_text,
)

_SECONDS = 20
"""Of the processor."""
_GIVEN_UP = 120
"""Seconds by the clock after which a child is ended."""
_BYTES = 2 << 30
"""More than the process had when it had read the sound file."""
_KEY = "0123456789abcdef" * 4
"""Of an entry in the cache."""
_TINY = (
    "data.demo_faces=200",
    "network.filters=[4,8]",
    "network.dense_units=[8]",
    "monitor.diagnose=false",
)
_WHOLE = ("train.epochs=1", "monitor.tensorboard=false", "name=tiny")
_CUT = ("train.epochs=2", "monitor.tensorboard=true", "checkpoint.every_steps=1", "name=cut")


def readers(run: Path) -> dict[str, tuple[Path, Mutate, Callable[[], object]]]:
    """By name of the file: where it is, how it is altered, and what verbs read it with."""
    from ferkeras.ablate.ablation import Ablation
    from ferkeras.cli.console import Console
    from ferkeras.cli.errors import InputError
    from ferkeras.compare.comparison import load_compared
    from ferkeras.config.file import dump_config
    from ferkeras.data.cache import entries, location
    from ferkeras.export.card.model_card import model_card
    from ferkeras.export.folder import write_model_card
    from ferkeras.files.made import MADE_FILE, Made
    from ferkeras.metrics.calibration import temperature_of
    from ferkeras.metrics.predictions import read_predictions
    from ferkeras.runs.conditions import changed_conditions
    from ferkeras.runs.finished import open_run
    from ferkeras.runs.history import read_history, read_so_far
    from ferkeras.runs.lock import LOCK_FILE, exclusive_lock
    from ferkeras.runs.record import Run
    from ferkeras.runs.so_far import open_trained
    from ferkeras.runs.teachers import record_of
    from ferkeras.runs.unfinished import reopened
    from ferkeras.trackers.tracking import Tracking
    from ferkeras.training.history import CSVHistory

    of, cut = Run(run), Run(run / "cut")

    def opened() -> object:
        """All that verbs use of a run's records."""
        finished = open_run(run)
        finished.about().provenance_text()
        dump_config(finished.config)
        changed_conditions(finished.environment, finished.config)
        record_of([finished])
        load_compared([finished, finished])
        return model_card(finished, {})

    def predicted() -> object:
        found = read_predictions(of.predictions, open_run(run).task.classes)
        return found.metrics()

    def network(path: Any) -> Callable[[], object]:
        def read() -> object:
            from ferkeras.runs.network import load_network

            finished = open_run(run)
            model = load_network(finished.config, finished.environment, path)
            assert np.isfinite(model(np.zeros((1, 48, 48, 1), np.uint8))).all()
            return model

        return read

    def so_far() -> object:
        from ferkeras.runs.network import load_trained

        found = load_trained(open_trained(cut.folder))
        found.finished.about().provenance_text()
        return found

    def cached() -> object:
        found = entries.load(_KEY)
        assert found is None or (
            found.fingerprint == _read().fingerprint
            and (found.faces.images == _read().faces.images).all()
            and (found.faces.labels == _read().faces.labels).all()
            and found.faces.classes == _read().faces.classes
        )
        return found

    def litert() -> object:
        from ferkeras.predict.network import load_network

        answers = load_network(run)(np.zeros((3, 48, 48, 1), np.uint8))
        assert np.isfinite(answers).all()
        return answers

    def unfinished() -> object:
        with reopened(cut) as found:
            if found is not None and found.environment is not None:
                changed_conditions(found.environment, found.config)
            return found

    def made() -> object:
        keep = [path for path in cut.folder.iterdir() if path.is_file() and path.name != MADE_FILE]
        before = {path: path.read_bytes() for path in keep}
        try:
            return Made(cut.inner).remove([cut.best, cut.history])
        finally:
            gone = {path for path in keep if not path.exists()}
            for path in gone:
                path.write_bytes(before[path])
            assert gone <= {cut.best.path, cut.history.path}, gone

    def joined() -> object:
        ablation = Ablation.join(of.folder / "study")
        with contextlib.suppress(InputError):  # its training is not here
            ablation.runs()
        return ablation.failures(), ablation.hours(), ablation._next()

    def searched() -> object:
        from ferkeras.search.pictures import search_figures
        from ferkeras.search.report import _frame
        from ferkeras.search.study import Search

        search = Search.join(str(of.folder / "search"))
        search_figures(search)
        return [search.config(trial) for trial in search.best()], _frame(search), search._next()

    def tracked() -> object:
        finished, said = open_run(run), Console(io.StringIO())
        history = CSVHistory(cut.inner / "told.csv")
        return Tracking([_Tracker()], cut, finished.config, finished.environment, history, said)

    def locked() -> object:
        with exclusive_lock(cut.folder):
            return None

    evaluation = of.evaluation("validation") / "evaluation-validation.json"
    return {
        "environment.json": (of.environment.path, of_json, opened),
        "environment.json, resumed": (cut.environment.path, of_json, unfinished),
        "metrics.json": (of.metrics.path, of_json, opened),
        "config.yaml": (of.config.path, of_text, opened),
        "config.yaml, resumed": (cut.config.path, of_text, unfinished),
        "calibration.json": (of.calibration.path, of_json, lambda: temperature_of(of)),
        "exports.json": (
            (of.exports / "exports.json").path,
            of_json,
            lambda: write_model_card(of.exports, open_run(run), []),
        ),
        "evaluation-validation.json": (evaluation.path, of_json, opened),
        "history.csv": (of.history.path, of_text, lambda: read_history(open_run(run))),
        "predictions.npz": (of.predictions.path, of_npz, predicted),
        "model.tflite": (of.litert.path, of_litert, litert),
        "best.keras": (of.best.path, of_keras, network(of.best)),
        "last.keras": (of.last.path, of_keras, network(of.last)),
        "history.csv, of a search": (
            cut.history.path,
            of_text,
            lambda: read_so_far(cut.history, "val_accuracy"),
        ),
        "history.csv, unfinished": (cut.history.path, of_text, lambda: open_trained(cut.folder)),
        "best.keras, unfinished": (cut.best.path, of_keras, so_far),
        "cache entry": (
            run / "cache" / location.FOLDER / f"faces-v{location.READER_VERSION}-{_KEY}.npy",
            of_bytes,
            cached,
        ),
        "made": ((cut.inner / MADE_FILE).path, of_json, made),
        "trackers.json": (cut.trackers.path, of_json, tracked),
        "lock": ((cut.inner / LOCK_FILE).path, of_bytes, locked),
        "study.db": (of.folder / "study" / "study.db", of_sqlite, joined),
        "study.db, of a search": (of.folder / "search" / "study.db", of_sqlite, searched),
        "checkpoint": (_checkpoint(cut), of_checkpoint, lambda: _newest(cut)),
        "checkpoint, restored": (_checkpoint(cut), of_checkpoint, _checkpoint_reader(cut)),
    }


class _Tracker:
    """Knows a run by any name that is one."""

    name = "mlflow"

    def begin(self, training: Any, known: str | None) -> str:
        assert known is None or re.fullmatch(r"[\w-]{1,100}", known), known
        return known or "new"

    def last_epoch(self) -> int:
        return 0

    def place(self) -> str:
        return "nowhere"


def _read() -> Any:
    """A reading, as it is kept in the cache."""
    from ferkeras.data.digests import fingerprint_of
    from ferkeras.data.faces import Faces, ReadFaces
    from ferkeras.data.presets.fer2013 import FER2013

    images = np.arange(20 * 48 * 48, dtype=np.uint8).reshape(20, 48, 48, 1)
    faces = Faces(images, np.arange(20, dtype=np.int32) % 7, FER2013.classes)
    usage = np.ones(20, np.int8)
    return ReadFaces(faces, usage, "", fingerprint_of(faces, usage), None, "a table")


def _checkpoint(run: Any) -> Path:
    return max(path.path for path in run.checkpoints.iterdir())


def _checkpoint_reader(run: Any) -> Callable[[], object]:
    """Read the newest checkpoint and put it into a training, whose state stays afterwards."""
    made: list[Any] = []

    def read() -> object:
        from ferkeras.cli.console import Console
        from ferkeras.cli.signals import StopRequest
        from ferkeras.config.file import load_config
        from ferkeras.data.load import load_splits
        from ferkeras.training.callbacks import build_callbacks
        from ferkeras.training.checkpoints import CheckpointFolder
        from ferkeras.training.loop import TrainingLoop
        from ferkeras.training.setup import build_setup

        if not made:
            config, console = load_config(run.config), Console(io.StringIO())
            splits = load_splits(config, console)
            setup = build_setup(config, splits)
            callbacks = build_callbacks(config, setup, splits, run, console).callbacks
            folder = CheckpointFolder(run.checkpoints)
            made.append(TrainingLoop(config, setup, callbacks, folder, console, StopRequest()))
        _named_by_its_digest(run)
        return made[0].go_on()

    return read


def _named_by_its_digest(run: Any) -> None:
    """Name the checkpoint by the digest of what it holds now, as a forger would."""
    path = _checkpoint(run)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    path.rename(path.with_name(f"000009-{digest}.npz"))


def _newest(run: Any) -> object:
    from ferkeras.training.checkpoints import CheckpointFolder

    _named_by_its_digest(run)
    return CheckpointFolder(run.checkpoints).newest(lambda text: None)


def read_many(run: Path, name: str, first: int, last: int) -> int:
    """Alter and read in this process; print a line for each alteration, before and after."""
    import resource

    from ferkeras.cli.errors import InputError
    from ferkeras.cli.quiet import import_tensorflow

    # Some readers bring Keras along, which is not to be heard.
    import_tensorflow()
    if "keras" in name or name in ("checkpoint, restored", "trackers.json"):
        _build_once()
    path, mutate, read = readers(run)[name]
    if name == "cache entry":
        from ferkeras.data.cache import entries

        entries.store(_KEY, _read())
    sound = path.read_bytes()
    read()
    path = _checkpoint(_run(run / "cut")) if name.startswith("checkpoint") else path
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_mapped() + _BYTES, hard))
    for number in range(first, last):
        rng = random.Random(f"{name} {number}")
        if name.startswith("checkpoint"):
            path = _checkpoint(_run(run / "cut"))
        path.write_bytes(mutate(sound, rng))
        print(f"begin {number}", flush=True)
        before = time.process_time()
        try:
            read()
            result = "read"
        except InputError as error:
            text = str(error)
            result = "refused" if text.replace("\n", "").isprintable() else f"unprintable {text!r}"
        except BaseException as error:
            result = f"{type(error).__name__}: {str(error)[:150]!r}"
        seconds = time.process_time() - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"end {number} {seconds:.2f} {peak} {result}", flush=True)
    return 0


def _build_once() -> None:
    """Let networks be built once a process: a file alters their weights alone."""
    from ferkeras.runs import network

    for name in ("build_network", "served_network"):
        real, kept = getattr(network, name), []

        def once(*arguments: Any, real: Any = real, kept: list[Any] = kept, **more: Any) -> Any:
            kept[:] = kept or [real(*arguments, **more)]
            return kept[0]

        setattr(network, name, once)


def _mapped() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _run(folder: Path) -> Any:
    from ferkeras.runs.record import Run

    return Run(folder)


def fuzz(template: Path, name: str, mutations: int, first: int = 0) -> dict[str, Any]:
    """Read alterations in children; one that ends or hangs is replaced, and its last one noted."""
    last = first + mutations
    counts: collections.Counter[str] = collections.Counter()
    findings: list[str] = []
    slowest, peak, number = 0.0, 0, first
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        decoy = base / "mine"
        decoy.mkdir()
        (decoy / "thesis.tex").write_text("years of work")
        while number < last:
            run = base / "run"
            shutil.rmtree(run, ignore_errors=True)
            shutil.copytree(template, run)
            command = [
                sys.executable,
                __file__,
                "--here",
                str(run),
                name,
                str(number),
                str(last),
            ]
            env = {**os.environ, "FERKERAS_CACHE": str(run / "cache"),
                   "XDG_CONFIG_HOME": str(base / "config"), "PYTHONPATH": str(ROOT)}  # fmt: skip
            begun = None
            with tempfile.TemporaryFile("w+") as said:
                child = subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=said, text=True, env=env
                )
                watch = threading.Timer(_GIVEN_UP, child.kill)
                for line in child.stdout:
                    watch.cancel()
                    watch = threading.Timer(_GIVEN_UP, child.kill)
                    watch.start()
                    word, at, *rest = line.split(maxsplit=4)
                    if word == "begin":
                        begun = number = int(at)
                        continue
                    seconds, mib, result = float(rest[0]), int(rest[1]), rest[2].strip()
                    slowest, peak = max(slowest, seconds), max(peak, mib)
                    counts[result.partition(":")[0]] += 1
                    if result not in ("read", "refused") or seconds > _SECONDS:
                        findings.append(f"{name} {number}: {result} ({seconds:.1f} s, {mib} MiB)")
                    number = int(at) + 1
                watch.cancel()
                code = child.wait()
                said.seek(0)
                words = said.read().strip()
            if begun is None:
                raise RuntimeError(f"{name}: as it was made it cannot be read: {words[-2000:]}")
            if words:
                findings.append(f"{name} {begun}: printed on stderr: {words[-300:]}")
            if code and number < last:
                findings.append(f"{name} {number}: the process ended with {code}")
                counts["ended"] += 1
                number += 1
        left = sorted(path.name for path in base.iterdir())
        if not {"mine", "run"} <= {*left} <= {"mine", "run", "config"}:
            findings.append(f"{name}: made beside the run: {left}")
        if (decoy / "thesis.tex").read_text() != "years of work" or len(list(decoy.iterdir())) != 1:
            findings.append(f"{name}: the decoy changed")
    return {
        "file": name,
        "mutations": mutations,
        "read": counts["read"],
        "refused": counts["refused"],
        "findings": findings,
        "slowest_seconds": round(slowest, 2),
        "peak_mib": peak,
    }


def make_run(folder: Path) -> Path:
    """A finished run with every file that a verb reads back, and a checkpoint."""
    command = [sys.executable, "-m"]
    quiet = {"cwd": ROOT, "check": True, "stdout": subprocess.DEVNULL}
    settings = [*_TINY, *_WHOLE, f"output.folder={folder}"]
    subprocess.run([*command, "ferkeras.fit", *settings], **quiet)
    run = folder / "tiny-001"
    subprocess.run([*command, "ferkeras.evaluate", str(run), "--calibrate"], **quiet)
    settings = [*_TINY, *_CUT, f"output.folder={folder}"]
    subprocess.run([*command[:1], "-c", _CUT_OFF, *settings], **quiet)
    (folder / "cut-001").rename(run / "cut")
    told = {"mlflow": {"id": "6f1c0e8a4b7d4f0e9a3c5d2b1e0f9a8b", "healings": 0}}
    (run / "cut" / "trackers.json").write_text(json.dumps(told))
    for script in (_STUDY, _SEARCH):
        subprocess.run([*command[:1], "-c", script, str(run)], **quiet)
    return run


_CUT_OFF = """
import os, sys
from ferkeras.training import checkpoints
real = checkpoints.CheckpointFolder.save
def save(self, checkpoint):
    path = real(self, checkpoint)
    if checkpoint.epoch == 2 and checkpoint.step:
        os._exit(0)
    return path
checkpoints.CheckpointFolder.save = save
from ferkeras.fit.__main__ import main
main(sys.argv[1:])
"""

_STUDY = """
import sys
from pathlib import Path
from optuna import create_trial
from optuna.distributions import IntDistribution
from ferkeras.ablate.ablation import Ablation
from ferkeras.ablate.plan import plan_variants
from ferkeras.config.file import load_config
from ferkeras.study.storage import join_study
run = Path(sys.argv[1])
plan = plan_variants(load_config(None), {"no ramp": {"schedule.dropout_from_epoch": 9}}, 1, None)
Ablation.begin(run / "study", plan)
join_study(run / "study").add_trial(create_trial(
    params={"arm": 0, "seed": 0},
    distributions={"arm": IntDistribution(0, 1), "seed": IntDistribution(0, 99)},
    user_attrs={"run": "none"}, value=0.5,
))
"""

_SEARCH = """
import sys
from pathlib import Path
from optuna import create_trial
from optuna.distributions import CategoricalDistribution, FloatDistribution
from ferkeras.config.file import load_config
from ferkeras.search.space import read_space
from ferkeras.search.study import Search, Task
from ferkeras.study.storage import join_study
run = Path(sys.argv[1])
space, _ = read_space(
    ["train.learning_rate=log(1e-4,1e-2)", "network.conv_dropout=[0.0,0.1]"], None
)
task = Task.of(load_config(None), space, ["accuracy"], {"parameters": 1e6}, 9, "median", 2)
Search.begin(run / "search", None, task)
for number in range(5):
    join_study(run / "search").add_trial(create_trial(
        params={"train.learning_rate": 1e-3 / (1 + number), "network.conv_dropout": "0.1"},
        distributions={
            "train.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
            "network.conv_dropout": CategoricalDistribution(["0.0", "0.1"]),
        },
        user_attrs={"run": "none", "figures": {"minutes": 1.0, "accuracy": 0.5}},
        system_attrs={"constraints:parameters": -0.5},
        value=0.5 + 0.01 * number,
    ))
"""


def main() -> int:
    """Fuzz every file; print the table."""
    if sys.argv[1:2] == ["--here"]:
        run, name, first, last = sys.argv[2:]
        return read_many(Path(run), name, int(first), int(last))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutations", type=int, default=2000, help="of each file (default 2000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--only", default="", help="only files whose name contains this")
    parser.add_argument("--run", type=Path, help="a run that an earlier call made here")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        run = options.run / "tiny-001" if options.run else Path(temporary) / "tiny-001"
        if not run.exists():
            make_run(run.parent)
        for name in readers(run):
            if options.only in name:
                row = fuzz(run, name, options.mutations, options.first)
                rows.append(row)
                print(
                    f"{name:28}{row['mutations']:6} altered{row['read']:6} read"
                    f"{row['refused']:6} refused{len(row['findings']):5} findings"
                    f"{row['slowest_seconds']:7.2f} s{row['peak_mib']:6} MiB",
                    flush=True,
                )
                for finding in row["findings"][:10]:
                    print(f"    {finding}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 1 if any(row["findings"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
