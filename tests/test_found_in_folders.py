"""What folders and lists of strangers tell: who is seen, what is shown, which split it is of."""

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from test_layouts import pixels, put, read, refusal

from ferkeras.data.faces import USAGES


def put_all(root: Path, *names: str) -> Path:
    for name in names:
        put(root / name)
    return root


def people_of(found) -> int:
    return 1 if found.groups is None else len(set(found.groups.tolist()))


@pytest.mark.parametrize(
    ("form", "outer", "inner", "people", "passed"),
    [
        # MUG: subject, emotion, take.
        ("{0}/{2}/{1}", ["001", "002", "003"], ["take000", "take001"], 3, "take000"),
        # Oulu-CASIA: light, subject, emotion.
        ("{0}/{1}/{2}", ["Dark", "Strong", "Weak"], [f"P{n:03d}" for n in range(5)], 5, "Dark"),
    ],
)
def test_of_several_levels_one_is_of_people(tmp_path, form, outer, inner, people, passed):
    takes = [(who, take) for who in outer for take in inner]
    for who, take in takes:
        for emotion in ("happy", "sad"):
            put_all(tmp_path, f"{form.format(who, take, emotion)}/1.png")
    found = read(tmp_path)
    assert people_of(found) == people
    assert any("taken for people" in note and passed in note for note in found.notes)


def test_people_lie_around_the_classes_or_have_most_names(tmp_path):
    for who in ("ann", "bob", "eve"):
        put_all(tmp_path / "a", *(f"{who}/happy/take{n}/1.png" for n in range(6)))
        put_all(tmp_path / "a", f"{who}/sad/1.png")
    assert people_of(read(tmp_path / "a")) == 3
    for site in ("bonn", "lyon", "rome"):
        for n in range(6):
            put_all(tmp_path / "b", *(f"{site}/{site}{n}/{e}/1.png" for e in ("happy", "sad")))
    assert people_of(read(tmp_path / "b")) == 18
    for n in range(9):
        for take in range(2):
            put_all(tmp_path / "c", *(f"{e}/p{n}/p{n}-{take}/1.png" for e in ("happy", "sad")))
    assert people_of(read(tmp_path / "c")) == 9
    for who in ("ann", "bob", "eve", "ida"):
        put_all(
            tmp_path / "d", *(f"{e}/{who}/{who}-{n}/1.png" for e in ("happy", "sad") for n in "12")
        )
    assert people_of(read(tmp_path / "d")) == 4
    for lab in ("lab1", "lab2", "lab3"):
        put_all(
            tmp_path / "e", *(f"{lab}/{e}/S{n}/1.png" for e in ("happy", "sad") for n in range(9))
        )
    assert people_of(read(tmp_path / "e")) == 9


@pytest.mark.parametrize(
    ("form", "people"),
    [
        ("{who}/{emotion}/take00{n}", 3),
        ("{who}/{emotion}/{n}", 3),
        ("{who}/{emotion}/{who}_{emotion}_{n}", 3),
        ("{who}/{emotion}/{who}_{n}", 3),
        ("{who}/{emotion}/{emotion}{n}", 3),
        ("{who}/session{n}/{emotion}", 3),
        ("{emotion}/{who}/{n}", 3),
        ("{emotion}/{who}/{who} clip {n}", 3),
        # Nobody lies around these recordings, which are kept apart all the same.
        ("{emotion}/clips/take{n}", 8),
        # People, who lie in folders of places, show several classes.
        ("{who}/{emotion}/S{n}", 8),
    ],
)
def test_recordings_of_people_are_no_people(tmp_path, form, people):
    for who in ("ann", "bob", "eve"):
        for emotion in ("happy", "sad"):
            names = (form.format(who=who, emotion=emotion, n=n) for n in range(8))
            put_all(tmp_path, *(f"{name}/{who}.png" for name in names))
    found = read(tmp_path)
    assert people_of(found) == people
    assert any("taken for people, and not" in note for note in found.notes) == ("clips" not in form)


