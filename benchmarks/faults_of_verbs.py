"""Break every write and every phase of every verb, and see how it ends.

    python benchmarks/faults_of_verbs.py [--only VERB] [--json FILE]

Each verb is run once on a tiny run, by its own main in a process forked from one that has imported
everything. Before each step on the disk (a file or folder is made, a finished file gets its name)
and at each phase (faces are read, a network is loaded, a page is made, something is printed) that
process is forked once per fault, and the fork meets it there: no space left, a read-only file
system, no right to write, SIGTERM, SIGINT, SIGHUP. Its folder is put back as it was, and the verb
goes on to the next step. Asked of each end: exit code 1 or 2, or 128 plus the signal (0 where only
a cache could not be written); one sentence on stderr and no traceback; no file left under a
temporary name. Beside that, each verb is run without a folder for temporary files, in folders that
are read-only, and on a disk of its own (tmpfs) that is full but for some bytes once the verb has
found room on it: a file that is there then must be whole. `search` and `ablate` write to a database
besides, and must go on after each end: see faults_of_studies.py. Signals between the steps of a
training, where the state is saved first, are for faults.py and kill_and_resume.py. Needs root on
Linux. Exit code 1 if any end is not as it should be.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import ctypes
import errno
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator, Set
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import faults_of_studies as studies  # noqa: E402
from fuzz_runs import make_run  # noqa: E402

FAULTS: dict[str, int] = {
    "no space": errno.ENOSPC,
    "read-only": errno.EROFS,
    "no right": errno.EACCES,
    "SIGTERM": -signal.SIGTERM,
    "SIGINT": -signal.SIGINT,
    "SIGHUP": -signal.SIGHUP,
}
"""What happens: an error number, or a signal as a negative number."""
_FEW = ("no space", "SIGTERM", "SIGINT")
"""Of them, those that a database meets, each time in a process of its own, and a training of a
study, which is the one of `fit`."""

_OF_A_STUDY = " of a training of a study"

VERBS: dict[str, list[str]] = {
    "compare": ["RUN", "RUN", "--output", "BASE/out.html"],
    "predict": ["RUN", "RUN/curves.png", "--no-detect", "--draw", "BASE/drawn"],
    "check_data": ["demo", "--output", "BASE/checked"],
    "evaluate": ["RUN", "--calibrate"],
    "export": ["RUN", "--format", "saved_model", "--output", "BASE/exported"],
    "lr_find": ["data.demo_faces=200", "--steps", "20", "--output", "BASE/found"],
    "publish": ["RUN", "BASE/published"],
    "diagnose": ["RUN"],
    "fit": ["--resume", "RUN/cut"],
    **studies.STUDIES,
}

PHASES = (
    "ferkeras.data.load.load_splits",
    "ferkeras.data.load.load_faces",
    "ferkeras.check_data.report.print_check",
    "ferkeras.check_data.check.check_material",
    "ferkeras.runs.network.load_trained",
    "ferkeras.runs.network.load_network",
    "ferkeras.compare.page.compare_page",
    "ferkeras.evaluate.assessment.assess",
    "ferkeras.diagnose.diagnosis.diagnose",
    "ferkeras.lr_find.range_test.lr_range_test",
    "ferkeras.fit.report.write_run_report",
    "ferkeras.search.cost.cost_of",
    "ferkeras.search.report.report",
    "ferkeras.search.pictures.search_figures",
    "ferkeras.ablate.report.report",
    "ferkeras.ablate.page.ablation_page",
    "ferkeras.fit.brief.train_one",
    "ferkeras.study.storage.join_study",
    "ferkeras.study.storage.create_study",
    "ferkeras.study.storage.take_from_the_dead",
    "ferkeras.study.trials.trials_of",
)
"""Functions whose beginning is a phase of a verb."""

_SECONDS = 20
_WARM = (
    "ferkeras.evaluate.report", "ferkeras.export.formats", "ferkeras.publish.publication",
    "ferkeras.compare.page", "ferkeras.compare.report", "ferkeras.diagnose.report",
    "ferkeras.diagnose.run_case", "ferkeras.fit.run", "ferkeras.fit.outcome",
    "ferkeras.predict.predictions", "ferkeras.predict.drawing", "ferkeras.lr_find.report",
    "ferkeras.check_data.report", "ferkeras.check_data.material", "scipy.optimize", "pandas",
    "optuna", "optuna.storages", "ferkeras.ablate.report", "ferkeras.search.report",
    "ferkeras.search.confirm",
)  # fmt: skip

Tree = dict[str, bytes]


class Breaker:
    """Forks the process at every event, once per fault, and notes how the fork ends.

    Args:
        base: the verb's folder.
        said: file for what the fork says.
        report: file for the ends, as JSON.
        alone: event and fault which this process meets itself, and no fork.
        look: finds what is amiss in the folder after each end.
    """

    def __init__(
        self,
        base: Path,
        said: Path,
        report: Path,
        alone: tuple[str, str] | None = None,
        look: Callable[[], list[str]] | None = None,
    ) -> None:
        self.base, self._said, self._report, self._alone = base, said, report, alone
        self._look = look
        self._seen: collections.Counter[str] = collections.Counter()
        self.inside = False

    def event(
        self, name: str, writes: bool, error: Callable[[int], Exception] | None = None
    ) -> None:
        """Meet every fault here, each in a fork; in one of them this raises.

        Args:
            name: of what is about to happen.
            writes: whether a disk can refuse it.
            error: what is raised then by its number, where a fork has not what it needs, as the
                locks of a database: a process of its own is to meet the fault.
        """
        if self.inside:
            return
        self._seen[name] += 1
        few = error is not None or _OF_A_STUDY in name
        # Progress and repeated steps of one kind: the first three tell.
        if self._seen[name] > (1 if few else 3):
            return
        where = f"{name} {self._seen[name]}"
        if self._alone is not None:
            if self._alone[0] == where:
                self._fail(where, FAULTS[self._alone[1]], error)
            return
        for fault, number in FAULTS.items():
            if number > 0 and not writes:
                continue
            if number < 0 and _between_steps():
                continue
            if few and fault not in _FEW:
                continue
            if error is None:
                self._meet(where, fault, number)
            else:
                self._note({"where": where, "fault": fault, "code": 98, "wrong": []})

    def _meet(self, where: str, fault: str, number: int) -> None:
        before = tree(self.base)
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            self._fail(where, number)
        code = ended(process)
        said = self._said.read_text("utf-8", "replace") if self._said.exists() else ""
        after = tree(self.base)
        row = judged(where, fault, code, said, after.keys() - before.keys())
        if code != 98 and self._look is not None:
            self.inside = True
            row["wrong"] += self._look()
            self.inside = False
        self._put_back(before, tree(self.base))
        self._note(row)

    def _note(self, row: dict[str, Any]) -> None:
        with self._report.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _fail(
        self, where: str, number: int, error: Callable[[int], Exception] | None = None
    ) -> None:
        self.inside = True
        descriptor = os.open(self._said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 2)
        if number > 0 and error is not None:
            raise error(number)
        if number > 0:
            raise OSError(number, os.strerror(number), where)
        os.kill(os.getpid(), -number)
        time.sleep(_SECONDS)
        os._exit(99)

    def _put_back(self, before: Tree, after: Tree) -> None:
        for name in after.keys() - before.keys():
            path = self.base / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for name, content in sorted(before.items()):
            path = self.base / name
            if name.endswith("/"):
                path.mkdir(exist_ok=True)
            elif after.get(name) != content:
                path.write_bytes(content)


def judged(where: str, fault: str, code: int, said: str, made: Set[str]) -> dict[str, Any]:
    """What there is to say of an end: its exit code, its words, the files that are new."""
    number, wrong = FAULTS[fault], []
    # What is kept for another time (cache, secret) is done without.
    spared = number > 0 and not where.startswith("*")
    # Of a store that refuses once, Optuna asks again.
    spared = spared or (number > 0 and where.startswith("*store"))
    if code not in ((0, 1, 2) if spared else (1, 2) if number > 0 else (128 - number,)):
        wrong.append(f"exit code {code}")
    if "Traceback" in said:
        wrong.append("traceback: " + said.strip()[-300:])
    elif number > 0 and code and said.count("error: ") != 1:
        wrong.append(f"said {said[-200:]!r}")
    elif number < 0 and not said.strip():
        wrong.append("said nothing")
    wrong += [f"left {name}" for name in sorted(made) if is_litter(name)]
    return {"where": where, "fault": fault, "code": code, "wrong": wrong, "said": said[-300:]}


def ended(process: int, seconds: float = _SECONDS) -> int:
    """Wait for a fork to end; 98 if it does not."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return 98


