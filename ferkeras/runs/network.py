"""The network of a run, rebuilt from its configuration."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import keras

from ferkeras.callbacks import MonitoredModel
from ferkeras.cli.errors import InputError
from ferkeras.config.schema import Config
from ferkeras.files.arrays import ARCHIVE_ERRORS
from ferkeras.files.inner import InnerPath
from ferkeras.files.weights import open_weights
from ferkeras.network.model import build_network
from ferkeras.network.precision import fast_precision, precision_restored, set_precision
from ferkeras.network.served import copy_weights, served_network
from ferkeras.runs.finished import TrainedRun, open_run, task_of
from ferkeras.runs.record import Run
from ferkeras.runs.records import EnvironmentRecord

_OTHER_BYTES = 64 * 2**20
_LARGEST_WEIGHT = 1e12


@dataclass(frozen=True)
class Trained:
    """A run with its best network.

    Attributes:
        finished: what the run tells of itself.
        model: uint8 faces (N, H, W, C) to float32 logits (N, K); not compiled.
    """

    finished: TrainedRun
    model: MonitoredModel

    @property
    def run(self) -> Run:
        """The run's folder."""
        return self.finished.run

    @property
    def config(self) -> Config:
        """The run's resolved configuration."""
        return self.finished.config


def load_trained(path: str | Path | TrainedRun, *, as_trained: bool = False) -> Trained:
    """Load the best network of a finished run, given its folder, or of any run that was opened.

    The network is built from the validated configuration, and `best.keras` gives numbers only:
    nothing that the file says is executed. It computes in the precision of the training, as the
    run's figures do, where the file by itself computes in float32; in float32 too where this
    machine has nothing that computes the other.

    Args:
        path: the run.
        as_trained: compute in the precision of the training on every machine, however slow.

    Raises:
        InputError: see `ferkeras.runs.finished.open_run`; or the weights are missing, damaged or
            those of another network.
    """
    finished = path if isinstance(path, TrainedRun) else open_run(path)
    model = load_network(
        finished.config, finished.environment, finished.run.best, as_trained=as_trained
    )
    return Trained(finished, model)


def load_network(
    config: Config, environment: EnvironmentRecord, path: InnerPath, *, as_trained: bool = False
) -> MonitoredModel:
    """Build the network of a run and give it the weights of a `.keras` file in its folder.

    Args:
        config: of the run.
        environment: of the run.
        path: the file.
        as_trained: see `load_trained`.

    Returns:
        uint8 faces (N, H, W, C) to float32 logits (N, K); not compiled, with the rates of
        dropout that are configured for the first step.

    Raises:
        InputError: the file is missing, damaged or of another network.
    """
    precision = config.train.precision
    with precision_restored():
        set_precision(precision if as_trained else fast_precision(precision))
        data = environment["data"]
        model = build_network(
            config.network, task_of(environment), mean=data["mean"], std=data["std"]
        )
    plain = served_network(model, dtype="float32")
    _load_weights(plain, path)
    copy_weights(plain, model)
    return model


def _load_weights(model: keras.Model, path: InnerPath) -> None:
    try:
        with warnings.catch_warnings():
            # Keras only warns of layers for which it found no weights and left at random.
            warnings.simplefilter("error", UserWarning)
            # A weight and its two moments are 12 bytes; Keras itself refuses nothing below 4 GiB.
            with open_weights(path, 32 * model.count_params() + _OTHER_BYTES):
                model.load_weights(path.for_library())
            refuse_untrained_numbers(model)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; without it the run has no network; train again"
        ) from None
    # h5py and zipfile raise these on damaged files, Keras on weights of other shapes.
    except (OSError, UserWarning, *ARCHIVE_ERRORS) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: damaged, or not of the network that config.yaml beside it "
            f"describes ({type(error).__name__}: {reason}); take the file from a copy of the run, "
            "or train again"
        ) from None


def refuse_untrained_numbers(model: keras.Model) -> None:
    """ValueError for a weight that no training leaves: not finite, of a size that overflows.

    So is a variance below 0, whose root is no number.
    """
    for variable in model.weights:
        values = keras.ops.convert_to_numpy(variable)
        if values.dtype.kind != "f" or not values.size:
            continue
        least = 0.0 if variable.name == "moving_variance" else -_LARGEST_WEIGHT
        if not (least <= values.min() and values.max() <= _LARGEST_WEIGHT):
            raise ValueError(
                f"{variable.path} has values that are not finite, or that no training leaves"
            )
