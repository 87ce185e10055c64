"""`import ferkeras`: a few names, no console, and TensorFlow only where it computes."""

import doctest
import inspect
import io
import os
import pydoc
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import ferkeras
from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError, RunError
from ferkeras.config.file import load_config
from ferkeras.data.load import load_splits
from ferkeras.data.read_before import read_with, taken_over
from ferkeras.data.synthetic.dataset import synthetic_faces
from ferkeras.runs.finished import open_run as open_finished
from ferkeras.runs.litert import LiteRtNetwork
from ferkeras.runs.shipped import SHIPPED

ROOT = Path(__file__).parents[1]


def python(code, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def faces():
    return synthetic_faces(200, 0).faces.images[:6]


@pytest.fixture(scope="module")
def shipped():
    return ferkeras.open_run()


def test_importing_it_imports_nothing_else(tmp_path):
    code = (
        "import sys; before = set(sys.modules); import ferkeras\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'pandas', 'pydantic', 'PIL'}\n"
        "assert not heavy & set(sys.modules)\n"
        "ferkeras.train, ferkeras.open_run, ferkeras.load_data, ferkeras.Run\n"
        "assert not {'tensorflow', 'keras', 'pandas'} & set(sys.modules)"
    )
    python(code, tmp_path)


def test_prediction_needs_no_tensorflow(faces, tmp_path):
    Image.fromarray(faces[0, :, :, 0]).save(tmp_path / "face.png")
    code = (
        "import sys, ferkeras\n"
        "(found,) = ferkeras.open_run().predict('face.png')\n"
        "print(found.emotion)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    assert python(code, tmp_path).strip() in ferkeras.open_run().predict(faces[0])[0].probabilities


def test_help_shows_every_name():
    text = pydoc.plain(pydoc.render_doc(ferkeras))
    for name in ferkeras.__all__:
        assert name in text
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        ferkeras.trian  # noqa: B018


@pytest.mark.parametrize("name", ferkeras.__all__)
def test_every_name_is_documented_and_typed(name):
    thing = getattr(ferkeras, name)
    assert inspect.getdoc(thing)
    public = [thing] if not inspect.isclass(thing) else vars(thing).values()
    for each in public:
        if inspect.isfunction(each) and not each.__name__.startswith("_"):
            assert each.__doc__, each
            signature = inspect.signature(each)
            assert signature.return_annotation is not inspect.Parameter.empty
            for parameter in list(signature.parameters.values()):
                assert parameter.name == "self" or parameter.annotation is not parameter.empty


def test_its_examples_run():
    for name in ("training", "run"):
        tried = doctest.testmod(import_module(f"ferkeras.facade.{name}"))
        assert tried.attempted
        assert not tried.failed


def test_arrays_images_and_paths_get_the_same_predictions(shipped, faces, tmp_path):
    paths = [tmp_path / f"{at}.png" for at in range(len(faces))]
    images = [Image.fromarray(face[:, :, 0]) for face in faces]
    for path, image in zip(paths, images, strict=True):
        image.save(path)
    expected = LiteRtNetwork(SHIPPED / "export" / "model-float16.tflite")(faces)
    for pictures in (
        faces,
        faces[..., 0],
        list(faces),
        np.repeat(faces, 3, axis=-1),
        np.concatenate([np.repeat(faces, 3, axis=-1), np.full_like(faces, 255)], axis=-1),
        images,
        [image.convert("RGB") for image in images],
        paths,
        map(str, paths),
    ):
        found = shipped.predict(pictures)
        assert [each.picture for each in found] == list(range(len(faces)))
        given = [list(each.probabilities.values()) for each in found]
        np.testing.assert_allclose(given, expected, atol=1e-3)
        for each in found:
            assert each.confidence == max(each.probabilities.values())
            assert each.probabilities[each.emotion] == each.confidence
            assert each.box is None


def test_one_picture_need_not_be_a_list(shipped, faces):
    (one,) = shipped.predict(faces[0])
    assert one == shipped.predict(faces)[0]
    clear = np.dstack([faces[0], faces[0], faces[0], np.zeros_like(faces[0])])
    assert shipped.predict(clear) == shipped.predict(np.full((48, 48), 255, np.uint8))
    assert shipped.predict([]) == []
    (tta,) = shipped.predict(faces[0], tta="multiscale")
    assert sum(tta.probabilities.values()) == pytest.approx(1, abs=1e-4)
    assert tta.probabilities != one.probabilities


def test_a_picture_lying_on_its_side_is_turned(shipped, faces):
    lying = Image.fromarray(faces[0, :, :, 0]).rotate(90, expand=True)
    exif = lying.getexif()
    exif[0x0112] = 6
    stored = io.BytesIO()
    lying.save(stored, "png", exif=exif)
    (turned,) = shipped.predict(Image.open(stored))
    assert turned == shipped.predict(faces[0])[0]


def test_detection_gives_a_prediction_a_face(shipped):
    grey = np.full((200, 200), 128, np.uint8)
    assert shipped.predict(grey, detect=True) == []
    # As the command does: a picture in which none is found is taken whole.
    assert len(shipped.predict(grey, detect=None)) == 1


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (np.zeros((48, 48), np.float32), "found float32 of shape"),
        (np.zeros((2, 48), np.int64), "expected uint8"),
        (np.zeros((0, 5), np.uint8), "without pixels"),
        ([np.zeros((48, 48, 5), np.uint8)], "found uint8 of shape"),
        (np.zeros((3, 48, 48), np.uint8), "np.moveaxis(array, 0, -1)"),
        (np.zeros((2, 3, 48, 48), np.uint8), "found uint8 of shape (3, 48, 48)"),
        (np.zeros((30, 48 * 48), np.uint8), "array.reshape(-1, 48, 48, 1)"),
        (np.zeros((7, 10, 90), np.uint8), "90 x 10 is no picture of a face"),
        (np.zeros((1, 1), np.uint8), "1 x 1 pixels show no face; expected at least 8 a side"),
        (Image.new("L", (48, 7)), "picture 0: 48 x 7 pixels show no face"),
        (None, "found None; cv2.imread returns None"),
        ([None], "expected a path, a Pillow image or an array"),
        (5, "found int"),
        ("no/such/file.png", "no/such/file.png: cannot be read"),
        (str(ROOT), f"a folder; give the pictures in it: sorted(pathlib.Path({str(ROOT)!r})"),
        ("no/such/*.png", "a pattern; give the pictures that it matches: sorted(glob.glob("),
    ],
)
def test_what_is_no_picture_is_refused_by_name(shipped, picture, expected):
    with pytest.raises(ferkeras.InputError) as caught:
        shipped.predict(picture)
    assert expected in str(caught.value)


