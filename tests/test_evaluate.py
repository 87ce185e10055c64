"""`python -m ferkeras.evaluate`: figures, files, copies in training, calibration, wrong input."""

import contextlib
import io
import json
import re
import shutil

import numpy as np
import pytest

from ferkeras.cli.console import Console
from ferkeras.config.file import load_config
from ferkeras.data.load import load_splits
from ferkeras.data.presets.fer2013 import EMOTIONS
from ferkeras.data.test_time_augmentation import augmented_views
from ferkeras.evaluate.__main__ import main
from ferkeras.export.card.model_card import model_card
from ferkeras.metrics.bootstrap import RESAMPLES
from ferkeras.metrics.calibration import temperature_of, temperatures_of
from ferkeras.runs.finished import open_run
from ferkeras.runs.network import load_trained
from ferkeras.runs.record import Run


@pytest.fixture(scope="module")
def spoken(finished_run, tmp_path_factory):
    """A copy of the run that was evaluated and calibrated, and what the command said."""
    folder = shutil.copytree(finished_run, tmp_path_factory.mktemp("copy") / "tiny-001")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main([str(folder), "--calibrate"]) == 0
    return folder, out.getvalue()


@pytest.fixture(scope="module")
def evaluated(spoken):
    """The evaluated run and the JSON of its evaluation."""
    folder, _ = spoken
    results = folder / "evaluation" / "validation"
    return folder, json.loads((results / "evaluation-validation.json").read_text())


@pytest.fixture
def copied(finished_run, tmp_path):
    return shutil.copytree(finished_run, tmp_path / "tiny-001")


def result_of(evaluation, predicted="plain", faces="all"):
    (found,) = [
        r for r in evaluation["results"] if (r["variant"], r["faces"]) == (predicted, faces)
    ]
    return found


def write_csv(path, images, labels, usage="Training"):
    rows = [
        f"{label},{' '.join(map(str, image.reshape(-1)))},{usage}"
        for image, label in zip(images, labels, strict=True)
    ]
    path.write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    return path


def test_figures_agree_with_what_is_in_predictions_npz(evaluated):
    folder, evaluation = evaluated
    with np.load(folder / "evaluation" / "validation" / "predictions.npz") as file:
        arrays = {name: file[name] for name in file.files}
    labels, probabilities = arrays["labels"], arrays["probabilities"].astype(float)
    right = probabilities.argmax(axis=1) == labels
    plain, flip = result_of(evaluation)["metrics"], result_of(evaluation, "flip")["metrics"]
    assert plain["accuracy"] == pytest.approx(right.mean())
    assert plain["log_loss"] == pytest.approx(
        -np.log(probabilities[np.arange(len(labels)), labels]).mean(), abs=1e-6
    )
    assert flip["accuracy"] == pytest.approx(
        (arrays["flip_probabilities"].argmax(axis=1) == labels).mean()
    )
    matrix = np.array(result_of(evaluation)["confusion_matrix"])
    assert matrix.sum() == plain["faces"] == len(labels)
    assert np.trace(matrix) == right.sum()
    low, high = result_of(evaluation)["intervals"]["accuracy"]
    assert low < plain["accuracy"] < high
    assert evaluation["bootstrap"]["resamples"] == RESAMPLES


def test_the_console_has_all_measures_and_emotions(spoken):
    _, out = spoken
    for word in ("Cohen's kappa", "Matthews", "top-2", "Brier", "calibration error", *EMOTIONS):
        assert word in out
    assert "tta flip" in out
    assert "tta multiscale" in out
    assert "temperature" in out


def test_it_says_the_same_as_the_run_itself(evaluated):
    folder, evaluation = evaluated
    metrics = json.loads((folder / "metrics.json").read_text())
    assert evaluation["same_data_as_training"] is True
    for key, value in metrics["validation"].items():
        if isinstance(value, float):
            assert result_of(evaluation)["metrics"][key] == pytest.approx(value, abs=1e-5)


def test_every_picture_is_there(evaluated):
    folder, _ = evaluated
    written = {path.name for path in (folder / "evaluation" / "validation").iterdir()}
    assert written == {
        "confusion_matrix.png", "per_class.png", "reliability.png", "mistakes.png",
        "grad_cam.png", "predictions.npz", "evaluation-validation.json",
    }  # fmt: skip


