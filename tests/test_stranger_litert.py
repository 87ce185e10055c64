"""LiteRT files of strangers are tried in a process of their own, whatever becomes of it."""

import sys

import pytest

from ferkeras.cli.errors import InputError
from ferkeras.runs import litert_check
from ferkeras.runs.litert_check import check_litert, fault_of

CLASSES = "abcdefg"


@pytest.mark.parametrize(
    ("trial", "reason"),
    [
        pytest.param(
            "import os; os.abort()",
            "ends the process by signal 6",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="no such signals there"),
        ),
        ("while True: pass", "is not done after"),
        ("raise ValueError('\\x1b[2J odd')", "\\x1b[2J odd"),
        ("print('no word of mine')", "ends without a word"),
    ],
)
def test_whatever_a_file_does_to_its_trial_is_a_reason_to_refuse_it(trial, reason, monkeypatch):
    monkeypatch.setattr(litert_check, "_TRIAL", trial)
    monkeypatch.setattr(litert_check, "_WAIT", 0.1 if "while" in trial else 20)
    found = fault_of(b"", CLASSES)
    assert reason in found
    assert found.isprintable()
    with pytest.raises(InputError, match=r"model\.tflite"):
        check_litert(b"", "model.tflite", CLASSES)


def test_a_file_is_tried_once_and_an_altered_one_again(tmp_path, monkeypatch):
    monkeypatch.setenv("FERKERAS_CACHE", str(tmp_path / "cache"))
    tries = []
    monkeypatch.setattr(litert_check, "fault_of", lambda *given: tries.append(given))
    for each in (b"a graph", b"a graph", b"a grapf"):
        check_litert(each, "model.tflite", CLASSES)
    assert len(tries) == 2
