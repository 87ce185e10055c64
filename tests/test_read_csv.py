"""Reading tables of faces: every layout, every way they can be wrong, and exact pixels."""

from __future__ import annotations

import gzip
import io
import random
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferkeras.cli.errors import InputError
from ferkeras.data.presets.fer2013 import EMOTIONS, FER2013
from ferkeras.data.read import read_faces
from ferkeras.data.readers import pixel_table, pixels, text_lines
from ferkeras.data.readers.gunzip import Gunzip
from ferkeras.data.source_path import FER2013_PAGE
from ferkeras.data.task import Classes, Task
from ferkeras.data.wanted import Wanted

RNG = np.random.default_rng(7)
IMAGES = RNG.integers(0, 256, (40, 48 * 48), dtype=np.uint8)


def text_of(image: np.ndarray) -> str:
    return " ".join(map(str, image))


def fer2013(count: int = 3, **changes: str) -> str:
    """A well-formed table; `changes` such as pixels_2="..." replace a field of a data row."""
    usages = ("Training", "PublicTest", "PrivateTest")
    lines = ["emotion,pixels,Usage"]
    for row in range(1, count + 1):
        fields = {
            "emotion": str(row % 7),
            "pixels": text_of(IMAGES[row - 1]),
            "usage": usages[(row - 1) % 3],
        }
        for name in fields:
            fields[name] = changes.get(f"{name}_{row}", fields[name])
        lines.append(",".join(fields.values()))
    return "\n".join(lines) + "\n"


