"""LiteRT files of strangers are tried in a process of their own, whatever becomes of it."""

import sys

import keras
import numpy as np
import pytest

from ferkeras.cli.errors import InputError, RunError
from ferkeras.export.litert import write_litert
from ferkeras.export.saved_model import write_saved_model
from ferkeras.runs import litert_check
from ferkeras.runs.embedded import About
from ferkeras.runs.litert import LiteRtNetwork
from ferkeras.runs.litert_check import check_litert, fault_of

CLASSES = "abcdefg"


@pytest.mark.parametrize(
    ("trial", "reason"),
    [
        pytest.param(
            "import os; os.abort()",
            "ends the process by signal 6",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="no such signals there"),
        ),
        ("raise ValueError('\\x1b[2J odd')", "\\x1b[2J odd"),
        ("print('no word of mine')", "ends without a word"),
    ],
)
def test_whatever_a_file_does_to_its_trial_is_a_reason_to_refuse_it(trial, reason, monkeypatch):
    monkeypatch.setattr(litert_check, "_TRIAL", trial)
    found = fault_of(b"", CLASSES)
    assert reason in found
    assert found.isprintable()
    with pytest.raises(InputError, match=r"model\.tflite"):
        check_litert(b"", "model.tflite", CLASSES)


def test_a_trial_without_an_end_says_nothing_of_the_file(monkeypatch):
    monkeypatch.setattr(litert_check, "_TRIAL", "while True: pass")
    monkeypatch.setattr(litert_check, "_WAIT", 0.1)
    with pytest.raises(RunError, match=r"is not done after 0\.1 seconds.*try again"):
        check_litert(b"", "model.tflite", CLASSES)


@pytest.fixture
def enlarging(tmp_path):
    """A LiteRT file whose first layers make maps of 1024 x 1024 pixels of small faces."""
    faces = keras.Input((48, 48, 1), dtype="uint8")
    x = keras.layers.Resizing(1024, 1024)(keras.layers.Rescaling(1 / 255)(faces))
    x = keras.layers.Conv2D(16, 3, strides=2, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(faces, keras.layers.Dense(len(CLASSES), "softmax")(x))
    about = About(tuple(CLASSES), {})
    write_saved_model(model, tmp_path / "1", about, files=False)
    write_litert(tmp_path / "1", tmp_path / "model.tflite", about)
    return tmp_path / "model.tflite"


def test_a_network_that_enlarges_faces_is_asked_about_few_at_once(enlarging):
    assert fault_of(enlarging.read_bytes(), CLASSES) is None
    network = LiteRtNetwork(enlarging, own=True)
    faces = np.random.default_rng(0).integers(0, 256, (19, 48, 48, 1), dtype=np.uint8)
    one_by_one = np.concatenate([network(face[None]) for face in faces])
    np.testing.assert_allclose(network(faces), one_by_one, atol=1e-6)


def test_a_file_is_tried_once_and_an_altered_one_again(tmp_path, monkeypatch):
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "cache"))
    tries = []
    monkeypatch.setattr(litert_check, "fault_of", lambda *given: tries.append(given))
    for each in (b"a graph", b"a graph", b"a grapf"):
        check_litert(each, "model.tflite", CLASSES)
    assert len(tries) == 2
