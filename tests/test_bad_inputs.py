"""Every bad input ends in exit code 2 and an error for people, through the commands' own main."""

from __future__ import annotations

import importlib
import io
import json
import shutil
import zipfile

import keras
import numpy as np
import pytest
from bad_inputs import BAD_INPUTS, MODEL_FILES, BadInput, _members, _write_members, lambda_layer

from ferkeras.cli.errors import InputError
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.metrics.predictions import read_predictions
from ferkeras.runs.network import load_trained


def check(bad: BadInput, folder, capfd) -> None:
    main = importlib.import_module(f"ferkeras.{bad.verb}.__main__").main
    arguments = bad.make(folder)
    try:
        code = main(arguments)
    except SystemExit as left:  # argparse's own way
        code = left.code
    said = capfd.readouterr().err
    assert code == 2, said
    assert "Traceback" not in said
    assert said.count("error: ") == 1
    text = said.partition("error: ")[2].rstrip("\n")
    assert bad.expected.format(folder=folder) in text
    assert text.replace("\n", "").isprintable()
    assert len(text) < 5000


def test_the_corpus_is_large_and_has_no_double():
    names = [bad.name for bad in BAD_INPUTS]
    assert len(names) == len(set(names))
    assert len(names) + len(MODEL_FILES) >= 60


@pytest.mark.parametrize(
    "bad", [bad for bad in BAD_INPUTS if not bad.costly], ids=lambda bad: bad.name
)
def test_a_bad_input_is_one_clear_error(bad, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check(bad, tmp_path, capfd)


@pytest.mark.parametrize("of", MODEL_FILES, ids=lambda of: of(None).name)
def test_a_bad_model_file_is_one_clear_error(of, tmp_path, capfd, finished_run):
    check(of(finished_run), tmp_path, capfd)
    assert not (tmp_path / "run" / "ran").exists()
    assert not list(tmp_path.rglob("climbed.txt"))


def test_code_in_a_model_file_is_never_run(finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    hostile = lambda_layer(tmp_path / "ran")
    _write_members(run, {**_members(run), "config.json": hostile})
    # The right weights beside a hostile description: numbers are taken, the rest is not read.
    before, after = load_trained(finished_run).model, load_trained(run).model
    for one, other in zip(before.weights, after.weights, strict=True):
        assert keras.ops.all(one == other)
    with pytest.raises(ValueError, match="safe_mode"):
        keras.saving.load_model(run / "best.keras")
    assert not (tmp_path / "ran").exists()
    assert json.loads(hostile)["config"]["layers"][0]["class_name"] == "Lambda"


def bare_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def huge_array(path):
    opening = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        opening, {"descr": "<f4", "fortran_order": False, "shape": (2**45, 7)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("probabilities.npy", opening.getvalue())
        archive.writestr("labels.npy", opening.getvalue())


def pickled_array(path):
    np.savez(path, probabilities=np.array([object()]), labels=np.zeros(1, np.int32))


@pytest.mark.parametrize("write", [bare_array, huge_array, pickled_array])
def test_hostile_predictions_are_refused(tmp_path, write):
    path = tmp_path / "predictions.npz"
    write(path)
    with pytest.raises(InputError, match=r"predictions\.npz: damaged"):
        read_predictions(path, FER2013.classes)
