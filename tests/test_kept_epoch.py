"""`train.keep`: the network of the best epoch is kept, or that of the last."""

import json
import math

import keras
import numpy as np
import pytest
from brief_training import QUICK

from ferkeras.export.card.model_card import model_card
from ferkeras.files.inner import InnerPath
from ferkeras.fit.__main__ import main as fit
from ferkeras.fit.page import run_page
from ferkeras.metrics.predictions import read_predictions
from ferkeras.runs.embedded import About, enclosed_in
from ferkeras.runs.finished import open_run
from ferkeras.runs.history import read_history
from ferkeras.training.best import BestModelCheckpoint

EPOCHS = [
    {"val_accuracy": 0.3, "val_loss": 1.7},
    {"val_accuracy": 0.5, "val_loss": 1.5},
    {"val_accuracy": 0.4, "val_loss": 1.6},
    {"val_accuracy": 0.2, "val_loss": math.nan},
]


def small_network():
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, keras.layers.Dense(2, name="logits")(features))


@pytest.mark.parametrize(("keep", "epoch"), [("best", 2), ("last", 3)])
def test_the_network_of_that_epoch_is_in_the_file(keep, epoch, tmp_path):
    model = small_network()
    path = InnerPath(tmp_path) / "best.keras"
    callback = BestModelCheckpoint(path, About(("happy", "sad"), {}), keep=keep)
    callback.set_model(model)
    for at, logs in enumerate(EPOCHS):
        model.get_layer("logits").bias.assign([0.0, at])
        callback.on_epoch_end(at, logs)
    assert enclosed_in(path.read_bytes(), path).provenance["epoch"] == epoch
    kept = keras.models.load_model(tmp_path / "best.keras")
    assert np.array_equal(kept.get_layer("logits").bias.numpy(), [0.0, epoch - 1])


def test_a_network_of_a_course_that_is_given_up_gives_way_to_the_next(tmp_path):
    model, path = small_network(), InnerPath(tmp_path) / "best.keras"
    callback = BestModelCheckpoint(path, About(("happy", "sad"), {}))
    callback.set_model(model)
    callback.on_epoch_end(0, {"val_accuracy": 0.5})
    state = json.loads(json.dumps(callback.get_state()))
    callback.set_state(state)
    callback.on_epoch_end(1, {"val_accuracy": 0.4})
    assert not callback.kept
    callback.on_epoch_end(1, {"val_accuracy": 0.7})
    assert callback.kept
    # It has diverged; the second epoch comes out otherwise now.
    callback.set_state(state)
    for epoch, (accuracy, kept) in enumerate([(0.48, True), (0.47, False), (0.49, True)], 1):
        callback.on_epoch_end(epoch, {"val_accuracy": accuracy})
        assert callback.kept is kept
    provenance = enclosed_in(path.read_bytes(), path).provenance
    assert (provenance["epoch"], provenance["validation_accuracy"]) == (4, 0.49)


def test_a_resumed_training_trusts_the_file_that_it_finds(tmp_path):
    model, path = small_network(), InnerPath(tmp_path) / "best.keras"
    callbacks = [BestModelCheckpoint(path, About(("happy", "sad"), {})) for _ in range(2)]
    for callback in callbacks:
        callback.set_model(model)
    callbacks[0].on_epoch_end(0, {"val_accuracy": 0.5})
    callbacks[1].set_state(json.loads(json.dumps(callbacks[0].get_state())))
    callbacks[1].on_epoch_end(1, {"val_accuracy": 0.4})
    assert enclosed_in(path.read_bytes(), path).provenance["epoch"] == 1


@pytest.mark.parametrize(("steps", "averaged"), [(5, False), (6, True), (6, None)])
def test_the_file_tells_whether_its_weights_are_an_average(steps, averaged, tmp_path):
    model, path = small_network(), InnerPath(tmp_path) / "best.keras"
    model.compile(keras.optimizers.SGD(use_ema=averaged is not None, ema_momentum=0.5))
    # 0.5 ** 4 of the average is of the start, or 0.5 ** 5, which is below a twentieth.
    model.optimizer.build(model.trainable_weights)
    model.optimizer._iterations.assign(steps)
    callback = BestModelCheckpoint(path, About(("happy", "sad"), {}))
    callback.set_model(model)
    callback.on_epoch_end(0, EPOCHS[0])
    assert enclosed_in(path.read_bytes(), path).provenance.get("averaged") is averaged


@pytest.mark.usefixtures("brief", "eager")
def test_a_run_says_that_its_last_epoch_was_kept(tmp_path):
    settings = {**QUICK, "data.demo_faces": 200, "train.keep": "last", "monitor.diagnose": False}
    settings |= {"train.epochs": 2, "output.folder": tmp_path, "name": "kept"}
    settings |= {"network.filters": [4], "train.batch_size": 64, "monitor.tensorboard": False}
    assert fit([f"{key}={json.dumps(value, default=str)}" for key, value in settings.items()]) == 0
    run = open_run(tmp_path / "kept-001")
    assert run.metrics["best_epoch"] == 2
    card = model_card(run, {})
    assert "network of epoch 2, the last" in card
    assert "the last epoch, which no validation face has chosen" in card
    assert "highest validation accuracy" not in card
    validation = read_predictions(run.run.predictions, run.task.classes)
    page = run_page(run, read_history(run), validation, [])
    assert "It is the last epoch, not one that these faces have chosen" in page.replace("\n", " ")