def test_levels_of_unknown_names_are_not_guessed_at(tmp_path):
    for emotion in ("freude", "trauer", "wut", "angst"):
        put_all(tmp_path, *(f"{emotion}/{who}/1.png" for who in ("anna", "ben", "carl")))
    message = refusal(tmp_path)
    assert "either angst/, freude/, trauer/" in message
    assert "or, in them, anna/, ben/, carl/ may be the classes" in message
    found = read(tmp_path, classes=["freude", "trauer", "wut"])
    assert [*found.faces.classes] == ["freude", "trauer", "wut"]
    assert people_of(found) == 3
    # More than twice as many people as classes leave no doubt.
    for number in range(8):
        put_all(tmp_path / "b", *(f"p{number}/{each}/1.png" for each in ("freude", "wut")))
    found = read(tmp_path / "b")
    assert [*found.faces.classes] == ["freude", "wut"]
    assert people_of(found) == 8


NUMBERS = tuple(map(str, range(7)))
GERMAN = ("freude", "trauer", "wut", "angst", "ekel", "langeweile")


def put_levels(root: Path, outer: Sequence[str], inner: Sequence[str]) -> Path:
    return put_all(root, *(f"{one}/{other}/1.png" for one in outer for other in inner))


@pytest.mark.parametrize("numbers", [1, 2, 5, 9])
def test_numbered_people_in_own_classes_are_not_taken_for_these(tmp_path, numbers):
    people = [str(number) for number in range(1, numbers + 1)]
    put_levels(tmp_path / "in", GERMAN, people)
    put_levels(tmp_path / "around", people, GERMAN)
    for folder in ("in", "around"):
        if numbers > 1:
            message = refusal(tmp_path / folder)
            assert "or, in them, " in message
            assert "numbered too" in message
            assert "'data.classes=[angst, ekel, ...]'" in message
            assert "as many of both" not in message
        found = read(tmp_path / folder, classes=[*GERMAN])
        assert [*found.faces.classes] == [*GERMAN]
        assert people_of(found) == (numbers if numbers >= 3 else 1)


def test_of_two_levels_of_numbers_one_alone_has_those_of_the_classes(tmp_path):
    padded = put_levels(tmp_path / "a", ["001", "002", "003"], NUMBERS)
    assert "either 001/, 002/, 003/ or, in them, 0/, 1/, 2/" in (message := refusal(padded))
    assert "data.classes=fer2013 (FER2013: 0 angry" in message
    found = read(padded, classes="fer2013")
    assert found.recognised.endswith(
        "0 is angry, 1 is disgust, 2 is fear, 3 is happy, 4 is sad, 5 is surprise, 6 is neutral"
    )
    assert people_of(found) == 3
    assert "may be the classes" in refusal(padded, classes="rafdb")
    plain = put_levels(tmp_path / "b", ["1", "2", "3"], NUMBERS)
    assert "may be the classes" in (message := refusal(plain, classes="fer2013"))
    assert "data.classes=fer2013" not in message
    named = {f"own{number}": [number] for number in NUMBERS}
    assert people_of(found := read(plain, classes=named)) == 3
    assert [*found.faces.classes] == [*named]
    assert "may be the classes" in refusal(plain, classes={"no": ["1"], "yes": ["2"]})
    # A network is judged by some faces of one class, of people with numbers.
    of_one = put_levels(tmp_path / "c", ["001", "002", "003"], ["1"])
    assert set(read(of_one, classes="fer2013").faces.labels.tolist()) == {1}


@pytest.mark.parametrize(
    "classes",
    ["fer2013", {name: [number] for name, number in zip("abcdefg", NUMBERS, strict=True)}],
)
@pytest.mark.parametrize("around", [True, False])
def test_numbered_classes_of_people_are_read_as_data_classes_says(tmp_path, classes, around):
    levels = [("anna", "ben", "carl"), NUMBERS]
    put_levels(tmp_path, *levels[:: 1 if around else -1])
    assert "if 0/, 1/, 2/ and 4 more are, say what the numbers mean" in refusal(tmp_path)
    found = read(tmp_path, classes=classes)
    assert len(found.faces.classes) == 7
    assert "class folders with a folder for each person" in found.recognised
    assert people_of(found) == 3


