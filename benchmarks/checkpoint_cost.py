"""What checkpoints cost: one after each epoch, and one a minute.

  PYTHONPATH=. python benchmarks/checkpoint_cost.py

Trains a few steps of the demo's and of FER2013's network on synthetic faces, saves the state a few
times, and prints the processor time of a save against that of an epoch (of the demo's 5,100, of
FER2013's 28,709 training faces; validation not counted) and against a minute. What the disk makes
a save wait for is not processor time: that is printed beside it, as the median of the waits.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ferkeras.cli.quiet import import_tensorflow
from ferkeras.config.file import load_config
from ferkeras.config.hints import CONFIGS

FACES = {"demo": 5_100, "fer2013": 28_709}
STEPS, SAVES = 20, 10


def main() -> int:
    """Measure; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    import_tensorflow()
    figures = {name: measure(name) for name in FACES}
    print(
        f"{'':10} {'MB':>6} {'save, CPU s':>12} {'wait, s':>9} {'of an epoch':>12} {'a minute':>9}"
    )
    for name, row in figures.items():
        print(
            f"{name:10} {row['megabytes']:6.1f} {row['save_cpu_seconds']:12.4f} "
            f"{row['wait_seconds']:9.4f} {row['share_of_epoch']:11.3%} "
            f"{row['share_of_minute']:9.3%}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def measure(name: str) -> dict[str, float]:
    """Size and cost of one save, and what fraction of the training that is."""
    from ferkeras.cli.console import Console
    from ferkeras.data.load import load_splits
    from ferkeras.training.checkpoints import CheckpointFolder
    from ferkeras.training.setup import build_setup, make_reproducible
    from ferkeras.training.state import TrainingState

    config = load_config(CONFIGS / f"{name}.yaml", ["data.path=demo", "data.demo_faces=2000"])
    console = Console(io.StringIO())
    make_reproducible(config)
    setup = build_setup(config, load_splits(config, console))
    batches = list(setup.pipeline.dataset(1, 1).take(STEPS))
    setup.model.train_on_batch(*batches[0])
    cpu = time.process_time()
    for batch in batches:
        setup.model.train_on_batch(*batch)
    step = (time.process_time() - cpu) / STEPS
    state = TrainingState(setup.model, [], console)
    cpus, waits, size = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        store = CheckpointFolder(Path(folder) / "checkpoints")
        for number in range(SAVES):
            cpu, wall = time.process_time(), time.perf_counter()
            checkpoint = state.capture(1, number)
            assert checkpoint is not None
            size = store.save(checkpoint).stat().st_size
            cpus.append(time.process_time() - cpu)
            waits.append(time.perf_counter() - wall - cpus[-1])
    save = float(np.median(cpus))
    epoch = step * FACES[name] / config.train.batch_size
    return {
        "megabytes": size / 1e6,
        "step_cpu_seconds": step,
        "save_cpu_seconds": save,
        "wait_seconds": float(np.median(waits)),
        "share_of_epoch": save / epoch,
        "share_of_minute": save / 60,
    }


if __name__ == "__main__":
    sys.exit(main())
