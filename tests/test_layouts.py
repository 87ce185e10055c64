"""Ways in which people write and keep faces; the table of layouts is in test_layout_table."""

from __future__ import annotations

import io
import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferkeras.cli.console import Console
from ferkeras.cli.errors import InputError
from ferkeras.config.file import load_config
from ferkeras.data.load import load_other_faces
from ferkeras.data.presets import affectnet
from ferkeras.data.read import read_faces
from ferkeras.data.wanted import Wanted

RNG = np.random.default_rng(3)


def pixels(side: int = 48) -> np.ndarray:
    return RNG.integers(0, 256, (side, side), dtype=np.uint8)


def text(image: np.ndarray, between: str = " ") -> str:
    return between.join(map(str, image.ravel()))


def put(path: Path, side: int = 48, colour: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (side, side, 3) if colour else (side, side)
    Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return path


def written(tmp_path: Path, content: str, name: str = "faces.csv") -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def names_of(read) -> list[str]:
    return [read.faces.classes[label] for label in read.faces.labels]


def read(path: Path, **wanted: object):
    return read_faces(path, Wanted(**wanted), cache=False)


def refusal(path: Path, **wanted: object) -> str:
    with pytest.raises(InputError) as caught:
        read(path, **wanted)
    return str(caught.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("column", ["emotion", "label", "class", "emotion_name", "expression"])
def test_names_are_read_under_any_usual_column(tmp_path, delimiter, column):
    rows = [delimiter.join((name, text(pixels()))) for name in ("happiness", "ANGER", "neutral")]
    header = delimiter.join((column, "pixels"))
    found = read(written(tmp_path, "\n".join([header, *rows])))
    assert names_of(found) == ["happy", "angry", "neutral"]
    assert found.faces.classes.names == ("angry", "happy", "neutral")


@pytest.mark.parametrize(
    "adorn",
    [
        lambda image: f'"[{text(image, ", ")}]"',
        lambda image: f'"[[{text(image[:20])}]\n [{text(image[20:])}]]"',
        lambda image: " ".join(f"{value}.0" for value in image.ravel()),
    ],
)
def test_pixels_are_read_as_programs_write_them(tmp_path, adorn):
    images = [pixels() for _ in range(3)]
    rows = [f"{label}.0,{adorn(each)}" for label, each in zip((0, 3, 6), images, strict=True)]
    found = read(written(tmp_path, "\n".join(["emotion,pixels", *rows])))
    np.testing.assert_array_equal(found.faces.images[..., 0], images)
    assert names_of(found) == ["angry", "happy", "neutral"]


def test_one_column_a_pixel_and_one_column_a_class(tmp_path):
    images = [pixels(20) for _ in range(2)]
    header = ",".join(["sad", "happy", *map(str, range(400))])
    rows = [f"0,1,{text(images[0], ',')}", f"1,0,{text(images[1], ',')}"]
    found = read(written(tmp_path, "\n".join([header, *rows])))
    np.testing.assert_array_equal(found.faces.images[..., 0], images)
    assert names_of(found) == ["happy", "sad"]
    twice = written(tmp_path, "\n".join([header, rows[0].replace("0,1", "1,1", 1)]), "two.csv")
    assert "line 2 (data row 1): 2 classes are marked" in refusal(twice)


def test_a_table_without_column_names(tmp_path):
    rows = [f"{name},{text(pixels())},{use}" for name, use in (("sad", "train"), ("fear", "val"))]
    found = read(written(tmp_path, "\n".join(rows)))
    assert names_of(found) == ["sad", "fear"]
    assert found.usage.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("name", "usage"),
    [("train", 1), ("Training", 1), ("val", 2), ("valid", 2), ("PublicTest", 2), ("Testing", 3)],
)
def test_splits_are_read_under_any_usual_name(tmp_path, name, usage):
    rows = [f"{label},{text(pixels())},{name}" for label in (1, 2)]
    found = read(written(tmp_path, "\n".join(["emotion,pixels,Usage", *rows])))
    assert found.usage.tolist() == [usage] * 2


def test_faces_of_another_size_keep_it_or_are_brought_to_one(tmp_path):
    rows = [f"{name},{text(pixels(96))}" for name in ("sad", "fear")]
    path = written(tmp_path, "\n".join(["emotion,pixels", *rows]))
    assert read(path).faces.images.shape == (2, 96, 96, 1)
    assert read(path, size=(32, 40), color=True).faces.images.shape == (2, 32, 40, 3)


def test_class_indices_without_names_are_asked_for(tmp_path):
    for label in range(7):
        put(tmp_path / str(label) / "1.png")
    message = refusal(tmp_path)
    for part in (
        "fer2013 (FER2013: 0 angry",
        "affectnet7",
        "0 neutral",
        "data.classes={name0: [0]",
    ):
        assert part in message
    assert names_of(read(tmp_path, classes="affectnet7")) == [
        name for name in affectnet.SEVEN.names.values() if name and name != "contempt"
    ]
    merged = read(tmp_path, classes={"calm": ["0"], "other": ["1", "2"]})
    assert names_of(merged) == ["calm", "other", "other"]


def test_lists_keep_and_mappings_merge(tmp_path):
    for name in ("Happiness", "sad", "neutral", "sleepy"):
        put(tmp_path / name / "1.png")
    assert read(tmp_path).faces.classes.names == ("happy", "sad", "neutral", "sleepy")
    kept = read(tmp_path, classes=["neutral", "happy"])
    assert kept.faces.classes.names == ("neutral", "happy")
    assert len(kept.faces) == 2
    assert "left out: sad, sleepy" in kept.recognised
    merged = read(tmp_path, classes={"smile": ["happy"], "none": ["neutral", "sleepy"]})
    assert sorted(names_of(merged)) == ["none", "none", "smile"]
    assert "did you mean 'sleepy'" in refusal(tmp_path, classes=["happy", "sleepi"])
    assert "cannot be both" in refusal(tmp_path, classes={"a": ["happy"], "b": ["happiness"]})


@pytest.mark.parametrize("label", ["nan", "NaN", "None", "null", "N/A", "NA"])
def test_what_stands_for_no_label_is_no_class(tmp_path, label):
    labels = ["happy", "sad", "neutral", "own", label]
    rows = [f"{each},{text(pixels())}" for each in labels]
    table = written(tmp_path, "\n".join(["emotion,pixels", *rows]))
    assert f"line 6 (data row 5): '{label}', which is no label; leave out" in refusal(table)
    assert read(table, classes=["happy", "sad", "neutral"]).dropped == {"own": 1, label: 1}
    kept = read(table, classes={"smile": ["happy"], "nothing": ["own", label]})
    assert names_of(kept) == ["smile", "nothing", "nothing"]


@pytest.mark.parametrize("label", ["-1", "03", "2.5", "other"])
def test_beside_class_indices_only_emotions_are_names(tmp_path, label):
    rows = [f"{each},{text(pixels())}" for each in (0, 6, "contempt", label)]
    table = written(tmp_path, "\n".join(["emotion,pixels", *rows]))
    message = refusal(table)
    assert f"line 5 (data row 4): unknown emotion '{label}': FER2013 has the class" in message
    mapping = {"angry": ["0"], "odd": ["contempt", label]}
    assert names_of(read(table, classes=mapping)) == ["angry", "odd", "odd"]
    assert read(table, classes=["angry", "neutral"]).dropped == {"contempt": 1, label: 1}


def test_labels_of_arrays_that_are_not_finite_are_refused(tmp_path):
    labels = np.array([0, 1, np.nan])
    np.savez(tmp_path / "a.npz", images=[pixels() for _ in labels], labels=labels)
    assert "a.npz, image 3: 'nan', which is no label" in refusal(
        tmp_path / "a.npz", classes="fer2013"
    )


def test_a_label_with_accents_written_in_two_ways_is_one_class(tmp_path):
    composed, apart = (unicodedata.normalize(form, "müde") for form in ("NFC", "NFD"))
    rows = [f"{label},{text(pixels())}" for label in (apart, "wach", composed)]
    path = written(tmp_path, "\n".join(["emotion,pixels", *rows]))
    found = read(path)
    assert found.faces.classes.names == (composed, "wach")
    assert found.recognised.endswith("48 x 48 grey")
    for names in ([apart, "wach"], [composed, "wach"]):
        assert read(path, classes=names).faces.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("folder", ["train_set", "FER2013Train", "images/train", "wrapped/train"])
def test_splits_are_found_in_any_nesting(tmp_path, folder):
    other = folder.replace("train", "valid").replace("Train", "Valid")
    for name in ("happy", "sad"):
        put(tmp_path / folder / name / "1.png")
        put(tmp_path / other / name / "1.png")
    found = read(tmp_path)
    assert sorted(names_of(found)) == ["happy", "happy", "sad", "sad"]
    assert sorted(found.usage.tolist()) == [1, 1, 2, 2]


@pytest.mark.parametrize("pattern", ["{name}/S{who:03d}/1.png", "S{who:03d}/{name}/1.png"])
def test_folders_of_people_are_groups(tmp_path, pattern):
    for who in range(4):
        for name in ("happy", "sad"):
            put(tmp_path / pattern.format(who=who, name=name))
    found = read(tmp_path)
    assert sorted(names_of(found)) == ["happy"] * 4 + ["sad"] * 4
    assert sorted(found.groups.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_lists_of_pictures_name_people_and_are_looked_for_below(tmp_path):
    rows = ["image,emotion,person"]
    for number, name in enumerate(("HAPPINESS", "happiness", "anger", "neutral")):
        put(tmp_path / "images" / f"{number}.jpg")
        rows.append(f"{number}.jpg,{name},{number % 3}")
    table = written(tmp_path, "\n".join(rows), "legend.csv")
    for path in (table, tmp_path):
        found = read(path)
        assert names_of(found) == ["happy", "happy", "angry", "neutral"]
        assert found.groups.tolist() == [0, 1, 2, 0]
    assert "no column named 'persons'" in refusal(table, group_column="persons")


def test_pictures_that_a_list_does_not_name_are_said_to_be_left_out(tmp_path):
    for number in range(6):
        put(tmp_path / f"{number}.png")
    rows = [f"{number}.png,{('sad', 'happy')[number % 2]}" for number in range(2)]
    table = written(tmp_path, "\n".join(["image,emotion", *rows]), "labels.csv")
    (note,) = read(table).notes
    assert note.startswith("4 of 6 pictures are in no row of ")
    assert note.endswith("left out: 2.png, 3.png, 4.png and 1 more")
    rows += [f"{number}.png,sad" for number in range(2, 6)]
    assert read(written(tmp_path, "\n".join(["image,emotion", *rows]), "labels.csv")).notes == ()


def test_a_column_of_people_is_asked_of_nothing_without_columns(tmp_path):
    for name in ("happy", "sad"):
        put(tmp_path / "folder" / name / "1.png")
    shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path / "folder")
    np.save(tmp_path / "images.npy", [pixels()] * 2)
    np.save(tmp_path / "labels.npy", ["sad", "happy"])
    for name in ("folder", "zipped.zip", "images.npy"):
        message = refusal(tmp_path / name, group_column="person")
        assert "data.group_column = 'person', but there are no columns here" in message
        # What a network is judged by need not say who is seen.
        config = load_config(None, [f"data.path={tmp_path / name}", "data.group_column=person"])
        task = read(tmp_path / name).faces.task
        assert len(load_other_faces(config, Console(io.StringIO()), task)[0].faces)
    bare = written(tmp_path, "folder/happy/1.png,happy\nfolder/sad/1.png,sad\n")
    assert "a row without a line of column names above" in refusal(bare, group_column="person")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_field_may_stand_in_quotes(tmp_path, delimiter):
    rows = [("image", "emotion"), ("1.png", "happy"), ("2.png", "sad")]
    lines = [delimiter.join(f'"{field}"' for field in row) for row in rows]
    for name, _ in rows[1:]:
        put(tmp_path / name)
    assert names_of(read(written(tmp_path, "\n".join(lines)))) == ["happy", "sad"]


def test_a_list_without_column_names_may_begin_with_a_byte_order_mark(tmp_path):
    for name in ("1.png", "2.png"):
        put(tmp_path / name)
    table = written(tmp_path, "\ufeff1.png,happy\r\n2.png,sad\r\n")
    assert names_of(read(table)) == ["happy", "sad"]


def test_a_list_of_rafdb_s_name_needs_names_that_tell_the_split(tmp_path):
    put(tmp_path / "img_1.jpg")
    table = written(tmp_path, "img_1.jpg 1\n", "list_partition_label.txt")
    for path in (tmp_path, table):
        assert "'img_1.jpg' begins with neither train_ nor test_" in refusal(path)


def test_beside_a_list_there_may_be_what_is_no_file(tmp_path):
    for name in ("1.png", "2.png"):
        put(tmp_path / name)
    table = written(tmp_path, "image,emotion\n1.png,happy\n2.png,sad\n")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert names_of(read(table)) == ["happy", "sad"]
    assert "not there" in refusal(tmp_path)


def test_of_several_lists_it_is_said_how_many_there_are(tmp_path):
    put(tmp_path / "0.jpg")
    for number in range(7):
        written(tmp_path, "image,emotion\n0.jpg,sad\n", f"{number}.csv")
    assert (
        "several lists of its pictures (0.csv, 1.csv, 2.csv, 3.csv, 4.csv and 2 more)"
        in refusal(tmp_path)
    )


def test_pictures_of_a_list_that_are_not_there_are_counted_and_named(tmp_path):
    put(tmp_path / "0.jpg")
    rows = ["image,emotion", "0.jpg,sad", *(f"{row}.jpg,happy" for row in range(1, 6))]
    message = refusal(written(tmp_path, "\n".join(rows)))
    assert "line 3: no such picture: 5 of 6 rows" in message
    assert "'1.jpg' (line 3), '2.jpg' (line 4), '3.jpg' (line 5) and 2 more" in message


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("test/1.png", "no such picture: 1 of 3 rows"),
        ("/old/test/2.png", "no such picture: 1 of 3 rows"),
        ("/elsewhere/sets/1.png", "no such picture: 1 of 3 rows"),
        ("x/train/2.png", "'x/train/2.png' and 'train/2.png', in a row above, would both be"),
    ],
)
def test_a_row_is_not_given_the_picture_of_its_name_in_another_folder(tmp_path, other, said):
    for name in ("1.png", "train/1.png", "train/2.png"):
        put(tmp_path / name)
    rows = ["image,emotion", "train/1.png,happy", "train/2.png,sad", f"{other},sad"]
    assert f"line 4: {said}" in refusal(written(tmp_path, "\n".join(rows)))


