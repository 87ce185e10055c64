"""Commands in messages: they can be pasted into the shell that they are printed in."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferkeras.cli import invocation
from ferkeras.cli.command import parser
from ferkeras.cli.invocation import as_typed_here, command_line, opening, program_line, shell_words


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An environment with an interpreter in a folder of its own; the PATH leads nowhere."""
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name in ("python", "tensorboard"):
        (folder / name).touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.chdir(tmp_path)
    return folder


def test_an_environment_that_is_not_active_is_named(environment):
    assert command_line("evaluate", "a-001") == ".venv/bin/python -m ferkeras.evaluate a-001"
    assert program_line("tensorboard", "--logdir", "x") == ".venv/bin/tensorboard --logdir x"
    assert "python -m ferkeras.fit" in as_typed_here("python -m ferkeras.fit --help")


def test_from_elsewhere_the_whole_path_is_named(environment, tmp_path, monkeypatch):
    (tmp_path / "my work").mkdir()
    monkeypatch.chdir(tmp_path / "my work")
    assert command_line("fit") == f"{environment}/python -m ferkeras.fit"


def test_an_active_environment_needs_no_path(environment, monkeypatch):
    monkeypatch.setenv("PATH", str(environment))
    assert command_line("fit", "--config", "demo") == "python -m ferkeras.fit --config demo"
    assert program_line("tensorboard") == "tensorboard"
    (environment / "ferkeras").touch(mode=0o755)
    assert command_line("fit", "--config", "demo") == "ferkeras fit --config demo"
    assert as_typed_here("  python -m ferkeras.fit") == "  ferkeras fit"


def test_programs_of_another_environment_are_not_meant(environment, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    for name in ("python", "ferkeras", "tensorboard"):
        (tmp_path / "other" / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'other'}{os.pathsep}{environment}")
    assert command_line("fit") == ".venv/bin/python -m ferkeras.fit"
    assert program_line("tensorboard") == ".venv/bin/tensorboard"


def test_a_path_that_begins_with_a_dash_is_no_option():
    assert command_line("fit", "--resume", Path("-r"), "train.epochs=3").endswith(
        "--resume ./-r train.epochs=3"
    )


def test_what_follows_two_dashes_is_no_option():
    words = parser("ferkeras.predict", None)
    words.add_argument("--csv", action="store_true")
    words.add_argument("paths", nargs="+")
    found = words.parse_args(["--csv", "--", "-o.png", "b.png"])
    assert (found.csv, found.paths) == (True, ["./-o.png", "b.png"])


def test_what_it_writes_runs(tmp_path):
    line = command_line("lr_find", "--steps", "1", "name=it's $HOME")
    done = subprocess.run(
        ["sh", "-c", line], cwd=Path(__file__).parents[1], capture_output=True, text=True
    )
    assert "--steps 1: expected at least" in done.stderr


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_posix_words_come_back(words):
    assert shlex.split(shell_words(words, windows=False)) == words


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("train.epochs=3", "train.epochs=3"),
        (r"runs\demo-001", r"runs\demo-001"),
        ("network.dense_units=[256,128]", '"network.dense_units=[256,128]"'),
        (r"C:\my faces\fer.csv", r'"C:\my faces\fer.csv"'),
        ("C:\\my faces\\", '"C:\\my faces\\\\"'),
        ('say "x"', r'"say \"x\""'),
        ("", '""'),
    ],
)
def test_windows_gets_double_quotes(word, written):
    assert shell_words(["python", word], windows=True) == f"python {written}"


@given(st.lists(st.text("ab \\\"'=[,", max_size=8), max_size=4))
def test_windows_words_come_back(words):
    assert split_as_windows(shell_words(words, windows=True)) == words


def split_as_windows(line):
    """Words of a command line as the C library of Windows takes them apart."""
    words, word, quoted, backslashes, begun = [], "", False, 0, False
    for character in [*line, " "]:
        if character == "\\":
            backslashes += 1
            begun = True
            continue
        if character == '"':
            word += "\\" * (backslashes // 2)
            if backslashes % 2:
                word += '"'
            else:
                quoted = not quoted
            begun = True
        else:
            word += "\\" * backslashes
            if character == " " and not quoted:
                if begun:
                    words.append(word)
                word, begun = "", False
            else:
                word, begun = word + character, True
        backslashes = 0
    return words


def test_a_file_is_opened_by_what_the_system_has(monkeypatch, environment):
    report = Path("a-001/report.html")
    monkeypatch.setattr(sys, "platform", "linux")
    assert opening(report) is None
    for program in ("xdg-open", "open"):
        (environment / program).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(environment))
    assert opening(report) == "xdg-open a-001/report.html"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert opening(report) == "open a-001/report.html"
    monkeypatch.setattr(invocation, "_WINDOWS", True)
    assert opening(report).startswith("explorer ")