def tree(base: Path) -> Tree:
    """Every file below a folder with its content; folders end with a slash."""
    return {
        f"{path.relative_to(base)}/" if path.is_dir() else str(path.relative_to(base)): b""
        if path.is_dir() or path.name.endswith(".lock")
        else path.read_bytes()
        for path in base.rglob("*")
    }


def _between_steps() -> bool:
    """Whether signals are collected, as between the steps of a training."""
    handler = signal.getsignal(signal.SIGINT)
    return getattr(handler, "__qualname__", "").startswith("stop_requests")


def hook(breaker: Breaker) -> None:
    """Call the breaker before each step on the disk and at each phase."""
    from ferkeras.cli import console, heartbeat
    from ferkeras.files import inner
    from ferkeras.study import storage

    def named(what: str, path: Path) -> str:
        if not path.is_relative_to(breaker.base):
            return f"{what} {kind(path.name)}"
        inside = path.is_relative_to(breaker.base / "study" / "runs")
        return f"*{what} {kind(path.name)}{_OF_A_STUDY if inside else ''}"

    def before(owner: Any, name: str, title: Callable[..., str], writes: bool) -> None:
        real = getattr(owner, name)

        def call(*arguments: Any, **more: Any) -> Any:
            breaker.event(title(*arguments, **more), writes)
            return real(*arguments, **more)

        setattr(owner, name, call)

    # Before the folder is opened: a fork may remove it, and it is put back as another one.
    before(inner.InnerPath, "create", lambda s, *m: named("file in", s.path.parent), True)
    before(inner.InnerPath, "mkdir", lambda s, *m, **k: named("folder", s.path), True)
    before(inner.InnerPath, "replace_with", lambda s, other: named("name", s.path), True)
    # A fork has no second thread, but the locks that one held.
    heartbeat.Heartbeat.__init__ = lambda *arguments: None  # type: ignore[method-assign]
    heartbeat.Heartbeat.stop = lambda self: None  # type: ignore[method-assign]
    storage.HEARTBEAT_SECONDS = 3600
    studies.hook_store(breaker.event)
    before(console.Console, "print", lambda s, *a, **k: "printing", False)
    for place in PHASES:
        module, _, name = place.rpartition(".")
        owner, title = importlib.import_module(module), f"phase {name}"
        real = getattr(owner, name)
        before(owner, name, lambda *a, title=title, **k: title, False)
        # Where it was imported by its name.
        for each in list(sys.modules.values()):
            ours = getattr(each, "__name__", "").startswith("ferkeras")
            if ours and vars(each).get(name) is real:
                setattr(each, name, getattr(owner, name))