def test_rafdb_s_folders_may_lie_in_those_of_sources(tmp_path):
    for source in ("web", "lab"):
        put_all(tmp_path, *(f"{source}/{n}/train_0100{n}.jpg" for n in range(1, 8)))
    found = read(tmp_path)
    assert "RAF-DB's class folders" in found.recognised
    assert "1 is surprise" in found.recognised


def test_splits_by_other_names_are_no_classes(tmp_path):
    for split in ("Trainingsdaten", "Testdaten"):
        put_all(tmp_path / "g", *(f"{split}/{each}/1.png" for each in ("freude", "trauer", "wut")))
        put_all(tmp_path / "n", *(f"{split}/{number}/1.png" for number in NUMBERS))
    assert "Testdaten/, Trainingsdaten/ look like splits" in refusal(tmp_path / "g")
    for classes in (None, "fer2013"):
        assert "Testdaten/, Trainingsdaten/ look like splits" in refusal(
            tmp_path / "n", classes=classes
        )


def test_recordings_of_ckplus_are_no_emotions(tmp_path):
    for who, recording in (("S005", "001"), ("S005", "002"), ("S010", "001"), ("S011", "003")):
        put_all(tmp_path, f"images/{who}/{recording}/{who}_{recording}_00000001.png")
    assert "CK+ as its authors distribute it" in refusal(tmp_path)


def test_numbered_folders_are_class_indices(tmp_path):
    put_all(tmp_path, *(f"0{number}/1.png" for number in range(3)))
    assert "class indices without names (0, 1, 2)" in refusal(tmp_path)
    found = read(tmp_path, classes={"one": ["00"], "two": ["01", "2"]})
    assert [*found.faces.classes] == ["one", "two"]
    assert len(read(tmp_path, classes="fer2013").faces.classes) == 7


def listed(root: Path, rows: Sequence[str], head: str = "image,emotion") -> Path:
    table = root / "labels.csv"
    table.write_text("\n".join([head, *rows]) + "\n")
    return table


def test_a_list_has_the_splits_of_the_folders_of_its_pictures(tmp_path):
    names = ["train/0.png", "train/1.png", "valid/2.png", "test/3.png"]
    put_all(tmp_path, *names)
    table = listed(tmp_path, [f"{name},{'sad' if n else 'happy'}" for n, name in enumerate(names)])
    for path in (tmp_path, table):
        usage = [USAGES[each] for each in read(path).usage.tolist()]
        assert usage == ["train", "train", "validation", "test"]
    put_all(tmp_path, "4.png")
    listed(tmp_path, [*(f"{name},sad" for name in names), "4.png,happy"])
    assert "4.png lies in no folder of a split, as 4 of 5 pictures do" in refusal(table)


def test_a_list_that_folders_go_before_is_said_not_to_be_read(tmp_path):
    names = [f"{who}/{n}.png" for who in ("anna", "ben") for n in range(7)]
    put_all(tmp_path / "a", *names)
    table = listed(tmp_path / "a", [f"{name},{name[-5]}" for name in names], "image,label")
    found = read(tmp_path / "a")
    assert [*found.faces.classes] == ["anna", "ben"]
    (note,) = [note for note in found.notes if "labels.csv is not read" in note]
    assert f"data.path={table} reads it" in note
    message = refusal(tmp_path / "a", classes="fer2013")
    assert "data.classes=fer2013 says what class indices mean" in message
    assert "there are anna, ben" in message
    assert f"data.path={table} reads it" in message
    assert len(read(table, classes="fer2013").faces.classes) == 7
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "a"))
    assert any("labels.csv is not read" in note for note in read(archive).notes)
    assert "unpack the archive" in refusal(archive, classes="fer2013")


