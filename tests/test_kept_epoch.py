"""`train.keep`: the network of the best epoch is kept, or that of the last."""

import json
import math

import keras
import numpy as np
import pytest
from brief_training import QUICK

from ferkeras.files.inner import InnerPath
from ferkeras.fit.__main__ import main as fit
from ferkeras.runs.embedded import About, enclosed_in
from ferkeras.training.best import BestModelCheckpoint

EPOCHS = [
    {"val_accuracy": 0.3, "val_loss": 1.7},
    {"val_accuracy": 0.5, "val_loss": 1.5},
    {"val_accuracy": 0.4, "val_loss": 1.6},
    {"val_accuracy": 0.2, "val_loss": math.nan},
]


@pytest.mark.parametrize(("keep", "epoch"), [("best", 2), ("last", 3)])
def test_the_network_of_that_epoch_is_in_the_file(keep, epoch, tmp_path):
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="logits")(features))
    path = InnerPath(tmp_path) / "best.keras"
    callback = BestModelCheckpoint(path, About(("happy", "sad"), {}), keep=keep)
    callback.set_model(model)
    for at, logs in enumerate(EPOCHS):
        model.get_layer("logits").bias.assign([0.0, at])
        callback.on_epoch_end(at, logs)
    assert enclosed_in(path.read_bytes(), path).provenance["epoch"] == epoch
    kept = keras.models.load_model(tmp_path / "best.keras")
    assert np.array_equal(kept.get_layer("logits").bias.numpy(), [0.0, epoch - 1])


def test_a_run_says_that_its_last_epoch_was_kept(tmp_path):
    settings = {**QUICK, "data.demo_faces": 200, "train.keep": "last", "monitor.diagnose": False}
    settings |= {"train.epochs": 2, "output.folder": tmp_path, "name": "kept"}
    assert fit([f"{key}={json.dumps(value, default=str)}" for key, value in settings.items()]) == 0
    run = tmp_path / "kept-001"
    assert json.loads((run / "metrics.json").read_text())["best_epoch"] == 2
    card = (run / "export" / "README.md").read_text()
    assert "network of epoch 2, the last" in card
    assert "the last epoch, which no validation face has chosen" in card
    assert "highest validation accuracy" not in card
    assert "It is the last epoch, not one that these faces have chosen" in (
        run / "report.html"
    ).read_text().replace("\n", " ")