def test_a_pillow_image_that_ends_early_or_was_closed_is_refused(shipped, faces, tmp_path):
    Image.fromarray(faces[0, ..., 0]).resize((200, 200)).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(whole[: len(whole) // 2])
    closed = Image.open(tmp_path / "a.jpg")
    closed.close()
    for picture in (Image.open(tmp_path / "b.jpg"), closed):
        with pytest.raises(ferkeras.InputError, match=r"picture 0: .*pixels cannot be read"):
            shipped.predict(picture)


ARRAY = np.zeros((40, 48, 48))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda run: ferkeras.open_run(5), "path: expected a path, found 5"),
        (lambda run: ferkeras.resume(b"run"), "path: expected a path, found b'run'"),
        (
            lambda run: ferkeras.load_data(ARRAY),
            "path: expected a path, found ndarray of shape (40,",
        ),
        (lambda run: ferkeras.load_data("demo", classes=ARRAY), "data.classes = array("),
        (lambda run: ferkeras.train({"seed": 3}), "(changes go into settings), found "),
        (lambda run: ferkeras.train("demo", ["seed=3"]), "settings: expected a mapping"),
        (lambda run: ferkeras.train("demo", {"seed": np.zeros(2)}), "seed = array([0., 0.])"),
        (
            lambda run: ferkeras.train("demo", data=ARRAY),
            "or what load_data returned, found ndarray of shape (40, 48, 48)",
        ),
        (lambda run: ferkeras.load_data("demo", progress="print"), "progress: expected a function"),
        (lambda run: run.evaluate(data=ARRAY), "data: expected a path, found ndarray"),
        (lambda run: run.export(5), "format '5': expected one of saved_model"),
        (lambda run: run.export("litert", 5), "folder: expected a path, found 5"),
        (lambda run: run.predict("face.png", tta="flipp"), "tta 'flipp': expected one of none,"),
        (lambda run: run.predict("a\0b"), "not a path"),
    ],
)
def test_what_is_no_argument_is_refused_by_name(shipped, call, expected):
    with pytest.raises(ferkeras.InputError) as caught:
        call(shipped)
    assert expected in str(caught.value)


