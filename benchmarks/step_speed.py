"""A training step in float32 and bfloat16, with Keras's normalisation and ours, and in PyTorch.

  PYTHONPATH=. python benchmarks/step_speed.py --config configs/fer2013-teacher.yaml

The configured network, batch size and clip norm, AdamW, label smoothing, random faces in
memory: no input pipeline, no callbacks, no validation. All variants take turns of a few steps each,
so that a busy machine is busy for all. Where torch is installed, a residual network in PyTorch too
(channels last, as it likes it on a processor) takes part in float32 and in bfloat16 (autocast), in
a process of its own: beside TensorFlow in one process it crashes. Prints the median seconds of a
step, by the clock and of the processor, and the ratio to float32 with Keras's layers.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from ferkeras.cli.quiet import import_tensorflow
from ferkeras.config.file import load_config
from ferkeras.config.networks.residual import Residual
from ferkeras.config.schema import Config
from ferkeras.data.presets.fer2013 import FER2013

BASELINE = "Keras, float32, BatchNormalization"
Steps = Callable[[int], tuple[float, float]]
"""Does so many steps; seconds by the clock and of the processor that they took."""


def main() -> None:
    """Measure in turns; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("configs/fer2013-teacher.yaml"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=8, help="in each turn")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_intermixed_args()
    config = load_config(arguments.config, arguments.overrides)
    import_tensorflow()
    rng = np.random.default_rng(config.seed)
    faces = rng.integers(0, 256, (config.train.batch_size, 48, 48, 1), np.uint8)
    labels = rng.integers(0, len(FER2013.classes), config.train.batch_size)

    variants = dict(_keras_variants(config, faces, labels))
    if config.network.kind != "residual" or config.network.dense_units:
        print("only residual networks without dense units are there in PyTorch: it is left out")
    elif not importlib.util.find_spec("torch"):
        print("torch is not installed: PyTorch is left out")
    else:
        variants |= _torch_variants(config, faces, labels)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    for steps in variants.values():
        steps(3)  # traced, and the memory fetched
    for _ in range(arguments.rounds):
        for name, steps in variants.items():
            times[name].append(steps(arguments.steps))
    rows = {
        name: {
            key: statistics.median(each[at] for each in turns) / arguments.steps
            for at, key in enumerate(("wall_s", "processor_s"))
        }
        for name, turns in times.items()
    }
    print(f"{'':42}{'clock':>9}{'CPU':>9}{'ratio':>8}{'CPU ratio':>11}{'faces/s':>9}")
    for name, row in rows.items():
        row["wall_ratio"], row["processor_ratio"] = (
            row[key] / rows[BASELINE][key] for key in ("wall_s", "processor_s")
        )
        print(
            f"{name:42}{row['wall_s']:8.3f}s{row['processor_s']:8.3f}s{row['wall_ratio']:8.2f}"
            f"{row['processor_ratio']:11.2f}{len(faces) / row['wall_s']:9.0f}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def _keras_variants(
    config: Config, faces: np.ndarray, labels: np.ndarray
) -> Iterator[tuple[str, Steps]]:
    import keras

    from ferkeras.network.batchnorm import FusedBatchNormalization
    from ferkeras.network.loss import SmoothedCrossentropy
    from ferkeras.network.model import build_network

    def stock(layer: keras.Layer) -> keras.Layer:
        """The layer itself, or Keras's own in place of the fused one."""
        if isinstance(layer, FusedBatchNormalization):
            return keras.layers.BatchNormalization.from_config(layer.get_config())
        return type(layer).from_config(layer.get_config())

    for precision, named in (("float32", "float32"), ("mixed_bfloat16", "bfloat16")):
        for fused in (False, True):
            keras.config.set_dtype_policy(precision)
            ours = build_network(config.network, FER2013, mean=0.5, std=0.25)
            layers = keras.Model(ours.inputs, ours.outputs)
            model = ours if fused else keras.models.clone_model(layers, clone_function=stock)
            # The step of keras.Model for both: what differs is the normalisation.
            model = keras.Model(model.inputs, model.outputs)
            model.compile(
                keras.optimizers.AdamW(
                    config.train.first_learning_rate,
                    weight_decay=config.train.weight_decay,
                    global_clipnorm=config.train.global_clip_norm,
                ),
                SmoothedCrossentropy(config.train.label_smoothing),
                jit_compile=False,
            )
            step = _keras_steps(model, faces, labels)
            norm = "fused" if fused else "BatchNormalization"
            yield f"Keras, {named}, {norm}", step
    keras.config.set_dtype_policy("float32")