def kind(name: str) -> str:
    """A file's name without what differs from run to run."""
    return re.sub(r"[0-9a-f]{16,}|tmp\w{8}", "...", name)


def forked(
    verb: str, base: Path, said: Path, before: Callable[[], None] = lambda: None
) -> tuple[int, str]:
    """Run a verb's main in a fork; its exit code and what it said on stderr."""
    process = os.fork()
    if process == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        code = 97
        try:
            os.chdir(base)
            before()
            main = importlib.import_module(f"ferkeras.{verb}.__main__").main
            code = main(arguments(verb, base))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return code, said.read_text("utf-8", "replace")


def look_at_study(verb: str, base: Path) -> Callable[[], list[str]] | None:
    """What finds, in a fork, why a study cannot be gone on with; None for other verbs."""
    if verb not in studies.STUDIES:
        return None

    def look() -> list[str]:
        reader, writer = os.pipe()
        process = os.fork()
        if process == 0:
            try:
                found = studies.amiss(verb, base / "study")
            except BaseException:
                found = [traceback.format_exc()[-600:]]
            os.write(writer, json.dumps(found).encode())
            os._exit(0)
        os.close(writer)
        code = ended(process, 10 * _SECONDS)
        with os.fdopen(reader) as file:
            return json.loads(file.read()) if code == 0 else [f"looking at it ended with {code}"]

    return look


def gone_on(verb: str, base: Path, template: Path, said: Path) -> list[str]:
    """Say the same command again where a study met a fault: it is to come to its end."""

    def soon() -> None:
        from ferkeras.study import storage

        storage.GRACE_SECONDS = 1

    code, words = forked(verb, base, said, soon)
    wrong = [f"again: exit code {code}, {words[-300:]}"] if code or "Traceback" in words else []
    return wrong or studies.differences(verb, base / "study", template / "whole")


def prepare(verb: str, template: Path, base: Path, done: bool = False) -> None:
    """Put what a verb works on into its folder; for a study, with `done`, every training."""
    if verb in studies.STUDIES:
        studies.copy(template, base, done)
    else:
        shutil.copytree(template, base / "tiny-001")


def without_a_temporary_folder(base: Path) -> None:
    """Let every search for one fail."""

    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    tempfile.tempdir = None
    tempfile._get_default_tempdir = none


