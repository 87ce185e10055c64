"""The cache: the same faces as the source, whatever happens to it, and never in the way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferkeras.cli.errors import InputError
from ferkeras.data import read, selection
from ferkeras.data.cache import entries, location, pruning
from ferkeras.data.digests import fingerprint_of
from ferkeras.data.faces import Faces, ReadFaces
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.read import read_faces
from ferkeras.data.readers import recognise
from ferkeras.files.inner import InnerPath
from ferkeras.files.writing import temporary_name


def table(count: int = 5, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    rows = [
        f"{row % 7},{' '.join(map(str, rng.integers(0, 256, 2304)))},Training"
        for row in range(count)
    ]
    return "\n".join(["emotion,pixels,Usage", *rows])


@pytest.fixture
def kept_in(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept" / location.FOLDER


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "fer2013.csv"
    path.write_text(table())
    return path


@pytest.fixture
def count_readings(monkeypatch) -> list[Path]:
    """Every reading of a source, as opposed to the cache, adds to this list."""
    seen = []
    original = read._read

    def counting(path, *rest):
        seen.append(path)
        return original(path, *rest)

    monkeypatch.setattr(read, "_read", counting)
    return seen


def assert_same(one, other) -> None:
    assert one.fingerprint == other.fingerprint
    for name in ("images", "labels"):
        first, second = getattr(one.faces, name), getattr(other.faces, name)
        np.testing.assert_array_equal(first, second)
        assert first.dtype == second.dtype
        assert first.flags.writeable is second.flags.writeable is False
        assert type(first) is type(second) is np.ndarray
    np.testing.assert_array_equal(one.usage, other.usage)
    assert one.usage.dtype == other.usage.dtype == np.int8


def test_the_second_reading_is_the_first_without_reading(kept_in, source, count_readings):
    first = read_faces(source)
    assert_same(read_faces(source), first)
    assert len(count_readings) == 1
    assert_same(read_faces(source, cache=False), first)
    assert len(count_readings) == 2


def test_content_decides_and_not_the_name(kept_in, source, count_readings, tmp_path):
    read_faces(source)
    copy = shutil.copy(source, tmp_path / "other.csv")
    assert read_faces(copy).source == str(copy)
    assert len(count_readings) == 1
    source.write_text(table(seed=1))
    assert read_faces(source).fingerprint != read_faces(copy).fingerprint
    assert len(count_readings) == 2


def test_a_touched_picture_is_read_anew(kept_in, tmp_path, count_readings):
    picture = tmp_path / "faces" / "happy" / "1.png"
    picture.parent.mkdir(parents=True)
    Image.new("L", (48, 48), 3).save(picture)
    other = tmp_path / "faces" / "sad" / "1.png"
    other.parent.mkdir()
    Image.new("L", (48, 48), 2).save(other)
    times = picture.stat()
    first = read_faces(tmp_path / "faces")
    assert_same(read_faces(tmp_path / "faces"), first)
    assert len(count_readings) == 1
    Image.new("L", (48, 48), 4).save(picture)
    # Same name, size and modification time: only the change time gives it away.
    os.utime(picture, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert read_faces(tmp_path / "faces").faces.images.max() == 4
    assert len(count_readings) == 2


def test_another_reader_version_reads_anew(kept_in, source, count_readings, monkeypatch):
    read_faces(source)
    monkeypatch.setattr(location, "READER_VERSION", location.READER_VERSION + 1)
    read_faces(source)
    assert len(count_readings) == 2


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "header", "pickle", "folder", "array"])
def test_a_damaged_entry_is_silently_rebuilt(kept_in, source, count_readings, damage):
    first = read_faces(source)
    (entry,) = kept_in.glob("*.npy")
    content = bytearray(entry.read_bytes())
    if damage == "cut":
        entry.write_bytes(content[:-1])
    elif damage == "flip":
        content[-5000] ^= 1
        entry.write_bytes(content)
    elif damage == "empty":
        entry.write_bytes(b"")
    elif damage == "header":
        entry.write_bytes(content.replace(b"labels", b"la'els"))
    elif damage == "pickle":
        np.save(entry, np.array([{}], object), allow_pickle=True)
    elif damage == "folder":
        entry.unlink()
        entry.mkdir()
    elif damage == "array":
        np.save(entry, np.arange(3))
    assert_same(read_faces(source), first)
    assert len(count_readings) == 2
    if damage != "folder":
        assert_same(read_faces(source), first)
        assert len(count_readings) == 2


def test_a_place_that_cannot_be_written_does_not_fail_the_read(source, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "file" / "below"))
    assert len(read_faces(source).faces) == 5


def test_a_full_disk_leaves_nothing_behind(kept_in, source, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert len(read_faces(source).faces) == 5
    assert list(kept_in.iterdir()) == []


def test_a_bad_source_leaves_nothing_behind(kept_in, source):
    source.write_text(table() + "\n9,1 2 3,Training")
    with pytest.raises(InputError):
        read_faces(source)
    assert not kept_in.exists()


def test_a_source_that_changes_meanwhile_is_refused_and_not_kept(kept_in, source, monkeypatch):
    original = recognise.read_pixel_table

    def changing(path, columns, progress):
        found = original(path, columns, progress)
        path.write_text(table(6))
        return found

    monkeypatch.setattr(recognise, "read_pixel_table", changing)
    with pytest.raises(InputError, match="changed while it was being read"):
        read_faces(source)
    assert not kept_in.exists()


def test_the_longest_unused_entries_go(kept_in, source):
    for seed in range(pruning.KEPT + 2):
        source.write_text(table(1, seed))
        read_faces(source)
        for entry in kept_in.iterdir():
            os.utime(entry, (entry.stat().st_mtime - 100,) * 2)
    old = kept_in / temporary_name(".npy")
    old.write_text("")
    os.utime(old, (0, 0))
    source.write_text(table(2))
    read_faces(source)
    assert len(list(kept_in.iterdir())) == pruning.KEPT
    assert not old.exists()


@pytest.mark.parametrize("large", [1, selection.LARGE], ids=["on disk", "in memory"])
def test_what_another_process_removes_meanwhile_is_no_obstacle(
    kept_in, source, count_readings, monkeypatch, large
):
    listed = InnerPath.iterdir
    monkeypatch.setattr(
        InnerPath, "iterdir", lambda path: [*listed(path), path / temporary_name(".npy")]
    )
    monkeypatch.setattr(selection, "LARGE", large)
    first = read_faces(source)
    assert_same(read_faces(source), first)
    assert len(count_readings) == 1


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FERKERAS_CACHE", "/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert location.cache_folder() == Path("/own")
    monkeypatch.delenv("FERKERAS_CACHE")
    assert location.cache_folder() == Path("/xdg/ferkeras")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert location.cache_folder() == tmp_path / ".cache" / "ferkeras"


def test_the_fingerprint_tells_pixels_labels_and_usage_apart():
    images = np.zeros((2, 48, 48, 1), np.uint8)
    labels = np.array([1, 2], np.int32)
    usage = np.array([1, 1], np.int8)
    prints = {
        fingerprint_of(Faces(images, labels, FER2013.classes), usage),
        fingerprint_of(Faces(images + 1, labels, FER2013.classes), usage),
        fingerprint_of(Faces(images, labels[::-1].copy(), FER2013.classes), usage),
        fingerprint_of(Faces(images, labels, FER2013.classes), usage + 1),
        fingerprint_of(Faces(images[:1], labels[:1], FER2013.classes), usage[:1]),
    }
    assert len(prints) == 5
    assert fingerprint_of(Faces(images.copy(), labels, FER2013.classes), usage) in prints


@settings(max_examples=100)
@given(at=st.integers(0, 30_000), junk=st.binary(min_size=1, max_size=40), cut=st.booleans())
def test_no_damage_to_an_entry_is_ever_taken_for_faces(tmp_path_factory, at, junk, cut):
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERKERAS_CACHE", str(folder))
        images = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)
        faces, usage = (
            Faces(images, np.array([0, 1, 2], np.int32), FER2013.classes),
            np.array([1, 2, 3], np.int8),
        )
        print_ = fingerprint_of(faces, usage)
        entries.store("0" * 64, ReadFaces(faces, usage, "", print_, None, "a table"))
        (entry,) = (folder / location.FOLDER).iterdir()
        content = bytearray(entry.read_bytes())
        at %= len(content)
        content[at:] = b"" if cut else junk + bytes(content[at + len(junk) :])
        entry.write_bytes(content)
        found = entries.load("0" * 64)
    if found is not None:
        np.testing.assert_array_equal(found.faces.images, images)
        assert found.faces.labels.tolist() == [0, 1, 2]
        assert found.faces.classes == FER2013.classes
        assert found.usage.tolist() == [1, 2, 3]
        assert found.groups is None
        assert found.recognised == "a table"
