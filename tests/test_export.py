"""Exports: every format predicts as the network does, tells what it is, and is checked."""

import io
import json
import re
import shutil
import struct
import subprocess
import sys
import textwrap
import zipfile
import zlib

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from PIL import Image

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError, RunError
from ferkeras.data.pictures import decode_face
from ferkeras.data.presets.fer2013 import EMOTIONS, FER2013, SIZE
from ferkeras.data.task import ImageSpec, Task
from ferkeras.export.__main__ import main
from ferkeras.export.card.file import current_card, is_edited
from ferkeras.export.folder import check_export_folder, write_model_card
from ferkeras.export.formats import FILES, export_network, predictions_of
from ferkeras.export.parity import Parity
from ferkeras.export.probe import Probe, find_probe, mixed
from ferkeras.export.saved_model import decode_face_in_graph
from ferkeras.files import writing
from ferkeras.files.inner import inside
from ferkeras.metrics.calibration import Calibration, store_calibration
from ferkeras.network.served import served_network
from ferkeras.runs.embedded import enclosed_in
from ferkeras.runs.finished import open_run
from ferkeras.runs.keras_file import save_network
from ferkeras.runs.network import load_trained
from ferkeras.runs.record import Run

FLOATS = ("saved_model", "litert", "onnx", "keras")
TEMPERATURE = 2.5


@pytest.fixture(scope="module")
def trained(finished_run):
    return load_trained(finished_run)


@pytest.fixture(scope="module")
def noise():
    """Faces that no export has been checked on."""
    return np.random.default_rng(1).integers(0, 256, (40, SIZE, SIZE, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def expected(trained, noise):
    """Tempered probabilities, computed from the logits by NumPy."""
    powers = np.exp(trained.model.predict(noise, verbose=0).astype(np.float64) / TEMPERATURE)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def exports(trained, noise, tmp_path_factory):
    """Path of each format but the 8-bit one."""
    found = export_network(
        trained.model,
        FLOATS,
        tmp_path_factory.mktemp("exports"),
        trained.finished.about().with_temperatures({"none": TEMPERATURE}),
        probe=Probe(noise[:8]),
    )
    return {each.format: each.path for each in found}


def test_a_network_that_cannot_be_run_in_integers_is_refused(trained, noise, tmp_path, monkeypatch):
    """Some end the process in which LiteRT prepares them, so another one has to try it."""
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGABRT)"
    monkeypatch.setattr("ferkeras.runs.litert_check._TRIAL", crash)
    with pytest.raises(RunError, match=r"in integers \(reading it ends the process by signal 6"):
        export_network(
            trained.model,
            ("litert-int8",),
            tmp_path / "exports",
            trained.finished.about(),
            probe=Probe(noise[:8]),
            representative=noise[:8],
        )
    assert list((tmp_path / "exports").iterdir()) == []


@pytest.mark.parametrize("name", FLOATS)
def test_each_format_predicts_as_the_network_does(name, exports, noise, expected):
    predicted = predictions_of(name, exports[name], noise)
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, expected, atol=1e-5)


def test_files_carry_the_emotions_and_where_they_come_from(exports, finished_run):
    for name in ("litert", "keras"):
        about = enclosed_in(exports[name].read_bytes(), exports[name])
        assert about.emotions == EMOTIONS
        assert about.provenance["run"] == finished_run.name
        assert about.provenance["temperature"] == TEMPERATURE
    metadata = onnxruntime.InferenceSession(exports["onnx"]).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["emotions"]) == list(EMOTIONS)
    assert json.loads(metadata["provenance"])["run"] == finished_run.name


def test_labels_are_the_names_of_the_most_probable_emotions(exports, noise, expected):
    names = [EMOTIONS[at] for at in expected.argmax(axis=1)]
    session = onnxruntime.InferenceSession(exports["onnx"])
    assert session.run(["label"], {"faces": noise})[0].tolist() == names
    serve = tf.saved_model.load(str(exports["saved_model"])).signatures["serving_default"]
    labels = serve(faces=tf.constant(noise))["label"].numpy()
    assert [label.decode() for label in labels] == names


