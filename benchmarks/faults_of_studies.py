"""What `faults_of_verbs.py` needs for `search` and `ablate`: a small study, and its store.

One training is left to be done of each study, as the others lie in `output.folder`. The store is
SQLite, which writes by itself: a fault meets each kind of statement that writes, and each commit
of one, in a study whose trainings are all there. A study that met a fault must go on: its store
can be read, no trial has gone, and those of the process that ended come back into the queue.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SETTINGS = (
    "data.demo_faces=200",
    "network.filters=[4,8]",
    "network.dense_units=[8]",
    "train.epochs=1",
    "monitor.tensorboard=false",
    "monitor.diagnose=false",
    "name=tiny",
    "output.folder=BASE/trained",
    "--output=BASE/study",
)
STUDIES: dict[str, list[str]] = {
    "search": [
        *_SETTINGS,
        "train.learning_rate=log(1e-4,1e-2)",
        "network.conv_dropout=[0.0,0.1]",
        "--trials=2",
        "--confirm=0",
        "--limit=parameters=1000000",
    ],
    "ablate": [*_SETTINGS, "--seeds=2", "--variant", "slow", "train.learning_rate=5e-4"],
}
"""What each verb of a study is called with."""

_OTHERWISE = ("minutes", "epochs", "run", "trial")
"""Columns that depend on what happened to a study: a training that is found took no minutes and no
epochs, and a trial that was put back has another number."""

_ERRORS = {
    errno.ENOSPC: "database or disk is full",
    errno.EROFS: "attempt to write a readonly database",
    errno.EACCES: "unable to open database file",
}
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|CREATE|ALTER|DROP)\W+(?:INTO |TABLE )?(\w*)")


def make_study(verb: str, folder: Path) -> Path:
    """A folder with `trained/`, the trainings of a study but one, which is in `last/`; and with
    `whole/`, the study at its end.
    """
    words = [each.replace("BASE", str(folder)) for each in STUDIES[verb]]
    subprocess.run(
        [sys.executable, "-m", f"ferkeras.{verb}", *words], check=True, stdout=subprocess.DEVNULL
    )
    runs = sorted((folder / "study" / "runs").iterdir())
    for run in runs:
        place = folder / ("last" if run is runs[-1] else "trained")
        place.mkdir(exist_ok=True)
        run.rename(place / run.name)
    (folder / "study").rename(folder / "whole")
    return folder


def hook_store(event: Callable[..., None]) -> None:
    """Call `event` before each statement that writes to the store, and each commit of one."""
    from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as Dialect

    commit = Dialect.do_commit
    written: list[str] = []

    def meet(name: str) -> None:
        # A fork of the thread of the heartbeat would be that thread alone.
        if threading.current_thread() is threading.main_thread():
            event(name, True, lambda number: sqlite3.OperationalError(_ERRORS[number]))

    def before(name: str) -> None:
        real = getattr(Dialect, name)

        def execute(self: Any, cursor: Any, statement: str, *more: Any, **named: Any) -> Any:
            if found := _WRITES.match(statement):
                written.append("CREATE" if found[1] == "CREATE" else f"{found[1]} {found[2]}")
                meet(f"*store {written[-1]}")
            return real(self, cursor, statement, *more, **named)

        setattr(Dialect, name, execute)

    def do_commit(self: Any, connection: Any) -> Any:
        if written:
            meet(f"*store COMMIT of {written[-1]}")
            written.clear()
        return commit(self, connection)

    before("do_execute")
    before("do_executemany")
    Dialect.do_commit = do_commit


def amiss(verb: str, folder: Path) -> list[str]:
    """What stands against going on with a study in this process; nothing may."""
    from ferkeras.ablate.ablation import Ablation
    from ferkeras.cli.errors import InputError
    from ferkeras.search.study import Search
    from ferkeras.study import storage

    if not (folder / storage.STORE).exists():
        return []
    try:
        study = Search.join(str(folder)) if verb == "search" else Ablation.join(folder)
        storage.take_from_the_dead(study._study)
        # Whoever was at work is dead, and an hour has gone.
        with contextlib.closing(sqlite3.connect(folder / storage.STORE)) as base:
            base.execute("UPDATE trial_heartbeats SET heartbeat = datetime(heartbeat, '-1 hour')")
            base.commit()
        storage.take_from_the_dead(study._study)
        before = {str(trial.params) for trial in study._all() if trial.params}
        left = {str(t.params) for t in study._all() if t.params and t.state.name != "FAIL"}
    except InputError as error:
        # The one who began it has not come to write down what it is: the same command does.
        if "no study" in str(error) or "and no" in str(error):
            return []
        return [f"cannot be joined: {error}"]
    wrong = [] if before <= left else [f"lost {sorted(before - left)}"]
    step = study._next()
    return [*wrong, *([f"what is next is to {step}"] if step == "wait" else [])]


def differences(verb: str, folder: Path, whole: Path) -> list[str]:
    """What is not as at the end of an uninterrupted study.

    A search that goes on draws other values, as one by several processes does: as many trials are
    to be trained to their end.
    """
    if verb == "search":
        trained = sum("'trained'" in line for line in _lines(folder / "trials.csv"))
        best = (folder / "best.yaml").exists()
        return [] if best and trained == 2 else [f"{trained} trials trained, best.yaml: {best}"]
    names = ("effects.csv", "runs.csv")
    return [f"{name} differs" for name in names if _lines(folder / name) != _lines(whole / name)]


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return ["no such file"]
    with path.open(newline="") as file:
        rows = [{**row, **dict.fromkeys(_OTHERWISE)} for row in csv.DictReader(file)]
    # The last digits of an interval are the threads'.
    return sorted(re.sub(r"(?<=\.\d{9})\d+|\d\.\d+e-1\d", "", str(row)) for row in rows)


def copy(template: Path, base: Path, done: bool) -> None:
    """Put what a study begins from into a verb's folder; with `done`, every training."""
    for name in ("trained", "last")[: 1 + done]:
        shutil.copytree(template / name, base / "trained", dirs_exist_ok=True)
