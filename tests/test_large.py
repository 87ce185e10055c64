"""Faces too many for memory: read to the disk, never copied, the same in everything."""

from __future__ import annotations

import mmap
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferkeras.check_data.check import check_material
from ferkeras.check_data.material import gather
from ferkeras.check_data.pictures import draw_pictures
from ferkeras.cli.errors import InputError
from ferkeras.config.sections.augment import Augment
from ferkeras.data import selection
from ferkeras.data.cache import large as large_faces
from ferkeras.data.cache import location, pruning
from ferkeras.data.faces import Faces, ReadFaces
from ferkeras.data.leakage import occurs_in
from ferkeras.data.pipeline import TrainingPipeline, plain_dataset
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.read import read_faces, read_readable
from ferkeras.data.readers.source import EncodedPictures
from ferkeras.data.selection import Selection, select
from ferkeras.data.split import split_faces
from ferkeras.data.statistics import pixel_statistics
from ferkeras.data.test_time_augmentation import augmented_views

SIDE, EACH = 20, 70


@pytest.fixture(autouse=True)
def kept_in(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept" / location.FOLDER


@pytest.fixture
def large(monkeypatch):
    """What is said to be large from here on, in bytes."""
    return lambda size=5000: monkeypatch.setattr(selection, "LARGE", size)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Colour pictures of two classes, more of them than are decoded at a time."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("happy", "sad")):
        (tmp_path / "faces" / name).mkdir(parents=True)
        for which in range(EACH):
            pixels = rng.integers(100 * number, 156 + 100 * number, (SIDE, SIDE, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "faces" / name / f"{which:02}.png")
    return tmp_path / "faces"


def in_a_file(array: np.ndarray) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


def assert_same(one, other) -> None:
    np.testing.assert_array_equal(one.faces.images, other.faces.images)
    np.testing.assert_array_equal(one.faces.labels, other.faces.labels)
    assert one.fingerprint == other.fingerprint
    assert one.faces.images.flags.writeable is False


@pytest.mark.parametrize("kept", [True, False])
def test_many_pictures_are_read_to_the_disk_and_are_the_same(folder, kept_in, large, kept):
    small = read_faces(folder, cache=False)
    assert not in_a_file(small.faces.images)
    large()
    first = read_faces(folder, cache=kept)
    assert in_a_file(first.faces.images)
    assert_same(first, small)
    assert kept_in.is_dir() is kept
    if kept:
        assert [entry.suffix for entry in kept_in.iterdir()] == [".npy"]


def test_what_was_read_is_found_again_without_decoding(folder, large, monkeypatch):
    large()
    first = read_faces(folder)
    monkeypatch.setattr(EncodedPictures, "picture", None)
    assert_same(read_faces(folder), first)


def test_a_large_array_is_not_loaded_but_mapped(tmp_path, large):
    images = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", np.array(["happy", "sad"] * 15))
    large()
    for _ in range(2):
        read = read_faces(tmp_path / "images.npy")
        assert in_a_file(read.faces.images)
        np.testing.assert_array_equal(read.faces.images, images)
        assert read.faces.labels.tolist() == [0, 1] * 15


def test_a_reading_may_be_of_more_than_2_gib(monkeypatch):
    room = namedtuple("usage", "total used free")(10**12, 0, 10**12)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    none, two = np.broadcast_to(np.uint8(0), (60_000, 112, 112, 3)), np.ones((2, 112, 112, 3), "u1")

    def reading(images):
        count = len(images)
        faces = Faces(images, np.zeros(count, np.int32), FER2013.classes)
        return ReadFaces(faces, np.zeros(count, np.int8), "many", "")

    # Not all come, so that none are kept.
    read = large_faces.on_disk("0" * 64, reading(none), iter([two]), reading)
    np.testing.assert_array_equal(read.faces.images, two)


def test_unreadable_pictures_among_many_are_passed_over_and_nothing_is_kept(folder, kept_in, large):
    (folder / "happy" / "03.png").write_bytes(b"nothing")
    (folder / "sad" / "65.png").write_bytes(b"nothing")
    small = read_readable(folder)
    large()
    reading = read_readable(folder)
    assert_same(reading.read, small.read)
    assert reading.names == small.names
    assert [text.partition(":")[0] for text in reading.unreadable] == [
        str(folder / name) for name in ("happy/03.png", "sad/65.png")
    ]
    assert list(kept_in.iterdir()) == []
    with pytest.raises(InputError, match=r"03\.png: unreadable image"):
        read_faces(folder)
    assert list(kept_in.iterdir()) == []


def test_a_disk_without_room_is_told_before_anything_is_read(folder, kept_in, large, monkeypatch):
    large()
    usage = namedtuple("usage", "total used free")(10, 10, 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(EncodedPictures, "_decoded", None)
    with pytest.raises(InputError, match=r"140 faces of 20 x 20 pixels need 0\.0 GB.*FERKERAS_CAC"):
        read_faces(folder)
    assert list(kept_in.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_behind(folder, kept_in, large, monkeypatch):
    large()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(large_faces, "demand_room", lambda _: None)
    monkeypatch.setattr("ferkeras.files.writing.os.fsync", full)
    with pytest.raises(InputError, match=r"cannot take 140 faces.*No space left"):
        read_faces(folder)
    assert list(kept_in.iterdir()) == []


def test_kept_readings_are_bounded_in_bytes(folder, kept_in, large, monkeypatch):
    read_faces(folder)
    (old,) = kept_in.iterdir()
    monkeypatch.setattr(pruning, "KEPT_BYTES", old.stat().st_size + 1)
    large()
    (folder / "sad" / "65.png").unlink()
    read_faces(folder)
    (new,) = kept_in.iterdir()
    assert new.name != old.name


def test_splits_of_many_are_the_same_and_are_no_copies(folder, large):
    read = read_faces(folder)
    arguments = {"seed": 3, "validation_fraction": 0.3}
    small = split_faces(read, **arguments)
    large()
    many = split_faces(read, **arguments)
    assert many.fingerprint == small.fingerprint
    for one, other in ((many.train, small.train), (many.validation, small.validation)):
        assert isinstance(one.images, Selection)
        assert one.images.shape == other.images.shape
        assert one.task == other.task
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
        few = one.take(np.array([3, 1])).images
        assert isinstance(few, np.ndarray)
        np.testing.assert_array_equal(few, other.images[[3, 1]])


@pytest.mark.parametrize(
    "key", [2, -1, slice(3), slice(-4, None), np.array([5, 0, 5]), np.arange(30) % 3 == 0]
)
def test_a_selection_is_asked_as_an_array_is(key):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 16, 16, 3), np.uint8)
    index = rng.permutation(50)[:30]
    chosen = Selection(images, index)
    np.testing.assert_array_equal(chosen[key], images[index][key])
    np.testing.assert_array_equal(list(chosen), images[index])
    assert (len(chosen), chosen.size, chosen.nbytes) == (30, 30 * 768, 30 * 768)


def test_many_faces_are_fed_as_few_are(make_faces, large):
    faces = make_faces(np.arange(50) % 7)

    def batches(some: Faces):
        pipeline = TrainingPipeline(some, batch_size=8, seed=5, augmentation=Augment())
        return [*pipeline.dataset(1, 2, first_step=3), *plain_dataset(some)]

    few = batches(faces)
    large()
    many = faces.take(np.arange(50))
    assert isinstance(many.images, Selection)
    for (images, labels), (others, theirs) in zip(batches(many), few, strict=True):
        np.testing.assert_array_equal(images, others)
        np.testing.assert_array_equal(labels, theirs)
        assert images.dtype == others.dtype


def test_views_and_copies_of_many_are_those_of_few(make_faces, large):
    faces = make_faces(np.arange(9) % 7)
    few = list(augmented_views(faces.images, "multiscale"))
    large()
    many = select(faces.images, np.arange(9))
    for one, other in zip(augmented_views(many, "multiscale"), few, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(occurs_in(many, faces.images[:4]), np.arange(9) < 4)


def test_grey_values_of_many_are_those_of_some_spread_over_them(make_faces, large):
    faces = make_faces(np.zeros(400))
    faces = Faces(np.sort(faces.images, axis=0), faces.labels, faces.classes)
    exactly = pixel_statistics(faces)
    assert exactly == pytest.approx(
        (faces.images.mean() / 255, faces.images.std() / 255), rel=1e-12
    )
    large(100 * faces.images[0].nbytes)
    assert pixel_statistics(faces) == pytest.approx(exactly, rel=1e-2)


def test_checks_of_many_find_what_those_of_few_find(folder, tmp_path, large):
    shutil.copy(folder / "happy" / "00.png", folder / "sad" / "a copy.png")
    few = check_material(gather(str(folder)))
    large()
    many = check_material(gather(str(folder)))
    for one, other in zip(many.findings, few.findings, strict=True):
        # Which is measured on some of them.
        if one.check != "normalisation":
            assert (one.check, one.level, one.found) == (other.check, other.level, other.found)
            assert one.numbers == other.numbers
    (tmp_path / "pictures").mkdir()
    assert draw_pictures(many, tmp_path / "pictures")