def test_a_list_of_emotions_may_have_another_label(tmp_path):
    names = [f"part{part}/{n}.png" for part in (1, 2) for n in range(3)]
    put_all(tmp_path, *names)
    labels = ["happy", "sad", "uncertain"] * 2
    listed(tmp_path, [f"{name},{label}" for name, label in zip(names, labels, strict=True)])
    assert [*read(tmp_path).faces.classes] == ["happy", "sad", "uncertain"]


@pytest.mark.parametrize("folders", [("session1", "session2"), ("all",)])
def test_a_list_of_emotions_goes_before_folders_that_name_none(tmp_path, folders):
    names = [f"{folder}/{number}.png" for folder in folders for number in range(2)]
    put_all(tmp_path, *names)
    labels = ["happy", "sad"] * len(folders)
    listed(tmp_path, [f"{name},{label}" for name, label in zip(names, labels, strict=True)])
    found = read(tmp_path)
    assert [*found.faces.classes] == ["happy", "sad"]
    assert "list of picture files" in found.recognised
    archive = shutil.make_archive(str(tmp_path.with_name("packed")), "zip", tmp_path)
    assert "labels.csv, which is not read in an archive: unpack it" in refusal(Path(archive))


def test_folders_of_rafdb_and_of_own_classes_go_before_lists_of_numbers(tmp_path):
    for split in ("train", "test"):
        names = [f"{split}/{n}/{split}_0000{n}_aligned.jpg" for n in range(1, 8)]
        put_all(tmp_path / "r", *names)
        rows = "\n".join(f"{Path(name).name},{name.split('/')[1]}" for name in names)
        (tmp_path / "r" / f"{split}_labels.csv").write_text(f"image,label\n{rows}\n")
    assert "RAF-DB's class folders" in read(tmp_path / "r").recognised
    put_all(tmp_path / "o", "engaged/1.png", "bored/2.png")
    (tmp_path / "o" / "metadata.csv").write_text(
        "file_name,label\nengaged/1.png,0\nbored/2.png,1\n"
    )
    (tmp_path / "o" / "README.txt").write_text("about these pictures\n")
    archive = shutil.make_archive(str(tmp_path / "own"), "zip", tmp_path / "o")
    for path in (tmp_path / "o", Path(archive)):
        assert [*read(path).faces.classes] == ["bored", "engaged"]


def test_lists_of_numbers_go_before_folders_that_are_no_classes(tmp_path):
    head = "subDirectory_filePath,face_x,face_width,expression,valence,arousal"
    names = [f"{n % 3}/{n}.jpg" for n in range(7)]
    put_all(tmp_path / "a" / "Manually_Annotated", *names)
    rows = "\n".join(f"{name},0,0,{n},0,0" for n, name in enumerate(names))
    (tmp_path / "a" / "training.csv").write_text(f"{head}\n{rows}\n")
    assert "AffectNet's table" in read(tmp_path / "a").recognised
    put_all(tmp_path / "p", *(f"crops/{n}.png" for n in range(7)))
    listed(tmp_path / "p", [f"crops/{n}.png,{n}" for n in range(7)])
    assert len(read(tmp_path / "p", classes="fer2013").faces.classes) == 7
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "p"))
    assert "unpack it" in refusal(archive)
    put_all(tmp_path / "g", "x/0.png", "y/1.png")
    listed(tmp_path / "g", ["x/0.png,0,ann", "y/1.png,1,bob"], "image,emotion,who")
    found = read(tmp_path / "g", classes={"no": ["0"], "yes": ["1"]}, group_column="who")
    assert "list of picture files" in found.recognised


def test_folders_of_emotions_go_before_a_list_beside_them(tmp_path):
    put_all(tmp_path, "happy/0.png", "sad/1.png")
    listed(tmp_path, ["happy/0.png,sad", "sad/1.png,happy"])
    found = read(tmp_path)
    assert "class folders" in found.recognised


