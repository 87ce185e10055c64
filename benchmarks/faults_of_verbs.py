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
import importlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import faults_of_studies as studies  # noqa: E402
from bad_ground import on_a_full_disk, on_bad_ground  # noqa: E402
from breaking import (  # noqa: E402
    VERBS,
    Breaker,
    forked,
    gone_on,
    hook,
    judged,
    look_at_study,
    prepare,
    tree,
)  # fmt: skip
from fuzz_runs import make_run  # noqa: E402

_WARM = (
    "ferkeras.evaluate.report", "ferkeras.export.formats", "ferkeras.publish.publication",
    "ferkeras.compare.page", "ferkeras.compare.report", "ferkeras.diagnose.report",
    "ferkeras.diagnose.run_case", "ferkeras.fit.run", "ferkeras.fit.outcome",
    "ferkeras.predict.predictions", "ferkeras.predict.drawing", "ferkeras.lr_find.report",
    "ferkeras.check_data.report", "ferkeras.check_data.material", "scipy.optimize", "pandas",
    "optuna", "optuna.storages", "ferkeras.ablate.report", "ferkeras.search.report",
    "ferkeras.search.confirm",
)  # fmt: skip


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
