"""Reading class folders: layouts, names, and pictures made grey as a person sees them."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import unicodedata
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferkeras.cli.errors import InputError
from ferkeras.data import pictures
from ferkeras.data.load import notes_on
from ferkeras.data.pictures import decode_face
from ferkeras.data.presets.fer2013 import EMOTIONS, FER2013
from ferkeras.data.read import read_faces
from ferkeras.data.readers import files
from ferkeras.data.wanted import Wanted

RNG = np.random.default_rng(11)

SEVEN = Wanted(expected=FER2013)


def face() -> np.ndarray:
    return RNG.integers(0, 256, (48, 48), dtype=np.uint8)


def put(path: Path, pixels: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(face() if pixels is None else pixels).save(path)
    return path


def decoded(image: Image.Image, path: Path, **options: object) -> np.ndarray:
    image.save(path, **options)
    return decode_face(path.read_bytes(), FER2013.image)[..., 0]


def refusal(path: Path, **options: bool) -> str:
    with pytest.raises(InputError) as caught:
        read_faces(path, SEVEN, cache=False, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_labels_follow_names_and_not_the_alphabet(tmp_path):
    pixels_of = {name: face() for name in EMOTIONS}
    for name, pixels in pixels_of.items():
        put(tmp_path / name / "one.png", pixels)
    read = read_faces(tmp_path, SEVEN, cache=False)
    assert read.faces.images.shape == (7, 48, 48, 1)
    for label, image in zip(read.faces.labels, read.faces.images, strict=True):
        np.testing.assert_array_equal(image[:, :, 0], pixels_of[EMOTIONS[label]])
    assert read.usage.tolist() == [0] * 7


def test_aliases_codes_and_both_together_name_a_class(tmp_path):
    for name in ("Anger", "disgust", "2_fear", "3-happiness", " sad", "neutral"):
        put(tmp_path / name / "one.jpg")
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.txt").write_text("about")
    (tmp_path / "disgust" / ".DS_Store").write_text("")
    (tmp_path / "disgust" / "Thumbs.db").write_text("")
    assert sorted(read_faces(tmp_path, SEVEN, cache=False).faces.labels.tolist()) == [
        0,
        1,
        2,
        3,
        4,
        6,
    ]


def test_split_folders_are_the_official_split(tmp_path):
    for split in ("train", "validation", "test"):
        put(tmp_path / split / "happy" / "one.png")
    assert sorted(read_faces(tmp_path, SEVEN, cache=False).usage.tolist()) == [1, 2, 3]


def test_kaggle_test_folder_is_test_and_names_recover_publictest(tmp_path):
    put(tmp_path / "train" / "sad" / "im1.png")
    put(tmp_path / "test" / "sad" / "im2.png")
    put(tmp_path / "test" / "sad" / "PublicTest_7.jpg")
    put(tmp_path / "test" / "sad" / "PrivateTest_9.jpg")
    # In the order of the names: PrivateTest_9, PublicTest_7, im2, then train.
    assert read_faces(tmp_path, SEVEN, cache=False).usage.tolist() == [3, 2, 3, 1]


def test_the_split_is_recovered_from_file_names_alone(tmp_path):
    for name in ("Training_1.jpg", "PublicTest_2.jpg", "privatetest_3.png"):
        put(tmp_path / "fear" / name)
    assert sorted(read_faces(tmp_path, SEVEN, cache=False).usage.tolist()) == [1, 2, 3]
    unnamed = put(tmp_path / "fear" / "other.jpg")
    assert str(unnamed) in refusal(tmp_path)


@pytest.mark.parametrize("name", ["{}_0000{}_aligned.jpg", "{}_0000{}.jpg"])
def test_rafdb_s_split_is_in_its_file_names_where_no_folder_tells_it(tmp_path, name):
    for label in range(1, 8):
        put(tmp_path / "RAF" / str(label) / name.format("train", label))
    assert not read_faces(tmp_path / "RAF", cache=False).usage.any()
    for label in range(1, 8):
        put(tmp_path / "RAF" / str(label) / name.format("test", label))
    assert read_faces(tmp_path / "RAF", cache=False).usage.tolist() == [3, 1] * 7
    (tmp_path / "RAF").rename(tmp_path / "valid")
    assert read_faces(tmp_path, cache=False).usage.tolist() == [2] * 14


@pytest.mark.parametrize(
    "splits",
    [
        ("Testdaten", "Trainingsdaten", "Validierungsdaten"),
        ("test_cropped", "train_cropped", "val_cropped"),
        ("dev-small", "train-small"),
    ],
)
def test_folders_that_look_like_splits_are_not_taken_for_people(tmp_path, splits):
    for split in splits:
        put(tmp_path / split / "happy" / "1.png")
    message = refusal(tmp_path)
    assert f"{', '.join(f'{split}/' for split in splits)} look like splits" in message
    assert "train, validation and test" in message


@pytest.mark.parametrize(
    "name", ["S00{}_001_0000001{}.png", "AM0{}HAS.JPG", "K{}.HA1.{}.tiff", "am0{}haS.jpg"]
)
def test_people_in_most_file_names_are_kept_apart_beside_other_names(tmp_path, name):
    for who in "ABC" if name.startswith("K") else "123":
        put(tmp_path / "happy" / name.format(who, 1))
        put(tmp_path / "sad" / name.format(who, 2))
    for mine in ("more.png", "more/1.png", "more/2.png"):
        put(tmp_path / "sad" / mine)
    read = read_faces(tmp_path, SEVEN, cache=False)
    assert read.groups is not None
    groups = read.groups.tolist()
    assert groups[:3] == groups[3:6]
    assert groups[7] == groups[8]
    assert len(set(groups)) == 5
    notes = " ".join(notes_on(read))
    assert "sad/more.png not named as" in notes
    assert "more/1.png" not in notes


@pytest.mark.parametrize("stray", ["extra.png", "AF01ANS_flip.png"])
def test_own_class_folders_of_pictures_whose_names_tell_more_are_read(tmp_path, stray):
    for who in range(1, 4):
        put(tmp_path / "positive" / f"AF0{who}HAS.png")
        put(tmp_path / "negative" / f"AF0{who}ANS.png")
        put(tmp_path / "negative" / f"AF0{who}SAS.png")
    put(tmp_path / "negative" / stray)
    read = read_faces(tmp_path, cache=False)
    assert read.faces.classes.names == ("negative", "positive")
    assert len(set(read.groups.tolist())) == 4
    assert f"negative/{stray} not named as KDEF's" in " ".join(notes_on(read))


@pytest.mark.parametrize("folders", [("all", "all"), ("A", "B"), (".", "mine")])
def test_folders_that_do_not_tell_what_names_tell_are_no_classes(tmp_path, folders):
    for folder in folders:
        for who in range(1, 4):
            put(tmp_path / folder / f"AF0{who}HAS.png")
            put(tmp_path / folder / f"AF0{who}ANS.png")
    stray = put(tmp_path / "more" / "1.png")
    assert f"{stray}: not named as most pictures here are" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["AM0{}HAS.JPG", "K{}.HA1.{}.tiff"])
def test_a_picture_without_a_class_is_named_where_other_names_tell_it(tmp_path, name):
    for who in "ABC" if name.startswith("K") else "123":
        put(tmp_path / who / name.format(who, 1))
    stray = put(tmp_path / "mine" / "1.png")
    assert f"{stray}: not named as most pictures here are" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("folders", "classes", "people"),
    [
        (
            [
                f"{who}/{what}"
                for who in ("testperson01", "testperson02", "testperson03", "trainer01")
                for what in ("happy", "sad")
            ],
            ("happy", "sad"),
            4,
        ),
        (
            [
                f"testperson{who}/training_session/{what}"
                for who in range(5)
                for what in ("happy", "sad")
            ],
            ("happy", "sad"),
            5,
        ),
        (
            [
                f"{who}/{what}"
                for who in ("Valentina", "Devon", "Testa")
                for what in ("happy", "sad")
            ],
            ("happy", "sad"),
            3,
        ),
        (
            ["testing_face", "training_face", "valid_smile"],
            ("testing_face", "training_face", "valid_smile"),
            0,
        ),
    ],
)
def test_people_and_classes_whose_names_begin_as_splits_do_are_read(
    folders, classes, people, tmp_path
):
    for each in folders:
        put(tmp_path / each / "1.png")
    read = read_faces(tmp_path, cache=False)
    assert read.faces.classes.names == classes
    assert len(set([] if read.groups is None else read.groups.tolist())) == people


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (
            ["prueba/happy", "prueba/sad", "todo/happy", "todo/sad"],
            ["prueba/, todo/ not told apart", "people need three folders", "validation"],
        ),
        (["a/happy", "b/happy", "c/happy", "a/sad", "b/sad", "c/sad"], ["3 people", "validation"]),
        (["happy/mine", "happy/his", "sad/mine"], ["his/, mine/ not told apart"]),
        (["train/happy/a", "train/happy/b", "test/happy/a"], ["a/, b/ not told apart"]),
        (["happy", "sad"], []),
        ([f"{who}/{what}" for who in "abcd" for what in ("happy", "sad")], []),
    ],
)
def test_a_level_of_folders_that_nothing_uses_is_said(folders, said, tmp_path):
    for each in folders:
        put(tmp_path / each / "1.png")
    notes = " ".join(notes_on(read_faces(tmp_path, SEVEN, cache=False)))
    assert bool(notes) == bool(said)
    assert all(part in notes for part in said)


def test_a_class_folder_without_pictures_is_said_also_of_faces_that_were_kept(tmp_path):
    for name in ("happy", "sad"):
        put(tmp_path / "faces" / name / "1.png")
    read_faces(tmp_path / "faces", SEVEN)
    (tmp_path / "faces" / "anger" / "more").mkdir(parents=True)
    (tmp_path / "faces" / "fear").mkdir()
    for _ in range(2):
        read = read_faces(tmp_path / "faces", SEVEN)
        assert notes_on(read) == ["anger/, fear/ hold no pictures"]
    (tmp_path / "faces" / "fear").rmdir()
    assert notes_on(read_faces(tmp_path / "faces", SEVEN)) == ["anger/ holds no pictures"]


def zip_of(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


@pytest.mark.parametrize("left", ["Thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"])
@pytest.mark.parametrize("opened", [Path, zip_of])
def test_what_windows_leaves_beside_pictures_is_passed_over(tmp_path, opened, left):
    for name in ("happy", "sad"):
        put(tmp_path / "faces" / name / "1.png")
        (tmp_path / "faces" / name / left).write_bytes(b"any")
    read = read_faces(opened(tmp_path / "faces"), SEVEN, cache=False)
    assert len(read.faces) == 2
    assert not notes_on(read)


@pytest.mark.parametrize("opened", [Path, zip_of])
def test_what_may_be_a_picture_is_refused_beside_pictures_and_named_elsewhere(tmp_path, opened):
    for name in ("happy", "sad"):
        put(tmp_path / "faces" / name / "1.png")
    for name in ("model.h5", "fear/1.heic", "fear/2.heic", "fear/readme.txt"):
        (tmp_path / "faces" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "faces" / name).write_bytes(b"any")
    read = read_faces(opened(tmp_path / "faces"), SEVEN)
    assert len(read.faces) == 2
    assert notes_on(read) == ["files such as fear/1.heic are not read: no pictures by their names"]
    (tmp_path / "faces" / "sad" / "2.avif").write_bytes(b"any")
    message = refusal(opened(tmp_path / "faces"))
    assert f"{Path('sad', '2.avif')}: not a picture by its name" in message


def test_a_zip_archive_with_two_pictures_of_one_name_is_refused(tmp_path):
    put(tmp_path / "faces" / "happy" / "1.png")
    other = put(tmp_path / "2.png")
    archive = zipfile.ZipFile(zip_of(tmp_path / "faces"), "a")
    with archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.write(other, "happy/1.png")
    assert "1.png: in this zip archive more than once" in refusal(tmp_path / "faces.zip")


def test_folders_are_read_where_listings_say_no_inodes(tmp_path, monkeypatch):
    """As Windows' do."""

    def without_inodes(*arguments):
        for entry, status in entries(*arguments):
            numbers = list(status)
            numbers[stat.ST_INO] = 0
            yield entry, os.stat_result(numbers, status.__reduce__()[1][1])

    entries = files._entries
    monkeypatch.setattr(files, "_entries", without_inodes)
    path = put(tmp_path / "happy" / "1.png")
    assert len(read_faces(tmp_path, SEVEN, cache=False).faces) == 1
    listed = files.list_folder(tmp_path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(InputError, match="changed while"):
        listed.content(listed.pictures[0])


def test_one_name_with_accents_written_in_two_ways_is_one_class_and_one_person(tmp_path):
    for form, split in (("NFC", "train"), ("NFD", "test")):
        for name in ("müde", "wach"):
            for who in ("José", "Ann", "Bob"):
                path = tmp_path / split / unicodedata.normalize(form, f"{name}/{who}/1.png")
                put(path)
    read = read_faces(tmp_path, cache=False)
    assert read.faces.classes.names == ("müde", "wach")
    assert read.groups is not None
    assert len(set(read.groups.tolist())) == 3


def test_contradictions_are_refused(tmp_path):
    path = put(tmp_path / "a" / "train" / "sad" / "PrivateTest_1.png")
    assert str(path) in refusal(tmp_path / "a")


def test_a_folder_that_is_nearly_an_emotion_is_named(tmp_path):
    put(tmp_path / "happy" / "1.png")
    put(tmp_path / "sadd" / "1.png")
    message = refusal(tmp_path)
    for part in [str(tmp_path / "sadd"), "'sadd'", "did you mean 'sad'", "data.classes"]:
        assert part in message


def test_what_belongs_to_no_class_is_refused(tmp_path):
    put(tmp_path / "a" / "happy" / "1.png")
    stray = put(tmp_path / "a" / "2.png")
    assert str(stray) in refusal(tmp_path / "a")
    put(tmp_path / "b" / "train" / "happy" / "1.png")
    put(tmp_path / "b" / "happy" / "1.png")
    assert str(tmp_path / "b" / "happy") in refusal(tmp_path / "b")
    put(tmp_path / "c" / "happy" / "1.png").with_suffix(".gif").write_bytes(b"GIF89a")
    assert "1.gif" in refusal(tmp_path / "c")
    (tmp_path / "d" / "happy" / "more.png").mkdir(parents=True)
    assert "more.png: not a file" in refusal(tmp_path / "d")
    os.mkfifo(put(tmp_path / "e" / "happy" / "1.png").parent / "2.png")
    assert "2.png: not a file" in refusal(tmp_path / "e")


def test_empty_folders_are_refused(tmp_path):
    assert "no pictures" in refusal(tmp_path)
    (tmp_path / "fer2013.csv").write_text("emotion,pixels\n")
    assert f"was {tmp_path / 'fer2013.csv'} meant?" in refusal(tmp_path)
    (tmp_path / "train" / "happy").mkdir(parents=True)
    assert "no pictures" in refusal(tmp_path)


def test_links_out_of_the_folder_need_permission(tmp_path):
    outside = put(tmp_path / "outside" / "1.png")
    data = tmp_path / "data"
    put(data / "happy" / "0.png")
    (data / "happy" / "inside.png").symlink_to(data / "happy" / "0.png")
    assert len(read_faces(data, SEVEN, cache=False).faces) == 2
    (data / "happy" / "1.png").symlink_to(outside)
    assert "follow_symlinks" in refusal(data)
    assert len(read_faces(data, SEVEN, cache=False, follow_symlinks=True).faces) == 3
    (data / "sad").symlink_to(outside.parent)
    (data / "happy" / "1.png").unlink()
    assert str(data / "sad") in refusal(data)
    (data / "sad").unlink()
    (data / "happy" / "2.png").symlink_to(tmp_path / "nowhere")
    assert "not there" in refusal(data, follow_symlinks=True)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("kept", [0, 1, 20, 0.5, 0.9])
def test_truncated_pictures_are_named(tmp_path, suffix, kept):
    path = put(tmp_path / "happy" / f"cut{suffix}")
    put(tmp_path / "happy" / "whole.png")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    message = refusal(tmp_path)
    assert str(path) in message
    assert ("unreadable image" if kept else "the file is empty") in message


def test_a_picture_of_another_kind_is_not_opened(tmp_path):
    put(tmp_path / "happy" / "1.png")
    Image.fromarray(face()).save(tmp_path / "happy" / "2.png", format="ICO")
    assert "no picture of a known kind" in refusal(tmp_path)


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
def test_a_gigapixel_header_costs_nothing(tmp_path, side):
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    put(tmp_path / "happy" / "1.png").write_bytes(bomb)
    message = refusal(tmp_path)
    assert "1.png" in message
    assert "expected at most 50,000,000" in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
    ],
)
def test_what_telephones_and_broken_copies_leave_is_called_by_its_name(tmp_path, content, said):
    path = put(tmp_path / "happy" / "1.jpg")
    path.write_bytes(content)
    message = refusal(tmp_path)
    assert f"{path}: {said}" in message
    assert ("convert it to JPEG or PNG" in message) == bool(content)