def test_the_temperature_is_stored_and_changes_no_prediction(evaluated):
    folder, evaluation = evaluated
    temperature = temperature_of(Run(folder))
    assert temperature != 1.0
    assert evaluation["temperature"] == temperature
    plain = result_of(evaluation)["metrics"]
    calibrated = result_of(evaluation, "calibrated")["metrics"]
    assert calibrated["accuracy"] == plain["accuracy"]
    assert calibrated["log_loss"] <= plain["log_loss"]
    assert set(temperatures_of(Run(folder))) == {"none", "flip", "multiscale"}
    for tta in ("flip", "multiscale"):
        raw, fitted = (
            result_of(evaluation, name)["metrics"] for name in (tta, f"{tta}_calibrated")
        )
        assert fitted["log_loss"] < raw["log_loss"] + 1e-6
        assert fitted["accuracy"] == raw["accuracy"]


def test_flip_is_the_mean_of_two_views_and_multiscale_that_of_six(evaluated):
    folder, evaluation = evaluated
    config = load_config(folder / "config.yaml")
    images = load_splits(config, Console()).validation.images
    model = load_trained(folder).model

    def probabilities(faces):
        logits = model.predict(faces, verbose=0).astype(float)
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    flip = (probabilities(images) + probabilities(images[:, :, ::-1])) / 2
    six = sum(map(probabilities, augmented_views(images, "multiscale"))) / 6
    with np.load(folder / "evaluation" / "validation" / "predictions.npz") as file:
        np.testing.assert_allclose(file["flip_probabilities"], flip, atol=1e-5)
        np.testing.assert_allclose(file["multiscale_probabilities"], six, atol=1e-5)
        accuracy = (file["multiscale_probabilities"].argmax(axis=1) == file["labels"]).mean()
    assert result_of(evaluation, "multiscale")["metrics"]["accuracy"] == pytest.approx(accuracy)


def test_the_model_card_tells_of_test_time_augmentation(evaluated):
    folder, evaluation = evaluated
    card = model_card(open_run(folder), {})
    for variant in ("flip", "multiscale"):
        metrics = result_of(evaluation, f"{variant}_calibrated")["metrics"]
        named = f"(`predict --tta {variant}`)"
        assert re.search(rf"accuracy .*{re.escape(named)} \| {metrics['accuracy']:.1%} \| \(", card)
        assert re.search(rf"error .*{re.escape(named)} \| {metrics['ece']:.1%} \|", card)


def test_the_card_has_no_figures_of_a_temperature_that_the_run_has_not(evaluated):
    folder, evaluation = evaluated
    finished = open_run(folder)
    calibration = finished.run.calibration.path
    with_it = model_card(finished, {})
    assert "are those of probabilities with the temperature" in with_it
    before = calibration.read_text()
    try:
        # The training went on since.
        calibration.unlink()
        gone = model_card(finished, {})
        # Calibrated once more since.
        calibration.write_text(json.dumps({**json.loads(before), "temperature": 3.5}))
        other = model_card(finished, {})
    finally:
        calibration.write_text(before)
    plain = result_of(evaluation, "plain")["metrics"]["log_loss"]
    tempered = result_of(evaluation, "calibrated")["metrics"]["log_loss"]
    for card, figure in ((with_it, tempered), (gone, plain), (other, plain)):
        assert f"| log loss | {figure:.3f} |" in card
    assert "temperature" not in gone.partition("## Results")[2].partition("##")[0]
    assert "are those of probabilities without a temperature" in other


def test_figures_of_other_faces_than_its_own_are_none_of_the_card(evaluated):
    folder, _ = evaluated
    run = Run(folder)
    path = run.figures("validation").path
    before = path.read_text()
    evaluation = json.loads(before)
    try:
        path.write_text(json.dumps({**evaluation, "same_data_as_training": False}))
        card = model_card(open_run(folder), {})
    finally:
        path.write_text(before)
    assert "--tta" not in card
    assert f"{open_run(folder).accuracy:.1%}" in card


def test_copies_of_training_faces_are_counted_and_left_out(copied, tmp_path, make_faces, capsys):
    train = load_splits(load_config(copied / "config.yaml"), Console()).train
    strange = make_faces([0, 1, 2, 3, 4, 5, 6, 0])
    images = np.concatenate([train.images[:5], strange.images])
    labels = [*train.labels[:5], *strange.labels]
    data = write_csv(tmp_path / "my faces.csv", images, labels)
    assert main([str(copied), "--data", str(data)]) == 0
    folder = copied / "evaluation" / "data-my-faces"
    evaluation = json.loads((folder / "evaluation-data-my-faces.json").read_text())
    assert evaluation["faces_also_in_training"] == 5
    assert evaluation["same_data_as_training"] is False
    assert result_of(evaluation)["metrics"]["faces"] == 13
    assert result_of(evaluation, "plain", "not_in_training")["metrics"]["faces"] == 8
    with np.load(folder / "predictions.npz") as file:
        assert file["in_training"].tolist() == [True] * 5 + [False] * 8
    assert "5 of these faces (38.5%) are also training faces" in capsys.readouterr().out