@pytest.fixture
def write(tmp_path: Path):
    def writing(content: str | bytes, name: str = "fer2013.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return writing


def zipped(*members: tuple[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_faces(path, cache=False)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_pixels_labels_and_usage_are_those_of_the_file(write):
    read = read_faces(write(fer2013(40)), cache=False)
    np.testing.assert_array_equal(read.faces.images, IMAGES.reshape(-1, 48, 48, 1))
    assert read.faces.images.dtype == np.uint8
    assert read.faces.labels.dtype == np.int32
    assert read.faces.labels.tolist() == [row % 7 for row in range(1, 41)]
    assert read.usage.tolist() == [1 + row % 3 for row in range(40)]


@pytest.mark.parametrize("count", [31, 32, 33, 64, 65, 129])
def test_blocks_and_chunks_join_without_a_seam(write, monkeypatch, count):
    monkeypatch.setattr(pixel_table, "_BYTES_A_CHUNK", 64 * 48 * 48)
    images = np.resize(IMAGES, (count, 48 * 48))
    rows = [f"{row % 7},{text_of(image)}" for row, image in enumerate(images)]
    path = write("\n".join(["emotion,pixels", *rows]))
    read = read_faces(path, cache=False)
    np.testing.assert_array_equal(read.faces.images.reshape(count, -1), images)
    message = refusal(write("\n".join(["emotion,pixels", *rows[:-1], "0,1 2"])))
    assert f"(data row {count}): 2 pixels" in message


@pytest.mark.parametrize("name", ["fer2013.csv.gz", "fer2013.csv.zip", "renamed.csv"])
def test_compression_is_recognised_and_changes_nothing(write, name):
    plain = read_faces(write(fer2013()), cache=False)
    content = (
        zipped(("__MACOSX/._fer2013.csv", "x"), ("deep/fer2013.csv", fer2013()))
        if name.endswith("zip")
        else gzip.compress(fer2013().encode())
    )
    packed = read_faces(write(content, name), cache=False)
    assert packed.fingerprint == plain.fingerprint
    np.testing.assert_array_equal(packed.faces.images, plain.faces.images)


def test_icml_columns_have_blanks_and_another_order(write):
    rows = [
        f"{row % 7}, Training, {text_of(IMAGES[row])}" if row else "emotion, Usage, pixels"
        for row in range(4)
    ]
    read = read_faces(write("\r\n".join(rows), "icml_face_data.csv"), cache=False)
    np.testing.assert_array_equal(read.faces.images[:, :, :, 0].reshape(3, -1), IMAGES[1:4])
    assert read.usage.tolist() == [1, 1, 1]


def test_kaggle_train_has_no_usage_and_quoted_pixels_and_names_are_understood(write):
    rows = f'\ufeffemotion,pixels\n3,"{text_of(IMAGES[0])}"\n\n"Happiness",{text_of(IMAGES[1])}\n\n'
    read = read_faces(write(rows, "train.csv"), cache=False)
    assert read.usage.tolist() == [0, 0]
    assert read.faces.labels.tolist() == [3, 3]
    np.testing.assert_array_equal(read.faces.images.reshape(2, -1), IMAGES[:2])


def test_other_columns_are_passed_over(write):
    text = fer2013().replace("emotion,", "id,emotion,", 1).replace("\n", "\n9,")[: -len("9,")]
    assert len(read_faces(write(text), cache=False).faces) == 3


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"pixels_2": text_of(IMAGES[1][:-1])}, ["2303 pixels", "2304", "48 x 48"]),
        ({"pixels_2": text_of(IMAGES[1]) + " 7"}, ["2305 pixels"]),
        ({"pixels_2": ""}, ["0 pixels"]),
        ({"pixels_2": "256 " + text_of(IMAGES[1][1:])}, ["pixel 1 ", "'256'", "0 to 255"]),
        ({"pixels_2": "-1 " + text_of(IMAGES[1][1:])}, ["'-1'", "0 to 255"]),
        ({"pixels_2": "7 1e2 " + text_of(IMAGES[1][2:])}, ["pixel 2 ", "'1e2'"]),
        ({"pixels_2": "0000 " + text_of(IMAGES[1][1:])}, ["'0000'"]),
        ({"pixels_2": "\u0663 " + text_of(IMAGES[1][1:])}, ["pixel 1 "]),
        ({"emotion_2": "8"}, ["unknown emotion '8'", "6 neutral"]),
        ({"emotion_2": "hapy"}, ["'hapy'", "did you mean 'happy'"]),
        ({"emotion_2": ""}, ["unknown emotion ''"]),
        ({"usage_2": "PublicTests"}, ["unknown Usage", "did you mean 'PublicTest'"]),
        ({"usage_2": ""}, ["unknown Usage ''"]),
        ({"usage_2": "Training,x"}, ["4 fields", "expected 3"]),
        ({"emotion_2": "x" * 50_000}, ["unknown emotion 'xxx", "..."]),
    ],
)
def test_a_wrong_row_is_named_by_line_and_data_row(write, change, parts):
    message = refusal(write(fer2013(3, **change).replace("\n", "\n\n", 1)))
    for part in ["line 4 (data row 2)", *parts]:
        assert part in message
    assert len(message) < 500


def test_the_first_wrong_row_is_the_one_named(write):
    message = refusal(write(fer2013(40, pixels_35="1 2 3", emotion_36="99", pixels_38="")))
    assert "line 36 (data row 35): 3 pixels" in message


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ("emotion,pixel,Usage", ["no column named pixels", "did you mean 'pixel'"]),
        ("emotions,pixels", ["no column named emotion", "'emotions'? expected emotion,pixels"]),
        ("image,emotoin", ["no column named emotion", "'emotoin'? expected image,emotion;"]),
        ("bild,emotion", ["no column named pixels, nor one named image,", "image,emotion"]),
        ("imagge,emotion", ["nor one named image", "did you mean 'imagge'"]),
        ("pixels", ["test.csv", "train.csv"]),
        ("emotion,pixels,Usages", ["'Usages'", "official split"]),
        ("emotion,pixels,pixels", ["2 columns are named pixels"]),
        ("Usage,Image name,neutral,happiness,NF", ["FER+", "fer2013.csv"]),
        ('"emotion,pixels', ["quotes"]),
        ("PNG\0\0", ["not text"]),
    ],
)
def test_wrong_columns_are_named_with_the_nearest(write, header, parts):
    message = refusal(write(header + "\n"))
    for part in ["line 1", *parts]:
        assert part in message