def test_bounds_on_bytes_and_number_hold(tmp_path, monkeypatch):
    for number in range(3):
        put(tmp_path / "happy" / f"{number}.png")
    monkeypatch.setattr(files, "MAX_PICTURE_BYTES", 100)
    assert "larger than" in refusal(tmp_path)
    monkeypatch.setattr(files, "MAX_PICTURES", 2)
    assert "more than 2" in refusal(tmp_path)
    monkeypatch.setattr(pictures, "MAX_PICTURE_PIXELS", 100)
    with pytest.raises(InputError, match="48 x 48 pixels, expected at most 100"):
        decode_face((tmp_path / "happy" / "0.png").read_bytes(), FER2013.image)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    ramp = np.linspace(0, 65_535, 48 * 48).astype(np.uint16).reshape(48, 48)
    got = decoded(Image.fromarray(ramp), tmp_path / "deep.png")
    np.testing.assert_array_equal(got, np.rint(ramp / 257).astype(np.uint8))


@pytest.mark.parametrize(
    ("kind", "white"),
    [(np.float32, 1), (np.float32, 255), (np.int32, 255), (np.int32, 65_535), (np.int16, 255)],
)
def test_deep_tiffs_are_scaled_by_the_usual_white_above_their_numbers(tmp_path, kind, white):
    ramp = np.linspace(0, white, 48 * 48).astype(kind).reshape(48, 48)
    got = decoded(Image.fromarray(ramp), tmp_path / "deep.tif")
    np.testing.assert_allclose(got, ramp / (white / 255), atol=1)


