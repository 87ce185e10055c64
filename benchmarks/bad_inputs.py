"""Every bad input of the tests' corpus, each in a process of its own, with its memory and time.

    python benchmarks/bad_inputs.py [--only TEXT] [--json FILE]

The command must end with exit code 2 and one `error:` that says the expected thing, without a
traceback, within 1 GiB of memory and 10 seconds of the processor (time by the clock says more of
the machine's other work). The same command is also measured on the best of inputs where that
matters: evaluating a model file imports TensorFlow, whatever the file. Prints a line for each with
its error, and what failed; exit code 1 if anything did.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from bad_inputs import BAD_INPUTS, MODEL_FILES, BadInput  # noqa: E402

_MOST_MIB = 1024
_MOST_SECONDS = 10
_TINY = (
    "data.demo_faces=200",
    "network.filters=[4,8]",
    "network.dense_units=[8]",
    "train.epochs=1",
    "monitor.tensorboard=false",
    "name=tiny",
)


def measure(bad: BadInput, folder: Path) -> dict[str, Any]:
    """Give one input to its command in a fresh process."""
    arguments = bad.make(folder)
    command = [sys.executable, "-m", f"ferkeras.{bad.verb}", *arguments]
    if any("\0" in each for each in arguments):
        # No system passes it on; in process it is refused (tests/test_bad_inputs.py).
        return {"name": bad.name, "skipped": "no process can be given a NUL"}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "FERKERAS_CACHE": str(folder / "cache")},
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode("utf-8", "backslashreplace")
    error = text.partition("error: ")[2].strip()
    seconds = usage.ru_utime + usage.ru_stime
    unit = 1 if sys.platform == "darwin" else 1024
    mib = usage.ru_maxrss * unit / 2**20
    wrong = [
        what
        for what, holds in (
            (f"exit code {process.returncode}", process.returncode == 2),
            ("traceback", "Traceback" not in text),
            ("other error", bad.expected.format(folder=folder) in error),
            ("memory", mib < _MOST_MIB),
            ("time", seconds < _MOST_SECONDS),
        )
        if not holds
    ]
    return {
        "name": bad.name,
        "exit_code": process.returncode,
        "processor_seconds": seconds,
        "peak_mib": mib,
        "error": " | ".join(error.replace(str(folder), "...").splitlines()),
        "wrong": wrong,
    }


def main() -> int:
    """Measure all of them and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="only inputs whose name contains this")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        chosen = [bad for bad in BAD_INPUTS if options.only in bad.name]
        if any(options.only in of(base).name for of in MODEL_FILES):
            subprocess.run(
                [sys.executable, "-m", "ferkeras.fit", *_TINY, f"output.folder={base / 'runs'}"],
                cwd=ROOT,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            made = [of(base / "runs" / "tiny-001") for of in MODEL_FILES]
            chosen += [bad for bad in made if options.only in bad.name]
        for number, bad in enumerate(chosen):
            folder = base / str(number)
            folder.mkdir()
            row = measure(bad, folder)
            rows.append(row)
            if "skipped" in row:
                print(f"{row['name'][:44]:44}  {row['skipped']}", flush=True)
                continue
            verdict = ", ".join(row["wrong"]) or "ok"
            print(
                f"{row['name'][:44]:44}{row['processor_seconds']:6.1f} s{row['peak_mib']:6.0f} MiB"
                f"  {verdict}: {row['error'][:150]}",
                flush=True,
            )
    measured = [row for row in rows if "skipped" not in row]
    failed = [row for row in measured if row["wrong"]]
    print(
        f"\n{len(measured) - len(failed)} of {len(measured)} bad inputs: exit code 2, one error, "
        f"at most {max(row['peak_mib'] for row in measured):.0f} MiB and "
        f"{max(row['processor_seconds'] for row in measured):.1f} processor seconds"
    )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