def read_only(base: Path) -> None:
    """Let no folder be written to, and give up being above that, as root is."""
    for path in (base, *base.rglob("*")):
        if path.is_dir():
            path.chmod(0o555)
    libc = ctypes.CDLL(None, use_errno=True)
    version = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(version, sets) == 0:
        for each in (0, 1):  # effective, permitted
            sets[each] &= ~(1 << _CAP_DAC_OVERRIDE)
        assert libc.capset(version, sets) == 0, os.strerror(ctypes.get_errno())


_CAPABILITIES_VERSION, _CAP_DAC_OVERRIDE = 0x20080522, 1
GROUNDS = {"no temporary folder": without_a_temporary_folder, "read-only folder": read_only}


def on_bad_ground(verb: str, template: Path) -> list[dict[str, Any]]:
    """Run a verb where something is amiss from the beginning."""
    rows = []
    for name, spoil in GROUNDS.items():
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder) / "base"
            base.mkdir()
            prepare(verb, template, base)
            before = tree(base)
            code, said = forked(verb, base, Path(folder) / "own", partial(spoil, base))
            wrong = ["traceback: " + said.strip()[-300:]] if "Traceback" in said else []
            if spoil is read_only:
                wrong += [] if code in (1, 2) and said.count("error: ") == 1 else [f"exit {code}"]
                wrong += ["changed something"] if tree(base) != before else []
            elif code not in (0, 1):
                wrong.append(f"exit {code}")
            rows.append({"where": name, "fault": name, "code": code, "wrong": wrong,
                         "said": said[-300:]})  # fmt: skip
    return rows


_LEFT = (7 << 20, 0, 3_000, 20_000, 100_000, 400_000)
"""Bytes that are left on a disk: first enough, so that the verb ends as it does usually."""


def on_a_full_disk(verb: str, template: Path) -> list[dict[str, Any]]:
    """Run a verb on a disk that fills up after the verb has looked whether there is room."""
    rows: list[dict[str, Any]] = []
    for left in (*_LEFT, None):
        with _small_disk(sum(map(len, tree(template).values()))) as disk:
            elsewhere = disk.parent / "elsewhere"
            elsewhere.mkdir()
            # The results are on it, or temporary files alone.
            base = elsewhere if left is None else disk
            prepare(verb, template, base)
            before, said = tree(base), disk.parent / "said"

            def fill(left: int | None = left, disk: Path = disk) -> None:
                if left is None:
                    tempfile.tempdir = str(disk)
                    _fill(disk, 0)
                else:
                    _fill_once_there_was_room(disk, left)

            code, words = forked(verb, base, said, fill)
            after = {name: data for name, data in tree(base).items() if "ballast" not in name}
            wrong = ["traceback: " + words.strip()[-300:]] if "Traceback" in words else []
            usual = rows[0]["code"] if rows else code
            if code not in (0, 1, 2) or (code != usual and words.count("error: ") != 1):
                wrong.append(f"exit {code}, said {words[-300:]!r}")
            wrong += [f"left {name}" for name in after.keys() - before if is_litter(name)]
            wrong += [f"not whole: {name}" for name in after if not is_whole(base / name)]
            wrong += [f"gone: {name}" for name in before.keys() - after if verb != "fit"]
            if verb in studies.STUDIES:
                (disk / "ballast").unlink(missing_ok=True)
                wrong += gone_on(verb, base, template, said)
            where = "temporary folder" if left is None else f"{left:,} bytes left"
            rows.append({"where": where, "fault": "full disk", "code": code, "wrong": wrong,
                         "said": words[-300:]})  # fmt: skip
    return rows


@contextlib.contextmanager
def _small_disk(size: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "disk"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size + (8 << 20)}", "tmpfs", str(disk)]
        subprocess.run(command, check=True)
        try:
            yield disk
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def _fill(disk: Path, left: int) -> None:
    """Leave so many bytes on a disk, or a page less."""
    state = os.statvfs(disk)
    free = state.f_bavail * state.f_frsize
    if free > left:
        with contextlib.suppress(OSError), (disk / "ballast").open("ab", buffering=0) as file:
            file.write(bytes(free - left))


def _fill_once_there_was_room(disk: Path, left: int) -> None:
    from ferkeras.files import writing

    real = writing.demand_room

    def demand_room(folder: Any) -> None:
        real(folder)
        _fill(disk, left)

    for each in list(sys.modules.values()):
        ours = getattr(each, "__name__", "").startswith("ferkeras")
        if ours and vars(each).get("demand_room") is real:
            each.demand_room = demand_room  # type: ignore[attr-defined]


