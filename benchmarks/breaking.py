"""One fault at every step of a verb: the process is forked there, and the fork meets it.

See faults_of_verbs.py, which says what is asked of each end.
"""

from __future__ import annotations

import collections
import errno
import importlib
import json
import os
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

import faults_of_studies as studies

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
    "compare": ["RUN", "BASE/tiny-002", "--output", "BASE/out.html"],
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
        if verb == "compare":
            shutil.copytree(template, base / "tiny-002")


def is_litter(name: str) -> bool:
    """Whether a name is that of a file which was to get another one."""
    return ".ferkeras-" in name and "made" not in name


def arguments(verb: str, base: Path) -> list[str]:
    """What a verb is called with."""
    run = str(base / "tiny-001")
    return [each.replace("RUN", run).replace("BASE", str(base)) for each in VERBS[verb]]
