"""NumPy's arrays: which belong together, who is seen, and that the labels are those of now."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from test_layouts import read, refusal

from ferkeras.cli.errors import InputError
from ferkeras.data import read as reading
from ferkeras.data.read import read_faces

RNG = np.random.default_rng(8)


def faces(count: int) -> np.ndarray:
    return RNG.integers(0, 256, (count, 20, 20), np.uint8)


def names(count: int) -> np.ndarray:
    return np.array(["happy", "sad"] * count)[:count]


def written(path: Path, **arrays: object) -> Path:
    np.savez(path / "faces.npz", **arrays)
    return path / "faces.npz"


@pytest.fixture
def pair(tmp_path, monkeypatch) -> tuple[Path, Path]:
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "kept"))
    np.save(tmp_path / "images.npy", faces(4))
    np.save(tmp_path / "labels.npy", names(4))
    return tmp_path / "images.npy", tmp_path / "labels.npy"


def test_corrected_labels_beside_images_are_read(pair):
    images, labels = pair
    assert read_faces(images).faces.labels.tolist() == [0, 1, 0, 1]
    np.save(labels, names(5)[1:])
    assert read_faces(images).faces.labels.tolist() == [1, 0, 1, 0]


def test_labels_that_change_while_they_are_read_are_not_kept(pair, monkeypatch):
    images, labels = pair
    original = reading._read

    def changing(*args):
        os.utime(labels, (0, 0))
        return original(*args)

    monkeypatch.setattr(reading, "_read", changing)
    with pytest.raises(InputError, match=r"labels\.npy: changed while it was being read"):
        read_faces(images)


def test_splits_are_found_under_any_usual_name_with_who_is_seen(tmp_path):
    path = written(
        tmp_path,
        x_testing=faces(2), y_testing=names(2), groups_testing=[7, 8],
        X_train=faces(4), Y_train=names(4), groups_train=[0, 0, 1, 1],
        images_dev=faces(3), labels_dev=names(3), groups_dev=[5, 5, 6],
    )  # fmt: skip
    found = read(path)
    assert found.usage.tolist() == [1] * 4 + [2] * 3 + [3] * 2
    assert found.faces.labels.tolist() == [0, 1, 0, 1, 0, 1, 0, 0, 1]
    assert found.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 4, 5]
    assert not found.notes


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y_train": names(3), "x_test": faces(2), "y_test": names(3)},
         "y_train: 4 images and 3 labels"),
        ({"x_test": faces(2)}, "x_test without its labels"),
        ({"Y_test": names(2)}, "Y_test without its images"),
        ({"groups_test": [0, 1]}, "groups_test without its images"),
        ({"images_train": faces(4)}, "holds images_train, x_train; expected one of them"),
        ({"groups": [0, 1, 2, 3]}, "groups without its images"),
        ({"x": faces(2), "y": names(2)}, "x and y are of no split, and others are"),
        ({"groups_train": [0, 1]}, "4 images and groups_train of shape (2,)"),
        ({"groups_train": [0, 0, 1, 1], "x_val": faces(2), "y_val": names(2)},
         "only some of its splits say who is seen"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_pair_are_refused(tmp_path, arrays, said):
    path = written(tmp_path, **({"x_train": faces(4), "y_train": names(4)} | arrays))
    assert said in refusal(path)


def test_faces_of_another_split_are_said_to_be_left(tmp_path):
    path = written(tmp_path, x=faces(4), y=names(4), x_more=faces(2), y_more=names(2), extra=1)
    found = read(path)
    assert len(found.faces) == 4
    (note,) = found.notes
    assert note.startswith("x_more, y_more not read")


def test_no_images_are_refused_in_any_type(tmp_path):
    path = written(tmp_path, x=np.zeros((0, 20, 20)), y=names(0))
    assert "no images in it" in refusal(path)


def test_the_array_of_group_column_says_who_is_seen(tmp_path):
    path = written(tmp_path, images=faces(4), labels=names(4), groups=[0] * 4, who=list("abab"))
    assert read(path, group_column="who").groups.tolist() == [0, 1, 0, 1]
    assert "no array named 'whom', as data.group_column says; did you mean 'who'?" in refusal(
        path, group_column="whom"
    )


def test_class_names_in_bytes_are_utf_8(tmp_path):
    each = {"images": faces(4), "labels": [0, 1] * 2}
    written(tmp_path, **each, class_names=["fröhlich".encode(), b"traurig"])
    assert read(tmp_path / "faces.npz").faces.classes.names == ("fröhlich", "traurig")
    written(tmp_path, **each, class_names=["fröhlich".encode("latin-1"), b"traurig"])
    assert "names in bytes that are not UTF-8" in refusal(tmp_path / "faces.npz")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 20, 20",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999, 20, 20), }",
        "{'descr': ['|u1'], 'fortran_order': False, 'shape': (4, 20, 20), }",
    ],
)
def test_a_damaged_header_is_one_sentence(header, pair):
    images, _ = pair
    content = images.read_bytes()
    length = int.from_bytes(content[8:10], "little")
    images.write_bytes(content[:10] + header.ljust(length).encode() + content[10 + length :])
    assert "images.npy: damaged (" in refusal(images)


def test_damaged_archives_are_one_sentence(tmp_path):
    np.savez_compressed(tmp_path / "faces.npz", images=faces(6), labels=names(6))
    content = (tmp_path / "faces.npz").read_bytes()
    refused = 0
    for at in range(30, len(content), 97):
        damaged = content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]
        (tmp_path / "faces.npz").write_bytes(damaged)
        try:
            read(tmp_path / "faces.npz")
        except InputError:
            refused += 1
    assert refused > 5


def test_labels_without_columns_are_refused(tmp_path):
    assert "labels of shape (4, 0)" in refusal(
        written(tmp_path, images=faces(4), labels=np.zeros((4, 0)))
    )


def test_python_objects_are_not_read_and_the_way_out_is_named(tmp_path):
    x, y = np.zeros((2, 48, 48), np.uint8), np.array(["happy", "sad"], dtype=object)
    with pytest.raises(InputError, match=r"Python objects.*labels\.astype\(str\)"):
        read_faces(written(tmp_path, x=x, y=y))
