"""Whether the rate that a range test suggests trains better than half and twice of it.

  PYTHONPATH=. python benchmarks/lr_find.py --json lr_find.json data.path=fer2013.csv
  PYTHONPATH=. python benchmarks/lr_find.py --seeds 1             the same on synthetic faces

For each seed: build the configured network (a small one with batches of 128 faces, if nothing else
is asked for), let the range test suggest a learning rate, and train 3 epochs from the same start at
half of it, at it, and at twice it; everything else is equal. Prints the best validation accuracy of
each training and the means over the seeds. The verdict is yes if the mean at the suggestion is no
lower than the better of the other two by more than the sampling error of the validation faces.
Exit code 1 if it is.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
import time
from pathlib import Path

import numpy as np

from ferkeras.cli.quiet import import_tensorflow
from ferkeras.config.file import load_config

SETTINGS = ("network.filters=[8,16,32]", "network.dense_units=[64]", "train.batch_size=128")
FACTORS = (0.5, 1.0, 2.0)
EPOCHS = 3


def main() -> int:
    """Run the benchmark; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path)
    parser.add_argument("--seeds", type=int, default=3, help="how many, from seed 0")
    parser.add_argument("--json", type=Path, help="write the figures here too, seed by seed")
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_intermixed_args()
    settings = [*SETTINGS, *arguments.overrides]
    if arguments.config is not None:
        settings = arguments.overrides
    import_tensorflow()
    rows: list[dict] = []
    for seed in range(arguments.seeds):
        rows.append(measure(arguments.config, [*settings, f"seed={seed}"]))
        print_row(rows[-1])
        figures = {"settings": settings, "seeds": rows, **judge(rows)}
        if arguments.json:
            arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    means = "".join(f"{100 * mean:9.2f}" for mean in figures["means"])
    print(f"{'mean':>44}{means}   (sampling error {100 * figures['sampling_error']:.2f})")
    print(f"the suggestion trains at least as well: {'yes' if figures['as_well'] else 'NO'}")
    return 0 if figures["as_well"] else 1


def measure(config_file: Path | None, settings: list[str]) -> dict:
    """Suggest a rate, train at it, half and twice; figures of one seed."""
    from ferkeras.cli.console import Console
    from ferkeras.data.load import load_splits
    from ferkeras.lr_find.range_test import lr_range_test
    from ferkeras.training.setup import build_setup, make_reproducible
    from ferkeras.training.state import restored_after

    config = load_config(config_file, settings)
    splits = load_splits(config, Console(io.StringIO()))
    make_reproducible(config)
    setup = build_setup(config, splits)
    began = time.perf_counter()
    found = lr_range_test(setup)
    seconds = time.perf_counter() - began
    if found.suggestion is None:
        raise SystemExit(f"seed {config.seed}: {found.reason}")
    accuracies = []
    for factor in FACTORS:
        with restored_after(setup.model):
            setup.model.optimizer.learning_rate.assign(found.suggestion * factor)
            history = setup.model.fit(
                setup.pipeline.dataset(1, EPOCHS),
                steps_per_epoch=setup.pipeline.steps_per_epoch,
                epochs=EPOCHS,
                class_weight=setup.balance.weights,
                validation_data=setup.validation,
                shuffle=False,
                verbose=0,
            ).history
        accuracies.append([round(each, 5) for each in history["val_accuracy"]])
    return {
        "seed": config.seed,
        "steepest": found.steepest,
        "valley": found.valley,
        "suggestion": found.suggestion,
        "test_seconds": round(seconds, 1),
        "validation_faces": len(splits.validation),
        "val_accuracy": accuracies,
        "range_test": found.to_json(),
    }


def judge(rows: list[dict]) -> dict:
    """Means of the best accuracies over the seeds, and what they say."""
    best = np.array([[max(epochs) for epochs in row["val_accuracy"]] for row in rows])
    half, suggested, twice = best.mean(axis=0)
    error = math.sqrt(suggested * (1 - suggested) / rows[0]["validation_faces"])
    return {
        "means": [half, suggested, twice],
        "sampling_error": error,
        "as_well": bool(suggested >= max(half, twice) - error),
    }


def print_row(row: dict) -> None:
    """Print one seed; the heading before the first."""
    if row["seed"] == 0:
        print(
            f"{'seed':>4}{'steepest':>13}{'valley':>13}{'suggestion':>14}"
            f"{'half':>9}{'at it':>9}{'twice':>9}   validation accuracy, %"
        )
    best = "".join(f"{100 * max(epochs):9.2f}" for epochs in row["val_accuracy"])
    print(
        f"{row['seed']:>4}{row['steepest']:13.2g}{row['valley']:13.2g}{row['suggestion']:14.2g}"
        f"{best}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
