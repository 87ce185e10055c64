"""Whole photographs: faces are cut out where that is asked for, and told of where it is not."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ferkeras.check_data.checks.photographs import check_photographs
from ferkeras.check_data.finding import Level
from ferkeras.check_data.material import gather
from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.config.file import load_config
from ferkeras.data import photographs, selection
from ferkeras.data.box import Box
from ferkeras.data.cache import location, pruning
from ferkeras.data.load import load_faces
from ferkeras.data.photographs import FoundFace, look_at, the_finder
from ferkeras.data.pictures import face_of
from ferkeras.data.read import read_faces, read_readable
from ferkeras.data.readers.source import EncodedPictures
from ferkeras.data.synthetic.dataset import synthetic_faces
from ferkeras.data.task import Classes, ImageSpec, Task
from ferkeras.data.wanted import Wanted

DETECT = Wanted(detect_faces=True)
SPEC = ImageSpec(48, 48, 1)


@pytest.fixture(autouse=True)
def kept_in(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept" / location.FOLDER


def meadow(size: tuple[int, int] = (320, 240)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(60, 90, (9, 9), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def people() -> list[tuple[Image.Image, Box]]:
    """Photographs of synthetic faces that the detector finds, each with where it finds them."""
    faces = synthetic_faces(200, 0).faces.images
    found: list[tuple[Image.Image, Box]] = []
    for number in range(30):
        picture = meadow()
        face = Image.fromarray(faces[number, ..., 0]).resize((80, 80), Image.Resampling.BICUBIC)
        picture.paste(face, (100 + 2 * number, 80))
        seen = the_finder()(picture)
        if len(seen) == 1:
            found.append((picture, seen[0].box))
    assert len(found) >= 6
    assert not the_finder()(meadow())
    return found[:6]


@pytest.fixture
def folder(tmp_path, people) -> Path:
    """Three photographs a class; one that shows nobody; one face that was cut out already."""
    for place, (picture, _) in enumerate(people):
        path = tmp_path / "photos" / ("happy", "sad")[place % 2] / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    meadow().save(tmp_path / "photos" / "happy" / "nobody.png")
    meadow((48, 48)).save(tmp_path / "photos" / "sad" / "small.png")
    return tmp_path / "photos"


def said(folder: Path, *settings: str) -> str:
    stream = io.StringIO()
    load_faces(load_config(None, [f"data.path={folder}", *settings]), Console(stream))
    return " ".join(stream.getvalue().split())


def test_the_largest_face_is_cut_out_and_who_shows_none_is_left_out_and_named(folder, people):
    reading = read_readable(folder, Wanted(detect_faces=True, size=(48, 48)))
    assert reading.names is not None
    read = reading.read
    assert sorted(reading.names) == [
        *(f"happy/{place}.png" for place in (0, 2, 4)),
        *(f"sad/{place}.png" for place in (1, 3, 5)),
        "sad/small.png",
    ]
    for place, (picture, box) in enumerate(people):
        image = read.faces.images[reading.names.index(f"{('happy', 'sad')[place % 2]}/{place}.png")]
        np.testing.assert_array_equal(image, face_of(picture.crop(box.corners), SPEC))
    whole = read.faces.images[reading.names.index("sad/small.png")]
    np.testing.assert_array_equal(whole, face_of(meadow((48, 48)), SPEC))
    assert [read.faces.classes[label] for label in read.faces.labels] == ["happy"] * 3 + ["sad"] * 4
    assert read.left_out == ("happy/nobody.png",)
    assert "faces cut out of 6 photographs, 1 pictures taken whole, 1 without a face left out" in (
        read.recognised
    )


def test_usual_size_is_that_of_the_faces_and_not_of_the_photographs(folder, people):
    side = read_faces(folder, DETECT).faces.images.shape[1]
    assert side == int(np.median([*(box.width for _, box in people), 48]))
    assert read_faces(folder).faces.images.shape[1] == 112


def test_what_was_found_is_kept_with_its_table_and_not_looked_for_again(
    folder, people, kept_in, monkeypatch
):
    first = read_readable(folder, DETECT)
    assert first.read.table is not None
    assert first.read.table.parent == kept_in
    with first.read.table.open(newline="", encoding="utf-8") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert len(rows) == 8
    assert (rows["happy/nobody.png"]["taken"], rows["happy/nobody.png"]["x"]) == ("left out", "")
    assert rows["sad/small.png"]["taken"] == "all of it"
    row, (_, box) = rows["happy/0.png"], people[0]
    assert row["taken"] == "largest face"
    assert tuple(int(row[name]) for name in ("x", "y", "width", "height")) == box
    monkeypatch.setattr(EncodedPictures, "picture", None)
    second = read_readable(folder, DETECT)
    np.testing.assert_array_equal(second.read.faces.images, first.read.faces.images)
    assert second.names == first.names
    assert second.read.left_out == first.read.left_out
    assert second.read.table == first.read.table


def test_tables_go_with_their_readings(folder, kept_in, monkeypatch):
    monkeypatch.setattr(pruning, "KEPT", 1)
    monkeypatch.setattr(pruning, "ABANDONED_SECONDS", -1)
    read_faces(folder, DETECT)
    second = read_faces(folder, Wanted(detect_faces=True, size=(32, 32)))
    third = read_faces(folder, Wanted(size=(32, 32)))
    assert second.table is not None
    assert third.table is None
    assert [each.suffix for each in kept_in.iterdir()] == [".npy"]


def test_many_photographs_are_cut_out_onto_the_disk_and_are_the_same(folder, monkeypatch):
    small = read_faces(folder, DETECT, cache=False)
    assert small.table is None
    monkeypatch.setattr(selection, "LARGE", 1000)
    first, second = read_faces(folder, DETECT), read_faces(folder, DETECT)
    for read in (first, second):
        np.testing.assert_array_equal(read.faces.images, small.faces.images)
        assert (read.fingerprint, read.left_out) == (small.fingerprint, small.left_out)
        assert read.table is not None


def test_training_is_told_which_pictures_are_left_out_and_where_they_stand(folder, kept_in):
    for _ in range(2):
        told = said(folder, "data.detect_faces=true")
        assert "note: no face was found in 1 of 8 pictures, left out: happy/nobody.png" in told
        assert f"note: what was found in each picture is in {kept_in}" in told
    assert "note: what was found" not in said(folder, "data.detect_faces=true", "data.cache=false")


def test_photographs_that_nobody_cuts_out_are_told_of(folder):
    for _ in range(2):
        told = said(folder)
        assert "note: 6 of 8 pictures that were looked at are whole photographs" in told
        assert "data.detect_faces=true cuts the faces out" in told


def test_check_data_says_whether_faces_fill_the_pictures(folder, tmp_path):
    found = check_photographs(gather(str(folder)))
    assert found.level is Level.LOOK
    assert (found.numbers["photographs"], found.numbers["looked_at"]) == (6, 8)
    assert 0.2 < found.numbers["filled"] < 0.5
    cut = check_photographs(gather(str(folder), DETECT))
    assert (cut.level, cut.numbers["left_out"]) == (Level.LOOK, ["happy/nobody.png"])
    (folder / "happy" / "nobody.png").unlink()
    assert check_photographs(gather(str(folder), DETECT)).level is Level.OK
    for name in ("happy", "sad"):
        (tmp_path / "crops" / name).mkdir(parents=True)
        meadow((48, 48)).save(tmp_path / "crops" / name / "1.png")
        meadow((48, 48)).rotate(90).save(tmp_path / "crops" / name / "2.png")
    crops = check_photographs(gather(str(tmp_path / "crops")))
    assert (crops.level, crops.found) == (Level.OK, "none of 4 looked at")


def test_a_photograph_that_cannot_be_read_is_named_and_not_left_out(folder):
    (folder / "happy" / "0.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"0\.png: unreadable image"):
        read_faces(folder, DETECT)
    reading = read_readable(folder, DETECT)
    assert len(reading.unreadable) == 1
    assert reading.read.left_out == ("happy/nobody.png",)


def test_what_cannot_be_is_refused(tmp_path):
    table = tmp_path / "fer2013.csv"
    rows = [f"{label},{' '.join([str(20 + label)] * 2304)}" for label in (0, 3)]
    table.write_text("\n".join(["emotion,pixels", *rows]))
    with pytest.raises(InputError, match=r"fer2013\.csv: holds pixels of faces that were cut out"):
        read_faces(table, DETECT)
    # A network that was trained on photographs is evaluated on it all the same.
    task = Task(Classes(("angry", "happy")), SPEC)
    assert len(read_faces(table, Wanted(detect_faces=True, expected=task)).faces) == 2
    with pytest.raises(InputError, match=r"detect_faces: synthetic faces are .* no photographs"):
        load_config(None, ["data.detect_faces=true"])
    for name in ("happy", "sad"):
        (tmp_path / "empty" / name).mkdir(parents=True)
        meadow().save(tmp_path / "empty" / name / "1.png")
    with pytest.raises(InputError, match="no face was found in any of its 2 pictures"):
        read_faces(tmp_path / "empty", DETECT)


@pytest.mark.parametrize(
    ("content", "said_of_it"),
    [
        (None, "is not installed: pip install opencv-python-headless"),
        ("raise ImportError('libGL.so.1: cannot open')", r"cannot be imported \(libGL\.so\.1: can"),
    ],
)
def test_without_opencv_only_what_needs_it_is_refused(
    folder, tmp_path, monkeypatch, content, said_of_it
):
    monkeypatch.setattr(photographs, "without_opencv", photographs.without_opencv.__wrapped__)
    monkeypatch.delitem(sys.modules, "cv2.data", raising=False)
    monkeypatch.setitem(sys.modules, "cv2", None)
    if content:
        monkeypatch.delitem(sys.modules, "cv2")
        (tmp_path / "cv2.py").write_text(content)
        monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=f"detect_faces=true needs OpenCV, which {said_of_it}"):
        read_faces(folder, DETECT)
    assert "note:" not in said(folder, "data.cache=false")


@given(
    side=st.integers(129, 400),
    widths=st.lists(st.floats(0.1, 1.0), max_size=3),
    longer=st.floats(1.0, 3.0),
)
def test_one_face_that_fills_a_square_is_all_of_it_and_else_the_largest_is_taken(
    side, widths, longer
):
    """Of any faces in any picture."""
    picture = Image.new("L", (round(side * longer), side))
    faces = [FoundFace(Box(0, 0, *[max(1, round(side * each))] * 2), 1) for each in widths]
    looked = look_at(picture, lambda _: faces)
    if not faces:
        assert (looked.kind, looked.box) == ("nothing", None)
        return
    largest = max(face.box.width for face in faces)
    closely = len(faces) == 1 and largest >= 0.6 * side and picture.width <= 1.6 * side
    assert looked.kind == ("face" if closely else "photograph")
    assert looked.faces[0].box.width == largest
    assert (looked.box is None) == closely
