"""python -m ferkeras.fit, whole: what it leaves behind, that it repeats itself, how it fails."""

import html
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from ferkeras.config.file import load_config
from ferkeras.config.hints import CONFIGS
from ferkeras.data.presets.fer2013 import EMOTIONS
from ferkeras.fit.__main__ import main
from ferkeras.fit.page import run_page
from ferkeras.metrics.predictions import read_predictions
from ferkeras.runs.finished import open_run
from ferkeras.runs.history import read_history
from ferkeras.runs.record import Run

SMALL = [
    "data.demo_faces=300",
    "network.filters=[4]",
    "network.dense_units=[8]",
    "train.epochs=3",
    "train.batch_size=32",
    "schedule.gate_accuracy=0",
    "schedule.dropout_from_epoch=2",
    "schedule.dropout_over_epochs=2",
    "schedule.smoothing_from_epoch=2",
    "schedule.smoothing_over_epochs=1",
    "monitor.diagnose=false",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def finished(models):
    """A process that has trained, whole, as somebody at a terminal would."""
    return subprocess.run(
        [sys.executable, "-m", "ferkeras.fit", *SMALL, f"output.folder={models}", "--name=first"],
        capture_output=True,
        text=True,
        cwd=CONFIGS.parent,
        # As in the process of the tests.
        env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def run(finished, models):
    """A finished run."""
    assert finished.returncode == 0, finished.stderr
    return models / "first-001"


def test_a_healthy_run_says_nothing_on_stderr_and_where_to_look(finished, run, models):
    assert finished.stderr == ""
    assert f"tensorboard --logdir {models}" in finished.stdout


def test_the_folder_tells_how_the_run_came_about(run):
    names = {path.name for path in run.iterdir()}
    assert names >= {
        "config.yaml",
        "environment.json",
        "history.csv",
        "best.keras",
        "last.keras",
        "tensorboard",
        "curves.png",
        "confusion_matrix.png",
        "per_class.png",
        "train_batch.png",
        "predictions.npz",
        "export",
        "metrics.json",
    }
    config = load_config(run / "config.yaml")
    assert config.name == "first"
    assert config.train.epochs == 3
    environment = json.loads((run / "environment.json").read_text())
    assert environment["data"]["faces"] == {"train": 255, "validation": 45}


def test_history_has_one_line_an_epoch_and_the_ramps(run):
    history = pd.read_csv(run / "history.csv")
    assert list(history["epoch"]) == [1, 2, 3]
    assert list(history["conv_dropout"].round(6)) == [0.1, 0.1, 0.15]
    assert list(history["label_smoothing"].round(6)) == [0.0, 0.05, 0.1]
    assert not history[[f"val_recall/{name}" for name in EMOTIONS]].isna().any(axis=None)
    assert (history["gradient_norm"] > 0).all()


def test_metrics_agree_with_the_predictions_and_the_history(run):
    metrics = json.loads((run / "metrics.json").read_text())
    history = pd.read_csv(run / "history.csv").set_index("epoch")
    with np.load(run / "predictions.npz") as predictions:
        right = predictions["probabilities"].argmax(axis=1) == predictions["labels"]
    assert metrics["validation"]["accuracy"] == pytest.approx(right.mean())
    assert history["val_accuracy"].max() == pytest.approx(right.mean(), abs=1e-6)
    assert history["val_accuracy"].idxmax() == metrics["best_epoch"]


def test_tensorboard_gets_the_predictions_of_the_best_network_and_its_features(run):
    folder = run / "tensorboard" / "validation"
    read = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    metrics = json.loads((run / "metrics.json").read_text())
    for name in EMOTIONS:
        (event,) = read.Tensors(f"precision_recall/{name}/pr_curves")
        assert event.step == metrics["best_epoch"]
        all_are_it = tensor_util.make_ndarray(event.tensor_proto)[:, 0]
        assert all_are_it[0] == metrics["validation"]["emotions"][name]["support"]
    points = np.loadtxt(folder / "faces_features.tsv", delimiter="\t")
    assert points.shape == (metrics["validation"]["faces"], 8)


def test_the_export_needs_no_keras(run):
    code = f"""
import sys
sys.modules["keras"] = sys.modules["ferkeras"] = None  # cannot be imported
import numpy as np
import tensorflow as tf
model = tf.saved_model.load({str(run / "export" / "1")!r})
faces = np.random.default_rng(0).integers(0, 256, (5, 48, 48, 1), dtype=np.uint8)
prediction = model.signatures["serving_default"](faces=tf.constant(faces))
assert prediction["probabilities"].shape == (5, 7)
assert np.allclose(prediction["probabilities"].numpy().sum(axis=1), 1, atol=1e-5)
about = model.signatures["about"]()
names = [name.decode() for name in about["emotions"].numpy()]
best = prediction["probabilities"].numpy().argmax(axis=1)
assert [label.decode() for label in prediction["label"].numpy()] == [names[i] for i in best]
print(" ".join(names))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=run, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(EMOTIONS)


@pytest.mark.usefixtures("brief", "optimized")
def test_the_same_seed_is_the_same_run_and_another_is_not(run, models):
    for name, seed in (("again", 0), ("other", 1)):
        arguments = [f"output.folder={models}", "monitor.tensorboard=false", f"seed={seed}"]
        assert main([*SMALL, *arguments, "--name", name]) == 0
    histories = [
        (models / f"{name}-001" / "history.csv").read_bytes()
        for name in ("first", "again", "other")
    ]
    assert histories[0] == histories[1]
    assert histories[0] != histories[2]
    first, again = (
        weights_of(models / f"{name}-001" / "last.keras") for name in ("first", "again")
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def weights_of(path):
    import keras

    return keras.saving.load_model(path).get_weights()


@pytest.mark.usefixtures("short_range_tests")
def test_a_collapse_stops_the_run_with_code_1_and_is_diagnosed(models, capsys, brief):
    arguments = [
        *(each for each in SMALL if each != "monitor.diagnose=false"),
        f"output.folder={models}",
        "monitor.collapse_action=stop",
        "monitor.collapse_fraction=0.2",
        "monitor.tensorboard=false",
        "monitor.diagnose=true",
        "train.learning_rate=1e-6",
        "--name=stopped",
    ]
    assert main(arguments) == 1
    metrics = json.loads((models / "stopped-001" / "metrics.json").read_text())
    assert metrics["stopped"]
    assert metrics["epochs"] == 1
    assert metrics["alarms"]
    assert metrics["diagnosis"]["epoch"] == 1
    assert metrics["diagnosis"]["cause"] == "learning_rate_too_low"
    finished = open_run(models / "stopped-001")
    predictions = Run(models / "stopped-001").predictions
    validation = read_predictions(predictions, finished.task.classes)
    page = run_page(finished, read_history(finished), validation, [])
    assert html.escape(metrics["diagnosis"]["verdict"]) in page
    assert (models / "stopped-001" / "diagnosis" / "diagnosis.html").exists()
    said = capsys.readouterr().out
    assert "ALARM" in said
    assert f"Verdict: {metrics['diagnosis']['verdict']}" in said


def test_a_kept_network_that_predicts_one_class_is_code_1_and_the_next_is_diagnosis(
    models, capsys, brief
):
    arguments = [
        *SMALL,
        f"output.folder={models}",
        "monitor.collapse_fraction=0.2",
        "train.learning_rate=1e-6",
        "--name=collapsed",
    ]
    assert main(arguments) == 1
    metrics = json.loads((models / "collapsed-001" / "metrics.json").read_text())
    assert metrics["stopped"] is None
    said = capsys.readouterr().out
    assert "failed: the network that is kept calls " in said
    _, after = said.split("\nNext\n")
    assert f"ferkeras.diagnose {models / 'collapsed-001'}" in after.splitlines()[1]


def test_missing_data_is_one_clear_error(tmp_path, capsys):
    path = tmp_path / "fer2013.csv"
    assert main([f"data.path={path}", f"output.folder={tmp_path / 'models'}"]) == 2
    assert "no such file" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_help_is_there_before_tensorflow():
    help_ = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ferkeras.fit", "--help"],
        capture_output=True,
        text=True,
        cwd=CONFIGS.parent,
        check=True,
    )
    assert "train.learning_rate=0.001" in help_.stdout
    assert "tensorflow" not in help_.stderr