def test_faces_of_some_emotions_only_are_evaluated(copied, tmp_path, make_faces):
    faces = make_faces([3, 3, 3])
    data = write_csv(tmp_path / "smiles.csv", faces.images, faces.labels)
    assert main([str(copied), "--data", str(data)]) == 0
    path = copied / "evaluation" / "data-smiles" / "evaluation-data-smiles.json"
    metrics = result_of(json.loads(path.read_text()))["metrics"]
    assert metrics["cohen_kappa"] is None
    assert metrics["emotions"]["sad"]["support"] == 0


def test_faces_of_classes_that_the_run_does_not_know_are_counted(
    copied, tmp_path, make_faces, capsys
):
    images = make_faces([3, 3, 3, 3, 3]).images
    data = write_csv(tmp_path / "both für Übung.csv", images, ["happy"] * 3 + ["bored"] * 2)
    for _ in range(2):  # read, and from the cache
        assert main([str(copied), "--data", str(data)]) == 0
        said = capsys.readouterr().out
        assert "note: 2 of 5 faces are left out (bored 2): this run knows angry, disgust," in said
        assert "data-both-fur-Ubung: 3 faces" in said
    name = "data-both-fur-Ubung"
    path = copied / "evaluation" / name / f"evaluation-{name}.json"
    evaluation = json.loads(path.read_text())
    assert evaluation["faces_left_out"] == {"bored": 2}
    assert evaluation["remark"].startswith("2 of 5 faces are left out")


def test_data_that_have_moved_are_known_again(copied, tmp_path, make_faces, monkeypatch, capsys):
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "cache"))
    faces = make_faces(list(range(7)) * 6)
    data = write_csv(tmp_path / "faces.csv", faces.images, faces.labels)
    config = (copied / "config.yaml").read_text().replace("path: demo", "path: gone.csv")
    (copied / "config.yaml").write_text(config)
    moved = load_config(copied / "config.yaml", [f"data.path={data}"])
    splits = load_splits(moved, Console())
    environment = json.loads((copied / "environment.json").read_text())
    environment["data"] |= {"fingerprint": splits.fingerprint, "division": splits.division}
    (copied / "environment.json").write_text(json.dumps(environment))
    assert main([str(copied)]) == 2
    assert capsys.readouterr().err.endswith("or any others, with --data\n")
    assert main([str(copied), "--data", str(data)]) == 0
    path = copied / "evaluation" / "validation" / "evaluation-validation.json"
    evaluation = json.loads(path.read_text())
    assert evaluation["same_data_as_training"] is True
    assert result_of(evaluation)["metrics"]["faces"] == len(splits.validation)


def test_data_that_have_changed_are_said_and_calibrate_nothing(copied, capsys):
    environment = json.loads((copied / "environment.json").read_text())
    environment["data"]["fingerprint"] = "0" * 64
    (copied / "environment.json").write_text(json.dumps(environment))
    assert main([str(copied), "--split", "train"]) == 0
    assert "not what this run was trained on" in capsys.readouterr().out
    path = copied / "evaluation" / "train" / "evaluation-train.json"
    evaluation = json.loads(path.read_text())
    assert evaluation["same_data_as_training"] is False
    # Training faces are not compared with themselves.
    assert evaluation["faces_also_in_training"] is None
    assert main([str(copied), "--calibrate"]) == 2
    assert "--calibrate needs the run's own validation faces" in capsys.readouterr().err
    assert not (copied / "calibration.json").exists()


def test_a_test_split_that_is_not_there_is_an_error_for_people(copied, capsys):
    assert main([str(copied), "--split", "test"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "no test faces" in said
    assert not (copied / "evaluation").exists()


@pytest.mark.parametrize("arguments", [["nowhere"], ["nowhere", "--split", "validation"]])
def test_a_run_that_is_not_there_is_an_error_for_people(arguments, capsys):
    assert main(arguments) == 2
    assert "no such run folder" in capsys.readouterr().err
