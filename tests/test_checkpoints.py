"""Checkpoints on disk, the lock of a run's folder, and signals."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferkeras.cli.errors import InputError, RunError
from ferkeras.cli.signals import stop_requests
from ferkeras.files.writing import remove_temporary_files, temporary_name
from ferkeras.runs.lock import LOCK_FILE, exclusive_lock
from ferkeras.training.checkpoints import Checkpoint, CheckpointFolder


def checkpoint(step=0) -> Checkpoint:
    arrays = [np.array(float(step)), np.arange(6, dtype=np.float32).reshape(2, 3), np.uint32([7])]
    return Checkpoint(3, step, {"rows": [{"loss": float("nan")}], "best": -float("inf")}, arrays)


def steps(folder: CheckpointFolder) -> list[int]:
    return sorted(int(path.name.split("-")[0]) for path in folder.folder.iterdir())


@pytest.fixture
def folder(tmp_path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "checkpoints")


def test_what_is_saved_is_read_back(folder):
    assert folder.newest(pytest.fail) is None
    folder.save(checkpoint(57))
    read = folder.newest(pytest.fail)
    assert (read.epoch, read.step, read.place) == (3, 57, "epoch 3, 57 steps done")
    assert read.state["best"] == -float("inf")
    assert np.isnan(read.state["rows"][0]["loss"])
    for a, b in zip(read.arrays, checkpoint(57).arrays, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)


def test_two_are_kept_and_the_last_written_counts(folder):
    for step in (5, 6, 7, 2):
        folder.save(checkpoint(step))
    assert steps(folder) == [3, 4]
    assert folder.newest(pytest.fail).step == 2
    folder.clear()
    assert not folder.folder.exists()


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_noticed_wherever_it_is(tmp_path_factory, at, change):
    folder = CheckpointFolder(tmp_path_factory.mktemp("c") / "checkpoints")
    folder.save(checkpoint(1))
    newest = folder.save(checkpoint(2))
    content = bytearray(newest.read_bytes())
    content[at % len(content)] ^= change
    newest.path.write_bytes(content)
    messages = []
    assert folder.newest(messages.append).step == 1
    assert len(messages) == 1
    assert str(newest) in messages[0]
    assert "damaged" in messages[0]
    # The damaged one is gone, so that it does not count among the two.
    folder.save(checkpoint(3))
    assert len(steps(folder)) == 2


@pytest.mark.parametrize("damage", [b"", b"half"])
def test_when_none_is_whole_it_says_what_to_do(folder, damage):
    for step in (1, 2):
        folder.save(checkpoint(step)).path.write_bytes(damage)
    with pytest.raises(InputError, match="none of its 2 checkpoints is whole; remove this folder"):
        folder.newest(lambda text: None)


@pytest.mark.parametrize("function", ["os.fsync", "os.replace"])
def test_a_failed_write_leaves_the_others_and_no_temporary_file(folder, monkeypatch, function):
    for step in (1, 2):
        folder.save(checkpoint(step))
    before = sorted(folder.folder.iterdir())

    def fail(*arguments, **more):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(function, fail)
        with pytest.raises(OSError, match="No space left"):
            folder.save(checkpoint(3))
    assert sorted(folder.folder.iterdir()) == before
    assert folder.newest(pytest.fail).step == 2


def test_what_a_killed_save_leaves_is_removed_and_nothing_else(folder):
    folder.save(checkpoint(1))
    left = folder.folder / temporary_name(".npz")
    left.path.write_bytes(b"half")
    theirs = [folder.folder / name for name in (".gitkeep", ".env.template", ".000002-00ff.npz")]
    for path in theirs:
        path.path.write_bytes(b"")
    assert folder.newest(pytest.fail).step == 1
    assert not left.exists()
    assert all(path.exists() for path in theirs)
    folder.clear()
    assert all(path.exists() for path in theirs)


def test_a_folder_has_one_process_at_a_time(tmp_path):
    with (
        exclusive_lock(tmp_path),
        pytest.raises(InputError, match=f"process {os.getpid()} is at work"),
        exclusive_lock(tmp_path),
    ):
        pytest.fail("two at once")
    with exclusive_lock(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".ferkeras.lock"]
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_any_more_does_not_hide_what_happened(
    tmp_path, monkeypatch
):
    def refused(*arguments, **more):
        raise PermissionError(1, "Operation not permitted")

    (tmp_path / temporary_name(".keras")).write_bytes(b"half")
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", refused)
        patch.setattr("os.unlink", refused)
        patch.setattr("os.write", refused)
        remove_temporary_files(tmp_path)
        with pytest.raises(RunError, match="what happened"), exclusive_lock(tmp_path):
            raise RunError("what happened")
    remove_temporary_files(tmp_path)
    with exclusive_lock(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_in_place_of_the_lock_is_refused_and_its_target_untouched(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / LOCK_FILE).symlink_to(tmp_path / "thesis.tex")
    with pytest.raises(InputError, match="a link"), exclusive_lock(folder):
        pytest.fail("locked through a link")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


HOLD = """
import sys
from pathlib import Path
from ferkeras.runs.lock import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    with (
        pytest.raises(InputError, match=f"process {holder.pid} is at work"),
        exclusive_lock(tmp_path),
    ):
        pytest.fail("two at once")
    holder.kill()
    holder.communicate()
    with exclusive_lock(tmp_path):
        pass


def test_a_signal_that_is_ignored_stays_ignored(heard):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stop_requests() as request:
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.signal == signal.SIGTERM
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_wish_and_the_handlers_come_back(number, capfd, heard):
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with stop_requests() as request:
        assert request.signal is None
        os.kill(os.getpid(), number)
        assert request.signal == number
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.signal == number
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    assert capfd.readouterr().err.count("saving; Ctrl-C again") == 1
