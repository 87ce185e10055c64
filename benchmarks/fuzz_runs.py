"""Give every verb run folders of strangers: thousands of altered files, and see how each ends.

    python benchmarks/fuzz_runs.py --mutations 2000 [--only best.keras] [--json FILE]

A tiny run is trained, evaluated, exported and cut off once. Then each file that a verb reads back
(`environment.json`, `metrics.json`, `calibration.json`, `history.csv`, `config.yaml`,
`predictions.npz`, `best.keras`, `last.keras`, `model.tflite`, `exports.json`,
`evaluation-validation.json`, a checkpoint, `.ferkeras-made.json`, the lock, an ablation's
`study.db`) is altered again and again, by its structure (JSON: values of other types, keys that
are missing, numbers out of range, deep nests; npz: dtypes, shapes, headers, members, packing;
keras: bytes of the archive and of the weights; tflite: bytes, trailer, names, provenance;
CSV and YAML: cells, lines, quotes) and by its bytes, and read by what the verbs read it with. A
child process reads many alterations in turn, within 2 GiB and 20 seconds each. Anything but a
value that is sound or an InputError of one sentence is a finding: another error, a process that
is killed, time, memory, or a file outside the run's folder that changed (a decoy tree beside it is
compared). Exit code 1 if there are any. `fuzz_verbs.py` gives alterations to whole verbs.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import copy
import hashlib
import io
import json
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

_SECONDS = 20
"""Of the processor."""
_GIVEN_UP = 120
"""Seconds by the clock after which a child is ended."""
_BYTES = 2 << 30
"""More than the process had when it had read the sound file."""
_TINY = (
    "data.demo_faces=200",
    "network.filters=[4,8]",
    "network.dense_units=[8]",
    "monitor.diagnose=false",
)
_WHOLE = ("train.epochs=1", "monitor.tensorboard=false", "name=tiny")
_CUT = ("train.epochs=2", "monitor.tensorboard=true", "checkpoint.every_steps=1", "name=cut")

_ODD_LINES = ('"', "&a [*a]", "!!python/object:os.system x", "- " * 500, "\t")

Mutate = Callable[[bytes, random.Random], bytes]

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, 10**400, -0.0, 0.5, 1e308, float("nan"), float("inf"),
    "", "x", "\x1b[2J", "a" * 5000, "../../mine", "\ud800", [], {}, [[]], [None], {"": None},
    [1, "a"], {"a": {"b": {"c": []}}},
)  # fmt: skip


def of_bytes(content: bytes, rng: random.Random) -> bytes:
    """Change, drop, double or move some bytes."""
    raw = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 40))):
        if not raw:
            break
        at = rng.randrange(len(raw))
        match rng.randrange(6):
            case 0:
                raw[at] ^= 1 << rng.randrange(8)
            case 1:
                raw[at] = rng.randrange(256)
            case 2:
                del raw[at : at + rng.choice((1, 4, 100, 5000))]
            case 3:
                raw[at:at] = rng.randbytes(rng.choice((1, 4, 100)))
            case 4:
                size = rng.choice((1, 2, 4, 8))
                raw[at : at + size] = rng.choice((b"\xff", b"\0", b"\x7f")) * size
            case _:
                del raw[at:]
    return bytes(raw)


def of_json(content: bytes, rng: random.Random) -> bytes:
    """Put other values, keys or nests at a random place of a document."""
    if rng.random() < 0.15:
        return of_bytes(content, rng)
    value = json.loads(content)
    for _ in range(rng.choice((1, 1, 1, 3))):
        value = _changed(value, rng)
    if rng.random() < 0.02:
        return b"[" * 100_000 + b"]" * 100_000
    return json.dumps(value).encode()


def _changed(value: Any, rng: random.Random) -> Any:
    if isinstance(value, (dict, list)) and value and rng.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = rng.choice(keys)
        match rng.randrange(8):
            case 0:
                del value[key]
            case 1 if isinstance(value, dict):
                value[f"{key}x"] = value.pop(key)
            case 2 if isinstance(value, list):
                value.append(value[key])
            case _:
                value[key] = _changed(value[key], rng)
        return value
    return copy.deepcopy(rng.choice(_VALUES))


def of_text(content: bytes, rng: random.Random) -> bytes:
    """Change cells, keys and lines of a table or a configuration."""
    if rng.random() < 0.2:
        return of_bytes(content, rng)
    lines = content.decode().split("\n")
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randrange(len(lines))
        odd = str(rng.choice(_VALUES)).encode("utf-8", "replace").decode()
        match rng.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 2:
                cells = lines[at].split(",")
                cells[rng.randrange(len(cells))] = odd
                lines[at] = ",".join(cells)
            case 3:
                key, sign, _ = lines[at].partition(":")
                lines[at] = f"{key}{sign} {odd}"
            case 4:
                lines[at] = rng.choice(
                    ('"', "&a [*a]", "!!python/object:os.system x", "- " * 500, "\t")
                )
            case 5:
                lines[at] += "," * rng.choice((1, 5000))
            case _:
                lines[at] = " " * rng.randrange(4) + lines[at]
        lines = lines or [""]
    return "\n".join(lines).encode()


def of_npz(content: bytes, rng: random.Random) -> bytes:
    """Change dtypes, shapes, values, members or the archive of NumPy arrays."""
    if rng.random() < 0.3:
        return of_bytes(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    match rng.randrange(7):
        case 0:
            del members[name]
        case 1:
            members[name] = of_bytes(members[name], rng)
        case 2:
            members[name] = _npy(_array(rng))
        case 3:
            header = str(
                {
                    "descr": rng.choice(("<f4", "<f8", "|O", "<U9", "<M8[s]", "|V4", "<f2", "[")),
                    "fortran_order": rng.random() < 0.5,
                    "shape": rng.choice(((10**12,), (2**40, 2**40), (-1,), (3, 7), (), (0,))),
                }
            ).encode()
            members[name] = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + bytes(64)
        case 4:
            members[name] = bytes(rng.choice((0, 10, 50 << 20)))
        case 5:
            members[f"{name}x"] = members.pop(name)
        case _:
            members[name] = members[name][:128] + of_bytes(members[name][128:], rng)
    target = io.BytesIO()
    packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(target, "w", packing) as archive:
        for each, data in members.items():
            archive.writestr(each, data)
    return target.getvalue()


def _array(rng: random.Random) -> np.ndarray:
    shape = rng.choice(((), (0,), (1,), (5,), (5, 7), (40, 7), (2, 3, 4)))
    values = np.full(shape, rng.choice((0, 1, -1, 99, 1e30)))
    kind = rng.choice((np.float32, np.float64, np.int32, np.int8, bool, complex, "S3", "U3"))
    with np.errstate(invalid="ignore"):
        array = values.astype(np.float64).astype(kind)
    if array.dtype.kind == "f" and array.size and rng.random() < 0.5:
        array.reshape(-1)[0] = rng.choice((np.nan, np.inf, -np.inf))
    return array


def _npy(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    np.save(target, array, allow_pickle=False)
    return target.getvalue()


def of_keras(content: bytes, rng: random.Random) -> bytes:
    """Change the archive, a member or the weights inside."""
    if rng.random() < 0.2:
        return of_bytes(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(["model.weights.h5", "model.weights.h5", *members])
    match rng.randrange(5):
        case 0:
            del members[name]
        case 1:
            members["../../mine"] = b"x"
        case 2:
            members[name] = bytes(rng.choice((0, 100, 20 << 20)))
        case _:
            members[name] = of_bytes(members[name], rng)
    target = io.BytesIO()
    with zipfile.ZipFile(
        target, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    ) as out:
        for each, data in members.items():
            out.writestr(each, data)
    return target.getvalue()


def of_sqlite(content: bytes, rng: random.Random) -> bytes:
    """Change the plan of an ablation in its database, or the database."""
    if rng.random() < 0.4:
        return of_bytes(content, rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.db"
        path.write_bytes(content)
        with contextlib.closing(sqlite3.connect(path)) as base:
            match rng.randrange(4):
                case 0:
                    names = [name for (name,) in base.execute(
                        "select name from sqlite_master where type = 'table'"
                    )]  # fmt: skip
                    base.execute(f"drop table {rng.choice(names)}")
                case _:
                    key = "select value_json from study_user_attributes where key = 'plan'"
                    ((plan,),) = base.execute(key).fetchall()
                    base.execute(
                        "update study_user_attributes set value_json = ? where key = 'plan'",
                        (of_json(plan.encode(), rng).decode("utf-8", "replace"),),
                    )
            base.commit()
        return path.read_bytes()


def of_litert(content: bytes, rng: random.Random) -> bytes:
    """Change the graph, or the names and the provenance behind it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        start = min(member.header_offset for member in archive.infolist())
    graph = content[:start]
    match rng.randrange(6):
        case 0:
            return of_bytes(content, rng)
        case 1:
            members["about.json"] = of_json(members["about.json"], rng)
        case 2:
            members["labels.txt"] = of_text(members["labels.txt"], rng)
        case _:
            graph = of_bytes(graph, rng) if rng.random() < 0.5 else _of_flatbuffer(graph, rng)
    target = io.BytesIO()
    target.write(graph)
    with zipfile.ZipFile(target, "a") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def _of_flatbuffer(graph: bytes, rng: random.Random) -> bytes:
    """Change offsets, sizes and operator codes: 32-bit words of the tables at either end."""
    raw = bytearray(graph)
    for _ in range(rng.choice((1, 2, 6))):
        near = min(len(raw) // 4 - 1, 3000)
        at = 4 * rng.choice((rng.randrange(near), len(raw) // 4 - 1 - rng.randrange(near)))
        (word,) = struct.unpack_from("<I", raw, at)
        other = rng.choice((0, 1, 0xFFFFFFFF, 0x7FFFFFFF, word + 4, word - 4, word * 2, 1 << 20))
        struct.pack_into("<I", raw, at, other & 0xFFFFFFFF)
    return bytes(raw)


def of_checkpoint(content: bytes, rng: random.Random) -> bytes:
    """As `of_npz`, or change the state that a checkpoint holds as JSON."""
    if rng.random() < 0.5:
        return of_npz(content, rng)
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["state"] = np.frombuffer(of_json(arrays["state"].tobytes(), rng), np.uint8)
    target = io.BytesIO()
    np.savez(target, **arrays)
    return target.getvalue()


def readers(run: Path) -> dict[str, tuple[Path, Mutate, Callable[[], object]]]:
    """By name of the file: where it is, how it is altered, and what verbs read it with."""
    from ferkeras.ablate.ablation import Ablation
    from ferkeras.cli.errors import InputError
    from ferkeras.compare.comparison import load_compared
    from ferkeras.config.file import dump_config
    from ferkeras.export.model_card import model_card, write_model_card
    from ferkeras.files.made import MADE_FILE, Made
    from ferkeras.metrics.calibration import temperature_of
    from ferkeras.metrics.predictions import read_predictions
    from ferkeras.runs.conditions import changed_conditions
    from ferkeras.runs.finished import open_run
    from ferkeras.runs.history import read_history, read_so_far
    from ferkeras.runs.lock import LOCK_FILE, exclusive_lock
    from ferkeras.runs.record import Run
    from ferkeras.runs.teachers import record_of
    from ferkeras.runs.unfinished import reopened

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
        "history.csv": (of.history.path, of_text, lambda: read_history(of)),
        "predictions.npz": (of.predictions.path, of_npz, predicted),
        "model.tflite": (of.litert.path, of_litert, litert),
        "best.keras": (of.best.path, of_keras, network(of.best)),
        "last.keras": (of.last.path, of_keras, network(of.last)),
        "history.csv, of a search": (
            cut.history.path,
            of_text,
            lambda: read_so_far(cut.history, "val_accuracy"),
        ),
        "made": ((cut.inner / MADE_FILE).path, of_json, made),
        "lock": ((cut.inner / LOCK_FILE).path, of_bytes, locked),
        "study.db": (of.folder / "study" / "study.db", of_sqlite, joined),
        "checkpoint": (_checkpoint(cut), of_checkpoint, lambda: _newest(cut)),
        "checkpoint, restored": (_checkpoint(cut), of_checkpoint, _checkpoint_reader(cut)),
    }


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

    if name in ("best.keras", "last.keras", "checkpoint, restored"):
        import_tensorflow()
    path, mutate, read = readers(run)[name]
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


def _mapped() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _run(folder: Path) -> Any:
    from ferkeras.runs.record import Run

    return Run(folder)


def fuzz(template: Path, name: str, mutations: int) -> dict[str, Any]:
    """Read alterations in children; one that ends or hangs is replaced, and its last one noted."""
    counts: collections.Counter[str] = collections.Counter()
    findings: list[str] = []
    slowest, peak, number = 0.0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        decoy = base / "mine"
        decoy.mkdir()
        (decoy / "thesis.tex").write_text("years of work")
        while number < mutations:
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
                str(mutations),
            ]
            env = {**os.environ, "FERKERAS_CACHE": str(base / "cache"),
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
            if code and number < mutations:
                findings.append(f"{name} {number}: the process ended with {code}")
                counts["ended"] += 1
                number += 1
        left = sorted(path.name for path in base.iterdir())
        if left not in (
            ["cache", "config", "mine", "run"],
            ["mine", "run"],
            ["config", "mine", "run"],
        ):
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
    (run / "study").mkdir()
    subprocess.run([*command[:1], "-c", _STUDY, str(run)], **quiet)
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


def main() -> int:
    """Fuzz every file; print the table."""
    if sys.argv[1:2] == ["--here"]:
        run, name, first, last = sys.argv[2:]
        return read_many(Path(run), name, int(first), int(last))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutations", type=int, default=2000, help="of each file (default 2000)")
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
                row = fuzz(run, name, options.mutations)
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
