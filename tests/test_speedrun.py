"""The speedrun table: what it reads from runs, and how it puts seeds together."""

import importlib.util
import json
import shutil
from pathlib import Path

import keras
import pytest
import tensorflow as tf

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def speedrun():
    spec = importlib.util.spec_from_file_location("speedrun", ROOT / "benchmarks/speedrun.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def result(predicted, faces, accuracy):
    return {"variant": predicted, "faces": faces, "metrics": {"accuracy": accuracy}}


def evaluated(run, folder, seed, accuracy):
    """A copy of a run as if evaluated, with events one, one and nine minutes apart."""
    shutil.copytree(run, folder)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("seed: 0", f"seed: {seed}"))
    path = folder / "evaluation/validation/evaluation-validation.json"
    path.parent.mkdir(parents=True)
    results = [
        result("plain", "all", accuracy),
        result("flip", "all", accuracy + 0.01),
        result("multiscale", "all", accuracy + 0.02),
    ]
    path.write_text(json.dumps({"results": results}))
    writer = tf.io.TFRecordWriter(_events(folder))
    for step, minute in enumerate((0, 1, 2, 11)):
        event = tf.compat.v1.Event(wall_time=1e9 + 60 * minute, step=step)
        value = event.summary.value.add(tag="epoch_loss")
        value.tensor.CopyFrom(tf.make_tensor_proto(1.0))
        writer.write(event.SerializeToString())
    writer.close()
    return str(folder)


def _events(folder):
    (folder / "tensorboard/validation").mkdir(parents=True)
    return str(folder / "tensorboard/validation/events.out.tfevents.1.test")


def test_seeds_share_a_row_and_an_interruption_does_not_count(
    speedrun, finished_run, tmp_path, capsys
):
    runs = [
        evaluated(finished_run, tmp_path / f"tiny-00{seed}", seed, 0.5 + 0.02 * seed)
        for seed in (0, 1)
    ]
    assert speedrun.main([*runs, "--json", str(tmp_path / "rows.json")]) == 0
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert row["seeds"] == [0, 1]
    assert row["accuracy"] == pytest.approx(51.0)
    assert row["accuracy, std"] == pytest.approx(2**0.5)
    assert row["tta flip"] == pytest.approx(52.0)
    assert row["tta multiscale"] == pytest.approx(53.0)
    assert "unseen" not in row
    assert row["minutes"] == pytest.approx(3)  # three epochs, each of the median minute
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith(
        "| tiny | 0 1 | 51.0 ± 1.4 % | 52.0 ± 1.4 % | 53.0 ± 1.4 % |  |  |  |"
    )


def test_what_has_not_been_evaluated_is_named(speedrun, finished_run, capsys):
    assert speedrun.main([str(finished_run)]) == 2
    assert f"first: python -m ferkeras.evaluate {finished_run}" in capsys.readouterr().err


def test_operations_are_counted_by_hand(speedrun):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(5, 3, padding="same", strides=2)(inputs)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    outputs = keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(x))
    expected = 2 * (4 * 4 * 5 * 27 + 4 * 4 * 5 * 9 + 5 * 7)
    assert speedrun.forward_operations(keras.Model(inputs, outputs)) == expected
