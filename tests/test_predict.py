"""python -m ferkeras.predict: what it takes, what it predicts, how it reports unreadable files."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.cli.invocation import command_line
from ferkeras.data import photographs
from ferkeras.data.detection import FaceDetector
from ferkeras.data.load import load_splits
from ferkeras.data.presets.fer2013 import EMOTIONS, FER2013
from ferkeras.data.synthetic.dataset import synthetic_faces
from ferkeras.data.test_time_augmentation import augmented_views
from ferkeras.metrics.calibration import Calibration, store_calibration
from ferkeras.metrics.predictions import read_predictions

# Before the first video is written: it tells FFmpeg to be quiet.
from ferkeras.predict import sources, videos  # noqa: F401
from ferkeras.predict.__main__ import main
from ferkeras.predict.cuts import as_it_looks
from ferkeras.predict.drawing import Drawing
from ferkeras.predict.network import KerasNetwork, Tempered, load_network
from ferkeras.predict.predictions import PredictedView, Prediction, predict_views
from ferkeras.predict.sources import View, find_files, views_of
from ferkeras.runs.finished import open_run
from ferkeras.runs.record import Run


@pytest.fixture(scope="module")
def faces():
    return synthetic_faces(200, 5).faces.images[:70]


@pytest.fixture
def folder(faces, tmp_path):
    """A folder of pictures, one of them in a folder below."""
    path = tmp_path / "faces"
    (path / "below").mkdir(parents=True)
    for at, face in enumerate(faces):
        Image.fromarray(face[..., 0]).save(path / ("below" if at == 69 else ".") / f"{at:02d}.png")
    return path


@pytest.fixture
def photograph(tmp_path):
    """A portrait in colour that comes with matplotlib."""
    path = tmp_path / "hopper.jpg"
    shutil.copy(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False), path)
    return path


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_litert_and_keras_predict_alike(finished_run, faces):
    fast, slow = load_network(finished_run), KerasNetwork(open_run(finished_run), {})
    assert fast.about.emotions == slow.about.emotions == EMOTIONS
    np.testing.assert_allclose(fast(faces), slow(faces), atol=1e-5)
    assert fast(faces[:0]).shape == slow(faces[:0]).shape == (0, 7)


def test_without_a_litert_file_keras_predicts(finished_run, tmp_path, folder, capsys):
    run = shutil.copytree(finished_run, tmp_path / "older")
    assert main([str(run), str(folder / "00.png"), "--json"]) == 0
    fast = lines(capsys.readouterr().out)
    shutil.rmtree(run / "export")
    assert main([str(run), str(folder / "00.png"), "--json"]) == 0
    (slow,) = lines(capsys.readouterr().out)
    assert slow["probabilities"] == pytest.approx(fast[0]["probabilities"], abs=1e-5)


def test_views_are_averaged(finished_run, faces, folder, capsys):
    assert main([str(finished_run), str(folder / "00.png"), "--json", "--tta", "multiscale"]) == 0
    (prediction,) = lines(capsys.readouterr().out)
    network = load_network(finished_run)
    expected = np.mean(
        [network(view)[0] for view in augmented_views(faces[:1], "multiscale")], axis=0
    )
    assert list(prediction["probabilities"].values()) == pytest.approx(expected, abs=1e-5)
    assert not np.allclose(expected, network(faces[:1])[0], atol=1e-4)


def test_every_picture_is_predicted_in_order(finished_run, faces, folder, capsys):
    assert main([str(finished_run), str(folder), "--json"]) == 0
    predicted = lines(capsys.readouterr().out)
    names = [str(path) for path in sorted(folder.rglob("*.png"))]
    assert [prediction["picture"] for prediction in predicted] == names
    network = load_network(finished_run)
    for prediction in predicted:
        probabilities = network(faces[int(prediction["picture"][-6:-4])][None])[0]
        assert list(prediction["probabilities"]) == list(EMOTIONS)
        assert list(prediction["probabilities"].values()) == pytest.approx(probabilities, abs=1e-5)
        assert prediction["label"] == EMOTIONS[probabilities.argmax()]
        assert prediction["confidence"] == max(prediction["probabilities"].values())
        assert prediction["box"] is None


def test_comma_separated_values_say_the_same(finished_run, folder, capsys):
    paths = [str(folder / "0[0-4].png"), str(folder / "below")]
    main([str(finished_run), *paths, "--json"])
    predicted = lines(capsys.readouterr().out)
    assert len(predicted) == 6
    main([str(finished_run), *paths, "--csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    for row, prediction in zip(rows, predicted, strict=True):
        assert (row["picture"], row["label"]) == (prediction["picture"], prediction["label"])
        assert [float(row[name]) for name in EMOTIONS] == list(prediction["probabilities"].values())


def test_the_table_counts_what_it_does_not_list(finished_run, folder, capsys):
    assert main([str(finished_run), str(folder)]) == 0
    said = capsys.readouterr().out
    assert "the first 40 of 70" in said
    assert "39.png" in said
    assert "40.png" not in said
    counted = [line.split("|") for line in said.splitlines() if line.split(" ")[0] in EMOTIONS]
    assert sum(int(count) for _, count, _ in counted) == 70


def test_links_out_of_a_folder_are_followed_only_when_asked(folder, tmp_path):
    (folder / "inside.png").symlink_to(folder / "00.png")
    assert len(find_files([str(folder)])) == 71
    outside = tmp_path / "outside.png"
    shutil.copy(folder / "00.png", outside)
    (folder / "link.png").symlink_to(outside)
    with pytest.raises(InputError, match=r"link\.png: a link out of .*--follow-symlinks"):
        find_files([str(folder)])
    assert len(find_files([str(folder)], follow_symlinks=True)) == 72
    assert find_files([str(folder / "link.png")]) == [folder / "link.png"]
    (folder / "link.png").unlink()
    (folder / "elsewhere").symlink_to(tmp_path)
    for pattern, of in (("**/*.png", folder), ("else*/out*.png", folder)):
        with pytest.raises(InputError, match=r"elsewhere.*: a link out of .*--follow-symlinks"):
            find_files([str(of / pattern)])
    assert len(find_files([str(folder / "else*/out*.png")], follow_symlinks=True)) == 1
    # What stands before the pattern is named, as a file that is named by itself.
    assert len(find_files([str(folder / "elsewhere" / "out*.png")])) == 1


def test_linked_folders_are_looked_into_only_when_asked_and_circles_end(folder, tmp_path):
    shutil.move(folder / "below", tmp_path / "far")
    (folder / "far").symlink_to(tmp_path / "far")
    (folder / "circle").symlink_to(folder)
    (folder / "a").symlink_to(folder / "b")
    for name in ("b", ".hidden"):
        (folder / name).mkdir()
        shutil.copy(folder / "00.png", folder / name / "1.png")
    (folder / "shown").symlink_to(folder / ".hidden")
    own = [f"{at:02d}.png" for at in range(69)]
    assert len(find_files([str(folder)])) == 70
    found = [path.relative_to(folder) for path in find_files([str(folder)], follow_symlinks=True)]
    assert [str(each) for each in found] == [*own, "b/1.png", "far/69.png", "shown/1.png"]


def test_a_picture_counts_once_however_often_it_is_meant(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    once = find_files(["faces"])
    again = ["faces", "faces/00.png", "./faces/00.png", "faces/0*.png", "faces/below/../00.png"]
    assert find_files(again) == once


@pytest.mark.parametrize("words", [[""], ["", "00.png"], ["face.png", "--draw", ""]])
def test_an_empty_path_is_not_the_current_folder(words, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    try:
        code = main(words)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert "an empty path" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_a_picture_too_small_for_a_face_is_skipped(finished_run, tmp_path, capsys):
    Image.new("L", (48, 7), 90).save(tmp_path / "strip.png")
    assert main([str(finished_run), str(tmp_path / "strip.png")]) == 1
    assert "48 x 7 pixels show no face; expected at least 8" in capsys.readouterr().err


def test_what_cannot_be_read_is_named_and_skipped(finished_run, folder, capsys):
    (folder / "broken.png").write_bytes((folder / "00.png").read_bytes()[:200])
    (folder / "clip.mp4").write_bytes(b"not a video")
    (folder / "huge.jpg").write_bytes(bytes((16 << 20) + 1))
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    shutil.copy(folder / "00.png", folder / "png.of_another_name")
    # What people and systems leave beside pictures is no omission.
    (folder / "labels.csv").write_text("face,emotion\n")
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf")
    (folder / ".hidden.xyz").write_bytes(b"")
    assert main([str(finished_run), str(folder), "--json"]) == 1
    said = capsys.readouterr()
    assert len(lines(said.out)) == 71
    skipped = [line for line in said.err.splitlines() if line.startswith("skipped: ")]
    assert [line.split(":")[1].rsplit("/")[-1] for line in skipped] == [
        "broken.png",
        "clip.mp4",
        "huge.jpg",
        "phone.heic",
    ]
    assert "4 files were unreadable" in said.err


def test_what_ferkeras_made_in_a_folder_is_left_out_and_named(
    finished_run, folder, photograph, tmp_path, capsys
):
    shutil.copy(photograph, folder)
    run = folder / "saved_models" / "mine-001"
    run.mkdir(parents=True)
    for name in ("config.yaml", "environment.json"):
        (run / name).write_text("")
    shutil.copy(folder / "00.png", run / "curves.png")
    drawn = folder / "drawn"
    for _ in range(2):
        assert main([str(finished_run), str(folder), "--csv", "--draw", str(drawn)]) == 0
        said = capsys.readouterr()
        assert f"left out: {run}: what ferkeras itself made\n" in said.err
        names = {row["picture"] for row in csv.DictReader(io.StringIO(said.out))}
        assert len(names) == 71
    assert f"left out: {drawn}: " in said.err
    # Named by itself, a folder of such pictures is searched as any other.
    assert len(find_files([str(drawn)])) == 4
    # Wherever they lie, and beside whatever.
    shutil.move(drawn, folder / "elsewhere")
    shutil.copy(folder / "elsewhere" / "faces-1.png", folder / "sheet.png")
    told = []
    assert len(find_files([str(folder)], left_out=told.append)) == 71
    assert told == [run, folder / "elsewhere", folder / "sheet.png"]
    assert len(find_files([str(folder / "*")], left_out=told.append)) == 70
    assert told[3:] == [folder / "sheet.png"]


def test_a_pattern_skips_nothing_in_silence(finished_run, folder, capsys):
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    assert main([str(finished_run), str(folder / "*"), "--csv"]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1 + 69
    assert "phone.heic" in said.err


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nobody.png", "no such file"),
        ("nobody/*.png", "no picture or video matches"),
        ("empty", "no picture or video in this folder"),
    ],
)
def test_a_path_without_pictures_is_wrong_input(path, said, finished_run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main([str(finished_run), str(tmp_path / path)]) == 2
    assert said in capsys.readouterr().err


def test_a_run_behind_the_pictures_is_not_searched_for_pictures(finished_run, folder, capsys):
    assert main([str(folder), str(finished_run)]) == 2
    said = capsys.readouterr().err
    assert f"{finished_run}: this is a network, not what to predict" in said
    assert f"ferkeras.predict {finished_run} {folder}\n" in said.replace("'", "")


@pytest.mark.parametrize("name", ["best.keras", "export/1"])
def test_files_that_can_carry_code_are_refused(name, finished_run, folder, capsys):
    assert main([str(finished_run / name), str(folder)]) == 2
    assert "can carry code" in capsys.readouterr().err


def test_a_damaged_litert_file_is_named(finished_run, tmp_path, folder, capsys):
    damaged = tmp_path / "model.tflite"
    content = (finished_run / "export" / "model.tflite").read_bytes()
    damaged.write_bytes(bytes(64) + content[64:])
    assert main([str(damaged), str(folder)]) == 2
    assert "damaged" in capsys.readouterr().err
    damaged.write_bytes(content[:2000])
    assert main([str(damaged), str(folder)]) == 2
    assert "not a model that ferkeras exported" in capsys.readouterr().err


def test_a_temperature_fitted_after_the_export_counts(finished_run, tmp_path, faces):
    run = shutil.copytree(finished_run, tmp_path / "run")
    before = load_network(run)(faces)
    store_calibration(Run(run), {"none": Calibration(2.0, 30, 2.0, 1.0, 0.2, 0.1)})
    after = load_network(run)(faces)
    np.testing.assert_allclose(after, KerasNetwork(open_run(run), {"none": 2.0})(faces), atol=1e-5)
    assert (after.max(axis=1) < before.max(axis=1)).all()
    (run / "export" / "model.tflite").unlink()
    np.testing.assert_allclose(load_network(run)(faces), after, atol=1e-5)


def test_a_mean_of_views_is_tempered_by_its_own_temperature(finished_run, tmp_path, faces):
    run = shutil.copytree(finished_run, tmp_path / "run")
    own, fitted = (Calibration(each, 30, 2.0, 1.0, 0.2, 0.1) for each in (2.0, 0.5))

    def predicted(tta):
        views = [
            View("a", None, lambda face=face: Image.fromarray(face[..., 0]).convert("RGB"))
            for face in faces
        ]
        found = predict_views(views, load_network(run), tta=tta)
        return np.stack([each.predicted[0].probabilities for each in found])

    before = {tta: predicted(tta) for tta in ("none", "flip", "multiscale")}
    store_calibration(Run(run), {"none": own, "flip": fitted})
    squares = before["flip"].astype(float) ** 2
    np.testing.assert_allclose(
        predicted("flip"), squares / squares.sum(axis=1, keepdims=True), atol=1e-6
    )
    assert (predicted("none").max(axis=1) < before["none"].max(axis=1)).all()


def test_a_temperature_of_one_changes_nothing(finished_run, faces):
    network = load_network(finished_run)
    same = Tempered(network, network.about.with_temperatures({"none": 1.0}))
    np.testing.assert_array_equal(same(faces), network(faces))


def test_a_face_is_found_in_a_photograph(finished_run, photograph, tmp_path, capsys):
    command = [str(finished_run), str(photograph), "--detect", "--json"]
    assert main([*command, "--draw", str(tmp_path / "drawn")]) == 0
    (prediction,) = lines(capsys.readouterr().out)
    x, y, width, height = prediction["box"]
    # Her eyes and her mouth, in a picture of 512 x 600.
    for at_x, at_y in ((225, 190), (305, 190), (270, 268)):
        assert x < at_x < x + width
        assert y < at_y < y + height
    drawn = Image.open(tmp_path / "drawn" / "001-hopper.png")
    assert drawn.size == (512, 600)
    original = np.asarray(Image.open(photograph).convert("RGB"), int)
    changed = np.abs(np.asarray(drawn, int) - original).sum(axis=2) > 60
    assert changed[y + height // 2, [x, x + width]].all()
    assert not changed[y + height // 3 : y + height // 2, x + 20 : x + width - 20].any()
    assert (tmp_path / "drawn" / "faces-1.png").is_file()


def test_faces_are_found_in_the_upright_picture(photograph, tmp_path):
    image = Image.open(photograph)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    boxes = []
    for path in (photograph, tmp_path / "turned.jpg"):
        ((box, face),) = FaceDetector()(next(views_of([path], 1)).read(), FER2013.image)
        assert face.shape == (48, 48, 1)
        boxes.append(box)
    np.testing.assert_allclose(*boxes, atol=12)


def hints(printed):
    """The lines on stderr, but for the note that the run was trained on synthetic faces."""
    return [line for line in printed.splitlines() if not line.startswith("note: ")]


def test_a_photograph_is_searched_without_being_asked(finished_run, photograph, capsys):
    assert main([str(finished_run), str(photograph), "--detect", "--json"]) == 0
    asked = capsys.readouterr()
    assert hints(asked.err) == []
    assert main([str(finished_run), str(photograph), "--json"]) == 0
    found = capsys.readouterr()
    assert found.out == asked.out
    assert lines(found.out)[0]["source"] == "detected"
    (hint,) = hints(found.err)
    assert hint.startswith(f"not cut out closely: {photograph}")


@pytest.mark.parametrize("size", [(300, 200), (512, 512), (129, 129)])
def test_a_picture_in_which_no_face_is_found_may_be_none(size, finished_run, tmp_path, capsys):
    meadow = np.random.default_rng(0).integers(60, 90, (9, 9), dtype=np.uint8)
    Image.fromarray(meadow).resize(size, Image.Resampling.BICUBIC).save(tmp_path / "meadow.png")
    command = [str(finished_run), str(tmp_path / "meadow.png")]
    assert main([*command, "--csv"]) == 0
    said = capsys.readouterr()
    (row,) = csv.DictReader(io.StringIO(said.out))
    assert (row["source"], row["x"]) == ("uncertain", "")
    (hint,) = hints(said.err)
    assert hint.startswith("may be no face: ")
    assert main(command) == 0
    assert "may be no face: " in capsys.readouterr().out
    assert main([*command, "--no-detect", "--json"]) == 0
    said = capsys.readouterr()
    assert (lines(said.out)[0]["source"], hints(said.err)) == ("crop", [])


def test_a_small_picture_of_one_grey_or_noise_may_be_no_face(
    finished_run, folder, tmp_path, capsys
):
    black, noise = tmp_path / "black.png", tmp_path / "noise.png"
    Image.new("L", (48, 48), 7).save(black)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(noise)
    assert main([str(finished_run), str(black), str(noise), str(folder / "00.png")]) == 0
    said = capsys.readouterr().out
    assert f"may be no face: {black}, {noise}; no face was found" in said
    assert "00.png;" not in said


def test_a_large_picture_of_nothing_but_a_face_is_one(photograph):
    """Cut out as the detector does it, its margin is gone, and it is a face all the same."""
    upright = next(views_of([photograph], 1)).read()
    ((box, _),) = FaceDetector()(upright, FER2013.image)
    crop = upright.crop(box.corners).resize((200, 200))
    assert as_it_looks(FaceDetector())(crop, FER2013.image).source == "crop"


def test_without_a_detector_nothing_large_is_taken_for_certain(
    monkeypatch, finished_run, tmp_path, capsys
):
    monkeypatch.setattr(photographs, "without_opencv", lambda: "is not installed")
    path = tmp_path / "large.png"
    Image.new("L", (400, 400), 90).save(path)
    assert main([str(finished_run), str(path), "--json"]) == 0
    assert lines(capsys.readouterr().out)[0]["source"] == "uncertain"
    assert main([str(finished_run), str(path), "--detect"]) == 2
    assert "--detect needs OpenCV, which is not installed" in capsys.readouterr().err


def test_no_face_is_said_and_is_no_error(finished_run, tmp_path, capsys):
    Image.new("L", (200, 200), 90).save(tmp_path / "wall.png")
    assert main([str(finished_run), str(tmp_path / "wall.png"), "--detect"]) == 0
    assert "no face found in" in capsys.readouterr().out
    assert main([str(finished_run), str(tmp_path / "wall.png"), "--detect", "--csv"]) == 0
    found = capsys.readouterr()
    assert len(found.out.splitlines()) == 1
    assert "no face found in" in found.err


@pytest.fixture
def video(tmp_path):
    """Three seconds at ten frames a second; second n is of grey 40 n."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(30):
        writer.write(np.full((48, 64, 3), number // 10 * 40, np.uint8))
    writer.release()
    return path


def test_a_video_is_looked_at_once_a_second(finished_run, video, capsys):
    assert main([str(finished_run), str(video), "--json"]) == 0
    predicted = lines(capsys.readouterr().out)
    assert [prediction["seconds"] for prediction in predicted] == pytest.approx([0, 1, 2])
    network = load_network(finished_run)
    for second, prediction in enumerate(predicted):
        probabilities = network(np.full((1, 48, 48, 1), 40 * second, np.uint8))[0]
        assert list(prediction["probabilities"].values()) == pytest.approx(probabilities, abs=0.05)
    assert main([str(finished_run), str(video), "--json", "--every", "0"]) == 0
    assert len(lines(capsys.readouterr().out)) == 30


def test_a_video_that_is_cut_off_is_said_to_be(finished_run, video, capfd):
    content = video.read_bytes()
    video.write_bytes(content[: len(content) * 3 // 4])
    assert main([str(finished_run), str(video), "--json", "--every", "0"]) == 0
    found = capfd.readouterr()
    assert 0 < len(lines(found.out)) < 27
    assert re.search(r"\d+ frames were read, of 30 that the file speaks of", found.err)
    assert "mjpeg" not in found.err


def test_no_more_is_read_ahead_than_the_threads_need(finished_run, folder):
    views = views_of(find_files([str(folder)]) * 20, 1)
    taken = 0

    def counted():
        nonlocal taken
        for view in views:
            taken += 1
            yield view

    predicted = predict_views(counted(), load_network(finished_run), threads=1)
    next(predicted)
    assert taken <= 4 * 32
    predicted.close()


def test_a_prediction_needs_no_tensorflow(finished_run, folder):
    program = (
        "import sys; from ferkeras.predict.__main__ import main\n"
        "code = main(sys.argv[1:])\n"
        "slow = {'tensorflow', 'keras', 'scipy', 'sklearn', 'pandas', 'cv2'}\n"
        "assert not slow & set(sys.modules)\n"
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", program, finished_run, folder / "00.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # One line, which says that it has seen no real face.
    assert done.stderr.startswith("note: ")
    assert done.stderr.count("\n") == 1
    assert "00.png" in done.stdout


def test_a_folder_that_cannot_be_drawn_into_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--draw"):
        Drawing(tmp_path / "file" / "below", EMOTIONS)


def test_the_predictions_are_those_of_the_training(finished_run):
    """The same faces, through LiteRT, as the run kept them in predictions.npz."""
    kept = read_predictions(finished_run / "predictions.npz", FER2013.classes)
    splits = load_splits(open_run(finished_run).config, Console(io.StringIO()))
    predicted = load_network(finished_run)(splits.validation.images)
    np.testing.assert_allclose(predicted, kept.probabilities, atol=1e-5)


def test_a_network_that_has_seen_no_real_face_says_so_and_names_a_better_one(
    finished_run, tmp_path, capsys
):
    picture = tmp_path / "it's a face.png"
    Image.fromarray((np.arange(48 * 48) // 9).astype(np.uint8).reshape(48, 48)).save(picture)
    assert main([str(finished_run), str(picture), "--csv"]) == 0
    said = capsys.readouterr().err
    assert f"note: {finished_run} was trained on synthetic faces" in said
    assert said.strip().endswith(command_line("predict", picture, "--csv"))
    assert main([str(picture)]) == 0
    assert "synthetic" not in capsys.readouterr().err


class Capture:
    """What OpenCV makes of a video: frames at these seconds, of an average rate."""

    def __init__(self, seconds, rate, promised):
        self._seconds, self._rate, self._promised = seconds, rate, promised
        self._at = -1

    def get(self, what):
        return {
            cv2.CAP_PROP_FRAME_WIDTH: 64,
            cv2.CAP_PROP_FRAME_HEIGHT: 48,
            cv2.CAP_PROP_FPS: self._rate,
            cv2.CAP_PROP_FRAME_COUNT: self._promised,
            cv2.CAP_PROP_POS_MSEC: self._seconds[min(self._at, len(self._seconds) - 1)] * 1000,
        }[what]

    def grab(self):
        self._at += 1
        return self._at < len(self._seconds)

    def retrieve(self):
        return True, np.zeros((48, 64, 3), np.uint8)

    def release(self):
        pass


def test_frames_of_a_rate_that_changes_have_their_own_times(monkeypatch, tmp_path, capfd):
    # A second at 30 frames/s, then ten at 2.
    seconds = [*(at / 30 for at in range(30)), *(1 + at / 2 for at in range(20))]
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: Capture(seconds, 30.0, 330))
    found = [view.seconds for view in views_of([tmp_path / "a.mkv"], 1)]
    assert found == pytest.approx(range(11))
    every = [view.seconds for view in views_of([tmp_path / "a.mkv"], 0)]
    assert every == pytest.approx(seconds)
    assert "cut off" not in capfd.readouterr().err


def test_videos_put_together_go_on_where_the_first_ends(monkeypatch, tmp_path):
    seconds = [at / 2 for at in range(6)] * 2
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: Capture(seconds, 2.0, 12))
    found = [view.seconds for view in views_of([tmp_path / "a.mpg"], 1)]
    assert found == pytest.approx(range(6))


def test_a_video_whose_name_is_no_text_is_skipped(finished_run, folder, video, capsys):
    video.rename(folder / "clip\udcff.avi")
    assert main([str(finished_run), str(folder), "--csv"]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 71
    assert "whose name has bytes that are no UTF-8; rename it" in said.err


def test_a_video_without_opencv_costs_nothing_else(
    finished_run, folder, video, capsys, monkeypatch
):
    shutil.move(video, folder)
    monkeypatch.setattr(photographs, "without_opencv", lambda: "is not installed")
    monkeypatch.setattr(sources, "without_opencv", lambda: "is not installed")
    assert main([str(finished_run), str(folder), "--csv"]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 71
    assert "a video needs OpenCV, which is not installed" in said.err


def test_a_link_to_itself_is_skipped_and_named(finished_run, folder, capsys):
    (folder / "faces").symlink_to(folder / "faces")
    assert main([str(finished_run), str(folder), "--csv"]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 71
    assert "faces/faces: cannot be read: Too many levels of symbolic links" in said.err


def test_folders_that_cannot_be_opened_are_named(folder, monkeypatch):
    walk = os.walk

    def closed(top, *, onerror, **settings):
        onerror(PermissionError(13, "Permission denied", str(folder / "closed")))
        yield from walk(top, onerror=onerror, **settings)

    (folder / "closed").mkdir()
    monkeypatch.setattr(sources.os, "walk", closed)
    for follow in (False, True):
        found = find_files([str(folder)], follow_symlinks=follow)
        assert found[-1] == folder / "closed"
        assert len(found) == 71
    (view,) = views_of(found[-1:], 1)
    with pytest.raises(InputError, match="a folder that cannot be opened"):
        view.read()


def test_a_path_that_cannot_be_reached_costs_nothing_else(finished_run, folder, capsys):
    long = "x" * 300 + ".png"
    assert main([str(finished_run), str(folder / "00.png"), long]) == 2
    assert "File name too long" in capsys.readouterr().err
    with pytest.raises(InputError, match="no such file or folder"):
        find_files([long])


def test_no_face_of_a_crowd_is_missing_from_the_sheets(tmp_path):
    drawing = Drawing(tmp_path, EMOTIONS)
    face = np.zeros((48, 48), np.uint8)
    many = tuple(Prediction(None, face, np.eye(7)[0]) for _ in range(230))
    drawing.add(PredictedView("crowd.png", 1.0, many))
    drawing.close()
    assert len(list(tmp_path.glob("faces-*.png"))) == 3


def test_a_folder_in_a_home_is_that_folder(finished_run, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert main([str(finished_run), str(folder / "00.png"), "--draw=~/out"]) == 0
    assert (tmp_path / "home" / "out" / "faces-1.png").exists()
    assert not (tmp_path / "~").exists()