@pytest.mark.parametrize("suffix", ["png", "pgm"])
def test_dark_pictures_of_sixteen_bits_stay_dark(tmp_path, suffix):
    dark = Image.fromarray(np.full((48, 48), 200, np.uint16))
    assert decoded(dark, tmp_path / f"dark.{suffix}").max() == 1


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (np.float32([-1, 1]), "numbers from -1 to 1, expected 0 to 1 or 0 to 255"),
        (np.float32([0, 4095]), "numbers from 0 to 4095, expected 0 to 1"),
        (np.int32([0, 70_000]), "numbers from 0 to 70000, expected 0 to 255 or 0 to 65,535"),
        (np.float32([1, np.nan]), "NaN"),
    ],
)
def test_tiffs_of_which_nobody_knows_what_is_white_are_refused(tmp_path, numbers, said):
    put(tmp_path / "happy" / "1.tif", np.tile(numbers, (48, 24)))
    assert f"{tmp_path / 'happy' / '1.tif'}: " in (message := refusal(tmp_path))
    assert said in message


def test_transparency_is_laid_on_white_in_every_mode(tmp_path):
    hidden = np.zeros((48, 48, 4), np.uint8)
    hidden[:, 24:] = (0, 0, 0, 255)
    image = Image.fromarray(hidden)
    expected = np.where(hidden[:, :, 3] == 0, 255, 0)
    np.testing.assert_array_equal(decoded(image, tmp_path / "rgba.png"), expected)
    np.testing.assert_array_equal(decoded(image.convert("LA"), tmp_path / "la.png"), expected)
    palette = Image.fromarray((hidden[:, :, 3] // 255).astype(np.uint8)).convert("P")
    palette.putpalette([9, 9, 9, 0, 0, 0])
    got = decoded(palette, tmp_path / "p.png", transparency=0)
    np.testing.assert_array_equal(got, expected)
    key = Image.fromarray(np.where(hidden[:, :, 3] == 0, 9, 0).astype(np.uint8))
    np.testing.assert_array_equal(decoded(key, tmp_path / "l.png", transparency=9), expected)
    deep = Image.fromarray(np.where(hidden[:, :, 3] == 0, 999, 0).astype(np.uint16))
    np.testing.assert_array_equal(decoded(deep, tmp_path / "d.png", transparency=999), expected)


def test_palette_bilevel_colour_and_cmyk_become_luma(tmp_path):
    colours = np.zeros((48, 48, 3), np.uint8)
    colours[:16], colours[16:32], colours[32:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    image = Image.fromarray(colours)
    luma = np.repeat(np.array([76, 150, 29]), 16)[:, None].repeat(48, 1)
    np.testing.assert_allclose(decoded(image, tmp_path / "rgb.png"), luma, atol=1)
    np.testing.assert_allclose(decoded(image.quantize(8), tmp_path / "palette.png"), luma, atol=1)
    np.testing.assert_allclose(
        decoded(image.convert("CMYK"), tmp_path / "cmyk.jpg", quality=100), luma, atol=12
    )
    bilevel = Image.fromarray(np.repeat([[0], [255]], 24, 0).astype(np.uint8).repeat(48, 1))
    got = decoded(bilevel.convert("1"), tmp_path / "one.png")
    np.testing.assert_array_equal(got, np.asarray(bilevel))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "I;16", "1", "CMYK"])
def test_bands_join_to_the_whole_picture(tmp_path, mode, monkeypatch):
    pixels = RNG.integers(0, 256, (31, 17), dtype=np.uint8)
    if mode == "I;16":
        image = Image.fromarray(pixels.astype(np.uint16) * 250)
    else:
        image = Image.fromarray(pixels).convert("RGB").convert(mode.replace("A", ""))
        if mode.endswith("A"):
            image.putalpha(Image.fromarray(pixels[::-1].copy()))
    path = tmp_path / ("any.jpg" if mode == "CMYK" else "any.png")
    whole = decoded(image, path)
    monkeypatch.setattr(pictures, "_PIXELS_A_BAND", 17 * 4)
    np.testing.assert_array_equal(decode_face(path.read_bytes(), FER2013.image)[..., 0], whole)


def test_odd_metadata_is_passed_over_in_silence(tmp_path):
    path = tmp_path / "happy" / "1.jpg"
    path.parent.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(face()).save(path, exif=exif)
    # The directory of the EXIF block, said to hold 255 entries.
    content = path.read_bytes()
    at = content.index(b"Exif\0\0MM") + 14
    path.write_bytes(content[:at] + b"\0\xff" + content[at + 2 :])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Image.open(path).getexif()
        assert said
        said.clear()
        read_faces(tmp_path, SEVEN, cache=False)
        assert not said


def test_exif_orientation_turns_the_face_upright(tmp_path):
    upright = np.zeros((48, 48), np.uint8)
    upright[:24] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    # Orientation 6: to be turned 90 degrees clockwise for viewing.
    stored = Image.fromarray(np.rot90(upright))
    got = decoded(stored, tmp_path / "turned.jpg", exif=exif, quality=100)
    np.testing.assert_allclose(got, upright, atol=3)


@pytest.mark.parametrize("size", [(1, 1), (20, 30), (47, 49), (300, 200)])
def test_any_size_becomes_48_by_48_and_keeps_its_mean(tmp_path, size):
    image = Image.linear_gradient("L").resize(size)
    got = decoded(image, tmp_path / "any.png")
    assert got.shape == (48, 48)
    assert abs(got.mean() - np.asarray(image).mean()) < 3


def test_progress_counts_pictures(tmp_path):
    for number in range(3):
        put(tmp_path / "happy" / f"{number}.png")
    seen: list[tuple[int, int]] = []
    read_faces(
        tmp_path, SEVEN, cache=False, progress=lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (3, 3)


@pytest.fixture(scope="module")
def whole_pictures(tmp_path_factory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("whole")
    return [put(folder / name).read_bytes() for name in ("a.png", "a.jpg")]


@settings(max_examples=200)
@given(which=st.integers(0, 1), at=st.integers(0, 5000), junk=st.binary(min_size=1, max_size=8))
def test_damage_gives_a_face_or_an_input_error_and_nothing_else(whole_pictures, which, at, junk):
    content = bytearray(whole_pictures[which])
    at %= len(content)
    content[at : at + len(junk)] = junk
    try:
        with pictures.quiet_pillow():
            got = decode_face(bytes(content), FER2013.image)
    except InputError:
        return
    assert got.shape == (48, 48, 1)
    assert got.dtype == np.uint8
