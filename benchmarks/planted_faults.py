"""Plant faults in small trainings, diagnose them, apply the first remedy: does it fix them?

  PYTHONPATH=. python benchmarks/planted_faults.py --jobs 2
  PYTHONPATH=. python benchmarks/planted_faults.py --data fer2013.csv --seeds 2
  PYTHONPATH=. python benchmarks/planted_faults.py --faults unseen kinds

Each fault is planted alone, once for every seed, in a training of 1,700 faces (synthetic, or
rows of a table) and a network of three narrow blocks. `tuned` faults were at hand when
the probes' thresholds were chosen; `unseen` ones were run for the first time afterwards; `kinds`
were reported by others, and their probes were written against them; `strange` ones came last, key
by key and by what happens to pictures and labels on their way. The cause
that `ferkeras.diagnose.causes` names first is compared with the planted one. Then the first remedy
is applied: its settings where it has any; where the faces have to be fixed, the fault is taken
out of them as the remedy says. A remedy fixes when it wins back at least half of the skill
(Cohen's kappa on validation faces) that the fault cost, against the healthy training of the same
seed; where a fault flatters the figures or there is no such training (leakage, overfitting), when
the cause is no longer named, and overfitting's remedy has cost no skill. Healthy trainings of other
seeds, sizes and data follow: nothing may be named.

About 40 processor seconds a fault and seed, 20 with --small. Prints tables, whether verdicts are
right as often as their confidence says, and how long a diagnosis took; --json writes every row.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from faults_to_plant import BASE, KINDS, TUNED, UNSEEN, Earlier, Fault
from programs.calibration import calibration
from strange_faults import STRANGE

from ferkeras.cli.errors import InputError
from ferkeras.config.file import with_values
from ferkeras.config.schema import Config
from ferkeras.data.faces import Faces, Splits
from ferkeras.diagnose.finding import UNEXPLAINED

if TYPE_CHECKING:
    from ferkeras.diagnose.case import Case
    from ferkeras.training.setup import TrainingSetup

SETS = {"tuned": TUNED, "unseen": UNSEEN, "kinds": KINDS, "strange": STRANGE}
ALL = tuple(fault for faults in SETS.values() for fault in faults)

_HALF = 0.5
_NOISE = 0.05


SMALL = {
    "network.filters": [16, 32, 48],
    "train.learning_rate": 0.005,
    "train.epochs": 8,
}
"""What faces of 24 pixels are learned well with."""


def _config(seed: int, data: str, overrides: dict[str, Any], small: bool = False) -> Config:
    usual = BASE | SMALL if small else BASE
    return with_values(Config(), {"seed": seed, "data.path": data} | usual | overrides)


def _splits(config: Config, faces: int = 2000) -> Splits:
    """Synthetic faces, or as many of a table."""
    from ferkeras.cli.console import Console
    from ferkeras.data.load import load_splits

    with Console(stream=Path("/dev/null").open("w")) as console:
        splits = load_splits(config, console)
    if config.data.path == "demo":
        return splits
    rng = np.random.default_rng(config.seed)
    train, validation = (
        each.take(rng.choice(len(each), min(count, len(each)), replace=False))
        for each, count in ((splits.train, int(0.85 * faces)), (splits.validation, 600))
    )
    return replace(splits, train=train, validation=validation)


def train_whole(config: Config, splits: Splits) -> Case:
    """A training with its callbacks, so with its ramps."""
    from ferkeras.diagnose.run_case import case_of
    from ferkeras.runs.finished import open_run

    with tempfile.TemporaryDirectory() as folder:
        return case_of(open_run(_run(config, splits, folder)), splits)


def _run(config: Config, splits: Splits, folder: str) -> str:
    """The folder of a training's run, somewhere below this one."""
    from ferkeras.cli.console import Console
    from ferkeras.fit.run import train

    settings = {
        "output.folder": folder,
        "monitor.diagnose": False,
        "monitor.tensorboard": False,
    }
    config = with_values(config, settings)
    return str(train(config, splits, Console(io.StringIO()), brief=True).run.folder)


def with_earlier(config: Config, earlier: Earlier | None, splits: Splits, folder: str) -> Config:
    """The configuration with the run of the training that comes before."""
    if earlier is None:
        return config
    run = _run(with_values(config, earlier.overrides), splits, folder)
    return with_values(config, {earlier.key: [run] if earlier.key.endswith("s") else run})


def train_briefly_with(
    config: Config, splits: Splits, hook: Callable[[TrainingSetup], None] | None
) -> Case:
    """A training without callbacks, of a network that the hook has changed."""
    from ferkeras.diagnose.case import train_briefly
    from ferkeras.training.setup import build_setup

    def begin(config: Config, splits: Splits) -> TrainingSetup:
        setup = build_setup(config, splits)
        if hook is not None:
            hook(setup)
        return setup

    return train_briefly(config, splits, 100_000, begin)


