"""A training that is cut off anywhere goes on to exactly the same end."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ferkeras.config import Config
from ferkeras.config_file import load_config
from ferkeras.data.drawn import draw_faces
from ferkeras.data.faces import Splits
from ferkeras.learning.checkpoints import CheckpointFolder
from ferkeras.learning.learner import Learner, build_learner, make_reproducible
from ferkeras.learning.loop import TrainingLoop
from ferkeras.learning.watchers import build_watchers
from ferkeras.report.console import Console
from ferkeras.runs import Run
from ferkeras.signals import StopRequest

EPOCHS, STEPS = 3, 4

SETTINGS = (
    "network.filters=[2]",
    "network.dense_units=[4]",
    f"train.epochs={EPOCHS}",
    "train.batch_size=48",
    # Ramps begin, and the learning rate falls, in the middle of it.
    "schedule.gate_accuracy=0",
    "schedule.dropout_from_epoch=2",
    "schedule.smoothing_from_epoch=2",
    "schedule.plateau_from_epoch=1",
    "schedule.plateau_patience=1",
    "monitor.collapse_share=0.2",
    "monitor.overfit_every=2",
    "monitor.images_every=2",
    "checkpoint.every_steps=3",
    "checkpoint.every_seconds=null",
)


class Killed(BaseException):
    """Takes the place of SIGKILL: nobody catches it."""


class Kill(keras.callbacks.Callback):
    """Raise in a hook: `("train_batch_begin", 2, 1)` before the second step of epoch 2."""

    def __init__(self, hook, epoch, batch=None):
        super().__init__()
        self.epoch, self.at, self.batch = 0, epoch, batch
        setattr(self, f"on_{hook}", self.kill)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def kill(self, *place, **logs):
        if self.epoch == self.at and (self.batch is None or place[0] == self.batch):
            raise Killed


@pytest.fixture(scope="module")
def splits() -> Splits:
    read = draw_faces(220, 0)
    faces, validation = read.faces.take(np.arange(180)), read.faces.take(np.arange(180, 220))
    return Splits(faces, validation, None, read.source, read.fingerprint, True)


def settings(*overrides) -> Config:
    return load_config(None, [*SETTINGS, *overrides])


def go(config, splits, folder, *more, request=None, stream=None) -> tuple[Learner, Console]:
    """One process's part of a training; `more` are callbacks that stand before all others."""
    make_reproducible(config)
    learner = build_learner(config, splits)
    run = Run(folder)
    run.folder.mkdir(exist_ok=True)
    console = Console(stream or io.StringIO())
    watchers = build_watchers(config, learner, splits, run, console)
    loop = TrainingLoop(
        config,
        learner,
        [*more, *watchers.callbacks],
        CheckpointFolder(run.checkpoints),
        console,
        request or StopRequest(),
    )
    loop.go_on()
    loop.run(ended=watchers.collapse.stopped is not None)
    return learner, console


def everything(learner: Learner) -> list[np.ndarray]:
    model = learner.model
    variables = [*model.variables, *model.optimizer.variables, model.loss.smoothing]
    return [np.array(variable.numpy()) for variable in variables]


def assert_same(got: tuple[Learner, Console], expected: tuple[Learner, Console]) -> None:
    for a, b in zip(everything(got[0]), everything(expected[0]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert got[1].alarms == expected[1].alarms


def events(folder) -> list[tuple]:
    found = []
    for name in ("train", "validation"):
        read = EventAccumulator(str(folder / name), size_guidance={"tensors": 0})
        read.Reload()
        for tag in read.Tags()["tensors"]:
            for event in read.Tensors(tag):
                value = tf.make_ndarray(event.tensor_proto)
                content = value.tolist() if value.dtype == object else value.tobytes()
                if "hparams" in tag:  # they hold the time
                    content = None
                found.append((name, tag, event.step, content))
    return sorted(found, key=lambda event: event[:3])


@pytest.fixture(scope="module")
def uninterrupted(splits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, go(settings(), splits, folder)


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(("train_batch_begin", 1, 1), id="after the first step"),
        pytest.param(("train_batch_begin", 2, 3), id="before a last, smaller batch"),
        pytest.param(("train_batch_begin", 2, 0), id="between two epochs"),
        pytest.param(("test_begin", 2), id="in a validation"),
        pytest.param(("train_end", 3), id="after the last epoch"),
    ],
)
def test_cut_off_and_resumed_is_the_same_bit_for_bit(place, splits, uninterrupted, tmp_path):
    folder, expected = uninterrupted
    kill = Kill(*place)
    with pytest.raises(Killed):
        go(settings(), splits, tmp_path / "run", kill)
    got = go(settings(), splits, tmp_path / "run")
    assert_same(got, expected)
    assert (tmp_path / "run/history.csv").read_bytes() == (folder / "history.csv").read_bytes()
    assert best(tmp_path / "run") == best(folder)
    assert events(tmp_path / "run" / "tensorboard") == events(folder / "tensorboard")


def best(folder) -> list[bytes]:
    model = keras.saving.load_model(folder / "best.keras")
    return [variable.numpy().tobytes() for variable in model.weights]
