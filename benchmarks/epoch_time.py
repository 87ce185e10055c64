"""Where the time of a training step goes, and how fast the input pipeline is by itself.

  PYTHONPATH=. python benchmarks/epoch_time.py --config configs/fer2013-teacher.yaml data.path=demo

Trains a few steps under TensorFlow's profiler and adds up, for each kind of operation, the time
that threads spend in it and not in what it calls; prints the fractions and writes JSON. Then draws
batches from the input pipeline alone. Compare with `benchmarks/monitoring_cost.py`, which sets a
bare `model.fit` beside ours. Busy machines make everything slower, fractions change little.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ferkeras.cli.command import verb
from ferkeras.cli.quiet import import_tensorflow
from ferkeras.config.file import load_config

KINDS = {
    "convolutions": ("Conv",),
    "batch normalisation": ("BatchNorm",),
    "optimizer": ("Resource", "Assign"),
    "elementwise": ("Relu", "Add", "Mul", "Sub", "Cast", "Select", "Square", "Sqrt", "Real", "Neg"),
    "pooling and means": ("Pool", "Mean", "Sum", "L2Loss"),
    "input pipeline": ("Iterator", "Map", "Gather", "Projective", "Random", "Dataset", "Shuffle"),
}
"""Kinds of operations, by what the names of their types contain; the first one wins."""


@verb
def main(argv: list[str] | None = None) -> int:
    """Measure; print fractions and speeds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_intermixed_args(argv)
    config = load_config(arguments.config, arguments.overrides)
    import_tensorflow()
    figures = measure(config, arguments.steps)
    for name, fraction in figures["fractions"].items():
        print(f"{name:20} {fraction:6.1%}")
    print(
        f"longest: {', '.join(f'{name} {fraction:.1%}' for name, fraction in figures['longest'])}"
    )
    print(
        f"input pipeline alone {figures['pipeline_faces_per_cpu_second']:,.0f} faces a CPU second"
    )
    print(f"training             {figures['faces_per_cpu_second']:,.0f} faces a CPU second")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def measure(config: Any, steps: int) -> dict[str, Any]:
    """Fractions of the time by kind of operation, and faces a second of processor time."""
    import io

    import tensorflow as tf

    from ferkeras.cli.console import Console
    from ferkeras.data.load import load_splits
    from ferkeras.training.setup import build_setup, make_reproducible

    make_reproducible(config)
    setup = build_setup(config, load_splits(config, Console(io.StringIO())))

    def train(first_epoch: int) -> float:
        begin = time.process_time()
        setup.model.fit(
            setup.pipeline.dataset(first_epoch, first_epoch),
            steps_per_epoch=steps,
            class_weight=setup.balance.weights,
            shuffle=False,
            verbose=0,
        )
        return time.process_time() - begin

    train(1)
    seconds = train(2)
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            train(3)
        operations = read_operations(next(Path(folder).rglob("*.xplane.pb")))
    batches = setup.pipeline.dataset(1, 1).take(steps)
    begin = time.process_time()
    for _ in batches:
        pass
    pipeline = time.process_time() - begin
    faces = steps * config.train.batch_size
    return {
        "config": config.name,
        "steps": steps,
        "fractions": fractions_of(operations),
        "longest": [
            (name, duration / operations.total()) for name, duration in operations.most_common(12)
        ],
        "faces_per_cpu_second": faces / seconds,
        "pipeline_faces_per_cpu_second": faces / pipeline,
    }


def read_operations(path: Path) -> Counter[str]:
    """Picoseconds that threads of the processor spent in each type of operation itself."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    total: Counter[str] = Counter()
    for plane in space.planes:
        if plane.name == "/host:CPU":
            names = {key: value.name for key, value in plane.event_metadata.items()}
            for line in plane.lines:
                # The name of an operation and its type have one colon between them. What waits for
                # operations is left out: C++ methods (two colons) and calls of functions.
                events = [
                    (e.offset_ps, e.offset_ps + e.duration_ps, names[e.metadata_id].rpartition(":"))
                    for e in line.events
                ]
                total += own_time(
                    (begin, end, kind)
                    for begin, end, (name, colon, kind) in events
                    if colon and not name.endswith(":") and "__inference" not in kind
                )
    return total


def own_time(events: Iterable[tuple[int, int, str]]) -> Counter[str]:
    """Time in each kind of event without that in events inside it.

    Args:
        events: begin, end and kind; of one thread, so that two are nested or apart.
    """
    total: Counter[str] = Counter()
    open_events: list[tuple[int, str]] = []
    for begin, end, kind in sorted(events, key=lambda event: (event[0], -event[1])):
        while open_events and open_events[-1][0] <= begin:
            open_events.pop()
        total[kind] += end - begin
        if open_events:
            total[open_events[-1][1]] -= end - begin
        open_events.append((end, kind))
    return total


def fractions_of(operations: Counter[str]) -> dict[str, float]:
    """Fraction of the whole by `KINDS`, the largest first."""
    total: Counter[str] = Counter()
    for operation, duration in operations.items():
        kind = next(
            (kind for kind, parts in KINDS.items() if any(part in operation for part in parts)),
            "other",
        )
        total[kind] += duration
    everything = sum(total.values())
    return {kind: duration / everything for kind, duration in total.most_common()}


if __name__ == "__main__":
    sys.exit(main())