def test_files_without_faces_are_refused(write):
    assert "empty file" in refusal(write(""))
    assert "empty file" in refusal(write("\n \n"))
    assert "no faces" in refusal(write("emotion,pixels\n"))
    assert "UTF-16" in refusal(write(fer2013().encode("utf-16")))
    assert "tar archive" in refusal(write(b"fer2013.csv".ljust(257, b"\0") + b"ustar"))


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (fer2013().replace("emotion", "Gefühl"), 1),
        (fer2013(emotion_2="glücklich"), 3),
        ("image,emotion\nmüde.png,sad\n", 2),
    ],
)
def test_a_table_in_the_encoding_of_a_spreadsheet_is_not_read_with_damaged_names(
    table, line, write
):
    message = refusal(write(table.encode("cp1252")))
    assert f"line {line}" in message
    assert "not UTF-8" in message
    assert re.search("Gefühl|glücklich|müde", message)
    assert "CSV UTF-8" in message


@pytest.mark.parametrize(("name", "value"), [("fotograf", "Müller"), ("gerät", "Kamera")])
def test_the_encoding_of_a_column_that_nobody_uses_does_not_matter(name, value, write, tmp_path):
    for emotion in ("happy", "sad"):
        Image.fromarray(IMAGES[0].reshape(48, 48)).save(tmp_path / f"{emotion}.png")
    rows = [f"image,emotion,{name}", f"happy.png,happy,{value}", f"sad.png,sad,{value}"]
    write("\n".join(rows).encode("cp1252"), "list.csv")
    assert read_faces(tmp_path, cache=False).faces.classes.names == ("happy", "sad")


def test_numbers_counted_from_one_are_not_taken_for_those_of_ckplus(write):
    rows = [f"{row},{text_of(IMAGES[row])}" for row in range(1, 8)]
    path = write("\n".join(["emotion,pixels", *rows]))
    message = refusal(path)
    for part in [
        "1, 2, 3, 4, 5, 6, 7 without a 0",
        "CK+",
        "counted from 1",
        "{angry: [1], disgust",
        "data.classes=rafdb (RAF-DB: 1 surprise",
        "data.classes=ckplus (CK+",
    ]:
        assert part in message
    counted = {name: [str(number)] for number, name in enumerate(EMOTIONS, 1)}
    assert read_faces(path, Wanted(counted), cache=False).faces.labels.tolist() == list(range(7))
    assert read_faces(path, Wanted("ckplus"), cache=False).faces.labels[0] == 1


def test_the_mapping_for_numbers_counted_from_one_names_those_that_are_there(write):
    rows = [f"{label},{text_of(IMAGES[label])}" for label in (2, 4, 7)]
    path = write("\n".join(["emotion,pixels", *rows]))
    assert "'data.classes={disgust: [2], happy: [4], neutral: [7]}'" in refusal(path)


def test_numbers_without_a_0_are_read_for_a_network_that_knows_its_classes(write):
    path = write("\n".join(["emotion,pixels", *(f"{k},{text_of(IMAGES[k])}" for k in (1, 7))]))
    expected = Task(Classes((*EMOTIONS, "contempt")), FER2013.image)
    read = read_faces(path, Wanted(expected=expected), cache=False)
    assert read.faces.labels.tolist() == [1, 7]


