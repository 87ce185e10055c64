"""A published run: small, clean, a run to every command, and what predict uses."""

import io
import json
import shutil
import zipfile
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from ferkeras.cli.invocation import command_line
from ferkeras.config.file import dump_config, load_config
from ferkeras.config.networks.backbone import Backbone
from ferkeras.config.networks.residual import Residual
from ferkeras.data.presets.fer2013 import EMOTIONS, FER2013
from ferkeras.export.card.model_card import model_card
from ferkeras.export.formats import predictions_of
from ferkeras.export.saved_model import saved_model_predictions, write_saved_model
from ferkeras.metrics.calibration import Calibration, store_calibration
from ferkeras.network.model import build_network
from ferkeras.network.served import served_network
from ferkeras.predict import __main__ as predict
from ferkeras.publish.__main__ import main
from ferkeras.publish.publication import of_no_machine, round_as_trained, word_without_folders
from ferkeras.runs.embedded import About, enclose
from ferkeras.runs.finished import open_run
from ferkeras.runs.network import load_trained
from ferkeras.runs.record import Run
from ferkeras.runs.shipped import SHIPPED

NOISE = np.random.default_rng(3).integers(0, 256, (30, 48, 48, 1), dtype=np.uint8)


def write_evaluation(folder, source):
    """The one that came along, as if it had been of these faces."""
    name = "evaluation/validation/evaluation-validation.json"
    evaluation = json.loads((SHIPPED / name).read_text())
    changed = {"source": source, "remark": f"{source} is not what this run was trained on"}
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text(json.dumps(evaluation | changed))


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    """A run that tells of folders of its machine, and has a temperature."""
    folder = shutil.copytree(finished_run, tmp_path_factory.mktemp("runs") / "tiny-001")
    environment = json.loads((folder / "environment.json").read_text())
    environment["command"] = [
        "python", "-m", "ferkeras.fit", "data.path=/home/ann/fer2013.csv",
        "distill.teachers=[/home/ann/a-001,b-001]",
    ]  # fmt: skip
    environment["settings"]["network.weights"] = "/home/ann/own.weights.h5"
    environment["changes"] = [
        {"when": "2026-01-01", "epoch": 2, "key": "data.path", "was": "/home/ann/a.csv", "now": "b"}
    ]
    (folder / "environment.json").write_text(json.dumps(environment))
    write_evaluation(folder, "/home/ann/fer2013.csv")
    config = load_config(
        folder / "config.yaml", ["distill.teachers=[/home/ann/a-001,saved_models/b-001]"]
    )
    (folder / "config.yaml").write_text(dump_config(config))
    store_calibration(Run(folder), {"none": Calibration(1.5, 30, 1.0, 0.9, 0.1, 0.05)})
    return folder