def test_a_run_tells_of_itself(finished_run):
    run = ferkeras.open_run(finished_run)
    assert list(run.history["epoch"]) == [1, 2, 3]
    assert (run.name, run.folder) == (finished_run.name, finished_run)
    assert run.config.train.epochs == 3
    assert repr(run).startswith(f"<ferkeras.Run {run.name}: ")
    assert run.stopped is None
    with pytest.raises(ferkeras.InputError, match="no such run folder"):
        ferkeras.open_run(finished_run.with_name("nothing"))


def test_a_run_stays_open_where_the_program_goes(finished_run, tmp_path, monkeypatch):
    monkeypatch.chdir(finished_run.parent)
    run = ferkeras.open_run(finished_run.name)
    monkeypatch.chdir(tmp_path)
    assert len(run.history) == 3


def test_a_setting_may_be_a_path(tmp_path):
    with pytest.raises(ferkeras.InputError, match=r"nothing\.csv"):
        ferkeras.train("demo", {"data.path": tmp_path / "nothing.csv"})


def test_a_run_is_evaluated_and_exported(finished_run, tmp_path, capfd):
    run = ferkeras.open_run(finished_run)
    before = sorted(finished_run.rglob("*"))
    measured = run.evaluate()
    assert measured.plain.metrics["accuracy"] == pytest.approx(
        run.metrics["validation"]["accuracy"]
    )
    lines = []
    path = run.export("litert", tmp_path / "export", progress=lines.append)
    assert LiteRtNetwork(path).about.provenance["run"] == run.name
    assert any("same label as the trained network" in line for line in lines)
    assert sorted(finished_run.rglob("*")) == before
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ferkeras.InputError, match="expected one of validation, test, train"):
        run.evaluate("PrivateTest")
    with pytest.raises(ferkeras.InputError, match="did you mean litert"):
        run.export("tflite")


SMALL = {
    "name": "small",
    "train": {"epochs": 1, "batch_size": 64},
    "network": {"filters": [4], "dense_units": [8]},
    "monitor.diagnose": False,
    "monitor.tensorboard": False,
}


class Told:
    """Is told everything: lines, phases and epochs."""

    def __init__(self):
        self.lines, self.phases, self.epochs = [], [], []

    def __call__(self, line):
        self.lines.append(line)

    def phase(self, what):
        self.phases.append(what)

    def epoch(self, epoch, epochs, logs):
        self.epochs.append((epoch, epochs, logs))


def test_a_training_is_a_call(tmp_path, monkeypatch, capfd, eager):
    monkeypatch.chdir(tmp_path)
    told = Told()
    run = ferkeras.train("demo", {**SMALL, "data.demo_faces": 200}, progress=told)
    assert run.folder == tmp_path / "saved_models/small-001"
    assert len(run.history) == 1
    assert any(line.startswith("epoch 1/1") for line in told.lines)
    assert capfd.readouterr() == ("", "")
    ((epoch, epochs, logs),) = told.epochs
    assert (epoch, epochs) == (1, 1)
    row = run.history.iloc[0].drop("epoch")
    assert logs == pytest.approx(row.to_dict(), nan_ok=True)
    phases = iter(told.phases)
    for phase in ("loading TensorFlow", "epoch 1/1", "validation", "exporting the network"):
        assert phase in phases, told.phases
    # A finished run of which nothing more is asked.
    assert ferkeras.resume(run.folder, epochs=1).name == run.name
    with pytest.raises(ferkeras.InputError, match="expected whole number"):
        ferkeras.resume(run.folder, epochs=0)


def test_a_finished_run_is_gone_on_with_as_asked(finished_run, tmp_path, monkeypatch):
    seen = []

    def fit(config, console, unfinished, *, reports):
        seen.append((config.train.epochs, config.data.path, unfinished.run.folder, reports))

    monkeypatch.setattr("ferkeras.fit.fitting.fit", fit)
    folder = shutil.copytree(finished_run, tmp_path / "run-001")
    told = Told()
    run = ferkeras.resume(folder, epochs=5, data="elsewhere.csv", progress=told)
    assert seen == [(5, "elsewhere.csv", folder, told)]
    assert run.name == "run-001"
    with pytest.raises(ferkeras.InputError, match="has trained 3 epochs already"):
        ferkeras.resume(folder, epochs=2)