def test_who_is_not_named_is_somebody_else_each(tmp_path):
    names = [f"{number}.png" for number in range(6)]
    put_all(tmp_path, *names)
    who = ["ann", "ann", "bob", "", "", ""]
    rows = [f"{name},{'sad' if at % 2 else 'happy'},{who[at]}" for at, name in enumerate(names)]
    found = read(listed(tmp_path, rows, "image,emotion,person"))
    assert people_of(found) == 5
    assert found.groups[0] == found.groups[1]
    assert any("3 of 6 faces do not say who is seen" in note for note in found.notes)
    rows = [f"{name},{'sad' if at % 2 else 'happy'}," for at, name in enumerate(names)]
    unnamed = read(listed(tmp_path, rows, "image,emotion,person"))
    assert unnamed.groups is None
    assert not any("who is seen" in note for note in unnamed.notes)
    images = np.stack([pixels() for _ in range(4)])
    groups = np.array([1.0, 1.0, np.nan, np.nan])
    np.savez(tmp_path / "a.npz", images=images, labels=["happy", "sad"] * 2, groups=groups)
    assert people_of(read(tmp_path / "a.npz")) == 3


def test_people_that_are_asked_for_by_name_have_to_be_told(tmp_path):
    put_all(tmp_path, "0.png", "1.png")
    table = listed(tmp_path, ["0.png,happy,", "1.png,sad, "], "image,emotion,who")
    message = refusal(table, group_column="who")
    assert "data.group_column = 'who', but this column is blank for all 2 faces" in message
    assert read(table).groups is None
    listed(tmp_path, ["0.png,happy,ann", "1.png,sad,"], "image,emotion,who")
    assert people_of(read(table, group_column="who")) == 2


@pytest.mark.parametrize("name", ["__MACOSX/happy/._1.png", ".trash/happy/1.png"])
def test_an_archive_whose_pictures_are_hidden_has_none(tmp_path, name):
    archive = tmp_path / "faces.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(put(tmp_path / "1.png"), name)
    message = refusal(archive)
    assert "no pictures and no .csv file in this zip archive (it holds hidden files" in message


def test_a_table_of_large_faces_is_read(tmp_path):
    table = tmp_path / "faces.csv"
    shown = np.full((512, 512), 255, np.uint8)
    text = " ".join(map(str, shown.ravel().tolist()))
    table.write_text(f"emotion,pixels\nhappy,{text}\nsad,{text}\n")
    assert read(table).faces.images.shape == (2, 512, 512, 1)


@pytest.mark.parametrize("name", ["usage", "split"])
def test_an_array_that_names_the_split_is_read(tmp_path, name):
    arrays = {"images": np.stack([pixels() for _ in range(3)]), "labels": ["happy", "sad", "sad"]}
    np.savez(tmp_path / "a.npz", **arrays, **{name: ["Training", "val", "test"]})
    usage = [USAGES[each] for each in read(tmp_path / "a.npz").usage.tolist()]
    assert usage == ["train", "validation", "test"]
    np.savez(tmp_path / "b.npz", **arrays, **{name: ["Training", "vall", "test"]})
    assert f"{name}: 'vall' is no split" in refusal(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", **arrays, **{name: ["Training", "val"]})
    assert "expected one an image" in refusal(tmp_path / "c.npz")


def test_whole_numbers_with_a_point_are_mapped_as_those_without(tmp_path):
    images = np.stack([pixels() for _ in range(3)])
    labels = np.array([0.0, 1.0, 3.0])
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    found = read(tmp_path / "a.npz", classes={"low": ["0", "1"], "high": ["3"]})
    assert found.faces.labels.tolist() == [0, 0, 1]
    np.savez(
        tmp_path / "b.npz", images=images, labels=labels / 2 * 2 // 2, class_names=["no", "yes"]
    )
    assert [*read(tmp_path / "b.npz").faces.classes] == ["no", "yes"]
    table = tmp_path / "faces.csv"
    text = " ".join(map(str, pixels().ravel().tolist()))
    table.write_text("emotion,pixels\n" + "".join(f"{each}.0,{text}\n" for each in range(1, 8)))
    mapping = {"low": ["1", "2", "3"], "high": ["4.0", "5", "6", "7"]}
    assert read(table, classes=mapping).faces.labels.tolist() == [0, 0, 0, 1, 1, 1, 1]