def _keras_steps(model: Any, faces: np.ndarray, labels: np.ndarray) -> Steps:
    import tensorflow as tf

    from ferkeras.data.pipeline import untuned

    data = untuned(tf.data.Dataset.from_tensors((faces, labels)).cache().repeat())

    def run(steps: int) -> None:
        model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0)

    return _timed(run)


def _timed(run: Callable[[int], None]) -> Steps:
    def timed(steps: int) -> tuple[float, float]:
        wall, processor = time.perf_counter(), time.process_time()
        run(steps)
        return time.perf_counter() - wall, time.process_time() - processor

    return timed


def _torch_variants(config: Config, faces: np.ndarray, labels: np.ndarray) -> dict[str, Steps]:
    """Variants that another process runs when it is asked to."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    context.Process(target=_serve, args=(theirs, config, faces, labels), daemon=True).start()

    def remote(name: str) -> Steps:
        def steps(count: int) -> tuple[float, float]:
            ours.send((name, count))
            return ours.recv()

        return steps

    return {name: remote(name) for name in ours.recv()}


def _serve(connection: Connection, config: Config, faces: np.ndarray, labels: np.ndarray) -> None:
    variants = _in_torch(config, faces, labels)
    connection.send(list(variants))
    while True:
        try:
            name, count = connection.recv()
        except EOFError:  # the other end has printed its table
            return
        connection.send(variants[name](count))


def _in_torch(config: Config, faces: np.ndarray, labels: np.ndarray) -> dict[str, Steps]:
    import torch

    def steps_of(autocast: bool) -> Steps:
        torch.manual_seed(config.seed)
        network = torch_network(config.network.for_faces(48, 48))
        model = network.to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(
            model.parameters(),
            config.train.first_learning_rate,
            weight_decay=config.train.weight_decay,
        )
        loss_of = torch.nn.CrossEntropyLoss(label_smoothing=config.train.label_smoothing)
        x = torch.from_numpy(faces.transpose(0, 3, 1, 2).copy())
        y = torch.from_numpy(labels)

        def run(steps: int) -> None:
            for _ in range(steps):
                standard = ((x / 255 - 0.5) / 0.25).to(memory_format=torch.channels_last)
                with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                    logits = model(standard)
                loss = loss_of(logits.float(), y)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.train.global_clip_norm)
                optimizer.step()

        return _timed(run)

    return {
        f"PyTorch {torch.__version__}, float32": steps_of(False),
        f"PyTorch {torch.__version__}, bfloat16 autocast": steps_of(True),
    }


def torch_network(settings: Residual) -> Any:
    """`ferkeras.network.architectures.residual` in PyTorch: the same layers and parameters.

    Raises:
        ValueError: for squeeze and excitation or separable convolutions, which it does not have.
    """
    from torch import nn

    if settings.squeeze_excite or settings.separable:
        raise ValueError("only plain 3 x 3 residual networks are compared with PyTorch")

    def convolved(inputs: int, filters: int, size: int, stride: int) -> list[nn.Module]:
        return [
            nn.Conv2d(inputs, filters, size, stride, padding=size // 2, bias=False),
            nn.BatchNorm2d(filters, settings.batchnorm_epsilon, 1 - settings.batchnorm_momentum),
        ]

    class Block(nn.Module):
        def __init__(self, inputs: int, filters: int, *, halve: bool) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *convolved(inputs, filters, 3, 2 if halve else 1),
                nn.ReLU(),
                *convolved(filters, filters, 3, 1),
            )
            shortcut: list[nn.Module] = [nn.AvgPool2d(2)] if halve else []
            if inputs != filters:
                shortcut += convolved(inputs, filters, 1, 1)
            self.shortcut = nn.Sequential(*shortcut)

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(self.body(x) + self.shortcut(x))

    layers = [*convolved(1, settings.stem_filters, 5, settings.stem_stride), nn.ReLU()]
    inputs = settings.stem_filters
    for stage, (filters, blocks) in enumerate(
        zip(settings.filters, settings.blocks_of_stages, strict=True), start=1
    ):
        for block in range(1, blocks + 1):
            layers.append(Block(inputs, filters, halve=stage > 1 and block == 1))
            inputs = filters
        layers.append(nn.Dropout(settings.conv_dropout))
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, len(FER2013.classes))
    )


if __name__ == "__main__":
    main()
