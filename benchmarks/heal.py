"""Break trainings by their settings, and let `fit` heal them: what do they reach?

  PYTHONPATH=. python benchmarks/heal.py --seeds 1 --json heal.json
  PYTHONPATH=. python benchmarks/heal.py --data fer2013.csv

configs/stuck.yaml with a small network, the eleven faults of benchmarks/planted_faults.py that
settings alone bring about, and a learning rate that warms up until the training collapses. Each is
trained with `monitor.collapse_action=heal`, and with --without once more without healing. Its
healthy counterpart is the same configuration without the fault, of the same seed and the same
number of epochs. 1,700 faces (synthetic, or rows of a table) and a network of three narrow blocks;
accuracy is that of each run's best network on faces that chose nothing: 2,000 synthetic faces of
another seed, or rows of the table's test split. A run is healed if it reaches 90 % of the accuracy
of its healthy counterpart.

About two processor minutes a fault and seed. Prints a table; --json writes every row.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from faults_to_plant import BASE, TUNED

from ferkeras.cli.console import Console
from ferkeras.config.arguments import find_config
from ferkeras.config.file import load_config, with_values
from ferkeras.config.schema import Config
from ferkeras.data.faces import Faces, Splits
from ferkeras.data.load import load_splits
from ferkeras.data.synthetic.dataset import synthetic_faces
from ferkeras.runs.finished import open_run

ENOUGH = 0.9
_FACES, _UNSEEN = 1700, 2000

_STUCK = "stuck.yaml, small"
_CURED = {
    "train.sampler": "shuffle",
    "class_weight.rule": "cube_root",
    "class_weight.min": 0.7,
    "class_weight.max": 1.3,
}
"""What the opening comment of configs/stuck.yaml names as its remedy."""

_SMALL = {key: BASE[key] for key in ("network.filters", "network.dense_units", "train.epochs")}

_WARM_UP = {
    "train.learning_rate_schedule": "cosine",
    "train.warmup_epochs": 3,
    "schedule.plateau_from_epoch": None,
}


def configurations(seed: int, data: str) -> dict[str, tuple[Config, Config]]:
    """Each broken configuration by name, with its healthy counterpart."""
    where = {"seed": seed, "data.path": data, "data.demo_faces": BASE["data.demo_faces"]}
    stuck = with_values(load_config(find_config("stuck")), where | _SMALL)
    base = with_values(Config(), where | BASE)
    warm_up = with_values(base, _WARM_UP)
    return {
        _STUCK: (stuck, with_values(stuck, _CURED)),
        **{
            fault.name: (with_values(base, fault.overrides), base)
            for fault in TUNED
            if fault.overrides and fault.faces is None and fault.setup is None
        },
        "warm-up to a learning rate of 0.5": (
            with_values(warm_up, {"train.learning_rate": 0.5}),
            warm_up,
        ),
    }


def faces_of(config: Config) -> tuple[Splits, Faces]:
    """Faces to train on and to choose the epoch by, and faces that neither has seen."""
    splits = load_splits(config, Console(io.StringIO()))
    if config.data.path == "demo":
        return splits, synthetic_faces(_UNSEEN, config.seed + 1000).faces
    rng = np.random.default_rng(config.seed)

    def some(faces: Faces, count: int) -> Faces:
        return faces.take(rng.choice(len(faces), min(count, len(faces)), replace=False))

    assert splits.test is not None, "a table without a test split"
    few = replace(splits, train=some(splits.train, _FACES), validation=some(splits.validation, 600))
    return few, some(splits.test, _UNSEEN)


def train(config: Config, splits: Splits, unseen: Faces, **monitor: Any) -> dict[str, Any]:
    """What a training came to, and what was done about its alarms."""
    import keras

    from ferkeras.cli.errors import RunError
    from ferkeras.fit.run import train as train_run
    from ferkeras.metrics.inference import predict
    from ferkeras.runs.network import load_trained

    keras.utils.clear_session()
    with tempfile.TemporaryDirectory() as folder:
        values = {
            "output.folder": folder,
            "monitor.tensorboard": False,
            **{f"monitor.{key}": value for key, value in monitor.items()},
        }
        try:
            outcome = train_run(
                with_values(config, values), splits, Console(io.StringIO()), brief=True
            )
        except RunError as error:
            return {"accuracy": 0.0, "healings": [], "ended": str(error).splitlines()[0]}
        finished = open_run(outcome.run.folder)
        predicted = predict(load_trained(finished).model, unseen)
        return {"accuracy": predicted.metrics()["accuracy"], "healings": finished.healings}


def _said(healings: Sequence[dict[str, Any]]) -> str:
    if not healings:
        return "no alarm"
    return "; ".join(
        f"epoch {each['epoch']} {each['cause']}"
        + (
            ": "
            + ", ".join(f"{c['key']}={c['now']}" for c in each["changes"])
            + f" (from {'the start' if not each['restored'] else 'epoch ' + str(each['restored'])})"
            if each["changes"]
            else ": nothing helped"
        )
        for each in healings
    )


def main() -> int:
    """Run what is asked for, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="demo", help="table of faces (default: synthetic faces)")
    parser.add_argument("--seeds", type=int, default=1, help="seeds for each configuration")
    parser.add_argument("--only", nargs="*", help="configurations whose name has one of these")
    parser.add_argument("--without", action="store_true", help="train without healing as well")
    parser.add_argument("--json", type=Path, help="write every row here")
    arguments = parser.parse_args()

    from ferkeras.cli.quiet import import_tensorflow

    import_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rows: list[dict[str, Any]] = []
    for seed in range(arguments.seeds):
        healthy: dict[str, float] = {}
        for name, (broken, sound) in configurations(seed, arguments.data).items():
            if arguments.only and not any(part in name for part in arguments.only):
                continue
            splits, unseen = faces_of(broken)
            counterpart = json.dumps(sound.model_dump(mode="json"))
            if counterpart not in healthy:
                found = train(sound, splits, unseen, diagnose=False)
                healthy[counterpart] = found["accuracy"]
            healed = train(broken, splits, unseen, collapse_action="heal")
            without = train(broken, splits, unseen, diagnose=False) if arguments.without else None
            rows.append(
                {
                    "configuration": name,
                    "seed": seed,
                    "healthy": healthy[counterpart],
                    "without": without["accuracy"] if without else None,
                    "healed": healed["accuracy"],
                    "reaches": healed["accuracy"] / healthy[counterpart],
                    "healings": healed["healings"],
                    "ended": healed.get("ended"),
                }
            )
            if arguments.json:
                arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
            print(_line(rows[-1]), flush=True)
    _tell(rows)
    return 0


def _line(row: dict[str, Any]) -> str:
    without = "" if row["without"] is None else f"{row['without']:.1%}"
    return (
        f"| {row['configuration']} | {row['seed']} | {row['healthy']:.1%} | {without} "
        f"| {row['healed']:.1%} | {row['reaches']:.0%} | {row['ended'] or _said(row['healings'])} |"
    )


def _tell(rows: Sequence[dict[str, Any]]) -> None:
    print("\n| broken | seed | healthy | without healing | healed | of healthy | what was done |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print(_line(row))
    enough = sum(row["reaches"] >= ENOUGH for row in rows)
    middle = statistics.median(row["reaches"] for row in rows)
    print(f"\n{ENOUGH:.0%} of the healthy accuracy in {enough} of {len(rows)}; median {middle:.0%}")


if __name__ == "__main__":
    raise SystemExit(main())
