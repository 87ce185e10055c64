"""How reading a table of faces compares with pandas.read_csv plus splitting the strings.

    python benchmarks/read_csv.py fer2013.csv.gz [--repeats 3] [--json FILE]

Prints time and peak memory of three ways, the median of alternating fresh processes: pandas, our
first reading (which also fills the cache), and our reading from the cache. Time is that of the
call, imports left out; memory is the most the process held, imports included. Pixels and labels
must be the same in all of them, otherwise nothing is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WAYS = ("pandas", "first", "cached")


def measure(way: str, path: str) -> dict[str, float | str]:
    """Read `path` in this process; return seconds, peak_mib and a digest of what was read."""
    import numpy as np

    from ferkeras.data.digests import fingerprint_of
    from ferkeras.data.faces import Faces
    from ferkeras.data.presets.fer2013 import FER2013
    from ferkeras.data.read import read_faces

    if way == "pandas":
        import pandas as pd

        begin = time.perf_counter()
        table = pd.read_csv(path, skipinitialspace=True)
        table.columns = table.columns.str.strip()
        pixels = np.stack([np.array(text.split(), np.uint8) for text in table["pixels"]])
        labels = table["emotion"].to_numpy(np.int32)
        faces = Faces(pixels.reshape(-1, 48, 48, 1), labels, FER2013.classes)
    else:
        begin = time.perf_counter()
        faces = read_faces(path).faces
    seconds = time.perf_counter() - begin
    # Kibibytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {
        "seconds": seconds,
        "peak_mib": peak / 2**20,
        "faces": len(faces),
        "digest": fingerprint_of(faces, np.zeros(len(faces), np.int8)),
    }


def measured_apart(way: str, path: str, cache: str) -> dict[str, float | str]:
    """Return what `measure` returns in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, path, "--measure", way],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "FERKERAS_CACHE": cache, "PYTHONPATH": str(ROOT)},
    )
    return json.loads(done.stdout)


def main(argv: list[str] | None = None) -> int:
    """Measure, print the table, and write it as JSON if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", help="a table of faces: .csv, .csv.gz or .zip")
    parser.add_argument("--repeats", type=int, default=3, help="processes per way (default 3)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.measure:
        print(json.dumps(measure(options.measure, options.path)))
        return 0

    runs: dict[str, list[dict]] = {way: [] for way in WAYS}
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory() as cache:
            for way in WAYS:
                runs[way].append(measured_apart(way, options.path, cache))
    digests = {run["digest"] for each in runs.values() for run in each}
    if len(digests) != 1:
        print("the ways read different faces: nothing to compare", file=sys.stderr)
        return 1

    figures = {
        way: {
            key: round(statistics.median(run[key] for run in each), 3)
            for key in ("seconds", "peak_mib")
        }
        for way, each in runs.items()
    }
    base = figures["pandas"]
    for each in figures.values():
        each["times_faster"] = round(base["seconds"] / each["seconds"], 1)
        each["memory_share"] = round(each["peak_mib"] / base["peak_mib"], 3)
    faces = runs["first"][0]["faces"]
    print(f"{Path(options.path).name}: {faces:,} faces, median of {options.repeats}")
    print(f"{'way':8}{'seconds':>10}{'faster':>9}{'peak MiB':>11}{'of pandas':>11}")
    for way, each in figures.items():
        print(
            f"{way:8}{each['seconds']:10.3f}{each['times_faster']:8.1f}x"
            f"{each['peak_mib']:11.0f}{each['memory_share']:10.0%}"
        )
    if options.json:
        record = {"file": Path(options.path).name, "faces": faces, "ways": figures}
        options.json.write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