def test_the_saved_model_works_in_a_process_without_keras(exports, noise, expected, tmp_path):
    np.save(tmp_path / "faces.npy", noise)
    program = textwrap.dedent("""
        import json, sys
        sys.modules["keras"] = sys.modules["ferkeras"] = None  # cannot be imported
        import numpy as np
        import tensorflow as tf
        folder, faces = sys.argv[1:]
        model = tf.saved_model.load(folder)
        about = model.signatures["about"]()
        predictions = model.signatures["serving_default"](faces=np.load(faces))
        print(json.dumps({
            "emotions": [name.decode() for name in about["emotions"].numpy()],
            "provenance": json.loads(about["provenance"].numpy()),
            "probabilities": predictions["probabilities"].numpy().tolist(),
        }))
    """)
    command = [sys.executable, "-c", program, exports["saved_model"], tmp_path / "faces.npy"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    result = json.loads(done.stdout)
    assert result["emotions"] == list(EMOTIONS)
    assert result["provenance"]["temperature"] == TEMPERATURE
    np.testing.assert_allclose(result["probabilities"], expected, atol=1e-5)


def test_the_keras_file_needs_no_layer_of_ferkeras(exports):
    with zipfile.ZipFile(exports["keras"]) as archive:
        assert "ferkeras>" not in archive.read("config.json").decode()


def encode(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def few_bits(image, bits):
    """A PNG of grey in fewer than 8 bits, which Pillow does not write."""
    rows = np.asarray(image.convert("L")) >> (8 - bits)
    packed = rows.reshape(SIZE, -1, 8 // bits) << np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    lines = b"".join(b"\0" + line.tobytes() for line in packed.sum(axis=2).astype(np.uint8))
    chunks = {b"IHDR": struct.pack(">IIBBBBB", SIZE, SIZE, bits, 0, 0, 0, 0)}
    chunks |= {b"IDAT": zlib.compress(lines), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )


def pictures():
    rng = np.random.default_rng(2)
    smooth = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((SIZE, SIZE))
    seen_through = smooth.copy()
    seen_through.putalpha(Image.fromarray(rng.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)))
    return {
        "grey png": encode(smooth.convert("L"), "PNG"),
        "colour png": encode(smooth, "PNG"),
        "transparent png": encode(seen_through, "PNG"),
        "palette png": encode(smooth.convert("P"), "PNG"),
        **{f"grey png of {bits} bits": few_bits(smooth, bits) for bits in (1, 2, 4)},
        "grey jpeg": encode(smooth.convert("L"), "JPEG"),
        "colour jpeg": encode(smooth, "JPEG", quality=95),
        "large png": encode(smooth.resize((200, 150)), "PNG"),
    }


@pytest.mark.parametrize("kind", list(pictures()))
def test_pictures_are_decoded_in_the_graph_as_they_are_for_training(kind):
    content = pictures()[kind]
    inside = (
        decode_face_in_graph(tf.constant(content), FER2013.image.shape).numpy()[..., 0].astype(int)
    )
    outside = decode_face(content, FER2013.image)[..., 0].astype(int)
    assert np.abs(inside - outside).max() <= (6 if kind == "large png" else 1)


def test_the_saved_model_takes_encoded_pictures(exports):
    contents = list(pictures().values())
    signatures = tf.saved_model.load(str(exports["saved_model"])).signatures
    predicted = signatures["encoded"](image_bytes=tf.constant(contents))
    faces = np.stack([decode_face(content, FER2013.image) for content in contents])
    direct = signatures["serving_default"](faces=tf.constant(faces))
    np.testing.assert_allclose(
        predicted["probabilities"].numpy(), direct["probabilities"].numpy(), atol=0.05
    )


def test_half_precision_is_exported_in_single(trained, noise):
    half = keras.models.clone_model(
        trained.model,
        clone_function=lambda layer: type(layer).from_config(
            {**layer.get_config(), "dtype": "mixed_bfloat16"}
        ),
    )
    half.set_weights(trained.model.get_weights())
    assert {layer.compute_dtype for layer in half.layers} > {"bfloat16"}
    np.testing.assert_allclose(
        served_network(half).predict(noise, verbose=0),
        served_network(trained.model).predict(noise, verbose=0),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("predicted", "named"),
    [([[0.4, 0.6]], "0.0%"), ([[0.6, 0.4], [np.nan, np.nan]], "nan"), ([[0.7, 0.3]], "0.1")],
)
def test_another_prediction_is_an_error(predicted, named):
    parity = Parity.of(np.full((len(predicted), 2), (0.6, 0.4)), np.asarray(predicted))
    with pytest.raises(RunError, match=named):
        parity.demand("x.onnx", difference=1e-4, agreement=0.995)


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(finished_run, tmp_path / finished_run.name)


def test_the_command_writes_the_model_and_its_card(run, capsys):
    assert main([str(run), "--format", "litert-int8"]) == 0
    said = capsys.readouterr().out
    assert FILES["litert-int8"] in said
    assert "same label" in said
    card = (run / "export" / "README.md").read_text()
    # The formats of the training are still listed.
    assert all(f"`{name}`" in card for name in ("1/", "model.tflite", "model-int8.tflite"))
    assert "Article 5(1)(f)" in card
    assert all(f"| {name} |" in card for name in EMOTIONS)
    # Of the 30 validation faces, without an evaluation.
    assert re.search(r"\| accuracy \| \d+\.\d% \| \(\d+\.\d to \d+\.\d\) \|", card)
    size = {
        name: (run / "export" / FILES[name]).stat().st_size for name in ("litert", "litert-int8")
    }
    assert size["litert-int8"] < size["litert"] * 2


def test_a_card_that_somebody_edited_is_kept_and_the_new_one_lies_beside_it(run, capsys):
    folder = run / "export"
    command = [str(run), "--format", "keras"]
    assert main(command) == 0
    assert "was edited" not in capsys.readouterr().out
    mine = (folder / "README.md").read_text().replace("## Data", "## Data, seen by Ann")
    for name, beside in (("README.md", "README-new.md"), ("README-new.md", "README-new-2.md")):
        (folder / name).write_text(mine)
        for _ in range(2):  # the new card is one of ferkeras's own, and replaced
            assert main(command) == 0
            said = capsys.readouterr().out
            assert "was edited since ferkeras wrote it" in said
            assert f"the new one is {beside}" in said
            assert (folder / name).read_text() == mine
            assert "`model.keras`" in (folder / beside).read_text()
    assert len(list(folder.glob("*.md"))) == 3


@pytest.mark.parametrize(
    "change", [lambda card: card[: card.rindex(b"<!--")], lambda card: bytes(1 << 21)]
)
def test_a_card_that_nobody_signed_counts_as_edited(change, run):
    card = run / "export" / "README.md"
    assert not is_edited(inside(card))
    card.write_bytes(mine := change(card.read_bytes()))
    assert is_edited(inside(card))
    written = write_model_card(run / "export", open_run(run), [])
    assert written.name == "README-new.md"
    assert current_card(run / "export") == written
    assert card.read_bytes() == mine
    card.unlink()
    assert current_card(run / "export").name == "README.md"


def test_a_temperature_of_the_run_goes_into_the_export(run):
    fitted = {tta: Calibration(3.0, 30, 2.0, 1.0, 0.2, 0.1) for tta in ("none", "flip")}
    store_calibration(Run(run), fitted)
    assert main([str(run), "--format", "litert"]) == 0
    path = run / "export" / "model.tflite"
    about = enclosed_in(path.read_bytes(), path)
    assert about.temperature == about.temperature_of_mean("flip") == 3.0
    assert about.temperature_of_mean("multiscale") is None
    card = (run / "export" / "README.md").read_text()
    assert "temperature (3.000)" in card
    assert "It has no temperature; an export has" in card


def test_a_damaged_list_is_told_before_anything_is_written(run, capsys):
    before = sorted((run / "export").iterdir())
    (run / "export" / "exports.json").write_text("{")
    assert main([str(run), "--format", "saved_model"]) == 2
    assert "exports.json: damaged" in capsys.readouterr().err
    assert sorted((run / "export").iterdir()) == before


def test_saved_models_are_numbered_and_never_replaced(run):
    before = (run / "export" / "1" / "saved_model.pb").read_bytes()
    assert main([str(run), "--format", "saved_model"]) == 0
    assert (run / "export" / "2" / "saved_model.pb").is_file()
    assert (run / "export" / "1" / "saved_model.pb").read_bytes() == before


def test_somebody_elses_readme_is_not_replaced(run, tmp_path, capsys):
    other = tmp_path / "project"
    other.mkdir()
    (other / "README.md").write_text("mine")
    assert main([str(run), "--format", "onnx", "--output", str(other)]) == 2
    assert "name another folder" in capsys.readouterr().err
    assert (other / "README.md").read_text() == "mine"
    assert len(list(other.iterdir())) == 1


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_refused_export_leaves_what_was_there(run, capsys, monkeypatch):
    shutil.copy(run / "best.keras", run / "export" / "model.keras")
    before = files_of(run / "export")
    monkeypatch.setattr(
        "ferkeras.export.formats.save_network",
        lambda model, path, about: save_network(keras.models.clone_model(model), path, about),
    )
    assert main([str(run), "--format", "keras"]) == 1
    said = capsys.readouterr().err
    assert "export/model.keras predicts otherwise" in said
    assert "is not kept" in said
    assert files_of(run / "export") == before


def test_of_exports_made_together_all_are_kept_or_none(trained, noise, tmp_path, monkeypatch):
    def refuse(*_):
        raise RunError("no")

    monkeypatch.setattr("ferkeras.export.formats.write_litert", refuse)
    about, formats = trained.finished.about(), ("saved_model", "keras", "litert")
    with pytest.raises(RunError):
        export_network(trained.model, formats, tmp_path, about, probe=Probe(noise[:8]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("last", ["folder.write_json", "card.file.write_text"])
def test_after_a_kill_beside_the_card_the_export_can_be_made_again(
    last, trained, tmp_path, monkeypatch
):
    def cut_off(path, content):
        getattr(writing, last.rpartition(".")[2])(path, content)
        raise KeyboardInterrupt

    monkeypatch.setattr(f"ferkeras.export.{last}", cut_off)
    with pytest.raises(KeyboardInterrupt):
        write_model_card(tmp_path, trained.finished, [])
    check_export_folder(tmp_path)


def moved(run):
    """Let a run say that it was trained on faces that are not on this machine."""
    text = (run / "config.yaml").read_text()
    assert "path: demo" in text
    (run / "config.yaml").write_text(text.replace("path: demo", "path: gone/fer2013.csv"))


@pytest.mark.parametrize("format", ["litert", "litert-int8"])
def test_a_run_whose_data_are_elsewhere_is_exported_and_checked_on_synthetic_faces(
    format, run, capsys
):
    moved(run)
    assert main([str(run), "--format", format]) == 0
    said = capsys.readouterr().out
    assert "gone/fer2013.csv, are not here" in said
    assert "500 synthetic faces" in said
    card = (run / "export" / "README.md").read_text()
    assert re.search(rf"`{FILES[format]}` .* of 500 synthetic faces \|", card)


def test_a_run_whose_data_are_elsewhere_is_checked_on_the_faces_that_are_named(
    run, tmp_path, capsys
):
    moved(run)
    rng = np.random.default_rng(0)
    pixels = (" ".join(map(str, rng.integers(0, 256, SIZE * SIZE))) for _ in range(70))
    rows = (f"{at % 7},{each}\n" for at, each in enumerate(pixels))
    (tmp_path / "own.csv").write_text("emotion,pixels\n" + "".join(rows))
    assert main([str(run), "--format", "litert", "--data", str(tmp_path / "own.csv")]) == 0
    said = capsys.readouterr().out
    assert "own.csv is not what this run was trained on" in said
    assert "faces of other data" in said


def test_faces_of_another_size_and_colour_are_brought_to_those_of_the_network(trained, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("happy", "sad", "smug"):
        (tmp_path / name).mkdir()
        for number in range(3):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    found = find_probe(trained.finished, str(tmp_path), Console(None))
    # The network knows nothing of smugness.
    assert found.images.shape == (6, SIZE, SIZE, 1)
    assert found.kind == "faces of other data"


def test_of_faces_in_folders_every_class_is_compared():
    sorted_by_class = np.repeat(np.arange(7, dtype=np.uint8), 300)[:, None, None, None]
    some = mixed(sorted_by_class, 0)
    assert len(some) == 800
    for part in (some[:64], some[-300:]):
        assert set(part.ravel().tolist()) == set(range(7))


def test_synthetic_faces_are_no_faces_of_another_task(trained, monkeypatch):
    other = Task(FER2013.classes, ImageSpec(64, 64, 3))
    monkeypatch.setattr(type(trained.finished), "task", other)
    with pytest.raises(InputError, match=r"takes 64 x 64 colour ones"):
        find_probe(trained.finished, "demo", Console(None))


def test_faces_that_have_moved_can_be_named(run, tmp_path, capsys):
    assert main([str(run), "--format", "keras", "--data", str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err
