"""Parquet tables: pictures as Hugging Face's data sets hold them, pixels, and what is refused."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferkeras.cli.errors import InputError
from ferkeras.cli.extras import EXTRAS
from ferkeras.data import selection
from ferkeras.data.faces import USAGES
from ferkeras.data.read import read_faces, read_readable
from ferkeras.data.wanted import Wanted

RNG = np.random.default_rng(3)
NAMES = ("sad", "happy", "surprise")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "kept"))


def picture(side: int = 20) -> tuple[np.ndarray, bytes]:
    pixels = RNG.integers(0, 256, (side, side, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return pixels, file.getvalue()


def hugging_face(labels: list[int], names: tuple[str, ...] | None = NAMES, nested: bool = True):
    """A table as `datasets` writes it, and the pixels of its pictures."""
    images, contents = zip(*(picture() for _ in labels), strict=True)
    column = [{"bytes": each, "path": None} for each in contents] if nested else list(contents)
    name = "image" if nested else "image.bytes"
    table = pa.table({name: column, "label": pa.array(labels, pa.int64())})
    if names:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        about = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": about})
    return table, np.stack(images)


def written(path: Path, table: pa.Table, rows: int | None = None) -> Path:
    pq.write_table(table, path, row_group_size=rows)
    return path


def refusal(path: Path, **wanted: object) -> str:
    with pytest.raises(InputError) as caught:
        read_faces(path, Wanted(**wanted))
    return str(caught.value)


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("large", [True, False])
def test_pictures_of_hugging_face_are_read_with_their_names(tmp_path, monkeypatch, nested, large):
    if large:
        monkeypatch.setattr(selection, "LARGE", 1000)
    labels = [0, 1, 2, 1, 0, 2, 2]
    table, images = hugging_face(labels, nested=nested)
    path = written(tmp_path / "faces.parquet", table, rows=2)
    for _ in range(2):
        read = read_faces(path)
        np.testing.assert_array_equal(read.faces.images, images)
        assert read.faces.classes.names == ("happy", "sad", "surprise")
        assert [read.faces.classes[label] for label in read.faces.labels] == [
            NAMES[label] for label in labels
        ]
        assert read.recognised.startswith("Parquet table of pictures; 20 x 20 colour")


def test_class_indices_without_names_are_asked_for(tmp_path):
    table, _ = hugging_face([0, 1, 1], names=None)
    path = written(tmp_path / "faces.parquet", table)
    assert "class indices without names (0, 1)" in refusal(path)
    found = read_faces(path, Wanted(classes={"calm": ("0",), "wild": ("1",)}))
    assert found.faces.labels.tolist() == [0, 1, 1]


def test_tables_of_a_folder_are_one_source_split_by_their_names(tmp_path):
    for name in ("train-00000-of-00002", "train-00001-of-00002", "validation", "test-00000-of-1"):
        written(tmp_path / f"{name}.parquet", hugging_face([0, 1])[0])
    reading = read_readable(tmp_path)
    assert [USAGES[each] for each in reading.read.usage] == [
        *["test"] * 2,
        *["train"] * 4,
        *["validation"] * 2,
    ]
    assert reading.names is not None
    assert reading.names[3] == "train-00000-of-00002.parquet/row 2"
    written(tmp_path / "more.parquet", hugging_face([0, 1])[0])
    assert "some of its tables say a split and some do not" in refusal(tmp_path)


@pytest.mark.parametrize("folder", ["default/{}", "{}", "default/partial-{}"])
def test_splits_are_told_by_folders_too(tmp_path, folder):
    for split in ("train", "validation", "test"):
        path = tmp_path / folder.format(split) / "0000.parquet"
        path.parent.mkdir(parents=True)
        written(path, hugging_face([0, 1])[0])
    assert sorted(read_faces(tmp_path).usage) == [1, 1, 2, 2, 3, 3]
    path.rename(path.with_name("train.parquet"))
    assert "train.parquet: of which split, " in refusal(tmp_path)


def test_a_renamed_table_has_the_split_of_its_new_name(tmp_path):
    table, _ = hugging_face([0, 1])
    path = written(tmp_path / "train.parquet", table)
    assert read_faces(path).usage.tolist() == [1, 1]
    assert read_faces(path.rename(tmp_path / "test.parquet")).usage.tolist() == [3, 3]


def pixel_columns(faces: np.ndarray) -> dict[str, object]:
    flat = faces.reshape(len(faces), -1)
    return {f"pixel{k}": flat[:, k].astype(np.int64) for k in range(flat.shape[1])}


@pytest.mark.parametrize(
    "columns",
    [
        lambda faces: {"pixels": [" ".join(map(str, face.ravel())) for face in faces]},
        lambda faces: {"pixels": faces.reshape(len(faces), -1).tolist()},
        lambda faces: {"image": faces.tolist()},
        lambda faces: {"image": (faces / 255).tolist()},
        pixel_columns,
    ],
    ids=["text", "flat", "nested", "fractions", "columns"],
)
def test_pixels_are_read_however_they_are_held(tmp_path, columns):
    faces = RNG.integers(0, 256, (5, 18, 18), np.uint8)
    faces[0, 0, 0] = 255
    names = ["happy", "sad", "happy", "sad", "sad"]
    people = ["a", "b", "a", "c", "b"]
    splits = ["Training", "Training", "PublicTest", "PublicTest", "PrivateTest"]
    table = pa.table({"emotion": names, **columns(faces), "Usage": splits, "person": people})
    read = read_faces(written(tmp_path / "faces.parquet", table))
    np.testing.assert_array_equal(read.faces.images[..., 0], faces)
    assert read.faces.labels.tolist() == [0, 1, 0, 1, 1]
    assert read.usage.tolist() == [1, 1, 2, 2, 3]
    assert read.groups is not None
    assert read.groups.tolist() == [0, 1, 0, 2, 1]


def test_fer2013_is_known_by_its_columns(tmp_path):
    faces = RNG.integers(0, 256, (3, 48 * 48))
    table = pa.table(
        {"emotion": [0, 3, 6], "pixels": [" ".join(map(str, face)) for face in faces.tolist()]}
    )
    read = read_faces(written(tmp_path / "fer2013.parquet", table))
    assert read.recognised.startswith("Parquet table of pixels")
    assert [read.faces.classes[each] for each in read.faces.labels] == ["angry", "happy", "neutral"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"label": ["a", None], "pixels": ["1 " * 256] * 2}, "row 2: no label (None)"),
        ({"label": ["a", "b"], "image": ["a.png", "b.png"]}, "holds string; expected the bytes"),
        ({"label": ["a", "b"], "pixels": [[1] * 256, [1] * 255]}, "faces of different sizes"),
        ({"label": ["a", "b"], "pixels": [[1] * 256, [256] * 256]}, "pixels from 1 to 256"),
        ({"label": ["a", "b"], "pixels": ["1 " * 256, "x " * 256]}, "pixel 1 is 'x'"),
        ({"label": ["a", "b"], "pixels": [[1] * 256, None]}, "a row without pixels"),
        ({"label": ["a", "b"], "image": [b"", b"x"]}, "row 1: no picture in this row"),
        ({"happy": [1, 1], "sad": [0, 1], "pixels": [[1] * 256] * 2}, "row 2: 2 classes are"),
        (
            {"happy": [1.0, 0.4], "sad": [0.0, 0.6], "pixels": [[1] * 256] * 2},
            "row 2: '0.4' in the column 'happy', expected 0 or 1",
        ),
        ({"age": [1, 2], "image": [b"x", b"x"]}, "no column named emotion among"),
        ({"label": [], "image": []}, "no rows in it"),
        (
            {"label": ["a", "b"], "split": ["train", "?"], "image": [b"x"] * 2},
            "row 2: unknown Usage",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, columns, said):
    assert said in refusal(written(tmp_path / "faces.parquet", pa.table(columns)))


def test_marks_are_those_of_a_text_table(tmp_path):
    marks = {
        "happy": pa.array(["0", "1", None]),
        "sad": pa.array([True, False, False]),
        "fear": pa.array([float("nan"), 0.0, 1.0]),
    }
    table = pa.table({**marks, "pixels": [[1] * 256] * 3})
    read = read_faces(written(tmp_path / "faces.parquet", table))
    assert [read.faces.classes[each] for each in read.faces.labels] == ["sad", "happy", "fear"]


def test_columns_hold_votes_where_that_is_asked_for(tmp_path):
    given = {"happy": [0.75, 0.1], "sad": [0.25, 0.9], "pixels": [[1] * 256, [2] * 256]}
    path = written(tmp_path / "faces.parquet", pa.table(given))
    read = read_faces(path, Wanted(votes="columns", votes_as="soft"))
    assert read.faces.labels.tolist() == [0, 1]
    np.testing.assert_allclose(read.faces.targets, [[0.75, 0.25], [0.1, 0.9]], atol=1e-6)
    path = written(tmp_path / "b.parquet", pa.table({**given, "happy": [0.75, 0.3]}))
    assert "row 2: the columns of the classes come to 1.2" in refusal(
        path, votes="columns", votes_as="soft"
    )


def test_a_label_that_the_names_do_not_know_is_named(tmp_path):
    path = written(tmp_path / "faces.parquet", hugging_face([0, -1])[0])
    assert "row 2: the label -1, expected 0 to 2 for the 3 names" in refusal(path)


def test_without_pyarrow_the_command_that_installs_it_is_said(tmp_path, monkeypatch):
    path = written(tmp_path / "faces.parquet", hugging_face([0, 1])[0])
    monkeypatch.setitem(EXTRAS, "parquet", ("no_such_module",))
    said = refusal(path)
    assert "a Parquet table needs no_such_module, which is not installed" in said
    assert "pip install" in said


@settings(max_examples=40)
@given(at=st.integers(0, 10_000), junk=st.binary(min_size=1, max_size=30), cut=st.booleans())
def test_damage_is_an_error_for_people_or_none(tmp_path_factory, at, junk, cut):
    folder = tmp_path_factory.mktemp("damaged")
    path = written(folder / "faces.parquet", hugging_face([0, 1])[0])
    content = bytearray(path.read_bytes())
    at %= len(content)
    content[at:] = b"" if cut else junk + bytes(content[at + len(junk) :])
    path.write_bytes(content)
    # Some damage is to what nobody reads.
    with suppress(InputError):
        assert read_faces(path, cache=False).faces.images.dtype == np.uint8
