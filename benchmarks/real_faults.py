"""Name the causes of real faults of other people's programs, captured before their first `fit`.

  PYTHONPATH=. python benchmarks/real_faults.py CASES TRUTH.json
  PYTHONPATH=. python benchmarks/real_faults.py CASES TRUTH.json --seconds 30 --json figures.json

CASES holds one folder a case: `model.keras`, compiled, at its first weights; `data.npz` with x, y
and, where the program gave them, x_val and y_val; `case.json` with what `fit` was given. A folder
`NAME~fixed` is the program after its author fixed it. TRUTH.json has for each name the causes
that are true, whether that is firm, and whether the fixed program learns (then it is a control).

Recall is the fraction of a case's true causes that are named, precision the fraction of the named
ones that are true (0 where nothing is named), averaged over the cases with a firm truth, one a
post. Causes of the end of the network (activation, units, loss, form of labels, metric) can be
told without training and are counted apart from the others. A verdict is right where its cause is
true or one that others name beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from programs.calibration import calibration


def main() -> None:
    """Diagnose every case, and print a line each and the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--seconds", type=float, default=40.0, help="of brief trainings a case")
    parser.add_argument("--only", nargs="*", help="names of cases")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    table = json.loads(arguments.truth.read_text("utf-8"))
    truth = {case["name"]: case for case in table["cases"]}
    rows = []
    for folder in sorted(arguments.cases.iterdir()):
        name = folder.name
        if not (folder / "case.json").exists() or (arguments.only and name not in arguments.only):
            continue
        row = examined(folder, truth[name.removesuffix("~fixed")], arguments.seconds)
        rows.append(row)
        print(
            f"{name:22} {row['kind']:8} {row['seconds']:5.1f} s  true: "
            f"{', '.join(row['true']) or '-':60} named: {', '.join(row['named']) or '-'}",
            flush=True,
        )
    figures = summary(rows, table["causes"])
    for line, value in figures.items():
        print(f"{line:60} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"cases": rows, **figures}, indent=1), "utf-8")


def examined(folder: Path, case: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Diagnose one case."""
    import keras

    from ferkeras import diagnose_model

    given = json.loads((folder / "case.json").read_text("utf-8"))["fit"]
    data = np.load(folder / "data.npz")
    with warnings.catch_warnings():
        # The optimizer's slots are not saved with a model that was never trained.
        warnings.simplefilter("ignore")
        model = keras.models.load_model(folder / "model.keras")
    begun = time.monotonic()
    diagnosis = diagnose_model(
        model,
        (data["x"], data["y"]),
        (data["x_val"], data["y_val"]) if "x_val" in data else None,
        batch_size=given.get("batch_size"),
        epochs=int(given.get("epochs") or 1),
        steps_per_epoch=given.get("steps_per_epoch"),
        shuffle=given.get("shuffle") not in (False, 0),
        validation_split=float(given.get("validation_split") or 0),
        seconds=seconds,
    )
    fixed = folder.name.endswith("~fixed")
    if fixed or not case["faults"]:
        kind = "control" if case["fixed_learns"] and case["usable"] else "-"
    elif not case["usable"]:
        kind = "-"
    else:
        kind = "weak" if case["weak"] or not case["primary"] else "firm"
    return {
        "name": folder.name,
        "kind": kind,
        "true": [] if fixed else case["faults"],
        "also": [] if fixed else case["also"],
        "named": list(diagnosis.causes),
        "seconds": round(time.monotonic() - begun, 1),
        "findings": [finding.as_json() for finding in diagnosis.findings],
    }


def summary(rows: list[dict[str, Any]], causes: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Recall, precision, controls and seconds."""
    firm = [row for row in rows if row["kind"] == "firm"]
    recall, precision, lenient = [], [], []
    apart: dict[bool, list[bool]] = {True: [], False: []}
    for row in firm:
        true, named = set(row["true"]), row["named"]
        recall.append(len(true & set(named)) / len(true))
        precision.append(sum(n in true for n in named) / max(1, len(named)))
        either = true | set(row["also"])
        lenient.append(sum(n in either for n in named) / max(1, len(named)))
        for cause in true:
            apart[causes[cause]["group"] == "head"].append(cause in named)
    controls = [row for row in rows if row["kind"] == "control"]
    taken = [row["seconds"] for row in rows] or [0.0]
    return {
        "cases with a firm truth": len(firm),
        "recall of exact causes": round(float(np.mean(recall)), 3) if firm else None,
        "precision of exact causes": round(float(np.mean(precision)), 3) if firm else None,
        "precision, causes that others also name counted": round(float(np.mean(lenient)), 3)
        if firm
        else None,
        "all true causes named and no other": sum(
            set(row["true"]) == set(row["named"]) for row in firm
        ),
        "causes of the end of the network": f"{sum(apart[True])} of {len(apart[True])}",
        "other causes": f"{sum(apart[False])} of {len(apart[False])}",
        "controls with anything named": f"{sum(bool(r['named']) for r in controls)} of "
        f"{len(controls)}",
        **calibration(
            (finding["confidence"], finding["cause"] in {*row["true"], *row["also"]})
            for row in rows
            if row["kind"] in ("firm", "control")
            for finding in row["findings"]
        ),
        "seconds a case, median and most": f"{np.median(taken):.1f}, {max(taken):.1f}",
    }


if __name__ == "__main__":
    main()
