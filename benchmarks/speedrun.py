"""What networks reach, and what it took: the rows of the speedrun table from finished runs.

  python -m ferkeras.evaluate saved_models/fer2013-fast-001
  PYTHONPATH=. python benchmarks/speedrun.py saved_models/fer2013-fast-00[1-3] RUN...

Prints a Markdown table, a row a configuration: runs of one configuration that differ in the seed
alone are one row, mean and standard deviation. Accuracies are those of `python -m ferkeras.evaluate
RUN` on the validation faces (FER2013: PublicTest, which has chosen the epoch), without test-time
augmentation, with flip and with multiscale, on all of them and without those that are also in
training. Training FLOPs: 2 for each multiplication with its addition in convolutions and dense
layers, 3 times for forward and backward, and once for each teacher, whose own training is a row of
its own; times faces, times epochs. Minutes and faces a second come from the times of TensorBoard's
events, the median epoch (validation, callbacks and checkpoints in it) times the epochs, so that
interruptions do not count; what else the machine had to do does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkeras.cli.command import verb
from ferkeras.cli.errors import InputError
from ferkeras.cli.quiet import import_tensorflow
from ferkeras.config.keys import flat
from ferkeras.runs.finished import FinishedRun, open_run
from ferkeras.runs.teachers import open_teachers

if TYPE_CHECKING:
    import keras

ACCURACIES = {
    "accuracy": ("plain", "all"),
    "tta flip": ("flip", "all"),
    "tta multiscale": ("multiscale", "all"),
    "unseen": ("plain", "not_in_training"),
    "unseen, tta flip": ("flip", "not_in_training"),
    "unseen, tta multiscale": ("multiscale", "not_in_training"),
}
COST = ("parameters", "training PFLOP", "epochs", "minutes", "faces/s")


@verb
def main(argv: Sequence[str] | None = None) -> int:
    """Read the runs; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args(argv)
    finished = [open_run(path) for path in arguments.runs]
    import_tensorflow()
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in finished:
        groups[recipe_of(each)].append(measure(each))
    rows = [row_of(measured) for measured in groups.values()]
    print(table(rows), end="")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0


def recipe_of(finished: FinishedRun) -> str:
    """What is the same in runs that may share a row."""
    settings = flat(finished.config)
    other = ("seed", "data.path", "output.folder")
    return json.dumps({key: value for key, value in settings.items() if key not in other})


def measure(finished: FinishedRun) -> dict[str, Any]:
    """The figures of one run, accuracies in percent.

    Raises:
        InputError: it has not been evaluated, or it wrote no TensorBoard events.
    """
    from ferkeras.runs.network import load_trained

    run, metrics = finished.run, finished.metrics
    path = run.evaluation("validation") / "evaluation-validation.json"
    if not path.is_file():
        raise InputError(f"{path}: missing; first: python -m ferkeras.evaluate {run.folder}")
    content = json.loads(path.read_bytes())
    results = {(r["variant"], r["faces"]): r["metrics"] for r in content["results"]}
    faces, epochs = finished.environment["data"]["faces"]["train"], metrics["epochs"]
    seconds = seconds_an_epoch(run.tensorboard)
    operations = 3 * forward_operations(load_trained(finished).model)
    for teacher in open_teachers(finished.config.distill):
        operations += forward_operations(load_trained(teacher).model)
    return {
        "configuration": finished.config.name,
        "seed": finished.config.seed,
        **{
            name: 100 * results[key]["accuracy"]
            for name, key in ACCURACIES.items()
            if key in results
        },
        "parameters": metrics["parameters"],
        "training PFLOP": operations * faces * epochs / 1e15,
        "epochs": epochs,
        "minutes": seconds * epochs / 60,
        "faces/s": faces / seconds,
    }


def forward_operations(model: keras.Model) -> int:
    """Floating-point operations of one prediction: convolutions and dense layers, 2 a weight."""
    import keras

    total = 0
    for layer in model.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            total += 2 * int(np.prod(layer.kernel.shape)) * int(np.prod(layer.output.shape[1:3]))
        elif isinstance(layer, keras.layers.Dense):
            total += 2 * int(np.prod(layer.kernel.shape))
    return total


def seconds_an_epoch(folder: Path) -> float:
    """Median time between the ends of two epochs.

    Raises:
        InputError: there are no events, or those of one epoch only.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    times: list[float] = []
    if (folder / "validation").is_dir():
        events = EventAccumulator(str(folder / "validation"), size_guidance={"tensors": 0})
        events.Reload()
        for tag in events.Tags()["tensors"]:
            found = [event.wall_time for event in events.Tensors(tag)]
            if len(found) > len(times):
                times = found
    if len(times) < 2:
        raise InputError(f"{folder}: no times of two epochs; train with monitor.tensorboard=true")
    return statistics.median(np.diff(sorted(times)).tolist())


def row_of(measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean of each figure, and the standard deviation of the accuracies where there are seeds."""
    row: dict[str, Any] = {
        "configuration": measured[0]["configuration"],
        "seeds": sorted(each["seed"] for each in measured),
    }
    for name in (*ACCURACIES, *COST):
        values = [each[name] for each in measured if name in each]
        if values:
            row[name] = statistics.mean(values)
            if name in ACCURACIES and len(values) > 1:
                row[f"{name}, std"] = statistics.stdev(values)
    return row


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as Markdown."""
    columns = ("configuration", "seeds", *ACCURACIES, *COST)
    lines = [columns, ("---",) * len(columns)]
    for row in rows:
        seeds = " ".join(map(str, row["seeds"]))
        accuracies = (_accuracy(row, name) for name in ACCURACIES)
        cost = (
            f"{row['parameters']:,.0f}",
            f"{row['training PFLOP']:.2f}",
            f"{row['epochs']:.0f}",
            f"{row['minutes']:.0f}",
            f"{row['faces/s']:,.0f}",
        )
        lines.append((row["configuration"], seeds, *accuracies, *cost))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _accuracy(row: Mapping[str, Any], name: str) -> str:
    if name not in row:
        return ""
    spread = row.get(f"{name}, std")
    return f"{row[name]:.1f} %" if spread is None else f"{row[name]:.1f} ± {spread:.1f} %"


if __name__ == "__main__":
    sys.exit(main())