@pytest.mark.parametrize(
    ("written_as", "lies_in"),
    [
        ("{}", "faces/images/{}"),
        ("../{}", "faces/{}"),
        ("images/{}", "faces/mine/images/{}"),
        ("faces/images/{}", "faces/images/{}"),
        ("C:\\sets\\faces\\{}", "faces/{}"),
        ("/sets/old/images/{}", "faces/images/{}"),
        ("mine/../images/{}", "faces/images/{}"),
        ("/content/affectnet/train/angry/{}", "faces/mine/train/angry/{}"),
        ("0/{}", "faces/images/{}"),
        ("images/{}", "faces/pictures/{}"),
        ("images/{}", "faces/{}"),
        ("/sets/test/images/{}", "faces/testing/{}"),
    ],
)
def test_a_list_or_its_folders_may_have_moved(tmp_path, written_as, lies_in):
    rows = ["image,emotion"]
    for name, emotion in (("1.png", "happy"), ("2.png", "sad")):
        put(tmp_path / lies_in.format(name))
        rows.append(f"{written_as.format(name)},{emotion}")
    assert names_of(read(written(tmp_path / "faces", "\n".join(rows)))) == ["happy", "sad"]


@pytest.mark.parametrize("listed", ["NFC", "NFD"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize(
    ("row", "lies_in"),
    [
        ("frö/{}", "gesichtér/frö/{}"),
        ("alt/gesichtér/{}", "gesichtér/{}"),
        ("/x/frö/{}", "gesichtér/mine/frö/{}"),
        ("{}", "gesichtér/frö/{}"),
    ],
)
def test_a_list_may_write_accents_otherwise_than_the_disk(tmp_path, listed, stored, row, lies_in):
    rows = ["image,emotion"]
    for name, emotion in (("é.png", "sad"), ("ü.png", "happy")):
        put(tmp_path / unicodedata.normalize(stored, lies_in.format(name)))
        rows.append(f"{unicodedata.normalize(listed, row.format(name))},{emotion}")
    folder = tmp_path / unicodedata.normalize(stored, "gesichtér")
    assert names_of(read(written(folder, "\n".join(rows)))) == ["sad", "happy"]


def test_two_pictures_whose_names_differ_in_how_accents_are_written_are_two(tmp_path):
    names = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    for name in names:
        put(tmp_path / name)
    if len([*tmp_path.iterdir()]) == 1:
        pytest.skip("this disk takes them for one")
    rows = ["image,emotion", f"{names[0]},sad", f"{names[1]},happy"]
    found = read(written(tmp_path, "\n".join(rows)))
    assert names_of(found) == ["sad", "happy"]
    assert (found.faces.images[0] != found.faces.images[1]).any()


@pytest.mark.parametrize("row", ["test/angry/1.png", "test/1.png", "/sets/test/images/1.png"])
def test_a_row_of_one_split_is_not_given_the_only_picture_of_its_name_in_another(tmp_path, row):
    put(tmp_path / "train" / "angry" / "1.png")
    message = refusal(written(tmp_path, f"image,emotion\n{row},angry"))
    assert "no such picture: 1 of 1 rows" in message
    assert f"in other folders: {Path('train/angry/1.png').as_posix()}" in message


def test_a_row_is_given_the_picture_whose_folders_end_as_its_do_most(tmp_path):
    for name in ("mine/a/angry/1.png", "mine/b/angry/1.png"):
        put(tmp_path / name)
    rows = ["image,emotion,person", "/old/b/angry/1.png,sad,b", "/old/a/angry/1.png,happy,a"]
    assert names_of(read(written(tmp_path, "\n".join(rows)))) == ["sad", "happy"]
    written(tmp_path, "image,emotion\n/old/c/angry/1.png,sad")
    assert "several pictures are named 1.png" in refusal(tmp_path / "faces.csv")


@pytest.mark.parametrize("suffix", ["webp", "bmp", "tiff", "gif", "jfif", "ppm"])
def test_pictures_of_every_kind_are_read(tmp_path, suffix):
    for name in ("happy", "sad"):
        path = put(tmp_path / name / "1.png")
        with Image.open(path) as image:
            image.save(path.with_suffix(f".{suffix}"), format="JPEG" if suffix == "jfif" else None)
        path.unlink()
    assert sorted(names_of(read(tmp_path))) == ["happy", "sad"]


def test_pictures_are_in_colour_where_most_of_them_are(tmp_path):
    for number in range(4):
        put(tmp_path / "happy" / f"{number}.png", 64, colour=number != 0)
        put(tmp_path / "sad" / f"{number}.png", 200, colour=True)
    assert read(tmp_path).faces.images.shape[1:] == (112, 112, 3)
    assert read(tmp_path, color=False, size=(50, 50)).faces.images.shape[1:] == (50, 50, 1)


def test_proportions_are_kept(tmp_path):
    square = np.zeros((60, 20), np.uint8)
    square[20:40] = 255
    for name in ("happy", "sad"):
        (tmp_path / name).mkdir()
        Image.fromarray(square).save(tmp_path / name / "1.png")
    face = read(tmp_path, size=(60, 60)).faces.images[0, :, :, 0]
    np.testing.assert_array_equal(face[20:40], 255)
    np.testing.assert_array_equal(face[:20], 0)


def test_arrays(tmp_path):
    images = RNG.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    labels = np.array([0, 1, 2, 0, 1, 2])
    names = np.array(["happy", "sad", "own"])
    np.savez(tmp_path / "a.npz", images=images, labels=labels, class_names=names)
    found = read(tmp_path / "a.npz")
    assert found.faces.classes.names == ("happy", "sad", "own")
    np.testing.assert_array_equal(found.faces.images, images)
    np.savez(
        tmp_path / "b.npz",
        x_train=images / 255,
        y_train=names[labels],
        x_test=images / 255,
        y_test=names[labels],
    )
    found = read(tmp_path / "b.npz")
    assert found.usage.tolist() == [1] * 6 + [3] * 6
    np.testing.assert_array_equal(found.faces.images[6:], images)
    np.save(tmp_path / "images.npy", images[..., 0])
    assert "without labels" in refusal(tmp_path / "images.npy")
    np.save(tmp_path / "labels.npy", names[labels])
    assert names_of(read(tmp_path / "images.npy")) == names[labels].tolist()
    np.savez(tmp_path / "c.npz", images=images, labels=labels[:5])
    assert "6 images and 5 labels" in refusal(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", images=images / 100, labels=labels)
    assert "expected whole numbers from 0 to 255" in refusal(tmp_path / "d.npz")
