"""Plant faults in plain Keras programs and diagnose them; healthy programs must stay unnamed.

  PYTHONPATH=. python benchmarks/planted_program_faults.py
  PYTHONPATH=. python benchmarks/planted_program_faults.py --only healthy --seconds 30
  PYTHONPATH=. python benchmarks/planted_program_faults.py --seeds 3 --json figures.json

Each program is a compiled model with its data and what `fit` would be given: tables of
scikit-learn, digits, synthetic faces, sequences, tokens. A fault is planted in one of them; the
cause that `ferkeras.diagnose_model` names first is compared with it. Healthy programs are of
other kinds as well: transfer, many classes, independent labels, half precision, logits, soft
labels. Prints a line a program and the counts; --json writes every row.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from programs import faulty_fit, faulty_rows, healthy_fit, pipelines  # noqa: F401 (they register theirs)
from programs.calibration import calibration
from programs.faulty import FAULTS
from programs.healthy import HEALTHY
from programs.planted import Planted

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def examined(make: Callable[[int], Planted], seed: int, seconds: float) -> dict[str, Any]:
    """Build a program and diagnose it."""
    import keras

    from ferkeras import diagnose_model

    keras.utils.set_random_seed(seed)
    planted = make(seed)
    begun = time.monotonic()
    diagnosis = diagnose_model(
        planted.model, planted.train, planted.validation, seconds=seconds, **planted.fit
    )
    return {
        "named": list(diagnosis.causes),
        "severity": diagnosis.severity,
        "confidence": [finding.confidence for finding in diagnosis.findings],
        "remedies": [
            getattr(remedy, "tried", "")
            for finding in diagnosis.findings
            for remedy in finding.remedies
        ],
        "seconds": round(time.monotonic() - begun, 1),
    }


def main() -> None:
    """Examine every program, and print what was named and the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", help="'healthy', 'faults', or names of programs")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=40.0, help="of brief trainings")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    chosen = [
        *(("healthy", name, "", make) for name, make in HEALTHY.items()),
        *(("faults", name, cause, make) for name, (cause, make) in FAULTS.items()),
    ]
    rows = []
    for kind, name, cause, make in chosen:
        if arguments.only and not {kind, name} & set(arguments.only):
            continue
        for seed in range(arguments.seeds):
            row = {"kind": kind, "name": name, "seed": seed, "cause": cause}
            row |= examined(make, seed, arguments.seconds)
            rows.append(row)
            good = row["named"][:1] == ([cause] if cause else [])
            print(
                f"{'' if good else '!':1} {kind:8}{name:28}{row['seconds']:6.1f} s  "
                f"{cause or '-':34}{', '.join(row['named']) or row['severity']}",
                flush=True,
            )
    right = [r for r in rows if r["kind"] == "faults"]
    sound = [r for r in rows if r["kind"] == "healthy"]
    doubted = [r["name"] for r in sound if not r["named"] and r["severity"] != "healthy"]
    print(
        f"\nhealthy programs with anything named: {sum(bool(r['named']) for r in sound)} of "
        f"{len(sound)}; nothing named, and yet not called healthy: {', '.join(doubted) or 'none'}"
        f"\nfaults named first: "
        f"{sum(r['named'][:1] == [r['cause']] for r in right)} of {len(right)}, named at all: "
        f"{sum(r['cause'] in r['named'] for r in right)}"
    )
    verdicts = [
        (confidence, named == row["cause"])
        for row in rows
        for confidence, named in zip(row["confidence"], row["named"], strict=True)
    ]
    for band, counts in calibration(verdicts).items():
        print(f"{band}: {counts}")
    if rows:
        taken = [row["seconds"] for row in rows]
        print(f"seconds, median and most: {np.median(taken):.1f}, {max(taken):.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), "utf-8")


if __name__ == "__main__":
    main()
