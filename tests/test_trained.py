"""Finished runs are found by their folder, and their network comes back as it was."""

import io
import json
import shutil
import zipfile

import keras
import numpy as np
import pytest
from scipy.special import softmax

from ferkeras.cli.errors import InputError
from ferkeras.network import precision
from ferkeras.runs.finished import open_run
from ferkeras.runs.network import load_trained
from ferkeras.runs.record import Run


@pytest.fixture
def copied(finished_run, tmp_path):
    """The run as a copy that may be damaged."""
    return Run(shutil.copytree(finished_run, tmp_path / "tiny-001"))


def test_the_network_predicts_as_the_one_that_was_saved(finished_run, make_faces):
    images = make_faces(range(7)).images
    trained = load_trained(finished_run)
    saved = keras.saving.load_model(trained.run.best)
    predicted = trained.model.predict(images, verbose=0)
    np.testing.assert_allclose(
        softmax(predicted, axis=1), saved.predict(images, verbose=0), atol=1e-6
    )
    assert trained.config.name == "tiny"
    assert trained.finished.metrics["best_epoch"] in (1, 2, 3)


def test_the_precision_of_the_process_is_left_alone(finished_run):
    load_trained(finished_run)
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("there", "as_trained", "computes"),
    [(True, False, "bfloat16"), (False, False, "float32"), (False, True, "bfloat16")],
)
def test_it_computes_as_in_training_where_the_machine_can(
    copied, monkeypatch, there, as_trained, computes
):
    monkeypatch.setattr(precision, "computes_bfloat16", lambda: there)
    config = copied.config.path
    config.write_text(config.read_text().replace("precision: float32", "precision: mixed_bfloat16"))
    model = load_trained(copied.folder, as_trained=as_trained).model
    assert {layer.compute_dtype for layer in model.layers if "Conv2D" in type(layer).__name__} == {
        computes
    }
    assert keras.config.dtype_policy().name == "float32"


def test_a_misspelt_run_gets_the_nearest_name(finished_run):
    with pytest.raises(InputError, match=r"no such run folder; did you mean .*tiny-001\?"):
        open_run(finished_run.parent / "tiny-01")


def test_a_folder_of_runs_is_no_run(finished_run):
    with pytest.raises(InputError, match=r"not a run: it has no config.yaml.*tiny-001"):
        open_run(finished_run.parent)


def test_a_file_of_a_run_gets_the_name_of_its_folder(finished_run):
    with pytest.raises(InputError, match="name the run's folder"):
        open_run(finished_run / "best.keras")


def test_an_unfinished_run_is_distinguished_from_a_finished_one(copied):
    copied.metrics.unlink()
    with pytest.raises(InputError, match=r"not finished: metrics.json.*3 epochs in history.csv"):
        open_run(copied.folder)


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_damaged_metrics_are_named(copied, content):
    copied.metrics.path.write_bytes(content)
    with pytest.raises(InputError, match=r"metrics.json: damaged"):
        open_run(copied.folder)


def test_a_damaged_configuration_is_named(copied):
    copied.config.path.write_text("network: {filters: [0]}")
    with pytest.raises(InputError, match=r"config.yaml:1: network.filters"):
        open_run(copied.folder)


@pytest.mark.parametrize("data", [None, {}, {"mean": 0.5, "std": 0}, {"mean": "x"}])
def test_missing_pixel_statistics_are_named(copied, data):
    copied.environment.path.write_text(json.dumps({"data": data}))
    with pytest.raises(InputError, match=r"environment.json: damaged"):
        load_trained(copied.folder)


def _half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _noise(path):
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def _no_weights_inside(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


def _noise_inside(path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("model.weights.h5", np.random.default_rng(0).bytes(5000))
    path.write_bytes(content.getvalue())


@pytest.mark.parametrize("damage", [_half, _noise, _no_weights_inside, _noise_inside])
def test_damaged_weights_are_named(copied, damage):
    damage(copied.best.path)
    with pytest.raises(InputError, match=r"best.keras: damaged"):
        load_trained(copied.folder)


def test_missing_weights_are_named(copied):
    copied.best.unlink()
    with pytest.raises(InputError, match=r"best.keras"):
        load_trained(copied.folder)


def test_weights_of_another_network_are_refused(copied):
    copied.config.path.write_text(copied.config.read_text().replace("  - 8\n", "  - 9\n"))
    with pytest.raises(InputError, match=r"not of the network that config.yaml"):
        load_trained(copied.folder)