def is_litter(name: str) -> bool:
    """Whether a name is that of a file which was to get another one."""
    return ".ferkeras-" in name and "made" not in name


def is_whole(path: Path) -> bool:
    """Whether a file is to its end what its name says."""
    try:
        match path.suffix:
            case ".json":
                json.loads(path.read_bytes())
            case ".npz" | ".keras" | ".tflite":
                with zipfile.ZipFile(path) as archive:
                    return archive.testzip() is None
            case ".png":
                with Image.open(path) as image:
                    image.load()
            case ".html":
                return path.read_bytes().rstrip().endswith(b"</html>")
            case ".csv" | ".yaml" | ".md":
                return path.read_bytes().endswith(b"\n")
            case ".pb":
                return path.stat().st_size > 0
    except (ValueError, OSError, zipfile.BadZipFile):
        return False
    return True


def arguments(verb: str, base: Path) -> list[str]:
    """What a verb is called with."""
    run = str(base / "tiny-001")
    return [each.replace("RUN", run).replace("BASE", str(base)) for each in VERBS[verb]]


def broken(verb: str, template: Path) -> list[dict[str, Any]]:
    """Run a verb to its end and break it everywhere on the way."""
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for row in _run(verb, template):
        # A fork has the locks of TensorFlow's threads and not the threads: where it died of
        # that, the fault is met once more by a process that has them.
        if row["code"] in (-signal.SIGSEGV, -signal.SIGABRT, 98):
            # Of each kind of place one study is gone on with to its end.
            again = verb in studies.STUDIES and not seen & {row["where"].rpartition(" ")[0]}
            seen.add(row["where"].rpartition(" ")[0])
            done = "store" in row["where"]
            rows += _run(verb, template, (row["where"], row["fault"]), again, done)
        else:
            rows.append(row)
    return rows


def _run(
    verb: str,
    template: Path,
    alone: tuple[str, str] | None = None,
    again: bool = False,
    done: bool = False,
) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        base.mkdir()
        prepare(verb, template, base, done)
        report, said, own = (Path(folder) / name for name in ("report", "said", "own"))
        report.touch()
        before, look = tree(base), look_at_study(verb, base)
        code, words = forked(
            verb, base, own, lambda: hook(Breaker(base, said, report, alone, look))
        )
        if alone is not None and not said.exists():
            # It is met only where there is something to train, or where that takes long.
            return _run(verb, template, alone, again) if done else []
        if alone is not None:
            words = said.read_text("utf-8", "replace")
            row = judged(*alone, code, words, tree(base).keys() - before.keys())
            row["wrong"] += look() if look is not None else []
            row["wrong"] += gone_on(verb, base, template, own) if again else []
            return [row]
        rows = [json.loads(line) for line in report.read_text().splitlines()]
        if code not in (0, 1):
            rows.append(
                {"where": "its end", "fault": "none", "code": code, "wrong": [words[-500:]]}
            )
    return rows


def main() -> int:
    """Break every verb; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="only verbs whose name contains this")
    parser.add_argument("--run", type=Path, help="a run that fuzz_runs.py made here")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    # A shell may have begun this with signals ignored, which a verb would leave so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp()
    from ferkeras.cli.quiet import import_tensorflow

    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        template = options.run / "tiny-001" if options.run else make_run(Path(temporary))
        import_tensorflow()
        for module in (*_WARM, *(f"ferkeras.{verb}.__main__" for verb in VERBS)):
            importlib.import_module(module)
        for verb in VERBS:
            if options.only not in verb:
                continue
            if verb in studies.STUDIES:
                template = (options.run or Path(temporary)) / verb
                if not template.exists():
                    studies.make_study(verb, template)
            rows = found[verb] = [
                *broken(verb, template),
                *on_bad_ground(verb, template),
                *on_a_full_disk(verb, template),
            ]
            by_fault = collections.Counter(row["fault"] for row in rows)
            bad = [row for row in rows if row["wrong"]]
            print(f"{verb:12} {len({row['where'] for row in rows}):3} places, {len(rows):4} ends: "
                  + ", ".join(f"{name} {count}" for name, count in by_fault.items())
                  + f"; {len(bad)} not as it should be", flush=True)  # fmt: skip
            for row in bad[:12]:
                print(f"    {row['where']}, {row['fault']}: {'; '.join(row['wrong'])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return int(any(row["wrong"] for rows in found.values() for row in rows))


if __name__ == "__main__":
    sys.exit(main())
