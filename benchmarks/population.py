"""How often what `diagnose` says is right: many small trainings of every kind, most with a fault.

  PYTHONPATH=. python benchmarks/population.py ROWS.jsonl --count 400 --jobs 2
  PYTHONPATH=. python benchmarks/population.py ROWS.jsonl --count 400 --data fer2013.csv
  PYTHONPATH=. python benchmarks/population.py ROWS.jsonl --check
  PYTHONPATH=. python benchmarks/population.py ROWS.jsonl --write

Each training draws its data (synthetic faces, digits, rows of the tables that are given), network,
optimizer, rate, batches, augmentation, weights and number of faces at random, and none, one or two
of the faults that `planted_faults.py` plants. What is named is held against what was planted. A
draw without a fault that does not learn in its epochs is trained four times as long: where it
learns then it had too few, else it is left out. Of the findings that settings could put right, rows
have whether the first remedy works in a trial.
Rows are appended to ROWS.jsonl as they come, so that a population grows over several runs.

--check tells how well confidences are calibrated that are counted on all kinds of data, and all
faults, but the one that is judged. --write counts all rows into
`ferkeras/diagnose/track_record.json`, which `diagnose` takes its confidences from.

Faces of 24 pixels; about 20 processor seconds a training.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from faults_to_plant import BASE, Fault
from planted_faults import ALL, begin_worker, halved, train_briefly_with, train_whole, with_earlier
from sklearn.datasets import load_digits

from ferkeras.cli.errors import InputError
from ferkeras.config.file import with_values
from ferkeras.config.schema import Config
from ferkeras.data.faces import Splits
from ferkeras.diagnose.finding import UNEXPLAINED
from ferkeras.diagnose.track_record import FILE, Count, TrackRecord

if TYPE_CHECKING:
    from ferkeras.diagnose.case import Case

DIGITS = "digits"
_TOO_SHORT, _LONGER = "too few epochs, as drawn", 4
_HEALTHY, _TWO = 0.25, 0.2
"""Fractions of the trainings that are planted no fault, and two."""


def draw_settings(rng: np.random.Generator) -> dict[str, Any]:
    """Settings that train well, of many kinds."""
    optimizer = str(rng.choice(["adam", "adamw", "sgd"]))
    rate = 10 ** rng.uniform(*((-1.5, -1.0) if optimizer == "sgd" else (-2.5, -2.1)))
    augmented = bool(rng.random() < 0.4)
    values: dict[str, Any] = {
        "train.optimizer": optimizer,
        "train.learning_rate": float(f"{rate:.1e}"),
        "train.batch_size": int(rng.choice([16, 32])),
        "train.epochs": int(rng.integers(7, 10)),
        "train.label_smoothing": float(rng.choice([0.0, 0.05, 0.1])),
        "class_weight.rule": str(rng.choice(["none", "cube_root"])),
        "network.dense_dropout": float(rng.choice([0.0, 0.2, 0.3])),
        "network.conv_dropout": float(rng.choice([0.0, 0.05, 0.1])),
        "augment.shift": 0.05 * augmented,
        "augment.rotate_degrees": 8.0 * augmented,
        "augment.brightness": 0.1 * augmented,
    }
    if rng.random() < 0.15:
        return values | {
            "network.kind": "residual",
            "network.stem_filters": 16,
            "network.filters": [[16, 32, 64], [24, 64]][int(rng.integers(2))],
            "network.residual_blocks": [1],
            "network.dense_units": [],
        }
    return values | {
        "network.filters": [[8, 16, 32], [8, 16, 48], [12, 24]][int(rng.integers(3))],
        "network.dense_units": [[160], [192], [160, 64]][int(rng.integers(3))],
    }


def draw_faults(rng: np.random.Generator, data: str) -> tuple[Fault, ...]:
    """None, one or two that go together; of digits those of settings alone."""
    fits = [each for each in ALL if data != DIGITS or each.faces is None]
    kind = rng.random()
    if kind < _HEALTHY:
        return ()
    first = fits[int(rng.integers(len(fits)))]
    if kind < 1 - _TWO or _stands_alone(first):
        return (first,)
    others = [
        each
        for each in fits
        if not _stands_alone(each)
        and each.cause != first.cause
        and not each.overrides.keys() & first.overrides.keys()
        and (each.faces is None or first.faces is None)
    ]
    return first, others[int(rng.integers(len(others)))]


def _stands_alone(fault: Fault) -> bool:
    return fault.ramps or fault.flatters or fault.setup is not None


def splits_of(data: str, seed: int, faces: int, folder: str) -> Splits:
    """So many faces of it, drawn by the seed."""
    from ferkeras.cli.console import Console
    from ferkeras.data.load import load_splits

    values: dict[str, Any] = {"data.path": data, "data.demo_faces": faces}
    if data == DIGITS:
        path = Path(folder) / "digits.npz"
        images, labels = load_digits(return_X_y=True)
        grey = np.clip(images.reshape(-1, 8, 8) * 16, 0, 255).astype(np.uint8)
        np.savez(path, images=grey.repeat(6, axis=1).repeat(6, axis=2), labels=labels)
        values |= {
            "data.path": str(path),
            "data.classes": {f"digit {digit}": [str(digit)] for digit in range(10)},
        }
    elif data != "demo":
        values |= {"data.size": 48, "data.color": False}
    config = with_values(Config(), {"seed": seed} | values)
    with Console(stream=Path("/dev/null").open("w")) as console:
        splits = load_splits(config, console)
    if data == "demo":
        return splits
    rng = np.random.default_rng(seed)
    train, validation = (
        each.take(_drawn(each.labels, count, rng))
        for each, count in ((splits.train, int(0.85 * faces)), (splits.validation, 500))
    )
    return replace(splits, train=train, validation=validation)


def _drawn(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """So many rows by chance, and one of each class that these leave out."""
    rows = rng.permutation(len(labels))
    drawn, left = rows[:count], rows[count:]
    lacking = np.setdiff1d(labels, labels[drawn])
    return np.concatenate([drawn, [left[labels[left] == label][0] for label in lacking]]).astype(
        int
    )


def run(number: int, data: Sequence[str]) -> dict[str, Any]:
    """The training of this number: its row."""
    from ferkeras.diagnose.measurements import Measurements
    from ferkeras.diagnose.symptoms import is_not_learning

    rng = np.random.default_rng([20, number])
    source = str(rng.choice(data))
    settings, faults = draw_settings(rng), draw_faults(rng, source)
    faces = int(rng.integers(1200, 1701))
    row: dict[str, Any] = {
        "number": number,
        "data": source if source in ("demo", DIGITS) else Path(source).stem,
        "faults": [fault.name for fault in faults],
        "causes": [[fault.cause, *fault.also] for fault in faults],
    }
    with tempfile.TemporaryDirectory() as folder:
        clean = splits_of(source, number, faces, folder)
        overrides = {"seed": number, "data.path": "demo"} | BASE | settings
        for fault in faults:
            overrides |= fault.overrides
        try:
            config = with_values(Config(), overrides)
        except InputError as contradiction:
            return row | {"skipped": str(contradiction)}
        splits, hook = clean, None
        for fault in faults:
            config = with_earlier(config, fault.earlier, halved(clean), folder)
            splits = fault.faces(splits, rng) if fault.faces else splits
            hook = hook or fault.setup
        plant: Callable[[Config, Splits], Case] = (
            train_whole
            if any(fault.ramps for fault in faults)
            else partial(train_briefly_with, hook=hook)
        )
        row |= _examined(plant(config, halved(splits)))
        if faults or row["learns"]:
            return row
        longer = with_values(config, {"train.epochs": _LONGER * config.train.epochs})
        if is_not_learning(Measurements(plant(longer, halved(splits)))):
            return {"number": number, "skipped": "a draw that does not learn for longer either"}
        return row | {"faults": [_TOO_SHORT], "causes": [["not_finished", "too_few_steps"]]}


def _examined(case: Case) -> dict[str, Any]:
    from ferkeras.diagnose.diagnosis import diagnose
    from ferkeras.diagnose.ranking import contestants, tried
    from ferkeras.diagnose.trial import teaches_more

    found = diagnose(case)
    m = found.measurements
    everything = (*found.findings, *found.unlikely)
    trials = tried(m, contestants(everything))
    return {
        "named": [finding.cause for finding in everything],
        "works": {cause: teaches_more(*pair) for cause, pair in trials.items()},
        "learns": found.learns,
        "skill": round(float(m.on_validation.skill), 3),
        "reference": round(float(m.reference.skill), 3),
    }


def counted(rows: Iterable[dict[str, Any]]) -> TrackRecord:
    """What became of every verdict in these rows."""
    first: dict[str, list[bool]] = defaultdict(list)
    also: dict[str, list[bool]] = defaultdict(list)
    trials: dict[bool, list[bool]] = {True: [], False: []}
    number = 0
    for row in rows:
        number += 1
        for place, cause in enumerate(row["named"]):
            if cause == UNEXPLAINED:
                continue
            (also if place else first)[cause].append(is_right(row, cause))
        for cause, works in row["works"].items():
            if cause == UNEXPLAINED:
                continue
            trials[works].append(is_right(row, cause))
    return TrackRecord(
        number,
        *(
            {cause: Count(len(each), sum(each)) for cause, each in counts.items()}
            for counts in (first, also)
        ),
        *(Count(len(trials[works]), sum(trials[works])) for works in (True, False)),
    )


def is_right(row: dict[str, Any], cause: str) -> bool:
    """Whether a cause was planted in this training."""
    return any(cause in causes for causes in row["causes"])


def check(rows: Sequence[dict[str, Any]]) -> None:
    """Print how right the first findings were, by the confidence that the other rows give them."""
    for what, group in (
        ("every kind of data but the one that is judged", lambda row: row["data"]),
        ("every fault but those that are judged", lambda row: "+".join(sorted(row["faults"]))),
    ):
        judged: list[tuple[float, bool]] = []
        for value in {group(row) for row in rows}:
            record = counted(row for row in rows if group(row) != value)
            judged += [
                (
                    record.confidence(row["named"][0], True, row["works"].get(row["named"][0])),
                    is_right(row, row["named"][0]),
                )
                for row in rows
                if group(row) == value and row["named"] and row["named"][0] != UNEXPLAINED
            ]
        print(f"\nConfidence counted on {what}: verdicts, of which right")
        for low, high in ((0, 0.5), (0.5, 0.8), (0.8, 0.9), (0.9, 0.95), (0.95, 1.01)):
            inside = [right for confidence, right in judged if low <= confidence < high]
            mean = np.mean([c for c, _ in judged if low <= c < high]) if inside else float("nan")
            print(
                f"  {low:.0%} to {min(high, 1):.0%}: {len(inside)}, {sum(inside)} (mean {mean:.0%})"
            )


def tell(rows: Sequence[dict[str, Any]]) -> None:
    """Print what was named of what was planted."""
    planted = [row for row in rows if row["faults"]]
    healthy = [row for row in rows if not row["faults"]]
    named = [row for row in planted if row["named"]]
    right = [row for row in named if is_right(row, row["named"][0])]
    print(
        f"{len(rows)} trainings; {len(planted)} with a fault: one named in {len(named)}, the "
        f"right one first in {len(right)}; {len(healthy)} without: one named in "
        f"{sum(bool(row['named']) for row in healthy)}"
    )
    for row in rows:
        wrong = row["named"] and not is_right(row, row["named"][0])
        if wrong or (row["faults"] and not row["named"]):
            print(
                f"  {row['number']} {row['data']} {' + '.join(row['faults']) or 'nothing'}: "
                f"{', '.join(row['named']) or 'nothing'} (skill {row['skill']:.2f}, reference "
                f"{row['reference']:.2f})"
            )


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", type=Path, help="a file of rows; they are appended")
    parser.add_argument("--count", type=int, default=0, help="trainings there shall be in all")
    parser.add_argument("--data", nargs="*", default=[], help="tables or folders of faces, too")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--check", action="store_true", help="are the confidences calibrated?")
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name}")
    arguments = parser.parse_args()

    lines = arguments.rows.read_text().splitlines() if arguments.rows.exists() else []
    rows = [json.loads(line) for line in lines]
    done = {row["number"] for row in rows}
    todo = [number for number in range(arguments.count) if number not in done]
    if todo:
        data = ["demo", DIGITS, *arguments.data]
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(arguments.jobs, spawn, initializer=begin_worker) as pool:
            jobs = [pool.submit(run, number, data) for number in todo]
            for job in as_completed(jobs):
                if failed := job.exception():
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise failed
                rows.append(job.result())
                with arguments.rows.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
                said = rows[-1].get("skipped") or ", ".join(rows[-1]["named"]) or "nothing"
                planted = " + ".join(rows[-1]["faults"]) or "nothing"
                print(f"{len(rows)}/{arguments.count} {planted}: {said}", flush=True)
    rows = sorted((row for row in rows if "named" in row), key=lambda row: row["number"])
    tell(rows)
    if arguments.check:
        check(rows)
    if arguments.write:
        FILE.write_text(json.dumps(counted(rows).as_json(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