def test_damaged_and_misnamed_archives_are_refused(write):
    packed = gzip.compress(fer2013(40).encode())
    assert "damaged after line" in refusal(write(packed[: len(packed) // 2], "a.csv.gz"))
    spoilt = bytearray(packed)
    spoilt[-6] ^= 255
    assert "damaged after line" in refusal(write(bytes(spoilt), "b.csv.gz"))
    assert "named .gz but" in refusal(write(fer2013(), "c.csv.gz"))
    whole = zipped(("fer2013.csv", fer2013(40)))
    assert "cannot be opened" in refusal(write(whole[:-30], "d.zip"))
    spoilt = bytearray(whole)
    # The checksum in the directory at the end, 30 bytes before the name.
    spoilt[whole.rindex(b"fer2013.csv") - 30] ^= 255
    assert "damaged after line" in refusal(write(bytes(spoilt), "e.zip"))


def test_a_zip_holds_exactly_one_table(write):
    assert "no .csv file" in refusal(write(zipped(("train/happy/1.doc", "")), "a.zip"))
    assert "holds nothing" in refusal(write(zipped(), "b.zip"))
    two = refusal(write(zipped(("train.csv", ""), ("test.csv", "")), "c.zip"))
    assert "2 .csv files" in two
    assert "'train.csv', 'test.csv'" in two


def test_overlong_rows_blank_floods_and_bombs_are_bounded(write, monkeypatch):
    assert "longer than" in refusal(write(fer2013(2, pixels_1=" " * 2**22)))
    assert "blank lines" in refusal(write(fer2013().replace("\n", "\n" * 1005, 1)))
    monkeypatch.setattr(text_lines, "BOMB_FROM_BYTES", 100_000)
    flat = gzip.compress(fer2013(1, pixels_1=text_of(IMAGES[0] * 0)).encode() + b"\n" * 900)
    read_faces(write(flat, "small.csv.gz"), cache=False)
    row = f"0,{text_of(IMAGES[0] * 0)}\n"
    bomb = gzip.compress(b"emotion,pixels\n" + row.encode() * 500)
    assert "no table of faces" in refusal(write(bomb, "bomb.csv.gz"))
    monkeypatch.setattr(pixel_table, "MAX_ROWS", 2)
    assert "more than 2 faces" in refusal(write(fer2013(3)))


@settings(max_examples=100)
@given(
    parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    padding=st.integers(0, 70_000),
    step=st.integers(1, 500),
)
def test_gzip_members_are_unpacked_as_gzip_does(parts, padding, step):
    packed = bytes(padding).join(gzip.compress(part) for part in parts) + bytes(padding)
    unpacked = Gunzip(io.BufferedReader(io.BytesIO(packed)))
    pieces = iter(lambda: unpacked.read(step), b"")
    assert b"".join(pieces) == gzip.decompress(packed) == b"".join(parts)


@settings(max_examples=100)
@given(text=st.binary(max_size=300), at=st.integers(0, 400), kept=st.booleans())
def test_a_gzip_member_cut_or_changed_is_never_passed_off_as_another(text, at, kept):
    packed = bytearray(gzip.compress(text, mtime=0))
    at %= len(packed)
    if kept:
        packed[at] ^= 1
    else:
        del packed[at:]
    try:
        unpacked = Gunzip(io.BufferedReader(io.BytesIO(packed))).read()
    except (EOFError, ValueError, zlib.error):
        return
    # Of the header's time and system nothing depends.
    assert unpacked == (text if at else b"")


def test_archives_of_much_ado_are_refused_at_once(write, monkeypatch):
    empty = gzip.compress(b"") * 2000
    assert "empty members" in refusal(write(empty + gzip.compress(fer2013().encode()), "a.gz"))
    monkeypatch.setattr(text_lines, "_LARGEST_CONTENTS", 2000)
    many = zipped(*((f"{number}.csv", "") for number in range(100)))
    assert "table of contents" in refusal(write(many, "b.zip"))
    lzma = io.BytesIO()
    with zipfile.ZipFile(lzma, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.csv", fer2013())
    assert "another method" in refusal(write(lzma.getvalue(), "c.zip"))


def test_a_thousand_columns_are_no_table_of_faces(write):
    assert "2,003 columns" in refusal(write("emotion,pixels,Usage" + ",x" * 2000 + "\n"))


def test_blanks_around_names_are_not_collected():
    usages = pixel_table.Usages()
    for blanks in range(100, 200):
        assert usages.of(b" " * blanks + b"Training") == 1
    assert not usages._known


def test_quotes_that_do_not_match_are_refused(write):
    assert "line 3: quotes" in refusal(write(fer2013(3, emotion_2='"1')))


@pytest.mark.parametrize("side", [192, 300])
def test_quoted_pixels_of_large_faces_are_read(write, side):
    faces = np.random.default_rng(0).integers(100, 256, (2, side, side))
    named = zip(("happy", "sad"), faces, strict=True)
    rows = [f'{name},"{face.ravel().tolist()}"' for name, face in named]
    read = read_faces(write("\n".join(["emotion,pixels", *rows])), cache=False)
    np.testing.assert_array_equal(read.faces.images[..., 0], faces)


def test_a_missing_file_gets_the_name_of_its_neighbour(write, tmp_path):
    path = write(fer2013())
    assert f"did you mean {path}" in refusal(tmp_path / "fer2031.csv")
    (tmp_path / "fer2013").mkdir()
    (tmp_path / "fer2013" / "report.txt").touch()
    missing = refusal(tmp_path / "fer2013" / "fer2013.csv.gz")
    assert "did you mean" not in missing
    assert f"FER2013 is had from {FER2013_PAGE}" in missing
    assert f"there is {tmp_path}" in refusal(tmp_path / "none" / "at" / "all.csv")
    assert "no such file" in refusal(path / "below")


def test_paths_that_are_none_are_input_errors():
    for path in ("a\0b", "~nobody-of-this-name/x", "x" * 5000):
        with pytest.raises(InputError):
            read_faces(path, cache=False)


def test_an_unreadable_file_is_named(write, monkeypatch):
    path = write(fer2013())

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    # chmod would not stop a superuser.
    monkeypatch.setattr(Path, "open", refuse)
    assert "not readable with your permissions" in refusal(path)


def test_progress_ends_at_the_whole_file(write):
    path = write(fer2013(), "train.csv")
    seen: list[tuple[int, int]] = []
    read_faces(path, cache=False, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)


@st.composite
def almost_pixels(draw: st.DrawFn) -> bytes:
    """A row near the rule: mostly right tokens, some odd ones, some odd gaps."""
    random_source = random.Random(draw(st.integers(0, 2**32)))
    count = draw(st.sampled_from([2304, 2304, 2304, 2303, 2305, 0]))
    tokens = [str(random_source.randrange(256)).encode() for _ in range(count)]
    odd = st.sampled_from(
        [
            b"256",
            b"999",
            b"0255",
            b"-1",
            b"007",
            b"1.0",
            b"x",
            b"\xff",
            b"",
            b"1\t2",
            b"\n",
            b"/",
            b":",
        ]
    )
    for _ in range(draw(st.integers(0, 2))):
        if tokens:
            tokens[draw(st.integers(0, len(tokens) - 1))] = draw(odd)
    return draw(st.sampled_from([b"", b" ", b"   "])) + draw(st.sampled_from([b" ", b"  "])).join(
        tokens
    )


@settings(max_examples=150)
@given(st.lists(almost_pixels(), min_size=1, max_size=3))
def test_the_fast_parser_accepts_exactly_what_the_plain_rule_accepts(rows):
    expected_wrong = [pixels.explain_pixels(row, 2304) for row in rows]
    parsed = pixels.parse_pixels(rows, 2304)
    assert (parsed is None) == any(expected_wrong)
    if parsed is not None:
        assert parsed.tolist() == [[int(token) for token in row.split()] for row in rows]


@settings(max_examples=100)
@given(data=st.binary(max_size=400), kind=st.sampled_from(["plain", "gzip", "zip", "row"]))
def test_whatever_the_bytes_there_are_faces_or_one_input_error(tmp_path_factory, data, kind):
    content = {
        "plain": data,
        "gzip": b"\x1f\x8b\x08\x00" + data,
        "zip": b"PK\x03\x04" + data,
        "row": b"emotion,pixels,Usage\n" + data,
    }[kind]
    path = tmp_path_factory.mktemp("any") / "faces.csv"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_faces(path, cache=False)