@pytest.fixture(scope="module")
def published(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("given") / "fer2013"
    assert main([str(run), str(folder)]) == 0
    return folder


def test_it_is_a_run_whose_network_predicts_as_before(run, published):
    original, copy = load_trained(run), load_trained(published)
    np.testing.assert_array_equal(
        original.model.predict(NOISE, verbose=0), copy.model.predict(NOISE, verbose=0)
    )
    exact = predictions_of("saved_model", published / "export/1", NOISE)
    half = predictions_of("litert-float16", published / "export/model-float16.tflite", NOISE)
    np.testing.assert_allclose(half, exact, atol=5e-3)


def test_weights_are_rounded_as_in_training_on_every_machine(run, tmp_path, monkeypatch):
    monkeypatch.setattr("ferkeras.network.precision.computes_bfloat16", lambda: False)
    monkeypatch.setattr("ferkeras.publish.publication.export_network", lambda *_, **__: [])
    half = shutil.copytree(run, tmp_path / "half-001")
    config = load_config(half / "config.yaml", ["train.precision=mixed_bfloat16"])
    (half / "config.yaml").write_text(dump_config(config))
    assert main([str(half), str(tmp_path / "given")]) == 0
    kernel = load_trained(tmp_path / "given").model.get_layer("dense1").kernel.numpy()
    rounded = keras.ops.cast(keras.ops.cast(kernel, "bfloat16"), "float32")
    np.testing.assert_array_equal(rounded, kernel)


def tell_of_best(folder, provenance):
    """Have the file of a run's network tell something else of itself; nothing, if that is None."""
    best, copy = folder / "best.keras", folder / "copy.keras"
    with zipfile.ZipFile(best) as told, zipfile.ZipFile(copy, "w") as bare:
        for each in told.infolist():
            if each.filename not in ("labels.txt", "about.json"):
                bare.writestr(each, told.read(each))
    if provenance is not None:
        enclose(copy, About(EMOTIONS, provenance))
    copy.replace(best)


@pytest.mark.parametrize(
    ("provenance", "said"),
    [
        ({"averaged": False}, "as the last step left them: their moving average (momentum 0.9)"),
        ({"averaged": True}, "moving average of the steps' weights"),
        (None, "moving average of the steps' weights"),
    ],
)
def test_its_card_says_what_the_weights_are(provenance, said, run, tmp_path, monkeypatch):
    monkeypatch.setattr("ferkeras.publish.publication.export_network", lambda *_, **__: [])
    averaged = shutil.copytree(run, tmp_path / "averaged-001")
    config = load_config(averaged / "config.yaml", ["train.ema_momentum=0.9"])
    (averaged / "config.yaml").write_text(dump_config(config))
    tell_of_best(averaged, provenance)
    assert said in model_card(open_run(averaged), {})
    assert main([str(averaged), str(tmp_path / "given")]) == 0
    assert f"| weights | {said}" in (tmp_path / "given" / "README.md").read_text()


def test_it_holds_no_optimizer_and_no_folder_of_the_machine(run, published):
    assert (published / "best.keras").stat().st_size < (run / "best.keras").stat().st_size
    with zipfile.ZipFile(published / "best.keras") as archive:
        packed = {m.filename for m in archive.infolist() if m.compress_type == zipfile.ZIP_DEFLATED}
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
            assert "optimizer" not in weights
    assert packed == {"metadata.json", "config.json", "model.weights.h5"}
    assert "data.path=fer2013.csv" in open_run(published).environment["command"]
    assert "distill.teachers=[a-001,b-001]" in open_run(published).environment["command"]
    assert open_run(published).config.distill.teachers == ("a-001", "saved_models/b-001")
    environment = open_run(published).environment
    assert environment["settings"]["network.weights"] == "own.weights.h5"
    assert [(each["was"], each["now"]) for each in environment["changes"]] == [("a.csv", "b")]
    for path in published.rglob("*"):
        if path.is_file():
            assert b"/home/ann" not in path.read_bytes()
            assert str(run.parent).encode() not in path.read_bytes()
    names = {path.name for path in published.iterdir()}
    assert names == {
        "README.md", "best.keras", "calibration.json", "config.yaml", "environment.json",
        "evaluation", "export", "history.csv", "metrics.json", "predictions.npz",
    }  # fmt: skip


def test_what_a_network_began_with_is_named_without_its_folder(run):
    finished = open_run(run)
    for network, key in (
        (Backbone(weights="/home/ann/own.keras"), "weights"),
        (Backbone(start_from="/home/ann/own.keras"), "start_from"),
    ):
        config = finished.config.model_copy(update={"network": network})
        given = of_no_machine(replace(finished, config=config), finished.run)
        assert getattr(given.config.network, key) == "own.keras"


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_its_card_says_why_files_differ_from_a_network_in_bfloat16(run, precision):
    finished = open_run(run)
    train = finished.config.train.model_copy(update={"precision": precision})
    config = finished.config.model_copy(update={"train": train})
    card = model_card(replace(finished, config=config), {})
    assert ("the files compute in float32" in card) == (precision == "mixed_bfloat16")


def test_its_card_has_no_markup_of_class_names(run):
    finished = open_run(run)
    odd = "a|b <img src=x onerror=alert(1)>"
    task = json.loads(json.dumps(finished.task.as_json()).replace('"happy"', json.dumps(odd)))
    data = {**finished.environment["data"], "task": task}
    metrics = json.loads(json.dumps(finished.metrics).replace('"happy"', json.dumps(odd)))
    finished = replace(
        finished, environment={**finished.environment, "data": data}, metrics=metrics
    )
    card = model_card(finished, {})
    assert "<img" not in card
    assert card.count(r"a\|b &lt;img src=x onerror=alert(1)&gt;") == 2


def test_its_card_says_who_chose_the_epoch_and_what_was_not_used(published):
    card = (published / "README.md").read_text()
    assert "the epoch was chosen by the accuracy on the validation faces" in card
    assert "No test faces were used" in card
    assert "`export/1/`" in card
    assert "| weights | as the last step left them |" in card
    assert 'tf.saved_model.load("export/1")' in card


def test_what_is_there_is_not_replaced(run, published, tmp_path, capsys):
    assert main([str(run), str(published)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([str(run), str(tmp_path / "none" / "fer2013")]) == 2
    assert "there is no folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("data.path=/home/ann/fer2013.csv", "data.path=fer2013.csv"),
        ("/srv/ferkeras/configs/demo.yaml", "demo.yaml"),
        ("configs/demo.yaml", "configs/demo.yaml"),
        ("train.epochs=3", "train.epochs=3"),
        ("network.filters=[8,16]", "network.filters=[8,16]"),
        ("data.path=/home/Smith, J/k=v/fer2013.csv", "data.path=fer2013.csv"),
        ("/home/k=v/demo.yaml", "demo.yaml"),
        ("data={path: /home/ann/fer2013.csv}", "data={path: fer2013.csv}"),
        ('data.path="/home/ann/fer2013.csv"', 'data.path="fer2013.csv"'),
        ("network={weights: /home/ann/w.h5}", "network={weights: w.h5}"),
        ("data.path=~/faces/fer2013.csv", "data.path=fer2013.csv"),
        ("ferkeras.train('demo', data='/home/ann/f.csv')", "ferkeras.train('demo', data='f.csv')"),
        ("data.path=../../ann-smith/clients/faces.csv", "data.path=faces.csv"),
        ("--config=../my recipes/a.yaml", "--config=a.yaml"),
        # As a word of its own behind --config.
        ("../my recipes/a=b.yaml", "a=b.yaml"),
        ("network={weights: ../../ann/w.h5}", "network={weights: w.h5}"),
        ("ferkeras.train('demo', data='../../a/f.csv')", "ferkeras.train('demo', data='f.csv')"),
        ("data.path=https://host/a/b.csv", "data.path=https://host/a/b.csv"),
        ("distill.teachers=['/home/ann/e=f/a', b/c]", "distill.teachers=[a,b/c]"),
    ],
)
def test_of_absolute_paths_the_last_part_is_kept(word, expected):
    assert word_without_folders(word) == expected


def half_precision_network():
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        settings = Residual(filters=(8,), dense_units=(3,), stem_filters=8)
        return build_network(settings, FER2013, mean=0.5, std=0.25)
    finally:
        keras.config.set_dtype_policy("float32")


def test_weights_that_are_bfloat16_numbers_are_stored_as_such(tmp_path):
    model = half_precision_network()
    round_as_trained(model)
    served, about = served_network(model), About(EMOTIONS, {})
    for name, compact in (("whole", False), ("compact", True)):
        write_saved_model(served, tmp_path / name, about, compact=compact)
    whole, compact = (
        (
            saved_model_predictions(tmp_path / name, NOISE),
            (tmp_path / name / "variables/variables.data-00000-of-00001").stat().st_size,
        )
        for name in ("whole", "compact")
    )
    np.testing.assert_array_equal(whole[0], compact[0])
    assert compact[1] < 0.7 * whole[1]


def test_rounding_changes_no_prediction_of_a_network_trained_in_bfloat16():
    model = half_precision_network()
    before = model.predict(NOISE, verbose=0)
    statistics = model.get_layer("stem_bn").get_weights()
    logits = model.get_layer("logits").get_weights()
    kernel = model.get_layer("stem").get_weights()[0]
    round_as_trained(model)
    np.testing.assert_array_equal(model.predict(NOISE, verbose=0), before)
    rounded = model.get_layer("stem").get_weights()[0]
    assert 0 < np.abs(rounded - kernel).max() < 0.01
    assert not rounded.view(np.uint32).astype(np.uint16).any()
    for name, values in (("stem_bn", statistics), ("logits", logits)):
        for a, b in zip(values, model.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


# What predict does with it.


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "face.png"
    Image.fromarray(NOISE[0, ..., 0]).save(path)
    return path


def test_without_a_run_the_shipped_network_predicts(published, picture, monkeypatch, capsys):
    monkeypatch.setattr(predict, "SHIPPED", published)
    assert predict.main([str(picture), "--json"]) == 0
    alone = capsys.readouterr().out
    assert predict.main([str(published), str(picture), "--json"]) == 0
    assert capsys.readouterr().out == alone
    assert json.loads(alone)["picture"] == str(picture)


def test_where_none_comes_along_it_says_what_to_do(picture, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predict, "SHIPPED", tmp_path / "nothing")
    assert predict.main([str(picture)]) == 2
    said = capsys.readouterr().err
    assert f"there is no {tmp_path / 'nothing'}" in said
    assert command_line("predict", "RUN", picture) in said


def test_a_run_alone_has_nothing_to_look_at(published, capsys):
    assert predict.main([str(published)]) == 2
    assert "name what to predict too" in capsys.readouterr().err


def test_a_misspelt_run_is_not_taken_for_a_picture(published, picture, capsys):
    assert predict.main([str(published.with_name("fer2014")), str(picture)]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_a_picture_that_is_missing_is_named(published, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predict, "SHIPPED", published)
    assert predict.main([str(tmp_path / "none.png")]) == 2
    assert "none.png: no such file or folder" in capsys.readouterr().err


def test_what_was_healed_and_found_names_no_folder(run):
    finished = open_run(run)
    start = "/home/ann/my runs/a-001"
    network = finished.config.network.model_copy(update={"start_from": start})
    healing = {
        "epoch": 2, "verdict": f"It began from {start}, broken.", "tried": [], "lost": 2,
        "changes": [{"key": "network.start_from", "was": start, "now": None}],
    }  # fmt: skip
    finished = replace(
        finished,
        config=finished.config.model_copy(update={"network": network}),
        environment={
            **finished.environment,
            "healings": [healing],
            "data": {**finished.environment["data"], "source": "/faces"},
            "changes": [{"key": "data.path", "was": "/home/ann/a (b)/fer.csv", "now": "b"}],
        },
        metrics={
            **finished.metrics,
            "diagnosis": {"verdict": f"{start} holds NaN", "see": "check_data ../../a/b.csv first"},
        },
    )
    given = of_no_machine(finished, finished.run)
    assert given.config.network.start_from == "a-001"
    assert given.environment["data"]["source"] == "faces"
    assert given.environment["changes"][0]["was"] == "fer.csv"
    assert given.metrics["diagnosis"] == {
        "verdict": "a-001 holds NaN",
        "see": "check_data b.csv first",
    }
    assert "/home/ann" not in json.dumps(given.environment)
    assert "It began from a-001, broken." in model_card(given, {})


def test_its_card_tells_files_of_another_temperature(run):
    record = {
        "format": "litert", "size": 9, "temperature": 1.0, "compared_on": "validation faces",
        "faces": 9, "largest_difference": 0.0, "label_agreement": 1.0,
    }  # fmt: skip
    onnx = {**record, "format": "onnx", "temperature": 0.885}
    finished = open_run(run)
    card = model_card(finished, {"model.tflite": record, "model.onnx": onnx})
    assert "Logits are divided by a temperature (0.885)" in card
    assert "Those of `model.tflite` are not" in card
    assert "are not: made before" not in model_card(finished, {"model.onnx": onnx})


def test_its_card_says_that_the_split_is_by_people(run):
    finished = open_run(run)
    data = {**finished.environment["data"], "by_person": True, "official_split": False}
    card = model_card(replace(finished, environment={**finished.environment, "data": data}), {})
    assert "made by ferkeras from the seed, nobody on both sides of it" in card


def test_its_card_calls_nobodys_split_that_of_fer2013_but_fer2013s(run):
    finished = open_run(run)
    for recognised, named in (("table of pixels (FER2013); 48 x 48 grey", True),
                              ("class folders; 48 x 48 grey", False)):  # fmt: skip
        data = {**finished.environment["data"], "official_split": True, "recognised": recognised}
        environment = {**finished.environment, "data": data}
        card = model_card(replace(finished, environment=environment), {})
        assert "The split is the source's own" in card
        assert ("FER2013 calls validation PublicTest" in card) == named


def test_a_folder_whose_name_is_no_text_is_refused_before_any_work(run, tmp_path, capsys):
    assert main([str(run), str(tmp_path / "caf\udce9")]) == 2
    assert "its name is not UTF-8" in capsys.readouterr().err