def begin_worker() -> None:
    """Import TensorFlow quietly, on one thread."""
    from ferkeras.cli.quiet import import_tensorflow

    import_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def halved(splits: Splits) -> Splits:
    """The same faces at half the size, a quarter of the work."""

    def half(faces: Faces) -> Faces:
        count, height, width, channels = faces.images.shape
        blocks = np.asarray(faces.images).reshape(count, height // 2, 2, width // 2, 2, channels)
        images = blocks.mean(axis=(2, 4)).round().astype(np.uint8)
        return Faces(images, faces.labels, faces.classes)

    return replace(splits, train=half(splits.train), validation=half(splits.validation), test=None)


def run_fault(
    fault: Fault, seed: int, data: str, treat: bool = True, small: bool = False
) -> dict[str, Any]:
    """Plant, diagnose, and if asked for apply the first remedy and measure again."""
    size = halved if small else lambda splits: splits
    with tempfile.TemporaryDirectory() as folder:
        clean = _splits(_config(seed, data, {}))
        config = _config(seed, data, fault.overrides, small)
        config = with_earlier(config, fault.earlier, size(clean), folder)
        # What happens to images is written for those of 48 pixels.
        splits = fault.faces(clean, np.random.default_rng(seed)) if fault.faces else clean
        return _run_in(fault, config, size(clean), size(splits), treat)


def _run_in(
    fault: Fault, config: Config, clean: Splits, splits: Splits, treat: bool
) -> dict[str, Any]:
    from ferkeras.diagnose.diagnosis import diagnose
    from ferkeras.diagnose.measurements import Measurements

    plant = train_whole if fault.ramps else partial(train_briefly_with, hook=fault.setup)
    case = plant(config, splits)
    begun = time.monotonic()
    found = diagnose(case)
    taken = time.monotonic() - begun
    row: dict[str, Any] = {
        "fault": fault.name,
        "planted": fault.cause,
        "as_right": fault.also,
        "seed": config.seed,
        "named": found.findings[0].cause if found.findings else "nothing",
        "also": [finding.cause for finding in found.findings[1:]],
        "confidence": found.findings[0].confidence if found.findings else None,
        "seconds": round(taken, 1),
        "skill": found.measurements.on_validation.skill,
        "fixed_skill": None,
        "named_after": None,
    }
    if found.findings and treat:
        remedy = found.findings[0].remedies[0]
        # A remedy without settings asks for other faces or weights: the fault is taken out.
        right = row["named"] in (fault.cause, *fault.also)
        by_hand = right and not remedy.overrides
        again = (
            train_whole
            if fault.ramps
            else partial(train_briefly_with, hook=None if right else fault.setup)
        )
        treated = again(remedy.applied_to(config), clean if by_hand else splits)
        row |= {
            "remedy": remedy.arguments or remedy.what,
            "fixed_skill": Measurements(treated).on_validation.skill,
        }
        if fault.flatters:
            after = diagnose(treated).findings
            row["named_after"] = after[0].cause if after else "nothing"
    return row


def run_healthy(
    seed: int, data: str, overrides: dict[str, Any], faces: int, small: bool = False
) -> dict[str, Any]:
    """Diagnose a training with nothing wrong."""
    from ferkeras.diagnose.diagnosis import diagnose

    config = _config(seed, data, overrides, small)
    splits = _splits(config, faces)
    found = diagnose(train_briefly_with(config, halved(splits) if small else splits, None))
    return {
        "fault": "nothing",
        "planted": "nothing",
        "seed": seed,
        "settings": {key: value for key, value in overrides.items() if BASE.get(key) != value},
        "data": Path(data).name,
        "named": found.findings[0].cause if found.findings else "nothing",
        "skill": found.measurements.on_validation.skill,
        "reference": found.measurements.reference.skill,
    }


HEALTHY: tuple[tuple[dict[str, Any], int], ...] = (
    ({}, 2000),
    ({"data.demo_faces": 3500}, 3500),
    ({"network.filters": [16, 32], "network.dense_units": [32]}, 2000),
    ({"train.optimizer": "sgd", "train.learning_rate": 0.02, "train.epochs": 8}, 2000),
    ({"train.batch_size": 64, "train.epochs": 10, "class_weight.rule": "none"}, 2000),
    ({"train.sampler": "balanced", "class_weight.rule": "none"}, 2000),
)
"""Settings and number of faces of the healthy trainings; each is run with several seeds."""


def main() -> int:
    """Run what is asked for, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="demo", help="table of faces (default: synthetic faces)")
    parser.add_argument("--seeds", type=int, default=5, help="seeds for each fault")
    parser.add_argument("--first-seed", type=int, default=0, help="they begin with this one")
    parser.add_argument(
        "--faults", nargs="*", choices=tuple(SETS), default=["tuned"], help="sets; none: no fault"
    )
    parser.add_argument("--healthy", type=int, default=4, help="seeds for each healthy setting")
    parser.add_argument(
        "--only", nargs="*", help="faults whose cause or name has one of these in it"
    )
    parser.add_argument(
        "--name-only", action="store_true", help="plant and diagnose; apply no remedy"
    )
    parser.add_argument(
        "--small", action="store_true", help="faces of 24 pixels, a quarter of the work"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--json", type=Path, help="write every row here")
    arguments = parser.parse_args()

    faults = tuple(fault for name in arguments.faults for fault in SETS[name])
    if arguments.only:
        faults = tuple(
            fault
            for fault in faults
            if any(part in fault.cause or part in fault.name for part in arguments.only)
        )
    first = arguments.first_seed
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(
        arguments.jobs, multiprocessing.get_context("spawn"), initializer=begin_worker
    ) as pool:
        # Lambdas do not travel between processes; names do.
        jobs = [
            pool.submit(
                _run_named,
                fault.name,
                seed,
                arguments.data,
                not arguments.name_only,
                arguments.small,
            )
            for seed in range(first, first + arguments.seeds)
            for fault in faults
        ]
        healthy = [
            pool.submit(run_healthy, seed, arguments.data, overrides, faces, arguments.small)
            for seed in range(first, first + max(arguments.healthy, arguments.seeds * bool(faults)))
            for overrides, faces in HEALTHY
            if seed < first + arguments.healthy or not overrides
        ]
        for job in as_completed((*healthy, *jobs)):
            if isinstance(refused := job.exception(), InputError):
                print(f"cannot be planted: {refused}", flush=True)
                continue
            if refused is not None:
                pool.shutdown(wait=False, cancel_futures=True)
                raise refused
            rows.append(job.result())
            row = rows[-1]
            if arguments.json:
                arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
            print(
                f"{len(rows)}/{len(healthy) + len(jobs)} seed {row['seed']} {row['fault']}: "
                f"{row['named']}; skill {row['skill']:.2f}"
                + (f" -> {row['fixed_skill']:.2f}" if row.get("fixed_skill") is not None else ""),
                flush=True,
            )
    _tell(rows, arguments.json)
    return 0


def _run_named(name: str, seed: int, data: str, treat: bool, small: bool) -> dict[str, Any]:
    fault = next(fault for fault in ALL if fault.name == name)
    return run_fault(fault, seed, data, treat, small)


def _fixed(row: dict[str, Any], healthy: dict[int, float], flatters: bool) -> bool:
    if row["fixed_skill"] is None:
        return False
    if flatters:
        kept = row["planted"] == "leakage" or row["fixed_skill"] >= row["skill"] - _NOISE
        return kept and row["named_after"] != row["planted"]
    lost = healthy[row["seed"]] - row["skill"]
    return row["fixed_skill"] - row["skill"] >= _HALF * lost


def _tell(rows: Sequence[dict[str, Any]], path: Path | None) -> None:
    healthy_rows = [row for row in rows if row["planted"] == "nothing"]
    planted = [row for row in rows if row["planted"] != "nothing"]
    healthy = {row["seed"]: row["skill"] for row in healthy_rows if not row["settings"]}
    flatters = {fault.name for faults in SETS.values() for fault in faults if fault.flatters}
    for row in planted:
        row["fixes"] = bool(_fixed(row, healthy, row["fault"] in flatters))
    if planted:
        frame = pd.DataFrame(planted)
        frame["right"] = [row["named"] in (row["planted"], *row["as_right"]) for row in planted]
        print("\nCause named first (column) by planted cause (row)")
        print(pd.crosstab(frame["planted"], frame["named"]).to_string())
        print("\nBy fault")
        table = frame.groupby(["fault", "planted"], sort=False).agg(
            runs=("seed", "size"),
            named=("right", "sum"),
            fixed=("fixes", "sum"),
            skill=("skill", "mean"),
            fixed_skill=("fixed_skill", "mean"),
        )
        print(table.round(2).to_string())
        print(
            f"\nnamed first: {int(frame['right'].sum())} of {len(frame)} "
            f"({frame['right'].mean():.0%}); the first remedy fixes {int(frame['fixes'].sum())} "
            f"({frame['fixes'].mean():.0%}); healthy skill "
            f"{np.mean(list(healthy.values())):.2f}"
        )
        sure = frame[frame["confidence"].notna() & (frame["named"] != UNEXPLAINED)]
        verdicts = zip(sure["confidence"], sure["right"], strict=True)
        for band, right in calibration(verdicts).items():
            print(f"{band}: {right}")
        seconds = frame["seconds"]
        print(f"seconds a diagnosis, median and most: {seconds.median():.1f}, {seconds.max():.1f}")
    if healthy_rows:
        wrong = [row for row in healthy_rows if row["named"] != "nothing"]
        print(f"healthy trainings: {len(healthy_rows)}, a cause named in {len(wrong)}")
        for row in wrong:
            print(f"  seed {row['seed']} {row['settings']}: {row['named']} ({row['skill']:.2f})")
    if path is not None:
        path.write_text(json.dumps(list(rows), indent=2) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
