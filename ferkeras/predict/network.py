"""The network that predicts: a run's LiteRT file where it has one, else Keras."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.cli.home import expanded
from ferkeras.cli.wording import shown
from ferkeras.data.task import ImageSpec
from ferkeras.data.test_time_augmentation import TestTimeAugmentation
from ferkeras.metrics.calibration import temperatures_of, tempered
from ferkeras.runs.embedded import About
from ferkeras.runs.finished import TrainedRun, check_task, find_folder, task_of
from ferkeras.runs.litert import LiteRtNetwork
from ferkeras.runs.records import EnvironmentRecord, read_record
from ferkeras.runs.shipped import is_shipped
from ferkeras.runs.so_far import open_trained


class Network(Protocol):
    """Predicts faces; may be called from several threads at once."""

    @property
    def about(self) -> About:
        """Names of the K classes, and how the network came about."""

    @property
    def image(self) -> ImageSpec:
        """Size and colour of the faces that it takes."""

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Probabilities, float32 (N, K), of uint8 faces (N, H, W, C)."""


def load_network(path: str | Path, console: Console | None = None) -> Network:
    """Load the best network of a run, or an exported LiteRT file.

    TensorFlow is imported only for a run without a LiteRT file in `export/`, and for one that has
    no end yet: then the network is the best one so far, and its provenance says so. Both ways give
    the same predictions, with the temperature of the run's calibration where it has one. Neither
    runs code that lies in a file; a SavedModel or a `.keras` file by itself is therefore refused.

    Args:
        path: a run's folder, or a `.tflite` file.
        console: says that TensorFlow is being loaded, where that is needed.

    Raises:
        InputError: it is neither, or damaged; see `open_trained`, `LiteRtNetwork`, `load_trained`.
    """
    path = expanded(path)
    if path.suffix == ".tflite":
        # Whoever names a link knows where it leads.
        return LiteRtNetwork(Path(os.path.realpath(path)))
    if path.suffix == ".keras" or (path / "saved_model.pb").is_file():
        raise InputError(
            f"{path}: a Keras file or SavedModel can carry code and is not loaded by its path; "
            "name the folder of the run, or a .tflite file made by python -m ferkeras.export"
        )
    run = find_folder(path)
    # What lies in `export/` of a run without an end may be of a former end.
    files = [p for p in (run.litert, run.half_litert) if run.metrics.is_file() and p.is_file()]
    if not files:
        return _with_keras(open_trained(path), console)
    # Neither the configuration nor the metrics of the run are read: that takes longer than a face.
    environment = read_record(run.environment, EnvironmentRecord)
    check_task(run, environment)
    names = task_of(environment).classes.names
    network = LiteRtNetwork(files[0], own=is_shipped(run.folder))
    if network.about.emotions != names:
        raise InputError(
            f"{shown(files[0])}: its classes are not those of the run "
            f"({shown(', '.join(network.about.emotions)[:200])}); export it again"
        )
    about = network.about.with_temperatures(temperatures_of(run))
    return network if about == network.about else Tempered(network, about)


def _with_keras(finished: TrainedRun, console: Console | None) -> Network:
    # A calibration is of the network at a run's end.
    temperatures = {} if finished.unfinished else temperatures_of(finished.run)
    with nullcontext() if console is None else console.working("loading TensorFlow"):
        return KerasNetwork(finished, temperatures)


class Tempered:
    """A network with other temperatures than those that it came with.

    Args:
        network: predictions with probabilities.
        about: the same with the temperatures that it shall have.
    """

    def __init__(self, network: Network, about: About) -> None:
        self.about = about
        self._network = network
        self._temperature = about.temperature / network.about.temperature

    @property
    def image(self) -> ImageSpec:
        """As the network has it."""
        return self._network.image

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Probabilities, float32 (N, K), of uint8 faces (N, H, W, C)."""
        return tempered(self._network(faces), self._temperature)


class KerasNetwork:
    """The trained network itself, run by Keras on TensorFlow.

    Args:
        finished: the run.
        temperatures: of the run, see `ferkeras.metrics.calibration.temperatures_of`.
    """

    def __init__(
        self, finished: TrainedRun, temperatures: Mapping[TestTimeAugmentation, float]
    ) -> None:
        from ferkeras.cli.quiet import import_tensorflow

        import_tensorflow()
        import tensorflow as tf

        from ferkeras.network.served import served_network
        from ferkeras.runs.network import load_trained

        self.about = finished.about().with_temperatures(temperatures)
        model = load_trained(finished).model
        served = served_network(model, temperature=self.about.temperature)
        self.image = finished.task.image
        signature = tf.TensorSpec(served.input.shape, tf.uint8)

        @tf.function(input_signature=[signature])
        def prediction(faces: Any) -> Any:
            return served(faces, training=False)

        self._predict = prediction

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Probabilities, float32 (N, K), of uint8 faces (N, H, W, C); N may be 0."""
        if not len(faces):
            return np.empty((0, len(self.about.emotions)), np.float32)
        return self._predict(faces).numpy()
