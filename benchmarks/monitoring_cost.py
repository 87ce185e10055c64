"""What all monitoring costs: a run as `python -m ferkeras.fit` makes it, against bare `fit`.

  python benchmarks/monitoring_cost.py [--epochs 10] [--config FILE] [section.key=value ...]

Ours has every callback, TensorBoard and checkpoints. Bare is `keras.Model` on the same layers (with
Keras's own Dropout), the same input pipeline, class weights, optimizer and validation data,
accuracy as its only metric, and no callbacks. Both fits live in one process and take turns, an
epoch each, so that a noisy machine is noisy for both; the first epoch of each (tracing) is left
out. Prints seconds by the clock and of the processor per epoch, and the ratio of the medians and of
the sums; counts the traces of the training step with every ramp active.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ferkeras.cli.quiet import import_tensorflow
from ferkeras.config.file import load_config

RAMPED = (
    "schedule.gate_accuracy=0",
    "schedule.dropout_from_epoch=2",
    "schedule.dropout_over_epochs=4",
    "schedule.smoothing_from_epoch=3",
    "schedule.smoothing_over_epochs=4",
    "schedule.plateau_from_epoch=2",
    "schedule.plateau_patience=2",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_intermixed_args()
    folder = tempfile.mkdtemp()
    config = load_config(
        arguments.config,
        [
            *RAMPED,
            *arguments.overrides,
            f"train.epochs={arguments.epochs}",
            f"output.folder={folder}",
        ],
    )
    import_tensorflow()
    figures = measure(config)
    print(json.dumps(figures, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))


def measure(config) -> dict[str, object]:
    """Run both fits in turns; return medians and ratios."""
    import io

    import keras

    from ferkeras.callbacks import VariableDropout
    from ferkeras.cli.console import Console
    from ferkeras.cli.signals import StopRequest
    from ferkeras.data.load import load_splits
    from ferkeras.runs.create import create_run
    from ferkeras.training.callbacks import build_callbacks
    from ferkeras.training.checkpoints import CheckpointFolder
    from ferkeras.training.loop import TrainingLoop
    from ferkeras.training.setup import build_setup, make_reproducible

    make_reproducible(config)
    console = Console(io.StringIO())
    splits = load_splits(config, console)
    setup = build_setup(config, splits)
    run = create_run(config)
    run_callbacks = build_callbacks(config, setup, splits, run, console)

    def plain(layer):
        if isinstance(layer, VariableDropout):
            return keras.layers.Dropout(float(layer.rate.numpy()))
        return type(layer).from_config(layer.get_config())

    layers = keras.Model(setup.model.inputs, setup.model.outputs)
    bare = keras.models.clone_model(layers, clone_function=plain)
    bare.compile(
        optimizer=keras.optimizers.Adam(
            config.train.learning_rate, global_clipnorm=config.train.global_clip_norm
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=False,
    )
    traces = count_traces(setup.model)
    turns = Turns()

    class Baton(keras.callbacks.Callback):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def on_epoch_begin(self, epoch: int, logs=None) -> None:
            turns.take(self.name)

        def on_epoch_end(self, epoch: int, logs=None) -> None:
            turns.give(self.name)

    class Begin(Baton):
        on_epoch_end = keras.callbacks.Callback.on_epoch_end

    class End(Baton):
        on_epoch_begin = keras.callbacks.Callback.on_epoch_begin

    def fit_bare() -> None:
        bare.fit(
            setup.pipeline.dataset(1, config.train.epochs),
            steps_per_epoch=setup.pipeline.steps_per_epoch,
            epochs=config.train.epochs,
            validation_data=setup.validation,
            class_weight=setup.balance.weights,
            callbacks=[Begin("bare"), End("bare")],
            shuffle=False,
            verbose=0,
        )

    def fit_ours() -> None:
        loop = TrainingLoop(
            config,
            setup,
            [Begin("ours"), *run_callbacks.callbacks],
            CheckpointFolder(run.checkpoints),
            console,
            StopRequest(),
        )
        # Behind everything, the checkpoints too, so that all of it counts.
        loop._callbacks.callbacks.append(End("ours"))
        loop.run(ended=False)

    threads = [threading.Thread(target=fit_bare), threading.Thread(target=fit_ours)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall, processor = turns.medians("wall"), turns.medians("processor")
    return {
        "faces": len(splits.train),
        "epochs": config.train.epochs,
        "wall_seconds_per_epoch": wall,
        "processor_seconds_per_epoch": processor,
        "wall_ratio": round(wall["ours"] / wall["bare"], 4),
        "processor_ratio": round(processor["ours"] / processor["bare"], 4),
        "wall_ratio_of_sums": round(turns.total("wall", "ours") / turns.total("wall", "bare"), 4),
        "processor_ratio_of_sums": round(
            turns.total("processor", "ours") / turns.total("processor", "bare"), 4
        ),
        "traces_of_the_training_step": traces(),
        "ramps_began_in_epoch": {ramp.name: ramp.started_epoch for ramp in run_callbacks.ramps},
    }


class Turns:
    """Lets two fits run an epoch each in turns, and keeps the time each one took."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._next = "bare"
        self.seconds = {
            "bare": {"wall": [], "processor": []},
            "ours": {"wall": [], "processor": []},
        }

    def take(self, name: str) -> None:
        """Wait for the turn, then start the clocks."""
        with self._condition:
            self._condition.wait_for(lambda: self._next == name)
        self._began = (time.perf_counter(), time.process_time())

    def give(self, name: str) -> None:
        """Stop the clocks and let the other one continue."""
        wall, processor = self._began
        self.seconds[name]["wall"].append(time.perf_counter() - wall)
        self.seconds[name]["processor"].append(time.process_time() - processor)
        with self._condition:
            self._next = "ours" if name == "bare" else "bare"
            self._condition.notify_all()

    def medians(self, clock: str) -> dict[str, float]:
        """Median seconds of an epoch, the first one left out."""
        return {
            name: round(statistics.median(clocks[clock][1:]), 3)
            for name, clocks in self.seconds.items()
        }

    def total(self, clock: str, name: str) -> float:
        """Seconds of all epochs but the first."""
        return sum(self.seconds[name][clock][1:])


def count_traces(model):
    """Count how often the model's `train_step` is traced from now on."""
    original, count = model.train_step, [0]

    def counted(data):
        count[0] += 1
        return original(data)

    model.train_step = counted
    return lambda: count[0]


if __name__ == "__main__":
    main()
