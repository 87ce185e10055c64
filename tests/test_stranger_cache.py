"""A cache folder that others use too, or have filled: own files only, own entries only."""

import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from ferkeras.data.cache import entries, location, pruning
from ferkeras.data.digests import fingerprint_of
from ferkeras.data.faces import Faces, ReadFaces
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.files import secret
from ferkeras.files.writing import temporary_name

KEY = "0123456789abcdef" * 4

unix = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need rights there")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "shared"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


def faces(labels=(0, 1, 6)) -> tuple[Faces, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 48, 48, 1), dtype=np.uint8)
    return Faces(images, np.array(labels, np.int32), FER2013.classes), np.ones(len(labels), np.int8)


def store(labels=(0, 1, 6), key=KEY) -> None:
    kept, usage = faces(labels)
    fingerprint = fingerprint_of(kept, usage)
    entries.store(key, ReadFaces(kept, usage, "", fingerprint, None, "a table"))


def test_files_of_others_in_the_folder_are_left_alone(folder):
    theirs = ["a.tmp", "faces-1.npy", "faces-v1-mine.npy", "notes.txt", f"faces-v1-{KEY}.npy"]
    own = folder / location.FOLDER
    own.mkdir()
    for name in theirs:
        for path in (folder / name, own / name):
            if path != own / f"faces-v1-{KEY}.npy":
                path.write_text("theirs")
                os.utime(path, (0, 0))
    for number in range(pruning.KEPT + 3):
        store(key=f"{number:064x}")
    assert all((folder / name).read_text() == "theirs" for name in theirs)
    assert all((own / name).read_text() == "theirs" for name in theirs[:-1])
    entries = [path for path in own.iterdir() if pruning._ENTRY.fullmatch(path.name)]
    assert len(entries) == pruning.KEPT


def test_an_entry_with_other_labels_and_a_right_fingerprint_is_not_believed(folder):
    store()
    assert entries.load(KEY).faces.labels.tolist() == [0, 1, 6]
    (entry,) = (folder / location.FOLDER).iterdir()
    forged, usage = faces((5, 5, 99))
    content = entry.read_bytes()
    own, own_usage = faces()
    for before, after in (
        (fingerprint_of(own, own_usage).encode(), fingerprint_of(forged, usage).encode()),
        (own.labels.astype("<i4").tobytes(), forged.labels.astype("<i4").tobytes()),
        (own.images.tobytes(), forged.images.tobytes()),
    ):
        assert content.count(before) == 1
        content = content.replace(before, after)
    entry.write_bytes(content)
    assert entries.load(KEY) is None


def test_an_entry_of_another_source_is_not_believed(folder):
    store()
    (entry,) = (folder / location.FOLDER).iterdir()
    entry.rename(entry.with_name(entry.name.replace(KEY, "f" * 64)))
    assert entries.load("f" * 64) is None


def test_an_entry_of_another_account_is_not_believed_and_written_anew(folder, monkeypatch):
    store()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder.parent / "config-of-somebody-else"))
    assert entries.load(KEY) is None
    store()
    assert entries.load(KEY) is not None


def test_without_a_place_for_a_secret_nothing_is_kept(folder, monkeypatch):
    (folder.parent / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder.parent / "file"))
    store()
    assert entries.load(KEY) is None
    assert not (folder / location.FOLDER).exists()


@unix
def test_the_secret_is_for_this_account_alone_and_stays(folder):
    first = secret.sign("a")
    (path,) = (folder.parent / "config" / "ferkeras").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret.sign("a") == first != secret.sign("b")
    assert secret.is_signed("a", first)
    assert not secret.is_signed("b", first)
    assert not secret.is_signed("a", "")


@unix
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "link to a folder"])
def test_traps_in_the_cache_are_passed_over(kind, folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    own = folder / location.FOLDER
    entry = own / f"faces-v{location.READER_VERSION}-{KEY}.npy"
    if kind == "link to a folder":
        own.symlink_to(tmp_path / "mine")
    else:
        own.mkdir()
        if kind == "link":
            entry.symlink_to(tmp_path / "mine" / "thesis.tex")
        elif kind == "pipe":
            os.mkfifo(entry)
        else:
            entry.mkdir()
    assert entries.load(KEY) is None
    store()
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"


def test_what_a_killed_process_left_goes_after_an_hour(folder):
    own = folder / location.FOLDER
    own.mkdir()
    old, new = own / temporary_name(".npy"), own / temporary_name(".npy")
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (0, 0))
    store()
    assert not old.exists()
    assert new.exists()
