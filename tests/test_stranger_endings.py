"""However a verb ends (disk, memory, signals, streams): one sentence and an exit code."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ferkeras.cli.command import parser, verb
from ferkeras.cli.endings import is_of_the_machine, words_for
from ferkeras.cli.quiet import caught_stderr
from ferkeras.cli.signals import Stopped, signals_raise, stop_requests

ROOT = Path(__file__).parents[1]

VERB = """
import os, sys, time
from ferkeras.cli.command import verb
@verb
def main(argv=None):
    if sys.argv[1] == "print":
        print("caf\\u00e9 \\u202f \\udc80 done")
    elif sys.argv[1] == "print much":
        print("x" * 1_000_000)
    elif sys.argv[1] == "fail":
        open("/nowhere/x")
    elif sys.argv[1] == "open":
        print(os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT), "error text", file=sys.stderr)
    elif sys.argv[1] == "wait":
        print("ready", flush=True)
        time.sleep(60)
    elif sys.argv[1] == "work":
        from ferkeras.cli.console import Console
        with Console() as console, console.working("at work"):
            sys.stdin.readline()
            console.print("more")
    return 0
sys.exit(main())
"""

unix = pytest.mark.skipif(sys.platform == "win32", reason="no such streams and signals there")


def run(redirect: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" "$2" "$3" {redirect}', sys.executable, VERB, *arguments],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )


@unix
@pytest.mark.parametrize(
    ("redirect", "what", "code", "said"),
    [
        ("", "print", 0, b""),
        (">&-", "print", 0, b""),
        ("2>&-", "print", 0, b""),
        ("2>&-", "fail", 1, b""),
        (">&- 2>&-", "fail", 1, b""),
        ("<&- >&- 2>&-", "print", 0, b""),
        ("2>/dev/full", "fail", 1, b""),
        ("", "fail", 1, b"error: /nowhere/x: No such file or directory\n"),
        (">/dev/full", "fail", 1, b"error: /nowhere/x: No such file or directory\n"),
    ],
)
def test_streams_that_are_closed_or_full_change_no_exit_code(redirect, what, code, said):
    done = run(redirect, what, "")
    assert (done.returncode, done.stderr) == (code, said)


@unix
@pytest.mark.parametrize("what", ["print", "print much"])
def test_output_that_nobody_can_take_is_an_error_in_one_line(what):
    done = run(">/dev/full", what, "")
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: a file or the standard output: No space left")
    assert done.stderr.count(b"\n") == 1


@unix
def test_a_reader_that_leaves_ends_it_without_a_word():
    done = run("| head -c 3", "print much", "")
    assert (done.stdout, done.stderr) == (b"xxx", b"")


@unix
@pytest.mark.parametrize("redirect", ["2>&-", ">&- 2>&-"])
def test_what_is_printed_never_lands_in_a_file_that_was_opened(redirect, tmp_path):
    assert run(redirect, "open", str(tmp_path / "events")).returncode == 0
    assert (tmp_path / "events").read_bytes() == b""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_letters_that_the_terminal_does_not_have_are_escaped(encoding):
    done = run("", "print", "", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\udc80 done" in done.stdout


@unix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_is_told_with_what_to_do(name, heard):
    process = subprocess.Popen(
        [sys.executable, "-c", VERB, "wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(getattr(signal, name))
    _, said = process.communicate()
    assert process.returncode == 128 + getattr(signal, name)
    assert b"the same command begins anew" in said
    assert b"Traceback" not in said


@unix
@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("name", "code"), [(None, 0), ("SIGHUP", 129)])
def test_a_terminal_that_is_closed_ends_nothing_but_by_its_signal(name, code, unbuffered):
    terminal, its = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", VERB, "work"],
        stdin=subprocess.PIPE,
        stdout=its,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm",
            "PYTHONUNBUFFERED": unbuffered,
        },
    )
    os.close(its)
    assert os.read(terminal, 1)  # the bar is drawn
    os.close(terminal)
    if name:
        process.send_signal(getattr(signal, name))
    _, said = process.communicate(b"" if name else b"\n")
    assert process.returncode == code
    assert (b"the same command begins anew" in said) == bool(name)
    assert b"error" not in said


@unix
def test_an_ignored_signal_stays_ignored_and_handlers_come_back():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_raise(), stop_requests() as request:
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0)
            assert request.signal is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped, match="SIGTERM"), signals_raise():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == handler


def ending(error: BaseException, capsys) -> tuple[int, str]:
    @verb
    def main(argv=None) -> int:
        raise error

    code = main([])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError(28, "No space left on device", "a/b.png"),
            "a/b.png: No space left on device; make",
        ),
        (OSError(30, "Read-only file system", "a\x1b[2Jb"), "'a\\x1b[2Jb': Read-only file system"),
        (
            PermissionError(13, "Permission denied", "x", None, "y"),
            "x to y: Permission denied; ask",
        ),
        (OSError("h5py: errno = 28\nmore"), "(h5py: errno = 28 more)"),
        (OSError(), "OSError"),
        (MemoryError("Unable to allocate 3.2 GiB for an array"), "not enough memory for 3.2 GiB"),
        (MemoryError(), "not enough memory; lower train.batch_size"),
    ],
)
def test_errors_of_the_machine_are_one_sentence(error, words, capsys):
    code, said = ending(error, capsys)
    assert code == 1
    assert said.startswith("error: ")
    assert words in said
    assert said.count("\n") == 1


def test_errors_of_tensorflow_are_known_by_their_kind(capsys):
    import tensorflow as tf

    full = tf.errors.ResourceExhaustedError(
        None, None, "OOM when allocating tensor with shape[65536,32,48,48] and type float"
    )
    assert "not enough memory for an array of [65536,32,48,48]" in ending(full, capsys)[1]
    disk = tf.errors.UnknownError(None, None, "/x/events; No space left on device")
    assert ending(disk, capsys) == (1, "error: a file cannot be read or written (No space left)\n")
    assert not is_of_the_machine(tf.errors.InvalidArgumentError(None, None, "shapes"))


def test_a_mistake_in_the_program_stays_one():
    @verb
    def main(argv=None) -> int:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        main([])


def test_without_a_folder_for_temporary_files_stderr_is_only_less_quiet(monkeypatch):
    def nowhere(*arguments, **more):
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", nowhere)
    with caught_stderr():
        pass
    assert words_for(FileNotFoundError(2, "No usable temporary directory found"))


@pytest.mark.parametrize(
    ("error", "said"),
    [(ValueError("a bug"), "noise"), (Stopped(signal.SIGTERM), ""), (KeyboardInterrupt(), "")],
)
def test_a_signal_does_not_show_what_was_kept_silent(error, said, capfd):
    @caught_stderr()
    def fail():
        os.write(2, b"noise")
        raise error

    with pytest.raises(type(error)):
        fail()
    assert capfd.readouterr().err == said


@unix
@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_that_nobody_can_read_is_no_success(word):
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m ferkeras {word} > /dev/full', sys.executable],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
        check=False,
    )
    assert done.returncode == 1
    assert b"Exception ignored" not in done.stderr


def test_a_path_that_no_system_has_is_wrong_input(capsys):
    @verb
    def main(argv=None):
        Path("x" * 300).stat()

    assert main() == 2
    assert "File name too long" in capsys.readouterr().err


def test_an_option_given_twice_is_refused_and_a_parser_may_be_used_again(capsys):
    parsed = parser("ferkeras.fit", "What it does.")
    parsed.add_argument("--name")
    assert parsed.parse_args(["--name", "a"]).name == "a"
    assert parsed.parse_args(["--name", "b"]).name == "b"
    with pytest.raises(SystemExit) as ended:
        parsed.parse_args(["--name", "a", "--name", "a"])
    assert ended.value.code == 2
    assert "--name: given twice; keep one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "code", "said"),
    [
        ("", 0, ""),
        ("import sys; keras = type(sys)('keras'); sys.modules['keras'] = keras; "
         "keras.config = type(sys)('config'); keras.config.backend = lambda: 'jax'; ",
         1, "Keras runs on jax in this process"),
    ],
)  # fmt: skip
def test_keras_runs_on_tensorflow_whatever_the_environment_says(before, code, said):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{before}from ferkeras.cli.quiet import import_tensorflow; import_tensorflow(); "
            "import keras; print(keras.config.backend())",
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "jax"},
        check=False,
    )
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ("tensorflow\n" if code == 0 else "")