def test_faces_that_were_read_are_trained_on(make_table, tmp_path, monkeypatch, brief, eager):
    monkeypatch.chdir(tmp_path)
    read = ferkeras.load_data(make_table, size=24, color=True, cache=False)
    run = ferkeras.train("demo", SMALL, data=read)
    asked = run.config.data
    assert (asked.path, asked.size, asked.color) == (str(make_table), 24, True)
    # What evaluates and resumes reads the faces again, as the configuration says.
    again = load_splits(run.config, Console(io.StringIO()))
    assert again.fingerprint == open_finished(run.folder).fingerprint
    assert run.evaluate().plain.metrics["faces"] > 0
    for settings, expected in (
        (
            {"data.size": 32},
            r"data.size = 32: .* data.size=24; read them with load_data",
        ),
        ({"data.color": None}, "data.color = null: these faces were read with data.color=true"),
        ({"data.detect_faces": True}, "data.detect_faces=false; give their path as data"),
        # It changes no face.
        ({"data.cache": True, "data.size": 32}, "data.size = 32"),
    ):
        with pytest.raises(ferkeras.InputError, match=expected):
            ferkeras.train("demo", SMALL | settings, data=read)


def test_synthetic_faces_that_were_made_are_those_that_the_run_asks_for():
    """They depend on the seed, which is that of the training too."""
    made = replace(synthetic_faces(200, 3), settings=read_with(load_config(None, ["seed=3"])))
    config = load_config(None, ["data.validation_fraction=0.3"])
    taken = taken_over(made, config, {"data.path"})
    assert (taken.data.path, taken.seed, taken.data.validation_fraction) == ("demo", 3, 0.3)
    other = load_config(None, ["seed=5"])
    with pytest.raises(ferkeras.InputError, match="seed = 5: these faces were read with seed=3"):
        taken_over(made, other, {"data.path"})


def test_the_precision_of_the_caller_stays_his(tmp_path, monkeypatch):
    def build_setup(config, splits):
        seen.append(keras.config.dtype_policy().name)
        raise RunError("broken")

    seen = []
    before = keras.config.dtype_policy().name
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ferkeras.fit.run.build_setup", build_setup)
    settings = {**SMALL, "data.demo_faces": 200, "train.precision": "mixed_bfloat16"}
    with pytest.raises(RunError, match="broken"):
        ferkeras.train("demo", settings)
    assert (seen, keras.config.dtype_policy().name) == (["mixed_bfloat16"], before)


@pytest.fixture
def make_table(tmp_path):
    """A table of synthetic faces, as a file."""
    faces = synthetic_faces(200, 0).faces
    rows = [
        f"{label},{' '.join(map(str, image.ravel()))}"
        for label, image in zip(faces.labels, faces.images, strict=True)
    ]
    path = tmp_path / "faces.csv"
    path.write_text("\n".join(["emotion,pixels", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("config", "settings", "expected"),
    [
        ("demo", {"train.lr": 3}, "did you mean train.learning_rate?"),
        ("demo", {"train": {"epochs": 0}}, "train.epochs = 0: expected whole number"),
        ("dmeo", {}, "did you mean demo?"),
    ],
)
def test_a_wrong_setting_is_answered_as_on_the_command_line(config, settings, expected):
    with pytest.raises(ferkeras.InputError) as caught:
        ferkeras.train(config, settings)
    assert expected in str(caught.value)


def test_faces_that_were_read_tell_what_they_are_in_a_line(tmp_path):
    path = tmp_path / "faces.npz"
    np.savez(path, images=np.zeros((4, 32, 32), np.uint8), labels=["sad", "happy"] * 2)
    text = repr(ferkeras.load_data(path))
    assert text.startswith("<ReadFaces: 4 faces of ")
    assert text.endswith("32 x 32 grey, 2 classes>")


def test_one_object_that_shows_one_picture_after_another_gives_each_its_own(shipped, faces):
    def frames():
        pixels = np.empty((48, 48), np.uint8)
        for face in faces:
            pixels[:] = face[..., 0]
            yield pixels

    assert shipped.predict(frames()) == shipped.predict(faces)


def test_the_network_that_comes_along_is_known_by_name_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("fer2013", "saved_models/fer2013"):
        assert ferkeras.open_run(name).folder == SHIPPED


def test_a_prediction_says_what_it_is_of(shipped, faces):
    (face,) = shipped.predict(faces[0])
    (wall,) = shipped.predict(np.full((600, 800), 90, np.uint8), detect=None)
    assert (face.source, wall.source) == ("crop", "uncertain")


def test_a_path_that_cannot_be_is_an_error_of_the_input(shipped):
    with pytest.raises(InputError, match="cannot be read"):
        shipped.predict("x" * 300 + ".png")
